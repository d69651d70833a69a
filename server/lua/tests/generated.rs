//! Generated scripts: random programs of a grammar that is fond of what is dangerous.
//!
//! Each runs under a limit of memory and is killed after some interrupts; whatever it does, it ends, and the next
//! script finds everything as it was. A seed gives the same programs on every machine. `LUA_SCRIPTS` sets how many run,
//! `LUA_SEED` where they start.

mod common;

use std::env;

use common::Sandbox;

/// A small generator of random numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len())]
    }
}

const NAMES: [&str; 6] = ["a", "b", "c", "t", "s", "f"];

const NUMBERS: [&str; 16] = [
    "0", "1", "-1", "2", "3", "0.5", "100", "7999", "8000", "65536", "2^31", "-2^31", "2^53",
    "1/0", "0/0", "1e308",
];

const STRINGS: [&str; 14] = [
    "''",
    "'a'",
    "'a\\0b'",
    "'%'",
    "'%b'",
    "'%f[a'",
    "'[%a-'",
    "'(.-)%1'",
    "'1e9'",
    "'n'",
    "'__index'",
    "('a'):rep(1000)",
    "('(.*)'):rep(40)",
    "'\\27Lua'",
];

/// Functions by what they are called with; `V` is any expression.
const CALLS: [&str; 61] = [
    "unpack(V, V, V)",
    "select(V, V, V)",
    "tostring(V)",
    "tonumber(V, V)",
    "type(V)",
    "next(V, V)",
    "rawget(V, V)",
    "rawset(V, V, V)",
    "rawequal(V, V)",
    "getmetatable(V)",
    "setmetatable(V, V)",
    "getfenv(V)",
    "setfenv(V, V)",
    "newproxy(V)",
    "collectgarbage(V, V)",
    "gcinfo()",
    "error(V, V)",
    "assert(V, V)",
    "pcall(V, V)",
    "xpcall(V, V)",
    "load(V, V)",
    "loadstring(V, V)",
    "loadstring(string.dump(V))",
    "coroutine.create(V)",
    "coroutine.wrap(V)",
    "coroutine.resume(V, V)",
    "coroutine.wrap(V)(V)",
    "coroutine.yield(V)",
    "coroutine.status(V)",
    "coroutine.running()",
    "string.rep(V, V)",
    "string.sub(V, V, V)",
    "string.byte(V, V, V)",
    "string.char(V, V)",
    "string.find(V, V, V, V)",
    "string.match(V, V, V)",
    "string.gsub(V, V, V, V)",
    "string.gmatch(V, V)()",
    "string.format(V, V, V)",
    "string.format('%99.99f%q%5.3s', V, V, V)",
    "string.reverse(V)",
    "string.upper(V)",
    "string.len(V)",
    "string.dump(V)",
    "table.insert(V, V, V)",
    "table.insert(V, V)",
    "table.remove(V, V)",
    "table.concat(V, V, V, V)",
    "table.sort(V, V)",
    "table.foreach(V, V)",
    "table.foreachi(V, V)",
    "table.maxn(V)",
    "table.getn(V)",
    "math.random(V, V)",
    "math.fmod(V, V)",
    "math.floor(V)",
    "math.ldexp(V, V)",
    "call_back(V, V)",
    "swallow(V)",
    "(V)(V)",
    "(V):rep(V)",
];

/// Expressions besides calls.
const EXPRESSIONS: [&str; 26] = [
    "V .. V",
    "V + V",
    "V % V",
    "V ^ V",
    "V < V",
    "V <= V",
    "V == V",
    "#V",
    "-(V)",
    "not V",
    "V and V",
    "V or V",
    "(V)[V]",
    "(V).n",
    "{V, V, n = V}",
    "{[V] = V}",
    "function(...) S return V, ... end",
    "function(a, b, ...) S S return V end",
    "(V)",
    "pcall",
    "string",
    "_G",
    "getmetatable('')",
    "setmetatable({}, {__index = V, __newindex = V, __call = V})",
    "setmetatable({}, {__mode = 'kv', __gc = V, __tostring = V, __len = V, __eq = V, __lt = V, __concat = V, __metatable = V})",
    "coroutine.wrap(function(...) S return V end)",
];

const STATEMENTS: [&str; 18] = [
    "N = V",
    "local N = V",
    "N, N = V, V",
    "(V)[V] = V",
    "local _ = C",
    "local _ = C",
    "local _ = C",
    "if V then S else S end",
    "for i = V, V, V do S end",
    "for k, v in pairs(V) do S end",
    "for k, v in V, V, V do S end",
    "while V do S end",
    "repeat S until V",
    "do S S end",
    "local function f(...) S return V end",
    "pcall(function(...) S S end)",
    "coroutine.resume(coroutine.create(function(...) S coroutine.yield(V) S end))",
    "_G.N = V",
];

/// Writes a pattern, with its letters in capitals filled in.
fn fill(dice: &mut Dice, pattern: &str, depth: usize, out: &mut String) {
    let mut word = false;
    for letter in pattern.chars() {
        // A capital that is a word of its own.
        match letter {
            'V' if !word => value(dice, depth, out),
            'C' if !word => {
                let call = dice.pick(&CALLS);
                fill(dice, call, depth.saturating_sub(1), out);
            }
            'S' if !word => statement(dice, depth.saturating_sub(1), out),
            'N' if !word => out.push_str(dice.pick(&NAMES)),
            _ => out.push(letter),
        }
        word = letter.is_alphanumeric() || letter == '_';
    }
}

fn value(dice: &mut Dice, depth: usize, out: &mut String) {
    let kind = if depth == 0 {
        dice.roll(6)
    } else {
        dice.roll(10)
    };
    match kind {
        0 | 1 => out.push_str(dice.pick(&NAMES)),
        2 | 3 => out.push_str(dice.pick(&NUMBERS)),
        4 => out.push_str(dice.pick(&STRINGS)),
        5 => out.push_str(dice.pick(&["nil", "true", "{}", "..."])),
        6 | 7 => fill(dice, "C", depth, out),
        _ => {
            out.push('(');
            let expression = dice.pick(&EXPRESSIONS);
            fill(dice, expression, depth - 1, out);
            out.push(')');
        }
    }
}

fn statement(dice: &mut Dice, depth: usize, out: &mut String) {
    let statement = if depth == 0 {
        "N = V"
    } else {
        dice.pick(&STATEMENTS)
    };
    fill(dice, statement, depth, out);
    out.push_str("; ");
}

/// The program of a seed: most statements are protected, so that one error does not end it all.
fn program(seed: u64) -> String {
    let mut dice = Dice(seed);
    let mut source = String::from(
        "local a, b, c, t, s, f = 1, 'b', {}, {1, 2, 3}, ('s'):rep(50), function(...) return ... end ",
    );
    for _ in 0..=dice.roll(12) {
        source.push_str("pcall(function(...) ");
        statement(&mut dice, 4, &mut source);
        source.push_str("end, 1, 2) ");
    }
    source
}

/// Whatever one script can see of another: all that is shared, without the addresses.
const SHARED: &str = "local out, seen = {}, {} \
    local function walk(t, path) if seen[t] then return end seen[t] = true \
      for k, v in pairs(t) do local name = path .. '.' .. tostring(k) \
        if type(v) == 'table' then walk(v, name) else out[#out + 1] = name .. tostring(v) end end \
      local mt = getmetatable(t) if mt then walk(mt, path .. '<meta>') end end \
    walk(_G, '_G') walk(getmetatable(''), 'string') table.sort(out) \
    local own = setmetatable({}, {__index = function(t, k) return k end}) \
    out[#out + 1] = tostring(pcall(error)) .. own.x .. ('x'):rep(3) .. tostring(getfenv(0) == _G) \
    return table.concat(out, ' ')";

fn number(name: &str, default: u64) -> u64 {
    env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn generated_scripts_end_and_leave_nothing_behind() {
    let start = number("LUA_SEED", 1);
    let count = number("LUA_SCRIPTS", 1000);
    let mut sandbox = Sandbox::new();
    sandbox.interpreter.set_limit(8 << 20);
    sandbox.interrupts = 10_000;
    let shared = sandbox.run(SHARED).expect("a list");
    let (mut fine, mut parsed) = (0, 0);
    for seed in start..start + count {
        let source = program(seed);
        sandbox.interrupts = 20;
        let result = sandbox.run(&source);
        fine += u64::from(result.is_ok());
        let is_syntax = result.is_err_and(|error| error.contains(" near "));
        parsed += u64::from(!is_syntax);
        sandbox.interrupts = 10_000;
        assert_eq!(
            sandbox.run(SHARED).as_ref(),
            Ok(&shared),
            "seed {seed}: {source}"
        );
    }
    // The grammar is of use only if most programs get far.
    assert!(parsed * 10 >= count * 9, "{parsed} of {count} are Lua");
    assert!(fine * 2 >= count, "{fine} of {count} end without an error");
}
