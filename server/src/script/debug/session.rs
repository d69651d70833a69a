//! A session of the debugger: its begin, its end, and the child processes of the server that run one.
//!
//! ```text
//! EVAL ──SYNC──> the server runs the session ──> reply, and the client is closed
//!   └──YES──fork──> parent: closes its end of the connection, remembers the child ── cron ──> the child has ended
//!             └──> child: runs the session ──> reply ──> exit
//! ```

use std::sync::Arc;
use std::time::Duration;

use conn::connection::ConnId;

use crate::exec::refuse::refuse;
use crate::notice;
use crate::server::{Ctx, Done, Propagate, Server};
use crate::session::close::close_after_reply;
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;
use crate::state::latency::Event;
use crate::state::process::CHILD;
use crate::state::scripts::debug::DebugSession;
use crate::state::tls::hold_loads;
use crate::sys::child::{self, Fork};
use crate::sys::{clock, host, log, memory};
use crate::wire::fault::Fault;

/// How long the client may take to receive something.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a child may go on without its client.
const REMAINS: Duration = Duration::from_secs(5);

/// Flags the client as one that debugs its next script.
pub fn enable(srv: &mut Server, id: ClientId, is_sync: bool) {
    if let Some(client) = srv.clients.get_mut(id) {
        client.flags.insert(ClientFlags::DEBUG);
        client.flags.set(ClientFlags::DEBUG_SYNC, is_sync);
    }
}

/// Takes the flag back.
pub fn disable(srv: &mut Server, id: ClientId) {
    if let Some(client) = srv.clients.get_mut(id) {
        client
            .flags
            .remove(ClientFlags::DEBUG | ClientFlags::DEBUG_SYNC);
    }
}

/// The connection of the caller, if the caller debugs its scripts, and whether in the server itself.
pub fn wanted(cx: &Ctx<'_>) -> Option<(ConnId, bool)> {
    let client = cx.srv.clients.get(cx.caller.client)?;
    let conn = client
        .conn
        .filter(|_| client.flags.contains(ClientFlags::DEBUG))?;
    Some((conn, client.flags.contains(ClientFlags::DEBUG_SYNC)))
}

/// Runs the script of EVAL in a session; `eval` is the command without one.
///
/// # Errors
/// There can be no child, or what EVAL itself refuses.
pub fn run(
    cx: &mut Ctx<'_>,
    conn: ConnId,
    is_sync: bool,
    eval: impl FnOnce(&mut Ctx<'_>) -> Done,
) -> Done {
    if is_sync {
        notice!("Redis synchronous debugging eval session started");
    } else if !fork(cx, conn)? {
        return Ok(());
    }
    let now_us = clock::monotonic_us();
    let session = DebugSession::new(conn, !is_sync, &cx.argv[1], now_us);
    cx.srv.scripts.debug.session = Some(Box::new(session));
    let mark = cx.reply.mark();
    let done = eval(cx);
    if let Some(session) = cx.srv.scripts.debug.session.as_mut() {
        session.log("<endsession>");
    }
    send(cx.srv);
    cx.srv.scripts.debug.session = None;
    if !is_sync {
        if let Err(fault) = done {
            cx.reply.rewind(mark);
            refuse(cx.srv, cx.reply, &fault);
        }
        let reply = std::mem::take(&mut cx.reply.out).into_bytes();
        // The client may be gone.
        let _ = cx.srv.conns.write_waiting(conn, &reply, PATIENCE);
        cx.srv.conns.farewell(conn);
        notice!("Lua debugging session child exiting");
        child::exit(0);
    }
    notice!("Redis synchronous debugging eval session ended");
    // The end of the connection tells the client that the session has ended.
    close_after_reply(cx.srv, cx.caller.client);
    done
}

/// Forks; whether this is the child, which goes on. The parent lets go of the client.
fn fork(cx: &mut Ctx<'_>, conn: ConnId) -> Result<bool, Fault> {
    let srv = &mut *cx.srv;
    let loading = Arc::clone(&srv.tls.loading);
    let Some(_held) = hold_loads(&loading) else {
        disable(srv, cx.caller.client);
        let why = "ERR Certificates are being loaded: can't run EVAL in debugging mode now";
        return Err(Fault::new(why));
    };
    let began_us = clock::monotonic_us();
    let forked = child::fork().map_err(|error| {
        let reason = host::reason(&error);
        Fault::new(format!(
            "ERR Fork() failed: can't run EVAL in debugging mode: {reason}"
        ))
    });
    match forked {
        Err(fault) => {
            disable(srv, cx.caller.client);
            Err(fault)
        }
        Ok(Fork::Child) => {
            let own = srv.conns.fd(conn);
            child::become_child(srv.el.registered().filter(|fd| *fd != own));
            child::ignore_end_signals();
            srv.background.forget_thread();
            log::set_role(log::Role::Child);
            if let Some(score) = srv.process.oom_score(&srv.config, CHILD) {
                let _ = host::set_oom_score_adj(score);
            }
            notice!("Redis forked for debugging eval");
            // No hook of Lua runs while the client's own code does, which may be a loop without end.
            child::exit_after_hangup(own, REMAINS);
            Ok(true)
        }
        Ok(Fork::Parent(pid)) => {
            srv.conns.abandon(&mut srv.el, conn);
            srv.clients.queue_close(cx.caller.client);
            cx.propagate = Propagate::Never;
            srv.scripts.debug.children.push(pid);
            let fork_us = clock::monotonic_us() - began_us;
            srv.stats.note_fork(fork_us, memory::used());
            srv.note_latency(Event::Fork, fork_us / 1000);
            Ok(false)
        }
    }
}

/// Sends what the client is told next.
pub fn send(srv: &mut Server) {
    let Some(session) = srv.scripts.debug.session.as_deref_mut() else {
        return;
    };
    let bytes = session.take_log();
    if session.is_closed {
        return;
    }
    let sent = srv.conns.write_waiting(session.conn, &bytes, PATIENCE);
    if sent.is_err() {
        session.close();
    }
}

/// A step of cron: forgets the children that have ended.
pub fn reap(srv: &mut Server) {
    let children = &mut srv.scripts.debug.children;
    children.retain(|pid| child::reap(*pid).is_none());
}

/// Kills all children that run a session: the server shuts down.
pub fn kill_all(srv: &mut Server) {
    for pid in std::mem::take(&mut srv.scripts.debug.children) {
        notice!("Killing debugging session {pid}");
        child::kill_hard(pid);
    }
}
