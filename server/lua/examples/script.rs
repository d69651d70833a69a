//! Runs a script from standard input in the sandbox and prints its result or error.
//!
//! The first argument limits the bytes that it may use, the second how many interrupts it lives through.

use std::io::{self, Read};

use lua::interpreter::Interpreter;
use lua::sandbox;

fn main() -> io::Result<()> {
    let argument = |at| std::env::args().nth(at).and_then(|text| text.parse().ok());
    let mut source = Vec::new();
    io::stdin().read_to_end(&mut source)?;
    let mut interpreter = Interpreter::new();
    sandbox::open(&mut interpreter.stack());
    sandbox::seal(&mut interpreter.stack());
    interpreter.set_limit(argument(1).unwrap_or(usize::MAX));
    let mut left = argument(2).unwrap_or(usize::MAX);
    interpreter.set_interrupt(Some(|stack| {
        let left = stack.host::<usize>().expect("the host");
        *left -= 1;
        if *left > 0 {
            return Ok(());
        }
        let mut message = stack.place(0);
        message.extend(b"killed");
        Err(stack.fail(&message))
    }));
    interpreter.with_host(&mut left, |stack| {
        let result = stack
            .load(&source, c"@user_script")
            .and_then(|()| stack.call(0, 1, 0));
        let text = stack.convert_to_bytes(-1).unwrap_or(b"(no text)");
        println!("{result:?} {}", String::from_utf8_lossy(text));
    });
    println!("{} bytes", interpreter.used());
    Ok(())
}
