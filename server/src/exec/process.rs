//! From arguments to an executed command: find its row, ask the gate, call it.

use table::CmdId;
use table::spec::Spec;

use crate::egress::flush::close_over_limit;
use crate::exec::call::{Call, call};
use crate::exec::gate::{Verdict, verdict};
use crate::exec::refuse::refuse;
use crate::report::client_line::client_line;
use crate::server::{Commands, Origin, Proc, Server};
use crate::session::transaction;
use crate::state::blocked::{Parked, Wait};
use crate::state::client::{Client, ClientFlags, Closing, ReplyMode};
use crate::state::client_id::ClientId;
use crate::warning;
use crate::wire::fault::{Fault, arity, exec_abort, unknown_command, unknown_subcommand};
use crate::wire::reply::Reply;
use crate::wire::request::Argv;

/// Bytes of output that a client may have waiting before it has authenticated.
const UNAUTHENTICATED_OUTPUT: usize = 17 * 1024;

/// Whether the next command of the same client may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on with its input.
    Next,
    /// It waits, is closing, or gone.
    Stop,
}

/// Executes one command of a client; its answer is in `reply`. `before` is what it waited for, if this is not its first
/// execution.
#[inline]
pub fn execute(
    srv: &mut Server,
    id: ClientId,
    argv: &Argv,
    reply: &mut Reply,
    before: Option<&Parked>,
) -> Flow {
    let hard_limit = srv.config.client_output_buffer_limit[0].hard as usize;
    let Some(client) = srv.clients.get_mut(id) else {
        return Flow::Stop;
    };
    prepare(client, reply, hard_limit);
    match resolve(&srv.commands, argv) {
        Ok((cmd, spec, proc)) => {
            client.last_cmd = Some(cmd);
            match verdict(srv, id, cmd, spec, argv) {
                Verdict::Run => {
                    let origin = origin(srv, id);
                    let invocation = Call {
                        origin,
                        cmd,
                        proc,
                        argv,
                        before,
                    };
                    call(srv, invocation, reply);
                }
                Verdict::Queue => {
                    if let Some(client) = srv.clients.get_mut(id) {
                        transaction::queue(client, cmd, argv);
                    }
                    reply.status("QUEUED");
                }
                Verdict::Postpone => postpone(srv, id, cmd, argv, Wait::Pause),
                Verdict::Hold => postpone(srv, id, cmd, argv, Wait::Outcome),
                Verdict::Refuse(fault) => reject(srv, id, Some(cmd), &fault, reply),
            }
        }
        Err((cmd, fault)) => reject(srv, id, cmd, &fault, reply),
    }
    after(srv, id, reply)
}

/// On whose behalf a request of a client is executed.
#[inline]
fn origin(srv: &Server, id: ClientId) -> Origin {
    let client = srv.clients.get(id);
    if client.is_some_and(|client| client.flags.contains(ClientFlags::PRIMARY)) {
        Origin::Primary(id)
    } else {
        Origin::Client(id)
    }
}

/// Lets a command wait before it is executed; it is asked about anew then.
#[cold]
fn postpone(srv: &mut Server, id: ClientId, cmd: CmdId, argv: &Argv, wait: Wait) {
    if let Some(client) = srv.clients.get_mut(id) {
        let db = client.db;
        let parked = srv.blocked.park(id, cmd, argv.detached(), db, wait, 0);
        client.parked = Some(parked);
    }
}

/// Refuses a command. A transaction that it was to be part of is lost; EXEC itself ends it.
#[cold]
fn reject(srv: &mut Server, id: ClientId, cmd: Option<CmdId>, fault: &Fault, reply: &mut Reply) {
    if let Some(cmd) = cmd {
        srv.stats.command(cmd).rejected += 1;
    }
    if cmd == Some(EXEC) {
        transaction::take(&mut srv.watch, &mut srv.clients, id);
        return refuse(srv, reply, &exec_abort(fault));
    }
    if let Some(client) = srv.clients.get_mut(id) {
        transaction::flag(client);
    }
    refuse(srv, reply, fault);
}

const EXEC: CmdId = table::id(&table::transactions::EXEC);

/// Whether the client's next command may follow.
#[inline]
fn after(srv: &mut Server, id: ClientId, reply: &mut Reply) -> Flow {
    let Some(client) = srv.clients.get_mut(id) else {
        return Flow::Stop;
    };
    client.reply_mode = match client.reply_mode {
        ReplyMode::SkipNext => ReplyMode::Skipping,
        ReplyMode::Skipping => ReplyMode::On,
        kept => kept,
    };
    if reply.overflow {
        close_over_limit(srv, id);
        return Flow::Stop;
    }
    if client.is_replica() && !reply.out.is_empty() {
        close_talkative(srv, id, reply);
        return Flow::Stop;
    }
    if client.closing == Closing::No && client.parked.is_none() {
        Flow::Next
    } else {
        Flow::Stop
    }
}

/// A replica reads nothing but snapshots and the stream: to answer it would break both.
#[cold]
fn close_talkative(srv: &mut Server, id: ClientId, reply: &mut Reply) {
    let client = srv.clients.get(id);
    let name = client
        .and_then(|client| client.last_cmd)
        .map_or("NULL", table::full_name);
    let text = reply.out.first();
    if text.first() == Some(&b'-') {
        warning!(
            "== CRITICAL == This master is sending an error to its replica: '{}' after processing the command '{name}'",
            String::from_utf8_lossy(text).trim_end()
        );
        srv.stats.unexpected_error_replies += 1;
    }
    warning!(
        "Replica generated a reply to command '{name}', disconnecting it: {}",
        client_line(srv, id)
    );
    reply.out.clear();
    srv.clients.queue_close(id);
}

/// What of the client decides how its answer is written.
#[inline]
fn prepare(client: &Client, reply: &mut Reply, hard_limit: usize) {
    reply.resp = client.resp;
    reply.muted = matches!(client.reply_mode, ReplyMode::Off | ReplyMode::Skipping);
    reply.limit = if client.authenticated {
        hard_limit
    } else {
        UNAUTHENTICATED_OUTPUT
    };
}

/// The row and the proc of a request, its arity checked.
pub fn resolve(
    commands: &Commands,
    argv: &Argv,
) -> Result<(CmdId, &'static Spec, Proc), (Option<CmdId>, Fault)> {
    let Some(top) = find(commands, &argv[0]) else {
        return Err((None, unknown_command(&argv[0], argv.iter().skip(1))));
    };
    let mut cmd = top;
    if argv.len() > 1 && commands.containers[top.index()] {
        match table::sub(top, &argv[1]).filter(|sub| commands.procs[sub.index()].is_some()) {
            Some(sub) => cmd = sub,
            None if commands.procs[top.index()].is_none() => {
                return Err((None, unknown_subcommand(table::full_name(top), &argv[1])));
            }
            None => {}
        }
    }
    let spec = table::spec(cmd);
    let Some(proc) = commands.procs[cmd.index()].filter(|_| spec.takes(argv.len())) else {
        return Err((Some(cmd), arity(spec.full_name)));
    };
    Ok((cmd, spec, proc))
}

/// The command of this name that clients can use, `rename-command` applied.
pub fn find(commands: &Commands, name: &[u8]) -> Option<CmdId> {
    if !commands.renamed.is_empty() || !commands.hidden.is_empty() {
        let lower = name.to_ascii_lowercase();
        if let Some((_, id)) = commands.renamed.iter().find(|(new, _)| *new == lower) {
            return Some(*id);
        }
        return table::lookup(name)
            .filter(|id| !commands.hidden.contains(id) && is_bound(commands, *id));
    }
    table::lookup(name).filter(|id| is_bound(commands, *id))
}

/// Whether a proc stands behind a row, or behind one of its subcommands.
#[inline]
pub fn is_bound(commands: &Commands, id: CmdId) -> bool {
    commands.procs[id.index()].is_some() || commands.containers[id.index()]
}
