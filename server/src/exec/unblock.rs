//! Serving blocked clients, and the ways in which a client is unblocked.
//!
//! A blocked command is executed again from the gate on when one of its keys is ready. If it finds nothing, it blocks
//! again behind all other clients. Ready keys are served after each command and before the next command of the same
//! pipeline, so that the client that has been blocked longest is served first.

use data::value::Type;

use crate::egress::limits::{close_over_limit, over_output_limit};
use crate::egress::push::take_pushes;
use crate::exec::call::count;
use crate::exec::observe::log_if_slow;
use crate::exec::process::{Flow, close_talkative, execute};
use crate::exec::refuse::refuse;
use crate::feed::replicas::acknowledged;
use crate::keyspace::lookup::{db, is_expired};
use crate::server::Server;
use crate::state::blocked::{Block, BlockKind, BlockedCommand, OnCancel, ReplicaBlock, Waiter};
use crate::state::client::{ClientFlags, Closing};
use crate::state::client_id::ClientId;
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, WAITAOF_OFF};
use crate::wire::reply::Reply;

/// Executes one command of a client, and then the clients blocked on the keys that it has filled.
#[inline]
pub fn run(srv: &mut Server, id: ClientId, argv: &Argv, reply: &mut Reply) -> Flow {
    let flow = execute(srv, id, argv, reply, None);
    if !srv.blocked.has_ready() {
        return flow;
    }
    serve_ready(srv);
    // One of the served commands may have closed this client.
    match srv.clients.get_mut(id) {
        Some(client) if flow == Flow::Next && client.may_go_on() => {
            take_pushes(client, reply);
            Flow::Next
        }
        _ => Flow::Stop,
    }
}

/// Serves the clients blocked on ready keys, and on those that become ready meanwhile.
#[cold]
pub fn serve_ready(srv: &mut Server) {
    if srv.unit.depth > 0 || srv.blocked.serving {
        return;
    }
    srv.blocked.serving = true;
    while let Some((number, key, last)) = srv.blocked.take_ready() {
        let mut after = 0;
        // A client that blocks again gets a later ticket and is not served again in this round.
        while let Some(waiter) = srv.blocked.next_waiter(number, &key, after, last) {
            after = waiter.ticket;
            let found = type_of(srv, number, &key);
            if found.is_none() && !srv.blocked.is_awaited_on_nokey(number, &key) {
                break;
            }
            if is_served(srv, waiter, found) && execute_again(srv, waiter.id) {
                srv.blocked.resumed.push(waiter.id);
            }
        }
    }
    srv.blocked.serving = false;
}

/// Whether a blocked client can be served by a key that holds a value of this type.
fn is_served(srv: &Server, waiter: Waiter, found: Option<Type>) -> bool {
    let client = srv.clients.get(waiter.id);
    let command = client.and_then(|client| client.blocked.as_ref());
    let Some(command) = command else {
        return false;
    };
    // Nothing has changed since the command was executed for another of its keys.
    if command.seen_version == srv.keys.version {
        return false;
    }
    match &command.block {
        Block::Keys(block) => waiter.need.on_nokey || found == Some(block.ty),
        _ => false,
    }
}

fn type_of(srv: &Server, number: usize, key: &[u8]) -> Option<Type> {
    let entry = db(srv, number).find(key)?;
    (!is_expired(srv, number, key)).then(|| entry.ty())
}

/// Unblocks a client.
fn unblock(srv: &mut Server, id: ClientId) -> Option<Box<BlockedCommand>> {
    let client = srv.clients.get_mut(id)?;
    let command = client.blocked.take()?;
    // The time spent blocked is not idle time: cron may run before the reply is sent.
    client.last_active = srv.unit.now_s();
    srv.blocked.unblock(id, &command);
    Some(command)
}

/// Executes a blocked command again; whether the client is no longer blocked, so that its further input is to be processed.
fn execute_again(srv: &mut Server, id: ClientId) -> bool {
    let Some(command) = unblock(srv, id) else {
        return false;
    };
    let client = srv.clients.get(id);
    if client.is_none_or(|client| client.closing != Closing::No) {
        return false;
    }
    let outer = srv.unit.client.replace(id);
    srv.unit.now_ms = srv.turn.tick();
    let rule = command.block.kind().rule();
    let before = rule.was_executed.then_some(&*command);
    answer(srv, id, |srv, reply| {
        execute(srv, id, &command.argv, reply, before);
    });
    srv.unit.client = outer;
    let client = srv.clients.get(id);
    client.is_some_and(|client| client.blocked.is_none())
}

/// Writes a reply to a client whose input is not being processed.
fn answer(srv: &mut Server, id: ClientId, write: impl FnOnce(&mut Server, &mut Reply)) {
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    let out = std::mem::take(&mut client.io.out);
    let mut reply = Reply::behind(out, client.session.resp, 0);
    reply.muted = client.is_muted();
    let was_executing = client.flags.contains(ClientFlags::EXECUTING);
    client.flags.insert(ClientFlags::EXECUTING);
    write(srv, &mut reply);
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    client.flags.set(ClientFlags::EXECUTING, was_executing);
    if client.is_replica() && !reply.out.is_empty() {
        return close_talkative(srv, id, &mut reply);
    }
    reply.out.append(std::mem::take(&mut client.io.out));
    client.io.out = reply.out;
    if !client.io.out.is_empty() {
        srv.clients.queue_write(id);
        if over_output_limit(srv, id) {
            close_over_limit(srv, id);
        }
    }
}

/// Unblocks a client without executing its command again: with an error, or with the reply of its block kind.
pub fn give_up(srv: &mut Server, id: ClientId, fault: Option<&Fault>) {
    let Some(command) = unblock(srv, id) else {
        return;
    };
    answer(srv, id, |srv, reply| {
        match (fault, command.block.on_cancel()) {
            (Some(fault), _) => refuse(srv, reply, fault),
            (None, OnCancel::NullArray) => reply.null_array(),
            (None, OnCancel::Acknowledged(block)) => write_acknowledged(srv, reply, &block),
            (None, OnCancel::Ok) => reply.ok(),
        }
    });
    count(srv, command.cmd, command.spent_ns, fault.is_some());
    log_if_slow(srv, id, command.cmd, &command.argv, command.spent_ns);
    if let Some(client) = srv.clients.get_mut(id) {
        client.advance_reply_mode();
    }
    srv.blocked.resumed.push(id);
}

/// Whether enough replicas, and this server's disk if it counts, have acknowledged.
pub fn is_acknowledged(srv: &Server, block: &ReplicaBlock) -> bool {
    let is_local = block.local == Some(true);
    acknowledged(srv, block) >= block.count && (!is_local || is_on_disk(srv, block.offset))
}

/// Whether the stream of writes is on this server's disk up to an offset.
fn is_on_disk(srv: &Server, offset: u64) -> bool {
    let synced = srv.aof.synced_offset;
    synced.is_some_and(|synced| synced >= offset)
}

/// Replies who has acknowledged.
pub fn write_acknowledged(srv: &Server, reply: &mut Reply, block: &ReplicaBlock) {
    if block.local.is_some() {
        reply.array(2);
        reply.int(i64::from(is_on_disk(srv, block.offset)));
    }
    reply.int(acknowledged(srv, block));
}

/// Unblocks the clients that wait for this server's disk, which will acknowledge nothing: the append-only file was switched
/// off.
pub fn refuse_local_waits(srv: &mut Server) {
    for id in srv.blocked.of_kind(BlockKind::Replicas) {
        let client = srv.clients.get(id);
        let command = client.and_then(|client| client.blocked.as_ref());
        if let Some(Block::Replicas(block)) = command.map(|command| &command.block)
            && block.local == Some(true)
        {
            give_up(srv, id, Some(&WAITAOF_OFF));
        }
    }
}

/// Replies to the clients in WAIT and WAITAOF for which enough replicas have acknowledged.
pub fn serve_acknowledged(srv: &mut Server) {
    for id in srv.blocked.of_kind(BlockKind::Replicas) {
        let client = srv.clients.get(id);
        let command = client.and_then(|client| client.blocked.as_ref());
        if let Some(Block::Replicas(block)) = command.map(|command| &command.block)
            && is_acknowledged(srv, block)
        {
            give_up(srv, id, None);
        }
    }
}

/// Executes a command that was held back, and then serves the clients blocked on the keys that it has filled. If it is
/// still held back, it blocks again. The caller processes the client's further input at once, before that of clients that
/// are served meanwhile.
pub fn release(srv: &mut Server, id: ClientId) {
    execute_again(srv, id);
    serve_ready(srv);
}

/// Unblocks the clients whose deadline has passed.
pub fn expire_blocks(srv: &mut Server) {
    while let Some(id) = srv.blocked.overdue(srv.unit.now_ms) {
        give_up(srv, id, None);
    }
}
