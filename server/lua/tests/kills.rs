//! Scripts that try to live on when they are killed, or to run long between two interrupts.

mod common;

use std::time::{Duration, Instant};

use common::Sandbox;

/// All ways to catch an error, around a function `f` that never ends.
const CATCHERS: [&str; 16] = [
    "pcall(f)",
    "xpcall(f, function() f() end)",
    "xpcall(f, pcall)",
    "xpcall(f, coroutine.wrap(f))",
    "xpcall(function() error('x') end, f)",
    "coroutine.resume(coroutine.create(f))",
    "pcall(coroutine.wrap(f))",
    "pcall(string.gsub, 'a', 'a', f)",
    "pcall(table.sort, {1, 2, 3}, f)",
    "pcall(table.foreach, {1}, f)",
    "load(f)",
    "load(function() return pcall(f) and 'x' end)",
    "pcall(tostring, setmetatable({}, {__tostring = f}))",
    "pcall(function() return setmetatable({}, {__index = f}).x end)",
    "pcall(call_back, f)",
    "swallow(f)",
];

#[test]
fn a_kill_cannot_be_caught() {
    for catcher in CATCHERS {
        for (before, after) in [
            ("", ""),
            ("while true do ", " end"),
            (
                "pcall(function() while true do ",
                " end end) while true do end",
            ),
            ("while true do coroutine.wrap(function() ", " end)() end"),
            (
                "call_back(function() while true do ",
                " end end) while true do end",
            ),
            (
                "swallow(function() while true do ",
                " end end) while true do end",
            ),
        ] {
            let source =
                format!("local function f() while true do end end {before}{catcher}{after}");
            let mut sandbox = Sandbox::new();
            sandbox.interrupts = 3;
            let error = sandbox.run(&source).expect_err(&source);
            assert!(error.ends_with("killed"), "{source}: {error}");
            // The next script runs as ever.
            let next = "return tostring(pcall(error)) .. select(2, xpcall(error, function() return 'caught' end))";
            assert_eq!(sandbox.run(next).as_deref(), Ok("falsecaught"), "{source}");
        }
    }
}

#[test]
fn the_error_of_a_kill_has_the_place() {
    let mut sandbox = Sandbox::new();
    let source = "\n\nwhile true do end";
    assert_eq!(sandbox.run(source), Err("user_script:3: killed".to_owned()));
}

#[test]
fn instructions_of_coroutines_count_together() {
    let mut sandbox = Sandbox::new();
    // Each coroutine alone stays below the period.
    let source = "local n = 0 while true do coroutine.wrap(function() for i = 1, 50000 do end end)() n = n + 1 \
        if n == 1000 then return 'never killed' end end";
    let error = sandbox.run(source).expect_err("a kill");
    assert!(error.ends_with("killed"), "{error}");
    let source = "local c = {} for i = 1, 5 do c[i] = coroutine.wrap(function() while true do for i = 1, 50000 do end \
        coroutine.yield() end end) end for n = 1, 1000 do c[n % 5 + 1]() end return 'never killed'";
    let error = sandbox.run(source).expect_err("a kill");
    assert!(error.ends_with("killed"), "{error}");
}

/// Operations of C that take long, alone or in a loop.
const LONG: [&str; 43] = [
    "local function f(...) return f(1, ...) end f()",
    "string.find(('a'):rep(30000), '.-.-.-.-b')",
    "string.match(('a'):rep(30000), '.*.*.*.*b')",
    "string.gsub(('a'):rep(30000), '(.-)(.-)(.-)%1b', '')",
    "for x in string.gmatch(('a'):rep(30000), 'a*a*a*b') do end",
    "string.find(('('):rep(100000), '%b()')",
    "string.find(('a'):rep(100000), ('['..('b'):rep(100000)..']*c'))",
    "string.find(('a'):rep(100000), ('%f['..('b'):rep(100000)..']c'))",
    "string.find(('a'):rep(10000000), ('a'):rep(5000000)..'b', 1, true)",
    "string.gsub(('a'):rep(1e6), 'a', ('%1'):rep(1e6))",
    "string.gsub(('a'):rep(1e6), '()', ('%%'):rep(1e6))",
    "string.rep('', 2^31 - 1)",
    "while true do string.rep('x', 1e7) end",
    "while true do string.reverse(s) string.lower(s) string.upper(s) end",
    "while true do local x = s .. 'a' end",
    "while true do local x = s < s end",
    "while true do local x = n + 1 end",
    "while true do for i = n, n, n do end end",
    "while true do math.abs(n) end",
    "while true do tonumber(n, 16) end",
    "while true do string.format('%q', s) end",
    "while true do string.format('%s%s', s, s) end",
    "table.insert({}, -2^31, 1)",
    "local t = {} t[1] = 1 while true do table.insert(t, -1e6, 1) end",
    "while true do table.concat(t) table.maxn(t) end",
    "while true do table.sort(t, function() return false end) end",
    "while true do table.foreachi(t, rawequal) table.foreach(t, type) end",
    "while true do unpack(t, 1, 7990) string.byte(s, 1, 7990) end",
    "local h = {} for i = 1, 1e6 do h[-i] = i end for i = 1, 1e6 do h[-i] = nil end while true do next(h) end",
    "while true do loadstring(('x = 1 '):rep(1e5)) end",
    "while true do collectgarbage() end",
    "while true do string.dump(loadstring(('x = 1 '):rep(1e4))) end",
    "while true do pcall(cjson.decode, '\"' .. s) end",
    "local a = '[' .. ('1,'):rep(1e6) while true do pcall(cjson.decode, a) end",
    "while true do pcall(cjson.encode, {t, error}) end",
    "local a = {[2^30] = 1} for i = 1, 1e6 do a[-i] = i end while true do pcall(cjson.encode, a) end",
    "local a = {[2^30] = 1} for i = 1, 1e6 do a[i] = i end while true do pcall(cjson.encode, a) end",
    "local a = {} for i = 1, 1e5 do a[i] = {} end while true do cmsgpack.pack(a) end",
    "local a = ('\\1'):rep(7990) while true do cmsgpack.unpack_limit(a, 7000, 0) end",
    "local a = '\\221\\255\\255\\255\\255' .. ('\\1'):rep(1e6) while true do pcall(cmsgpack.unpack, a) end",
    "while true do pcall(struct.unpack, 's', s) end",
    "while true do pcall(struct.pack, s) end",
    "local a = ('b'):rep(1e6) while true do struct.size(a) end",
];

#[test]
fn long_operations_are_interrupted() {
    let prelude =
        "local s, n, t = ('a'):rep(3e6), ('1'):rep(3e6), {} for i = 1, 1e5 do t[i] = 'x' end ";
    for operation in LONG {
        let mut sandbox = Sandbox::with_libraries();
        sandbox.interpreter.set_limit(256 << 20);
        let start = Instant::now();
        let error = sandbox
            .run(&format!("{prelude}{operation}"))
            .expect_err(operation);
        assert!(error.ends_with("killed"), "{operation}: {error}");
        // 100 interrupts. A second is what a sanitizer and a busy machine need; without an edit it is minutes at least.
        let taken = start.elapsed();
        assert!(taken < Duration::from_secs(20), "{operation}: {taken:?}");
    }
}
