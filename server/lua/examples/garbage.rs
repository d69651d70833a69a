//! Measures how long steps of the collector take after scripts that leave a gigabyte of garbage.

use std::fs;
use std::time::Duration;

use lua::interpreter::Interpreter;
use lua::sandbox;

const SCRIPTS: [(&str, &str); 6] = [
    ("tables", "local t = {} for i = 1, 8e6 do t[i] = {} end"),
    (
        "keys",
        "local t = {} for i = 1, 4e6 do t['key' .. i] = i end",
    ),
    ("one table", "local t = {} for i = 1, 4e7 do t[i] = i end"),
    (
        "big strings",
        "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1e7 - i) end",
    ),
    (
        "coroutines",
        "local t = {} for i = 1, 8e5 do t[i] = coroutine.create(function() end) end",
    ),
    (
        "proxies",
        "local t = {} for i = 1, 4e6 do t[i] = newproxy(true) end",
    ),
];

/// The time that this thread has run, whatever else the machine does.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

fn main() {
    for (name, source) in SCRIPTS {
        let mut interpreter = Interpreter::new();
        sandbox::open(&mut interpreter.stack());
        sandbox::seal(&mut interpreter.stack());
        let mut stack = interpreter.stack();
        let result = stack
            .load(source.as_bytes(), c"@user_script")
            .and_then(|()| stack.call(0, 0, 0));
        let left = interpreter.used() >> 20;
        let (mut steps, mut longest, mut all) = (0, Duration::ZERO, Duration::ZERO);
        let mut cycles = 0;
        while cycles < 2 && steps < 1_000_000 {
            let start = cpu();
            cycles += usize::from(interpreter.collect_step(1));
            let taken = cpu().saturating_sub(start);
            longest = longest.max(taken);
            all += taken;
            steps += 1;
        }
        let freed = interpreter.take_freed().len();
        let kept = interpreter.used() >> 10;
        println!(
            "{name}: {result:?} {left} MB, {steps} steps in {all:?}, longest {longest:?}, {kept} KB kept, {freed} big blocks"
        );
    }
}
