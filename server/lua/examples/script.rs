//! Runs a script from standard input in the sandbox of the tests and prints its result or error.
//!
//! The first argument limits the bytes that it may use, the second how many interrupts it lives through.

use std::io::{self, Read};

#[path = "../tests/common/mod.rs"]
mod common;

use common::Sandbox;

fn main() -> io::Result<()> {
    let argument = |at| std::env::args().nth(at).and_then(|text| text.parse().ok());
    let mut source = String::new();
    io::stdin().read_to_string(&mut source)?;
    let mut sandbox = Sandbox::new();
    let limit = argument(1).unwrap_or(usize::MAX);
    sandbox.interpreter.set_limit(limit);
    sandbox.interrupts = argument(2).unwrap_or(usize::MAX);
    println!("{:?}", sandbox.run(&source));
    println!("{} bytes", sandbox.interpreter.used());
    Ok(())
}
