//! Serving clients that wait, and the ways in which a wait ends.
//!
//! A command that waits is not continued but executed again, from the gate on, when one of its keys is ready. It may find
//! nothing again, and then waits behind all others. Ready keys are served after each command, before the next one of the
//! same pipeline, so that who waited longest gets what came first.

use data::value::Type;

use crate::egress::flush::{close_over_limit, over_output_limit};
use crate::exec::call::settle;
use crate::exec::process::{Flow, execute};
use crate::exec::refuse::refuse;
use crate::feed::replicas::acknowledged;
use crate::keyspace::lookup::{db, is_over};
use crate::server::Server;
use crate::state::blocked::{Parked, Wait};
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;
use crate::wire::request::Argv;

/// Executes one command of a client, and then whatever waits for the keys it has filled.
#[inline]
pub fn run(srv: &mut Server, id: ClientId, argv: &Argv, reply: &mut Reply) -> Flow {
    let flow = execute(srv, id, argv, reply, None);
    if srv.blocked.has_ready() {
        serve_ready(srv);
    }
    flow
}

/// Serves everybody who waits for a key that is ready, and for those that become ready meanwhile.
#[cold]
pub fn serve_ready(srv: &mut Server) {
    if srv.unit.depth > 0 || srv.blocked.serving {
        return;
    }
    srv.blocked.serving = true;
    while let Some((number, key)) = srv.blocked.take_ready() {
        // Those who come back to wait are not served again in this round.
        for id in srv.blocked.waiters(number, &key) {
            if is_served(srv, id, number, &key) {
                execute_again(srv, id);
            }
        }
    }
    srv.blocked.serving = false;
}

/// Whether a client may find what it waits for under a key.
fn is_served(srv: &Server, id: ClientId, number: usize, key: &[u8]) -> bool {
    let client = srv.clients.get(id);
    let parked = client.and_then(|client| client.parked.as_ref());
    let Some(Wait::Keys(wait)) = parked.map(|parked| &parked.wait) else {
        return false;
    };
    wait.on_nokey || type_of(srv, number, key) == Some(wait.ty)
}

fn type_of(srv: &Server, number: usize, key: &[u8]) -> Option<Type> {
    let entry = db(srv, number).find(key)?;
    (!is_over(srv, number, key)).then(|| entry.ty())
}

/// Takes a client out of its wait.
fn unpark(srv: &mut Server, id: ClientId) -> Option<Box<Parked>> {
    let parked = srv.clients.get_mut(id)?.parked.take()?;
    srv.blocked.unpark(id, &parked);
    Some(parked)
}

/// Executes a waiting command once more.
fn execute_again(srv: &mut Server, id: ClientId) {
    let Some(parked) = unpark(srv, id) else {
        return;
    };
    let outer = srv.unit.current.replace(id);
    srv.unit.begin();
    // One that was postponed has not been called yet.
    let before = match parked.wait {
        Wait::Pause | Wait::Outcome => None,
        _ => Some(&*parked),
    };
    answer(srv, id, |srv, reply| {
        execute(srv, id, &parked.argv, reply, before);
    });
    srv.unit.current = outer;
    let client = srv.clients.get(id);
    if client.is_some_and(|client| client.parked.is_none()) {
        srv.blocked.resumed.push(id);
    }
}

/// Writes an answer for a client whose input is not being processed.
fn answer(srv: &mut Server, id: ClientId, write: impl FnOnce(&mut Server, &mut Reply)) {
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    let mut reply = Reply::behind(std::mem::take(&mut client.io.out), client.resp, 0);
    client.flags.insert(ClientFlags::EXECUTING);
    write(srv, &mut reply);
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    client.flags.remove(ClientFlags::EXECUTING);
    reply.out.append(std::mem::take(&mut client.io.out));
    client.io.out = reply.out;
    if !client.io.out.is_empty() {
        srv.clients.queue_write(id);
        if over_output_limit(srv, id) {
            close_over_limit(srv, id);
        }
    }
}

/// Ends a wait without its command being executed again: with a fault, or as if it had found nothing in time; a MIGRATE
/// has succeeded then.
pub fn give_up(srv: &mut Server, id: ClientId, fault: Option<&Fault>) {
    let Some(parked) = unpark(srv, id) else {
        return;
    };
    answer(srv, id, |srv, reply| match (fault, &parked.wait) {
        (Some(fault), _) => refuse(srv, reply, fault),
        (None, Wait::Replicas(wait)) => reply.int(acknowledged(srv, wait.offset)),
        (None, Wait::Migration) => reply.ok(),
        (None, _) => reply.null_array(),
    });
    settle(srv, parked.cmd, parked.spent_ns, fault.is_some());
    srv.blocked.resumed.push(id);
}

/// Answers those who wait for replicas and have enough.
pub fn serve_acknowledged(srv: &mut Server) {
    for id in srv.blocked.for_replicas.clone() {
        let parked = srv
            .clients
            .get(id)
            .and_then(|client| client.parked.as_ref());
        if let Some(Wait::Replicas(wait)) = parked.map(|parked| &parked.wait)
            && acknowledged(srv, wait.offset) >= wait.count
        {
            give_up(srv, id, None);
        }
    }
}

/// Executes what has waited for the end of a pause.
pub fn end_pause(srv: &mut Server) {
    for id in srv.blocked.for_pause.clone() {
        execute_again(srv, id);
    }
}

/// Executes what has waited for keys in flight; with others in flight it may wait on.
pub fn end_hold(srv: &mut Server) {
    for id in srv.blocked.for_outcome.clone() {
        execute_again(srv, id);
    }
}

/// Ends the waits whose deadline has passed.
pub fn expire_waits(srv: &mut Server) {
    while let Some(id) = srv.blocked.overdue(srv.unit.now_ms) {
        give_up(srv, id, None);
    }
}
