//! From arguments to an executed command: find its row, ask the gate, call it.

use table::CmdId;
use table::spec::Spec;

use crate::egress::account::account_if_limited;
use crate::egress::invalidate::limit_table;
use crate::egress::limits::{close_over_limit, hard_limit};
use crate::egress::push::{settle_pushes, take_pushes};
use crate::exec::call::{Invocation, call};
use crate::exec::gate::{Verdict, verdict};
use crate::exec::observe::show;
use crate::exec::refuse::refuse;
use crate::exec::route::{self, Redirection};
use crate::exec::{obeyed, permission};
use crate::report::client_line::{client_line, peer_text};
use crate::server::{Commands, Proc, Server};
use crate::session::{auth, transaction};
use crate::state::blocked::{Block, BlockedCommand};
use crate::state::caller::Caller;
use crate::state::client::{Client, ClientFlags};
use crate::state::client_id::ClientId;
use crate::state::turn::KeyHash;
use crate::sys::clock;
use crate::warning;
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, arity, exec_abort, unknown_command, unknown_subcommand};
use crate::wire::reply::Reply;

/// Output that an unauthenticated client may have pending, in bytes.
const UNAUTHENTICATED_OUTPUT: usize = 17 * 1024;

/// Whether the next command of the same client may be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on with its input.
    Next,
    /// The client is blocked, closing or gone.
    Stop,
}

/// Executes one command of a client; its answer is in `reply`. `before` is how it was blocked, if this is not its first
/// execution.
#[inline]
pub fn execute(
    srv: &mut Server,
    id: ClientId,
    argv: &Argv,
    reply: &mut Reply,
    before: Option<&BlockedCommand>,
) -> Flow {
    if srv.tracking.over_limit {
        limit_table(srv);
        settle_pushes(srv, id, reply);
    }
    let Some(client) = srv.clients.get_mut(id) else {
        return Flow::Stop;
    };
    let mut caller = Caller::of(id, client);
    reply.muted = client.is_muted();
    match resolve(&srv.commands, argv) {
        Ok((cmd, spec, proc)) => {
            client.last_cmd = Some(cmd);
            prepare(srv, &caller, reply);
            match verdict(srv, &caller, cmd, spec, argv, reply) {
                Verdict::Run => {
                    let invocation = Invocation {
                        cmd,
                        proc,
                        argv,
                        before,
                    };
                    call(srv, &mut caller, &invocation, reply);
                }
                Verdict::Queue(flags) => {
                    if let Some(client) = srv.clients.get_mut(id) {
                        transaction::queue(client, cmd, flags, argv);
                    }
                    reply.status("QUEUED");
                }
                Verdict::Postpone => hold_back(srv, &caller, cmd, argv, Block::Pause),
                Verdict::Hold => hold_back(srv, &caller, cmd, argv, Block::KeyInFlight),
                Verdict::Refuse(fault) => reject(srv, &caller, Some(cmd), argv, &fault, reply),
                Verdict::Deny(denied) => {
                    permission::log(srv, &caller, cmd, argv, denied);
                    let fault = permission::fault(srv, &caller, cmd, denied);
                    reject(srv, &caller, Some(cmd), argv, &fault, reply);
                }
                Verdict::Redirect(redirection) => {
                    redirect(srv, &caller, cmd, argv, redirection, reply);
                }
                Verdict::Gone => {}
            }
        }
        Err(Unresolved::Command) if speaks_http(&argv[0]) => {
            srv.turn.key_hash = KeyHash::NONE;
            return abort_http(srv, id);
        }
        Err(unresolved) => {
            client.last_cmd = unresolved.cmd();
            prepare(srv, &caller, reply);
            let fault = unresolved.fault(argv);
            reject(srv, &caller, unresolved.cmd(), argv, &fault, reply);
        }
    }
    // The arguments may be replaced from now on.
    srv.turn.key_hash = KeyHash::NONE;
    after(srv, id, reply)
}

/// Blocks a command before it is executed; it passes the gate again when it is released.
#[cold]
fn hold_back(srv: &mut Server, caller: &Caller, cmd: CmdId, argv: &Argv, block: Block) {
    let id = caller.client;
    if let Some(client) = srv.clients.get_mut(id) {
        let command = BlockedCommand::new(cmd, argv.detached(), caller.session.db, block);
        client.blocked = Some(srv.blocked.block(id, command));
    }
}

/// Sends a client to another node of the cluster. A transaction under way is aborted; EXEC ends it.
#[cold]
fn redirect(
    srv: &mut Server,
    caller: &Caller,
    cmd: CmdId,
    argv: &Argv,
    redirection: Redirection,
    reply: &mut Reply,
) {
    let fault = route::fault(srv, caller.client, redirection);
    if cmd != EXEC {
        return reject(srv, caller, Some(cmd), argv, &fault, reply);
    }
    srv.stats.command(cmd).rejected += 1;
    transaction::take(&mut srv.watch, &mut srv.clients, caller.client);
    refuse(srv, reply, &fault);
}

/// Refuses a command. A transaction under way is aborted; a refused EXEC ends it.
#[cold]
fn reject(
    srv: &mut Server,
    caller: &Caller,
    cmd: Option<CmdId>,
    argv: &Argv,
    fault: &Fault,
    reply: &mut Reply,
) {
    let id = caller.client;
    if let Some(cmd) = cmd {
        srv.stats.command(cmd).rejected += 1;
    }
    if cmd == Some(EXEC) {
        transaction::take(&mut srv.watch, &mut srv.clients, id);
        refuse(srv, reply, &exec_abort(fault));
        return show(srv, caller, EXEC, argv);
    }
    if let Some(client) = srv.clients.get_mut(id) {
        transaction::flag(client);
    }
    refuse(srv, reply, fault);
}

const EXEC: CmdId = table::id(&table::transactions::EXEC);
const ASKING: CmdId = table::id(&table::cluster::ASKING);
const CLIENT: CmdId = table::id(&table::connection::CLIENT);

/// Whether the client's next command may follow.
#[inline]
fn after(srv: &mut Server, id: ClientId, reply: &mut Reply) -> Flow {
    if reply.overflow {
        close_over_limit(srv, id);
        return Flow::Stop;
    }
    let Some(client) = srv.clients.get_mut(id) else {
        return Flow::Stop;
    };
    if client.blocked.is_none() {
        client.advance_reply_mode();
        if client.flags.contains(ClientFlags::ASKING) {
            end_asking(client);
        }
        if client.tracking.is_some() {
            end_caching(client);
        }
    }
    if client.is_replica() && !reply.out.is_empty() {
        close_talkative(srv, id, reply);
        return Flow::Stop;
    }
    take_pushes(client, reply);
    let flow = if client.may_go_on() {
        Flow::Next
    } else {
        Flow::Stop
    };
    if srv.config.maxmemory_clients != 0 {
        account_output(srv, id, reply);
    }
    flow
}

/// ASKING holds for the next command, or for the next transaction.
#[cold]
fn end_asking(client: &mut Client) {
    if client.multi.is_none() && client.last_cmd != Some(ASKING) {
        client.flags.remove(ClientFlags::ASKING);
    }
}

/// CLIENT CACHING holds for the next command, or for the next transaction.
#[cold]
fn end_caching(client: &mut Client) {
    let was_client = client.last_cmd.and_then(table::parent) == Some(CLIENT);
    if let Some(own) = &mut client.tracking
        && client.multi.is_none()
        && !was_client
    {
        own.caching = false;
    }
}

/// Accounts for the output of a client whose input is being processed.
#[cold]
fn account_output(srv: &mut Server, id: ClientId, reply: &Reply) {
    if let Some(client) = srv.clients.get_mut(id) {
        client.sizes.out = reply.out.memory_beyond(client.reply_size);
        account_if_limited(srv, id);
    }
}

/// Closes a replica that got a reply: it expects nothing but snapshots and the stream, so a reply would corrupt both.
#[cold]
pub(super) fn close_talkative(srv: &mut Server, id: ClientId, reply: &mut Reply) {
    let client = srv.clients.get(id);
    let name = client
        .and_then(|client| client.last_cmd)
        .map_or("NULL", table::full_name);
    if let Some(error) = reply.out.first().strip_prefix(b"-") {
        let text = String::from_utf8_lossy(error);
        obeyed::note(srv, ["master", "replica"], name, text.trim_end());
    }
    warning!(
        "Replica generated a reply to command '{name}', disconnecting it: {}",
        client_line(srv, id)
    );
    reply.out.clear();
    srv.clients.queue_close(id);
}

/// Whether a line is one of HTTP: no client of Redis sends it, but a browser that a foreign page has made connect to this
/// server does, and the body of its request could contain commands.
fn speaks_http(first: &[u8]) -> bool {
    first.eq_ignore_ascii_case(b"post") || first.eq_ignore_ascii_case(b"host:")
}

/// Closes a connection over which HTTP is spoken, without a reply.
#[cold]
fn abort_http(srv: &mut Server, id: ClientId) -> Flow {
    let warnings = &mut srv.clients.http_warnings;
    if warnings.admit(clock::monotonic_ms()).is_some() {
        let client = srv.clients.get(id);
        let peer = client.map_or_else(String::new, |client| peer_text(srv, client));
        warning!(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is \
             likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. \
             Connection from {peer} aborted."
        );
    }
    srv.clients.queue_close(id);
    Flow::Stop
}

/// Prepares the reply writer for the caller: protocol version and output limit.
#[inline]
fn prepare(srv: &Server, caller: &Caller, reply: &mut Reply) {
    reply.resp = caller.session.resp;
    reply.set_limit(if auth::is_required(srv, &caller.session) {
        UNAUTHENTICATED_OUTPUT
    } else {
        hard_limit(&srv.config, caller.class)
    });
}

/// Why a request has no proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// There is no such command.
    Command,
    /// The command has no such subcommand.
    Subcommand,
    /// The command takes more or fewer arguments.
    Arity(CmdId),
}

impl Unresolved {
    /// The command, if there is one.
    pub fn cmd(self) -> Option<CmdId> {
        match self {
            Unresolved::Command | Unresolved::Subcommand => None,
            Unresolved::Arity(cmd) => Some(cmd),
        }
    }

    /// The error for a client.
    #[cold]
    pub fn fault(self, argv: &Argv) -> Fault {
        match self {
            Unresolved::Command => unknown_command(&argv[0], argv.iter().skip(1)),
            Unresolved::Subcommand => unknown_subcommand(&argv[0], &argv[1]),
            Unresolved::Arity(cmd) => arity(table::full_name(cmd)),
        }
    }
}

/// The row and the proc of a request.
///
/// # Errors
/// There is none, or its number of arguments is wrong.
#[inline]
pub fn resolve(
    commands: &Commands,
    argv: &Argv,
) -> Result<(CmdId, &'static Spec, Proc), Unresolved> {
    resolve_found(commands, find(commands, &argv[0]), argv)
}

/// As [`resolve`], for what [`find`] has found by the first argument.
///
/// # Errors
/// As [`resolve`].
#[inline]
pub fn resolve_found(
    commands: &Commands,
    found: Option<CmdId>,
    argv: &Argv,
) -> Result<(CmdId, &'static Spec, Proc), Unresolved> {
    let mut cmd = found.ok_or(Unresolved::Command)?;
    let mut bound = commands.rows[cmd.index()];
    if bound.is_container && argv.len() > 1 {
        let sub = table::sub(cmd, &argv[1]).filter(|sub| is_bound(commands, *sub));
        let Some(sub) = sub else {
            return Err(Unresolved::Subcommand);
        };
        cmd = sub;
        bound = commands.rows[cmd.index()];
    }
    let spec = table::spec(cmd);
    match bound.proc {
        Some(proc) if spec.takes(argv.len()) => Ok((cmd, spec, proc)),
        _ => Err(Unresolved::Arity(cmd)),
    }
}

/// The command of this name that clients may use, with `rename-command` applied.
#[inline]
pub fn find(commands: &Commands, name: &[u8]) -> Option<CmdId> {
    let found = if commands.hidden.is_empty() {
        table::lookup(name)
    } else {
        find_renamed(commands, name)
    };
    found.filter(|id| is_bound(commands, *id))
}

#[cold]
fn find_renamed(commands: &Commands, name: &[u8]) -> Option<CmdId> {
    let lower = name.to_ascii_lowercase();
    if let Some((_, id)) = commands.renamed.iter().find(|(new, _)| *new == lower) {
        return Some(*id);
    }
    table::lookup(name).filter(|id| !commands.hidden.contains(id))
}

/// Whether a row, or one of its subcommands, has a proc.
#[inline]
pub fn is_bound(commands: &Commands, id: CmdId) -> bool {
    let bound = &commands.rows[id.index()];
    bound.proc.is_some() || bound.is_container
}
