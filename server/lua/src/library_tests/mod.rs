//! The libraries as scripts see them, compared with Redis 7.2.6.
//!
//! Each script of this folder makes some thousands of calls and returns the lines of their results. The digests below are
//! those of the lines that Redis 7.2.6 returns: `redis-cli EVAL "$(cat NAME.lua)" 0`.

use crate::interpreter::Interpreter;
use crate::{bits, json, msgpack, sandbox, structs};

/// An interpreter with the libraries.
fn interpreter() -> Interpreter {
    let mut interpreter = Interpreter::new();
    let mut stack = interpreter.stack();
    sandbox::open(&mut stack);
    stack.push_globals();
    json::open(&mut stack);
    stack.set_field(1, b"cjson");
    msgpack::open(&mut stack);
    stack.set_field(1, b"cmsgpack");
    structs::open(&mut stack);
    stack.set_field(1, b"struct");
    bits::open(&mut stack);
    stack.set_field(1, b"bit");
    stack.set_top(0);
    interpreter
}

/// Runs a script; its result or error as text.
fn run_in(interpreter: &mut Interpreter, source: &[u8]) -> Vec<u8> {
    let mut stack = interpreter.stack();
    if stack.load(source, c"@user_script").is_ok() {
        let _ = stack.call(0, 1, 0);
    }
    let text = stack.convert_to_bytes(-1).unwrap_or(b"?").to_vec();
    stack.set_top(0);
    text
}

fn run(source: &str) -> String {
    String::from_utf8_lossy(&run_in(&mut interpreter(), source.as_bytes())).into_owned()
}

/// The lines that a script of this folder returns are those of Redis 7.2.6, whose FNV-1a digest this is.
fn compare(script: &str, bytes: usize, digest: u64) {
    let source = [
        include_str!("prelude.lua"),
        script,
        "return table.concat(lines, \"\\n\")",
    ];
    let lines = run_in(&mut interpreter(), source.concat().as_bytes());
    assert_eq!(
        lines.len(),
        bytes,
        "{}",
        String::from_utf8_lossy(&lines[..lines.len().min(200)])
    );
    let found = lines
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    assert_eq!(found, digest);
}

#[test]
fn bit_is_as_in_redis() {
    compare(include_str!("bit.lua"), 645_522, 0xd6ba_133e_46e5_a2ff);
}

#[test]
fn struct_is_as_in_redis() {
    compare(include_str!("struct.lua"), 2_528_170, 0x9f7e_0e83_ad1e_1e9d);
}

#[test]
fn cmsgpack_is_as_in_redis() {
    compare(
        include_str!("msgpack.lua"),
        3_199_432,
        0x6534_4528_aecc_6126,
    );
}

#[test]
fn cjson_is_as_in_redis() {
    compare(include_str!("json.lua"), 5_136_042, 0xdc35_b60d_71c3_f62c);
}

/// Numbers are written as `string.format` does, and read as `tonumber` does: both are C's.
#[test]
fn numbers_are_those_of_c() {
    const SCRIPT: &str = "
        local libraries = {}
        for precision = 1, 14 do
          libraries[precision] = cjson.new()
          libraries[precision].encode_number_precision(precision)
        end
        local function check(number)
          if number ~= number or number == 1 / 0 or number == -1 / 0 then return end
          local precision = random(14) + 1
          local text = string.format('%.' .. precision .. 'g', number)
          assert(libraries[precision].encode(number) == text, text)
          assert(cjson.encode(number) == tostring(number), tostring(number))
          for digits = 13, 20, 3 do
            local text = string.format('%.' .. digits .. 'g', number)
            assert(cjson.decode(text) == tonumber(text), text)
          end
        end
        for i = 1, 30000 do
          check(struct.unpack('d', struct.pack('I4I4', random(2147483646) * 2, random(2147483646) * 2)))
          check(random_number())
          check((random(2147483646) - 1073741823) / 10 ^ random(15))
          check((random(20000) + 0.5) / 2 ^ random(12))
        end
        for i = 1, 20000 do
          local function digits() return (random_bytes(12, '0123456789abcdef'):gsub('%X', '0')) end
          local text = '0x' .. random(10) .. digits() .. pick({'', '.'}) .. digits()
          if random(2) == 0 then text = text .. 'p' .. random(2400) - 1200 end
          assert(cjson.decode(text) == tonumber(text), text)
        end
        return 'equal'";
    assert_eq!(
        run(&[include_str!("prelude.lua"), SCRIPT].concat()),
        "equal"
    );
}

#[test]
fn settings_are_shared_by_scripts_and_a_new_library_has_its_own() {
    let mut interpreter = interpreter();
    for (source, expected) in [
        ("return cjson.encode_max_depth(3)", "3"),
        ("return cjson.encode_max_depth()", "3"),
        ("return cjson.new().encode_max_depth()", "1000"),
        (
            "local other = cjson.new() other.encode_max_depth(1) return cjson.encode({{}})",
            "{{}}",
        ),
        (
            "return cjson.encode({{{{}}}})",
            "user_script:1: Cannot serialise, excessive nesting (4)",
        ),
    ] {
        let expected = expected.replace("{{}}", "[{}]");
        let found = run_in(&mut interpreter, source.as_bytes());
        assert_eq!(String::from_utf8_lossy(&found), expected, "{source}");
    }
}

#[test]
fn cve_2018_11218_and_2022_24834_deep_nesting_ends_with_an_error() {
    let deep = "stack overflow";
    for source in [
        "return cmsgpack.unpack(('\\145'):rep(5000000))",
        "return cmsgpack.unpack(('\\129\\1'):rep(5000000))",
        "return cmsgpack.unpack(('\\129'):rep(5000000))",
    ] {
        assert!(run(source).contains(deep), "{source}: {}", run(source));
    }
    let setters = "cjson.decode_max_depth(2147483647) cjson.encode_max_depth(2147483647) ";
    for (source, error) in [
        (
            "return cjson.decode(('['):rep(5000000))",
            "Found too many nested data structures (7999)",
        ),
        (
            "return cjson.decode(('{\"a\":'):rep(5000000))",
            "Found too many nested data structures (4000)",
        ),
        (
            "local t = {} t[1] = t return cjson.encode(t)",
            "Cannot serialise, excessive nesting (7998)",
        ),
        (
            "local t = {} t.x = t return cjson.encode(t)",
            "Cannot serialise, excessive nesting (4000)",
        ),
    ] {
        let found = run(&format!("{setters}{source}"));
        assert!(found.contains(error), "{source}: {found}");
    }
}

#[test]
fn cve_2018_11219_and_2020_14147_sizes_of_struct_do_not_overflow() {
    for (source, error) in [
        (
            "return struct.pack('i2147483648', 1)",
            "integral size overflow",
        ),
        (
            "return struct.unpack('i99999999999999999999', 'x')",
            "integral size overflow",
        ),
        (
            "return struct.pack('I33', 1)",
            "integral size 33 is larger than limit of 32",
        ),
        (
            "return struct.unpack('c2147483647', 'x')",
            "data string too short",
        ),
        (
            "return struct.unpack('xc2147483647', 'x', 2^63)",
            "data string too short",
        ),
        (
            "return struct.unpack('i', 'abcd', -1)",
            "data string too short",
        ),
        (
            "return struct.unpack('!2147483648', 'x')",
            "integral size overflow",
        ),
        (
            "return struct.unpack('dc0', struct.pack('d', 2^64 - 2048))",
            "data string too short",
        ),
        ("return struct.pack('c2147483647', 'x')", "string too short"),
    ] {
        let found = run(source);
        assert!(found.contains(error), "{source}: {found}");
    }
}

#[test]
fn cve_2024_31449_tohex_takes_the_least_integer() {
    assert_eq!(run("return bit.tohex(65535, -2147483648)"), "0000FFFF");
}

/// What would take more than the limit ends with Lua's error, and the script can go on.
#[test]
fn cve_2022_24834_results_beyond_the_limit_are_refused() {
    for source in [
        "return cjson.encode(('\\1'):rep(12000000))",
        "return cjson.encode({('\"'):rep(12000000), ('/'):rep(12000000), x = 1})",
        "cjson.encode_sparse_array(true, 0, 0) return cjson.encode({[2147483647] = 1})",
        "local s = ('x'):rep(10000000) return cmsgpack.pack(s, s, s, s, s, s, s, s)",
        "local s = ('x'):rep(10000000) return cmsgpack.pack({s, s, s, s, s, s, s, s})",
        "local s = ('x'):rep(10000000) return struct.pack('ssssssss', s, s, s, s, s, s, s, s)",
        "return cjson.decode('[' .. ('[],'):rep(2000000) .. '[]]')",
        "return cmsgpack.unpack('\\221\\0\\64\\0\\0' .. ('\\144'):rep(4000000))",
        "return #cmsgpack.unpack('\\221\\255\\255\\255\\255' .. ('\\144'):rep(4000000))",
    ] {
        let mut interpreter = interpreter();
        interpreter.set_limit(64 << 20);
        let found = run_in(&mut interpreter, source.as_bytes());
        assert_eq!(
            String::from_utf8_lossy(&found),
            "not enough memory",
            "{source}"
        );
        interpreter.collect();
        let caught = format!(
            "local ok = pcall(function() {source} end) collectgarbage() \
             return tostring(ok) .. cjson.encode({{1}})"
        );
        let found = run_in(&mut interpreter, caught.as_bytes());
        assert_eq!(String::from_utf8_lossy(&found), "false[1]", "{source}");
        interpreter.collect();
        assert!(
            interpreter.used() < 8 << 20,
            "{source}: {}",
            interpreter.used()
        );
    }
}

/// Random inputs and damaged ones: each call returns or raises, and what is decoded can be encoded.
#[test]
fn random_inputs_are_harmless() {
    const SCRIPT: &[u8] = b"
        local input, format = ...
        pcall(cmsgpack.unpack, input)
        pcall(cmsgpack.unpack_limit, input, 3, 2)
        pcall(struct.unpack, format, input)
        pcall(struct.unpack, input, format)
        pcall(struct.size, input)
        pcall(struct.pack, input, 1, 2, format, 4, 5)
        local ok, value = pcall(cmsgpack.unpack_one, input)
        if ok then pcall(cjson.encode, value) pcall(cmsgpack.pack, value) end
        local ok, value = pcall(cjson.decode, input)
        if ok then cmsgpack.pack(value) pcall(cjson.encode, value) end
        return 'alive'";
    const SEEDS: [&[u8]; 4] = [
        b"{\"a\":[1,2.5e3,\"x\\u00e9\\ud83d\\ude00\\n\",null,true,{\"b\":-0.1}],\"c\":[[],{}]}",
        b"\x93\x01\xa3abc\x82\xa1x\xcb\x40\x09\x21\xfb\x54\x44\x2d\x18\xa1y\x92\xc0\xc3",
        b"<i4>I2!8dbhlfc3sxc0i16",
        b"[-Infinity,nan,0x1p3,+5,[[[[[[1]]]]]]]",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut interpreter = interpreter();
    for _ in 0..20_000 {
        let mut inputs = [Vec::new(), Vec::new()];
        for input in &mut inputs {
            *input = SEEDS[random(SEEDS.len())].to_vec();
            for _ in 0..random(6) {
                let at = random(input.len());
                match random(4) {
                    0 => input[at] = random(256) as u8,
                    1 => input.insert(at, random(256) as u8),
                    2 => input.truncate(at + 1),
                    _ => input.extend_from_within(at..),
                }
            }
        }
        let mut stack = interpreter.stack();
        assert_eq!(stack.load(SCRIPT, c"@fuzz"), Ok(()));
        for input in &inputs {
            stack.push_bytes(input);
        }
        assert_eq!(stack.call(2, 1, 0), Ok(()), "{inputs:?}");
        assert_eq!(stack.bytes(-1), Some(b"alive".as_slice()));
        stack.set_top(0);
    }
}
