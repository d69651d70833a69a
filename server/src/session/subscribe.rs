//! A client's side of Pub/Sub: subscribing, unsubscribing, leaving everything.

use crate::server::Server;
use crate::state::caller::Caller;
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;
use crate::state::pubsub::{Kind, Subscriptions};

/// Subscribes a client to a name.
pub fn subscribe(srv: &mut Server, id: ClientId, kind: Kind, name: &[u8]) {
    let Server {
        pubsub, clients, ..
    } = srv;
    if let Some(client) = clients.get_mut(id) {
        let own = client.subscriptions.get_or_insert_default();
        pubsub.subscribe(id, own, kind, name);
    }
}

/// Ends a client's subscription to a name, if there is one.
pub fn unsubscribe(srv: &mut Server, id: ClientId, kind: Kind, name: &[u8]) {
    let Server {
        pubsub, clients, ..
    } = srv;
    let client = clients.get_mut(id);
    if let Some(own) = client.and_then(|client| client.subscriptions.as_mut()) {
        pubsub.unsubscribe(id, own, kind, name);
    }
}

/// Ends all subscriptions of a client of a kind. Calls `each` with every name and the number of the subscriptions that are
/// left, as [`count`] tells it.
pub fn unsubscribe_all(
    srv: &mut Server,
    id: ClientId,
    kind: Kind,
    mut each: impl FnMut(&[u8], usize),
) {
    let client = srv.clients.get_mut(id);
    let Some(own) = client.and_then(|client| client.subscriptions.as_mut()) else {
        return;
    };
    let names = own.take(kind);
    let mut left = count(srv, id, kind) + names.len();
    for name in names {
        srv.pubsub.forget(id, kind, &name);
        left -= 1;
        each(&name, left);
    }
}

fn own(srv: &Server, id: ClientId) -> Option<&Subscriptions> {
    srv.clients.get(id)?.subscriptions.as_deref()
}

/// The number of subscriptions that the confirmation of a change tells: shard channels are counted on their own.
pub fn count(srv: &Server, id: ClientId, kind: Kind) -> usize {
    own(srv, id).map_or(0, |own| match kind {
        Kind::Shard => own.count(Kind::Shard),
        _ => own.count(Kind::Channel) + own.count(Kind::Pattern),
    })
}

/// Ends all subscriptions of a client.
pub fn leave_all(srv: &mut Server, id: ClientId) {
    let client = srv.clients.get_mut(id);
    if let Some(own) = client.and_then(|client| client.subscriptions.take()) {
        srv.pubsub.remove_all(id, &own);
    }
}

/// Makes the caller's client a subscriber, or no longer one, after its subscriptions have changed.
pub fn settle(srv: &mut Server, caller: &mut Caller) {
    let Some(client) = srv.clients.get_mut(caller.client) else {
        return;
    };
    let own = client.subscriptions.as_ref();
    let is_subscriber = own.is_some_and(|own| !own.is_empty());
    if !is_subscriber {
        client.subscriptions = None;
    }
    client.flags.set(ClientFlags::PUBSUB, is_subscriber);
    caller.class = client.class();
}
