//! Attacks on the memory of the interpreter and on the native stack: each ends with a result or an error.

mod common;

use std::thread;

use common::Sandbox;
use lua::function::Outcome;
use lua::interpreter::Interpreter;
use lua::stack::{Failure, Stack};

fn check(sandbox: &mut Sandbox, source: &str, result: Result<&str, &str>) {
    let result = result.map(str::to_owned).map_err(str::to_owned);
    assert_eq!(sandbox.run(source), result, "{source}");
}

#[test]
fn bounds_do_not_overflow() {
    for (source, result) in [
        // CVE-2025-46817.
        (
            "return unpack({}, 0, 2^31 - 1)",
            Err("user_script:1: too many results to unpack"),
        ),
        (
            "return unpack({}, -2^31, 2^31 - 1)",
            Err("user_script:1: too many results to unpack"),
        ),
        (
            "return unpack({}, -1, 2^31 - 2)",
            Err("user_script:1: too many results to unpack"),
        ),
        (
            "return select('#', unpack({}, 2^31 - 3, 2^31 - 1))",
            Ok("3"),
        ),
        ("return select('#', unpack({}, 1, 7900))", Ok("7900")),
        (
            "return string.byte(('x'):rep(9000), 1, -1)",
            Err("user_script:1: stack overflow (string slice too long)"),
        ),
        ("return select('#', ('x'):byte(-2^63, 2^63))", Ok("0")),
        ("return ('x'):sub(-2^53, 2^53) .. ('xy'):sub(2^53)", Ok("x")),
        ("return #string.format('%99.99f', -1e308)", Ok("410")),
        (
            "return string.format('%5.1s|%.20s|', 'ab', ('x'):rep(200))",
            Ok("    a|xxxxxxxxxxxxxxxxxxxx|"),
        ),
        // A border that needs all powers of two.
        (
            "local t = {} for i = 0, 30 do t[2^i] = true end t[2^31 - 1] = true t[3] = true return #t > 0 and 'ok'",
            Ok("ok"),
        ),
        // CVE-2025-46819.
        (
            "return tostring(loadstring('return [' .. ('='):rep(1000) .. '[x]' .. ('='):rep(1000) .. ']')())",
            Ok("x"),
        ),
        (
            "return select(2, loadstring('return [' .. ('='):rep(2e6) .. '[x')):sub(-30)",
            Ok("invalid long string delimiter near '<eof>'"
                .get(12..)
                .expect("a tail")),
        ),
    ] {
        check(&mut Sandbox::new(), source, result);
    }
}

#[test]
fn the_name_of_a_chunk_outlives_the_collector() {
    // CVE-2025-49844: the reader runs the collector while the parser has nothing but a pointer to the name.
    let source = "local step = 0 \
        local f, e = load(function() step = step + 1 collectgarbage() \
          for i = 1, 100 do local x = ('y'):rep(20) .. i end collectgarbage() \
          return step < 50 and ' x = 1 ' or step == 50 and ' ) ' or nil end, ('@name' .. ('z'):rep(15))) \
        return e";
    check(
        &mut Sandbox::new(),
        source,
        Ok("namezzzzzzzzzzzzzzz:1: unexpected symbol near ')'"),
    );
}

#[test]
fn proxies_share_a_metatable_only_with_proxies() {
    for (source, result) in [
        (
            "local p = newproxy(true) return tostring(getmetatable(newproxy(p)) == getmetatable(p))",
            Ok("true"),
        ),
        (
            "return newproxy({})",
            Err("user_script:1: bad argument #1 to 'newproxy' (boolean or proxy expected)"),
        ),
        (
            "return newproxy('')",
            Err("user_script:1: bad argument #1 to 'newproxy' (boolean or proxy expected)"),
        ),
        (
            "return newproxy(newproxy())",
            Err("user_script:1: bad argument #1 to 'newproxy' (boolean or proxy expected)"),
        ),
        ("return type(newproxy())", Ok("userdata")),
    ] {
        check(&mut Sandbox::new(), source, result);
    }
}

#[test]
fn finalizers_are_never_called() {
    let mut sandbox = Sandbox::new();
    let source = "local called = 0 for i = 1, 100 do \
        getmetatable(newproxy(true)).__gc = function() called = called + 1 error('x') end end \
        collectgarbage() collectgarbage() return called";
    check(&mut sandbox, source, Ok("0"));
    sandbox.run("p = nil").expect_err("readonly");
    // Closing the interpreter calls none either.
}

/// What uses the native stack most, each as deep as it gets.
const DEEP: [&str; 14] = [
    "local p = ('a?'):rep(9990) return #string.match(('a'):rep(9990), p)",
    "local p = ('[a]*'):rep(4990) return #string.match(('a'):rep(9990), p)",
    "return pcall(string.match, ('a'):rep(1e6), ('a?'):rep(1e6))",
    "return pcall(string.gsub, ('a'):rep(1e6), ('a-'):rep(1e6), '')",
    "return pcall(string.find, ('a'):rep(1e6), ('('):rep(1e6))",
    "local function f() string.gsub('a', 'a', f) end return pcall(f)",
    "local function f() coroutine.wrap(f)() end return pcall(f)",
    "local function f() coroutine.wrap(function() string.gsub('a', 'a', f) end)() end return pcall(f)",
    "local function f() return call_back(f) end return pcall(f)",
    "local function f() string.gsub('a', 'a', function() call_back(f) end) end return pcall(f)",
    "local function f() return xpcall(f, f) end return pcall(f)",
    "local t = {} setmetatable(t, {__index = function(t, k) return t[k] end}) return pcall(function() return t.x end)",
    "return loadstring('return ' .. ('('):rep(1e5))",
    "return loadstring(('function f() '):rep(1e5))",
];

#[test]
fn the_native_stack_is_never_exhausted() {
    // Half of what a main thread has; a sanitizer's frames are bigger.
    let size = if cfg!(asan) { 32 } else { 4 } << 20;
    let deep = || {
        for source in DEEP {
            let mut sandbox = Sandbox::new();
            sandbox.run(source).expect(source);
        }
    };
    let thread = thread::Builder::new().stack_size(size).spawn(deep);
    thread.expect("a thread").join().expect("no error");
}

#[test]
fn scripts_that_use_too_much_memory_get_an_error() {
    const MEMORY: Result<&str, &str> = Err("not enough memory");
    let mut sandbox = Sandbox::new();
    sandbox.interrupts = 1_000_000;
    for (source, result) in [
        ("return ('x'):rep(2^31 - 1)", MEMORY),
        ("local s = 'x' while true do s = s .. s end", MEMORY),
        ("local t = {} while true do t[#t + 1] = {} end", MEMORY),
        ("local t = {} for i = 1, 1e9 do t[i .. ''] = i end", MEMORY),
        (
            "local t = {} while true do t = {t, newproxy(true)} end",
            MEMORY,
        ),
        (
            "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
            MEMORY,
        ),
        (
            "local t = {} while true do t[#t + 1] = function() return t end end",
            MEMORY,
        ),
        (
            "return table.concat({('x'):rep(3e7), ('x'):rep(3e7)})",
            MEMORY,
        ),
        ("return #loadstring(('x = 1 '):rep(5e6))", MEMORY),
        // It can be caught, and there is memory again.
        (
            "local ok, e = pcall(string.rep, 'x', 1e9) return tostring(ok) .. e .. #('x'):rep(1e6)",
            Ok("falsenot enough memory1000000"),
        ),
        (
            "for i = 1, 3 do pcall(string.rep, 'x', 1e9) end return 'ok'",
            Ok("ok"),
        ),
        ("return 'ok'", Ok("ok")),
    ] {
        let source_result = sandbox.run(source);
        let result = result.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(source_result, result, "{source}");
    }
    // The table of strings shrinks by half in each cycle.
    for _ in 0..16 {
        sandbox.interpreter.collect();
    }
    let used = sandbox.interpreter.used();
    assert!(used < 1 << 17, "{used} bytes");
}

#[test]
fn functions_of_the_host_take_as_many_arguments_as_scripts_can_pass() {
    let mut sandbox = Sandbox::new();
    let source = "return call_back(function(...) return select('#', ...) end, unpack({}, 1, 7980))";
    check(&mut sandbox, source, Ok("7980"));
}

/// Fills a table with as many keys as its argument says; each tenth by `set`.
fn fill(stack: &mut Stack<'_>) -> Outcome {
    let count = stack.number(1).unwrap_or_default() as i32;
    stack.push_table(0, 0);
    for key in 0..count {
        // Spread out, so that none gets into the sequence.
        let key = (key + 1) * -2;
        if key % 20 == 0 {
            stack.push_number(f64::from(key));
            stack.push_boolean(true);
            if let Err(error) = stack.set(-3) {
                return Err(stack.fail(error.as_bytes()));
            }
        } else {
            stack.push_boolean(true);
            stack.set_at(-2, key);
        }
    }
    Ok(1)
}

#[test]
fn a_function_of_the_host_that_overfills_a_table_fails() {
    let mut interpreter = Interpreter::new();
    let mut stack = interpreter.stack();
    for (count, result) in [(1000, Ok(())), ((1 << 24) + 20, Err(Failure::Error))] {
        stack.push_function(fill);
        stack.push_number(f64::from(count));
        assert_eq!(stack.call(1, 1, 0), result, "{count}");
        if result.is_err() {
            assert_eq!(stack.bytes(-1), Some(b"table overflow".as_slice()));
        }
        stack.pop(1);
    }
}

#[test]
fn keys_that_collide_do_not_stall_a_table_that_grows() {
    // Numbers whose halves have the same sum have the same hash.
    let source = "local t = {} local n = 0 \
        for i = 1, 20000 do local k = math.ldexp(1 + i * 2^-20 + (20000 - i) * 2^-52, 40) t[k] = i n = n + 1 end \
        return n";
    let mut sandbox = Sandbox::new();
    sandbox.interrupts = 1_000_000;
    check(&mut sandbox, source, Ok("20000"));
}
