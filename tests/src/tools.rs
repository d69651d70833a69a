//! Running redis-cli and redis-benchmark: their options for a transport, their input and what they print.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::certs;
use crate::client::Transport;

/// What a program has printed, and its exit code.
#[derive(Debug)]
pub struct Printed {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The exit code.
    pub code: Option<i32>,
}

/// A tool with the options of a transport.
pub fn tool(name: &str, transport: Transport) -> Command {
    let mut tool = Command::new(crate::binary(name));
    tool.env_remove("TERM").env_remove("REDISCLI_CLUSTER_YES");
    if transport == Transport::Tls {
        tool.args(["--tls", "--cacert", &certs::file("ca.crt")]);
        tool.args(["--cert", &certs::file("redis.crt")]);
        tool.args(["--key", &certs::file("redis.key")]);
    }
    tool
}

/// Runs a program with this input.
///
/// # Panics
/// If it does not run.
pub fn run(command: &mut Command, input: &str) -> Printed {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    if let Some(mut stdin) = child.stdin.take() {
        // A program that needs no input may have ended.
        let _ = stdin.write_all(input.as_bytes());
    }
    let done = child.wait_with_output().expect("the program ends");
    Printed {
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
        code: done.status.code(),
    }
}
