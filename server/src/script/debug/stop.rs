//! Called before each line of a debugged script: where it stops, the client is asked what to do until it lets the script
//! go on.

use std::time::Duration;

use conn::stream::Io;
use lua::stack::Stack;
use lua::trace::{Halt, Moment};

use crate::script::debug::commands::{Next, execute, is_script, session_of};
use crate::script::debug::request::parse;
use crate::script::debug::session::send;
use crate::script::error::{add_place, raise};
use crate::server::Server;
use crate::state::scripts::debug::Reason;
use crate::sys::{clock, process};

/// When a script has run for too long if `busy-reply-threshold` is 0, in milliseconds.
const DEFAULT_LIMIT_MS: u64 = 5000;
/// How often a wait for the client looks for a signal that ends the server.
const LOOK: Duration = Duration::from_millis(200);
/// The most bytes of an incomplete request.
const MOST_INPUT: usize = 1 << 20;

/// The debugger.
///
/// # Errors
/// The script is to end.
pub fn trace(stack: &mut Stack<'_>, moment: Moment) -> Result<(), Halt> {
    let Some(frame) = stack.frame(0) else {
        return Ok(());
    };
    let Some(srv) = stack.host::<Server>() else {
        return Ok(());
    };
    let limit_ms = match u64::try_from(srv.config.busy_reply_threshold) {
        Ok(0) | Err(_) => DEFAULT_LIMIT_MS,
        Ok(limit_ms) => limit_ms,
    };
    let Some(session) = srv.scripts.debug.session.as_deref_mut() else {
        return Ok(());
    };
    session.line = frame.line;
    if !is_script(&frame.source) {
        return Ok(());
    }
    let is_late = moment == Moment::Count
        && clock::monotonic_us().saturating_sub(session.continued_us) / 1000 >= limit_ms;
    let reason = session.reason_to_stop(is_late);
    // A count may come in the middle of a line, at which the script has stopped already.
    let reason = reason.filter(|reason| moment == Moment::Line || *reason == Reason::Timeout);
    let Some(reason) = reason else {
        return Ok(());
    };
    session.steps = false;
    session.called = false;
    session.log_stop(reason);
    send(srv);
    let can_ask = converse(stack)?;
    if !can_ask && reason == Reason::Timeout {
        // Nobody could stop it any more.
        let text = "timeout during Lua debugging with client closing connection";
        let _ = raise(stack, text);
        add_place(stack, 0);
        return Err(Halt::Kill);
    }
    if let Some(session) = session_of(stack) {
        session.continued_us = clock::monotonic_us();
    }
    Ok(())
}

/// Does what the client asks for until it lets the script go on; false if it can be asked no more.
fn converse(stack: &mut Stack<'_>) -> Result<bool, Halt> {
    loop {
        let Some(srv) = stack.host::<Server>() else {
            return Ok(false);
        };
        let argv = match receive(srv) {
            Ok(Some(argv)) => argv,
            Ok(None) => return Ok(false),
            Err(message) => {
                let _ = raise(stack, message);
                return Err(Halt::Raise);
            }
        };
        match execute(stack, &argv) {
            Next::Ask => {
                if let Some(srv) = stack.host::<Server>() {
                    send(srv);
                }
            }
            Next::GoOn => return Ok(true),
            Next::Abort => {
                let _ = raise(stack, "script aborted for user request");
                return Err(Halt::Raise);
            }
        }
    }
}

/// Waits for a request. What follows it was sent too early and is dropped. `None`: the client is gone, or the server is
/// told to end.
fn receive(srv: &mut Server) -> Result<Option<Vec<Vec<u8>>>, &'static str> {
    let Some(session) = srv.scripts.debug.session.as_deref_mut() else {
        return Ok(None);
    };
    loop {
        match parse(&session.input) {
            Ok(Some(argv)) => {
                session.input.clear();
                return Ok(Some(argv));
            }
            Ok(None) => {}
            Err(_) => {
                session.input.clear();
                return Err("protocol error");
            }
        }
        if session.input.len() > MOST_INPUT {
            session.input.clear();
            return Err("max client buffer reached");
        }
        // In a child these signals are ignored.
        if !session.is_forked && process::shutdown_signal().is_some() {
            session.run_on();
            return Ok(None);
        }
        let mut room = [0; 1024];
        let read = if session.is_closed {
            Io::Eof
        } else {
            srv.conns.read_waiting(session.conn, &mut room, LOOK)
        };
        match read {
            Io::Done(n) => session.input.extend_from_slice(&room[..n]),
            Io::WouldBlock => {}
            // It may still receive.
            Io::Eof => {
                session.run_on();
                return Ok(None);
            }
            Io::Failed(_) => {
                session.close();
                return Ok(None);
            }
        }
    }
}
