//! What the client of a debugged script sees of it while it steps from line to line: commands, their replies, and errors.

use lua::stack::Stack;

use crate::script::debug::show;
use crate::server::Server;
use crate::state::scripts::debug::DebugSession;
use crate::wire::argv::Argv;

/// Arguments of a command that are shown.
const MOST_ARGUMENTS: usize = 10;

/// The session, while its client steps from line to line.
pub fn stepping(srv: &mut Server) -> Option<&mut DebugSession> {
    let session = srv.scripts.debug.session.as_deref_mut();
    session.filter(|session| session.steps)
}

/// Tells of a command that is about to be called.
pub fn command(srv: &mut Server, argv: &Argv) {
    let Some(session) = stepping(srv) else {
        return;
    };
    let mut line = b"<redis>".to_vec();
    for argument in argv.iter().take(MOST_ARGUMENTS) {
        line.push(b' ');
        line.extend_from_slice(argument);
    }
    if argv.len() > MOST_ARGUMENTS {
        let more = argv.len() - MOST_ARGUMENTS - 1;
        line.extend_from_slice(format!(" ... ({more} more)").as_bytes());
    }
    session.log(line);
}

/// Tells of the reply of a command.
pub fn reply(srv: &mut Server, bytes: &[u8]) {
    let Some(session) = stepping(srv) else {
        return;
    };
    if bytes.first() == Some(&b'-') {
        let end = bytes.iter().position(|byte| *byte == b'\r');
        session.log([b"<error> ", &bytes[..end.unwrap_or(bytes.len())]].concat());
    }
    let mut line = b"<reply> ".to_vec();
    show::reply(&mut line, bytes);
    session.log_cut(line);
}

/// Tells of an error that is a fault of a command, or that a function of `redis` raises.
pub fn fault(stack: &mut Stack<'_>, fault: &[u8]) {
    match fault.strip_prefix(b"ERR ") {
        Some(message) => error(stack, message),
        // Redis shows the line end of the reply that it keeps for such a fault.
        None => error(stack, &[b"-", fault, b"\r\n"].concat()),
    }
}

/// Tells of an error.
pub fn error(stack: &mut Stack<'_>, message: &[u8]) {
    if let Some(session) = stack.host::<Server>().and_then(stepping) {
        session.log([b"<error> ", message].concat());
    }
}
