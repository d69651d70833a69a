//! What scripts have, and that they can change none of it. The expected texts are those of Redis 7.2.6.

mod common;

use common::Sandbox;

/// Lists all globals with what can be reached from them.
const DUMP: &str = r#"
local out, seen = {}, {}
local function walk(t, path)
  if seen[t] then return end
  seen[t] = true
  for k, v in pairs(t) do
    local name = path .. tostring(k)
    if type(v) == 'table' then walk(v, name .. '.') else
      local s = type(v)
      if s == 'number' or s == 'string' then s = tostring(v) end
      table.insert(out, s == 'function' and name or name .. '=' .. s)
    end
  end
  local mt = getmetatable(t)
  if mt then walk(mt, path .. 'meta.') end
end
walk(_G, '')
walk(getmetatable(''), '"".meta.')
table.sort(out)
return table.concat(out, ' ')
"#;

/// What the script lists on Redis 7.2.6 without `redis`, `cjson`, `cmsgpack`, `struct`, `bit` and `__redis__err__handler`.
const GLOBALS: &str = "_VERSION=Lua 5.1 assert collectgarbage coroutine.create coroutine.resume coroutine.running \
    coroutine.status coroutine.wrap coroutine.yield error gcinfo getfenv getmetatable ipairs load loadstring math.abs \
    math.acos math.asin math.atan math.atan2 math.ceil math.cos math.cosh math.deg math.exp math.floor math.fmod \
    math.frexp math.huge=inf math.ldexp math.log math.log10 math.max math.min math.mod math.modf \
    math.pi=3.1415926535898 math.pow math.rad math.random math.randomseed math.sin math.sinh math.sqrt math.tan \
    math.tanh meta.__index newproxy next pairs pcall rawequal rawget rawset select setfenv setmetatable string.byte \
    string.char string.dump string.find string.format string.gfind string.gmatch string.gsub string.len string.lower \
    string.match string.rep string.reverse string.sub string.upper table.concat table.foreach table.foreachi \
    table.getn table.insert table.maxn table.remove table.setn table.sort tonumber tostring type unpack xpcall";

#[test]
fn globals_are_those_of_redis() {
    let listed = Sandbox::new().run(DUMP).expect("a list");
    let own = ["call_back", "swallow"];
    let listed: Vec<&str> = listed
        .split(' ')
        .filter(|name| !own.contains(name))
        .collect();
    assert_eq!(listed.join(" "), GLOBALS);
}

#[test]
fn nothing_that_scripts_share_can_be_changed() {
    const READONLY: &str = "user_script:1: Attempt to modify a readonly table";
    // From within a C function the text has no place.
    const IN_C: &str = "Attempt to modify a readonly table";
    for (source, error) in [
        ("x = 1", READONLY),
        ("function f() end", READONLY),
        ("_G.string.x = 1", READONLY),
        ("string.rep = nil", READONLY),
        ("math.pi = 3", READONLY),
        ("getmetatable('').__index = {}", READONLY),
        (
            "getmetatable('').__len = print",
            "user_script:1: Script attempted to access nonexistent global variable 'print'",
        ),
        ("getmetatable(_G).__index = nil", READONLY),
        ("rawset(_G, 'x', 1)", IN_C),
        ("rawset(getmetatable(''), '__index', 1)", IN_C),
        ("setmetatable(_G, {})", IN_C),
        ("setmetatable(string, {})", IN_C),
        ("setmetatable(getmetatable(''), {})", IN_C),
        ("table.insert(math, 1)", IN_C),
        ("table.insert(getmetatable(_G), 1)", IN_C),
        (
            "setfenv(pcall, {})",
            "user_script:1: 'setfenv' cannot change environment of given object",
        ),
        (
            "return foo",
            "user_script:1: Script attempted to access nonexistent global variable 'foo'",
        ),
        (
            "return _G[1.5]",
            "user_script:1: Script attempted to access nonexistent global variable '1.5'",
        ),
        (
            "return _G[{}]",
            "user_script:1: Second argument to luaProtectedTableError must be a string or number",
        ),
        (
            "getmetatable(_G).__index()",
            "user_script:1: Wrong number of arguments to luaProtectedTableError",
        ),
        (
            "getmetatable(_G).__index({}, 'a\\0b')",
            "user_script:1: Script attempted to access nonexistent global variable 'a'",
        ),
        (
            "return os.time()",
            "user_script:1: Script attempted to access nonexistent global variable 'os'",
        ),
        (
            "require 'os'",
            "user_script:1: Script attempted to access nonexistent global variable 'require'",
        ),
    ] {
        let mut sandbox = Sandbox::new();
        let before = sandbox.run(DUMP);
        assert_eq!(sandbox.run(source), Err(error.to_owned()), "{source}");
        assert_eq!(sandbox.run(DUMP), before, "{source}");
    }
}

#[test]
fn what_a_script_sets_in_the_interpreter_ends_with_it() {
    let mut sandbox = Sandbox::new();
    // The globals of the main coroutine.
    let own = "setfenv(0, {x = 'own'}) return getfenv(0).x .. loadstring('return x')()";
    assert_eq!(sandbox.run(own).as_deref(), Ok("ownown"));
    assert_eq!(
        sandbox.run("return type(getfenv(0).pcall)").as_deref(),
        Ok("function")
    );
    assert_eq!(sandbox.run("return tostring(1)").as_deref(), Ok("1"));
    // The collector.
    for stop in ["'stop'", "'setpause', 1e9", "'setstepmul', 1"] {
        let source = format!("return collectgarbage({stop})");
        sandbox.run(&source).expect("the old value");
        sandbox.interrupts = 10_000;
        let eats = "for i = 1, 20 do local t = {} for j = 1, 1e5 do t[j] = {} end end return 'ok'";
        assert_eq!(sandbox.run(eats).as_deref(), Ok("ok"), "{stop}");
    }
    // The size of numbers of the random generator does not depend on anything else.
    assert_eq!(
        sandbox.run("return math.random()").as_deref(),
        Ok("0.39646477363839")
    );
    assert_eq!(
        sandbox.run("return math.random()").as_deref(),
        Ok("0.84048536971234")
    );
    sandbox.run("math.randomseed(42)").expect("nothing");
    let both = "return math.random() .. ' ' .. math.random(-5, 2^30)";
    assert_eq!(
        sandbox.run(both).as_deref(),
        Ok("0.74452500033403 367972907")
    );
}

#[test]
fn the_language_is_that_of_redis() {
    for (source, result) in [
        (
            "return math.random('x')",
            Err("user_script:1: bad argument #1 to 'random' (number expected, got string)"),
        ),
        (
            "return math.random(0)",
            Err("user_script:1: bad argument #1 to 'random' (interval is empty)"),
        ),
        (
            "return math.random(3, 1)",
            Err("user_script:1: bad argument #2 to 'random' (interval is empty)"),
        ),
        (
            "return math.random(1, 2, 3)",
            Err("user_script:1: wrong number of arguments"),
        ),
        (
            "return math.randomseed()",
            Err("user_script:1: bad argument #1 to 'randomseed' (number expected, got no value)"),
        ),
        // A binary chunk is parsed as text.
        (
            "return select(2, loadstring(string.dump(function() end)))",
            Ok("[string \"\u{1b}LuaQ\"]:1: unexpected symbol near 'char(27)'"),
        ),
        ("return #string.dump(function() return 1 end)", Ok("102")),
        // The order of a table's keys depends on the hash function.
        (
            "local t, s = {}, '' for i = 1, 20 do t['key' .. i] = i end \
             for k in pairs(t) do s = s .. k:sub(4) .. ' ' end return s",
            Ok(ORDER),
        ),
        (
            "local t, s = {}, '' for i = 1, 12 do t[string.rep('long', 20) .. i] = i t[i / 3] = i t[i % 2 == 0] = i end \
             for k, v in pairs(t) do s = s .. v .. ' ' end return s",
            Ok(ORDER_LONG),
        ),
    ] {
        let result = result.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(Sandbox::new().run(source), result, "{source}");
    }
}

/// From Redis 7.2.6.
const ORDER: &str = "16 9 5 1 7 3 8 12 11 10 19 17 20 2 13 6 18 15 4 14 ";
const ORDER_LONG: &str = "3 6 2 5 8 5 10 9 10 1 3 9 6 7 12 12 4 11 11 12 8 2 11 4 1 7 ";
