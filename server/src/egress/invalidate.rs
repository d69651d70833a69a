//! Invalidations: telling clients that keys which they may have cached have changed.
//!
//! | receiver | what it gets |
//! |---|---|
//! | RESP3 | a push `invalidate` with the keys, or with null if all keys are affected |
//! | RESP2, and another client redirects to it, and it is a subscriber | a message of the channel `__redis__:invalidate` |
//! | RESP2 otherwise | nothing |
//!
//! The client whose command is executed is told behind its reply, and behind the messages that the command has caused.

use crate::egress::publish::{Last, Message, Outbox, send};
use crate::server::Server;
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;
use crate::state::tracking::{Changes, Pending};
use crate::wire::reply::Resp;

/// Keys evicted from the table before one command; more if too many were left the last times.
const EVICTED_PER_COMMAND: u32 = 100;

/// A key has changed: tells the clients that may hold it. `by` is the client that has changed it.
#[cold]
pub fn key_changed(srv: &mut Server, key: &[u8], by: Option<ClientId>) {
    srv.tracking.collect(key, by);
    forget(srv, key);
}

/// Forgets a key and tells the clients that may hold it.
fn forget(srv: &mut Server, key: &[u8]) {
    let current = srv.unit.client;
    let executes = srv.unit.depth > 0;
    let keys = [key];
    let mut message = Message::invalidation(Last::Keys(&keys));
    let holders = srv.tracking.forget(key);
    let held_back = send(srv, |outbox, _| {
        let mut held_back = None;
        for &id in holders.ids() {
            let client = outbox.clients.get(id);
            let Some(own) = client.and_then(|client| client.tracking.as_ref()) else {
                continue;
            };
            let is_current = current == Some(id);
            if own.broadcast || (own.no_loop && is_current) {
                continue;
            }
            if is_current && executes {
                held_back = Some(id);
            } else {
                invalidate(outbox, id, 0, &mut message);
            }
        }
        held_back
    });
    if let Some(id) = held_back {
        hold_back(srv, id, Some(key));
    }
}

/// Databases were emptied or replaced: tells all clients, and forgets all keys.
pub fn all_changed(srv: &mut Server) {
    if !srv.tracking.is_active() {
        return;
    }
    // In the order in which they connected, as in Redis: several may redirect to the same client.
    let mut ids = srv.tracking.clients().ids().to_vec();
    ids.sort_by_key(|&id| srv.clients.get(id).map(|client| client.id));
    for id in ids {
        if srv.unit.client == Some(id) && srv.unit.depth > 0 {
            hold_back(srv, id, None);
        } else {
            send_null(srv, id, 0);
        }
    }
    let count = srv.tracking.keys_len() as u64;
    let keys = srv.tracking.forget_all();
    srv.background.free(Box::new(keys), count);
}

/// Keeps an invalidation for the client whose command is executed until that has been answered.
fn hold_back(srv: &mut Server, id: ClientId, key: Option<&[u8]>) {
    let client = srv.clients.get(id);
    let own = client.and_then(|client| client.tracking.as_ref());
    srv.tracking.pending.push(Pending {
        id,
        key: key.map(Into::into),
        redirect: own.map_or(0, |own| own.redirect),
    });
}

/// Tells the client of the command that has ended what was held back for it.
#[cold]
pub fn flush_own(srv: &mut Server) {
    for Pending { id, key, redirect } in std::mem::take(&mut srv.tracking.pending) {
        match key {
            Some(key) => {
                let keys = [&*key];
                let mut message = Message::invalidation(Last::Keys(&keys));
                send(srv, |outbox, _| {
                    invalidate(outbox, id, redirect, &mut message);
                });
            }
            None => send_null(srv, id, redirect),
        }
    }
}

/// Tells the clients in broadcasting mode of the changes since the last time: one message per prefix.
pub fn broadcast(srv: &mut Server) {
    while let Some((changes, ids)) = srv.tracking.take_collected() {
        let all: Vec<&[u8]> = changes.keys().map(|key| &**key).collect();
        let mut message = Message::invalidation(Last::Keys(&all));
        send(srv, |outbox, _| {
            for id in ids {
                let client = outbox.clients.get(id);
                let own = client.and_then(|client| client.tracking.as_ref());
                if !own.is_some_and(|own| own.no_loop) {
                    invalidate(outbox, id, 0, &mut message);
                    continue;
                }
                let others = changes_of_others(&changes, id);
                if !others.is_empty() {
                    let mut message = Message::invalidation(Last::Keys(&others));
                    invalidate(outbox, id, 0, &mut message);
                }
            }
        });
    }
}

fn changes_of_others(changes: &Changes, id: ClientId) -> Vec<&[u8]> {
    let others = changes.iter().filter(|(_, by)| **by != Some(id));
    others.map(|(key, _)| &**key).collect()
}

/// Evicts keys from the table until it has at most `tracking-table-max-keys`, or enough was done for one command.
#[cold]
pub fn limit_table(srv: &mut Server) {
    let effort = EVICTED_PER_COMMAND.saturating_mul(srv.tracking.overruns + 1);
    for _ in 0..effort {
        note_overflow(srv);
        if !srv.tracking.over_limit {
            srv.tracking.overruns = 0;
            return;
        }
        if let Some(key) = srv.tracking.some_key(&mut srv.keys.rng) {
            forget(srv, &key);
        }
    }
    note_overflow(srv);
    srv.tracking.overruns = if srv.tracking.over_limit {
        srv.tracking.overruns + 1
    } else {
        0
    };
}

/// Notes whether the table has more keys than `tracking-table-max-keys` allows: the next command, or cron, evicts some.
/// Called when the table has grown or the limit was changed.
pub fn note_overflow(srv: &mut Server) {
    let most = srv.config.tracking_table_max_keys;
    srv.tracking.over_limit = most > 0 && srv.tracking.keys_len() as i64 > most;
}

/// The null that means all keys. As in Redis, its form is that of the client that tracks, wherever it redirects to.
fn send_null(srv: &mut Server, id: ClientId, redirect: u64) {
    let resp = srv.clients.get(id).map(|client| client.session.resp);
    let null = match resp {
        Some(Resp::V3) => Last::Null3,
        _ => Last::Null2,
    };
    let mut message = Message::invalidation(null);
    send(srv, |outbox, _| {
        invalidate(outbox, id, redirect, &mut message);
    });
}

/// Sends an invalidation to a client that tracks, or to the one that it redirects to; to `redirect` if it no longer
/// tracks.
fn invalidate(outbox: &mut Outbox<'_>, id: ClientId, redirect: u64, message: &mut Message<'_>) {
    let Some(client) = outbox.clients.get(id) else {
        return;
    };
    let resp = client.session.resp;
    let own = client.tracking.as_ref();
    let redirect = own.map_or(redirect, |own| own.redirect);
    if redirect == 0 {
        if resp == Resp::V3 {
            outbox.deliver(id, message);
        }
        return;
    }
    if let Some(target) = outbox.clients.by_number.get(&redirect).copied() {
        let hears = outbox.clients.get(target).is_some_and(|receiver| {
            receiver.session.resp == Resp::V3 || receiver.flags.contains(ClientFlags::PUBSUB)
        });
        if hears {
            outbox.deliver(target, message);
        }
        return;
    }
    let client = outbox.clients.get_mut(id);
    if let Some(own) = client.and_then(|client| client.tracking.as_mut()) {
        own.broken = true;
    }
    if resp == Resp::V3 {
        let mut message = Message::broken_redirection(redirect);
        outbox.deliver(id, &mut message);
    }
}
