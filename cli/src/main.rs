//! redis-cli: runs one command, a prompt, or one of the monitoring and analysis modes.
//!
//! | file | what it holds |
//! |---|---|
//! | `args`, `flags`, `evaluate`, `options` | the command line |
//! | `out` | output and exit codes |
//! | `format` | replies as text |
//! | `session`, `secure`, `advice`, `interrupt`, `wait` | the connection and its state; Ctrl-C |
//! | `issue` | one command and its replies |
//! | `docs`, `hints`, `help` | documentation from the command table |
//! | `oneshot` | the command of the command line |
//! | `debugger` | the Lua debugger |
//! | `repl`, `editor`, `history`, `preferences` | the prompt |
//! | `cluster/` | `--cluster` |
//! | `modes/` | the modes: `--scan`, `--bigkeys`, `--latency`, … |

mod advice;
mod args;
mod cluster;
mod debugger;
mod dice;
mod docs;
mod editor;
mod evaluate;
mod flags;
mod format;
mod help;
mod hints;
mod history;
mod interrupt;
mod issue;
mod modes;
mod oneshot;
mod options;
mod out;
mod preferences;
mod repl;
mod secure;
mod session;
mod wait;

use std::env;
use std::process::ExitCode;

use crate::modes::bigkeys::{self, Measure};
use crate::modes::sync::Content;
use crate::modes::{hotkeys, intrinsic, latency, lru, pipe, scan, stat, sync, tls_check, tls_info};
use crate::options::{Mode, Options};
use crate::out::Exit;
use crate::session::Session;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit(code)) => ExitCode::from(code),
    }
}

fn run() -> Result<(), Exit> {
    let mut options = args::parse(env::args_os().collect())?;
    if options.askpass {
        options.password = editor::ask_password("Please input password: ");
    }
    match &options.mode {
        Mode::TlsCheck(target) => tls_check::run(&options, target),
        Mode::TestHint(line) => {
            hints::show(line);
            Ok(())
        }
        Mode::TestHintFile(path) => hints::test_file(path, options.verbose),
        Mode::IntrinsicLatency(duration) => {
            intrinsic::run(*duration);
            Ok(())
        }
        Mode::Cluster => options
            .cluster
            .as_ref()
            .map_or(Ok(()), |asked| cluster::run(&options, asked)),
        mode => connected(mode, &options),
    }
}

/// Runs a mode that needs a server.
fn connected(mode: &Mode, options: &Options) -> Result<(), Exit> {
    let mut session = Session::new(options)?;
    let session = &mut session;
    match *mode {
        Mode::Latency { history } => latency::run(session, options, history),
        Mode::LatencyDist { mono } => latency::spectrum(session, options, mono),
        Mode::Replica => sync::replica(session),
        Mode::Rdb(ref path) => sync::rdb(session, path, Content::All),
        Mode::FunctionsRdb(ref path) => sync::rdb(session, path, Content::Functions),
        Mode::Pipe(patience) => pipe::run(session, patience),
        Mode::BigKeys => bigkeys::run(session, options, Measure::Elements),
        Mode::MemKeys(samples) => bigkeys::run(session, options, Measure::Memory(samples)),
        Mode::HotKeys => hotkeys::run(session, options),
        Mode::Stat => stat::run(session, options),
        Mode::Scan => scan::run(session, options),
        Mode::LruTest(keys) => lru::run(session, keys),
        Mode::TlsInfo => tls_info::run(session),
        Mode::Eval(ref path) => oneshot::eval(session, options, path),
        Mode::Debug { ref path, sync } => debugger::run(session, options, path, sync),
        _ if options.command.is_empty() => repl::run(session, options),
        _ => oneshot::run(session, options),
    }
}
