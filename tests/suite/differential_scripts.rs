//! Sends the same generated scripts to this server and to Debian's (7.0.15): library functions with random arguments, and
//! commands with the conversion of their replies both ways. Results must be equal byte for byte.
//!
//! A script returns what `show` makes of the results: every value with its type, numbers with 17 digits, tables by sorted
//! keys, addresses masked. For a long run set `DIFFERENTIAL_SCRIPTS` and `DIFFERENTIAL_SEED`.

use data::util::rand::Rng;
use tests::client::{Transport, show};
use tests::peer::Peer;
use tests::server::Server;

use crate::differential::setting;

const SCRIPTS: u64 = 4000;

const SHOW: &str = r"
local function show(v, depth)
  local kind = type(v)
  if kind == 'number' then return 'n' .. string.format('%.17g', v) end
  if kind == 'string' then return 's' .. #v .. ':' .. (v:gsub('0x%x+', 'ADDRESS')) end
  if kind ~= 'table' then return kind == 'function' and kind or tostring(v) end
  if depth > 30 then return '...' end
  local parts = {}
  for key, value in pairs(v) do parts[#parts + 1] = show(key, depth + 1) .. '=' .. show(value, depth + 1) end
  table.sort(parts)
  return '{' .. table.concat(parts, ',') .. '}'
end
local function all(...)
  local parts = {}
  for i = 1, select('#', ...) do parts[i] = show((select(i, ...)), 0) end
  return table.concat(parts, ' ')
end
";

/// Functions with random arguments.
const FUNCTIONS: &[&str] = &[
    "string.byte",
    "string.char",
    "string.find",
    "string.format",
    "string.gsub",
    "string.len",
    "string.lower",
    "string.match",
    "string.reverse",
    "string.sub",
    "string.upper",
    "table.concat",
    "table.maxn",
    "math.floor",
    "math.ceil",
    "math.abs",
    "math.fmod",
    "math.max",
    "math.min",
    "math.modf",
    "math.pow",
    "math.sqrt",
    "math.ldexp",
    "math.frexp",
    "tonumber",
    "tostring",
    "select",
    "rawequal",
    "next",
    "type",
    "cjson.encode",
    "cjson.decode",
    "cmsgpack.pack",
    "cmsgpack.unpack",
    "cmsgpack.unpack_one",
    "cmsgpack.unpack_limit",
    "struct.pack",
    "struct.unpack",
    "struct.size",
    "bit.tobit",
    "bit.tohex",
    "bit.bnot",
    "bit.band",
    "bit.bor",
    "bit.bxor",
    "bit.lshift",
    "bit.rshift",
    "bit.arshift",
    "bit.rol",
    "bit.ror",
    "bit.bswap",
    "redis.sha1hex",
    "redis.error_reply",
    "redis.status_reply",
    "redis.pcall",
];

const ARGUMENTS: &[&str] = &[
    "nil",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "10",
    "16",
    "1.5",
    "-0.5",
    "255",
    "1e15",
    "1e100",
    "2^31",
    "-2^31",
    "2^32",
    "2^53",
    "1/0",
    "0/0",
    "''",
    "'a'",
    "'abc'",
    "'abcabc'",
    "'12'",
    "'0x10'",
    "' 5 '",
    "'1e3'",
    "'a\\0b'",
    "'%d'",
    "'%5.2f|%s'",
    "'%q'",
    "'%x'",
    "'(%w+)'",
    "'%a*'",
    "'[a-c]'",
    "'b'",
    "'.-c'",
    "'%f[a]'",
    "'[1,2.5,\"x\",null,true]'",
    "'{\"a\":{\"b\":[]}}'",
    "'[1'",
    "'\"\\\\u00e9\\\\n\"'",
    "'null'",
    "'\\145\\1'",
    "'\\130\\161a\\1\\161b\\2'",
    "'\\203\\64\\9\\33\\251\\84\\68\\45\\24'",
    "'>I2'",
    "'<i4i8'",
    "'bBhHs'",
    "'c3'",
    "'d'",
    "'!8 i4 d'",
    "'\\1\\2\\3\\4\\5\\6\\7\\8'",
    "{}",
    "{1,2,3}",
    "{1,nil,3}",
    "{a=1}",
    "{{1},{2,{3}}}",
    "{'a','b'}",
    "{[1]=1,[3]=3}",
    "{1.5,true,cjson.null}",
    "cjson.null",
    "cmsgpack.pack({1,'a',{b=2.5}})",
    "cjson.encode({x={1,2,{y='z'}}})",
    "struct.pack('>i4s', 5, 'abc')",
    "'get'",
    "'k1'",
];

/// Commands whose replies do not depend on the order of a hash table.
const COMMANDS: &[&str] = &[
    "'set','k1',V",
    "'get','k1'",
    "'incr','k1'",
    "'incrbyfloat','k1',V",
    "'append','k1',V",
    "'strlen','k1'",
    "'getrange','k1',V,V",
    "'setrange','k1',3,V",
    "'rpush','l',V,V",
    "'lrange','l',0,-1",
    "'lpop','l'",
    "'lpop','l',V",
    "'llen','l'",
    "'linsert','l','before',V,V",
    "'zadd','z',V,V",
    "'zscore','z',V",
    "'zrange','z',0,-1",
    "'zincrby','z',V,V",
    "'zcard','z'",
    "'hset','h',V,V",
    "'hget','h',V",
    "'hdel','h',V",
    "'hlen','h'",
    "'sadd','s',V",
    "'scard','s'",
    "'sismember','s',V",
    "'del','k1','l'",
    "'del','z','h','s'",
    "'type','k1'",
    "'exists','k1','l'",
    "'ttl','k1'",
    "'ping'",
    "'echo',V",
    "'nosuch',V",
    "'get'",
    "'mget','k1','l','x'",
    "'setbit','k1',V,1",
    "'object','nosuch'",
    "'lcs','k1','k2'",
    "'geoadd','g',V,V,'m'",
    "'geohash','g','m','n'",
    "'xlen','x'",
    "'command','count',V",
    "'select',V",
    "'config','get',V",
];

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.below(from.len() as u64) as usize]
}

/// A command with values in place of each `V`.
fn command(rng: &mut Rng) -> String {
    let mut parts = pick(rng, COMMANDS).split('V');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += pick(rng, ARGUMENTS);
        text += part;
    }
    text
}

fn script(rng: &mut Rng) -> String {
    let resp = if rng.below(3) == 0 {
        "redis.setresp(3) "
    } else {
        ""
    };
    match rng.below(4) {
        0 => format!("{resp}return redis.call({})", command(rng)),
        1 => format!("{SHOW}{resp}return all(redis.pcall({}))", command(rng)),
        // A value as the reply.
        2 => format!("{resp}return {}", pick(rng, ARGUMENTS)),
        _ => {
            let function = pick(rng, FUNCTIONS);
            let count = rng.below(4);
            let arguments: Vec<&str> = (0..count).map(|_| pick(rng, ARGUMENTS)).collect();
            let comma = if count > 0 { ", " } else { "" };
            format!(
                "{SHOW}return all(pcall({function}{comma}{}))",
                arguments.join(", ")
            )
        }
    }
}

#[test]
fn scripts_reply_as_those_of_debian() {
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let peer = Peer::start();
    for transport in [Transport::Tcp, Transport::Tls] {
        let server = Server::start(&[]);
        let (mut ours, mut theirs) = (server.client(transport), peer.connect());
        assert_eq!(theirs.text("FLUSHALL"), "OK");
        let mut rng = Rng::new(seed);
        let mut differences = Vec::new();
        for number in 0..setting("DIFFERENTIAL_SCRIPTS", SCRIPTS) {
            let script = script(&mut rng);
            let [ours, theirs] =
                [&mut ours, &mut theirs].map(|client| client.call(&["EVAL", &script, "0"]));
            if ours != theirs {
                let script = script.trim_start_matches(SHOW);
                let (ours, theirs) = (show(&ours), show(&theirs));
                differences.push(format!(
                    "{number}: {script}\n  ours {ours}\ntheirs {theirs}"
                ));
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}
