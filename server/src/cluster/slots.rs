//! Keys and shard channels of slots that change hands.

use cluster::slots::SlotSet;
use slot::key_slot;

use crate::egress::push::push_raw;
use crate::exec::route;
use crate::exec::unblock::give_up;
use crate::feed::propagate::{as_unit, deletion};
use crate::keyspace::delete::drop_moved;
use crate::keyspace::lookup::db;
use crate::server::Server;
use crate::session::subscribe::unsubscribe;
use crate::state::blocked::{Block, BlockKind};
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;
use crate::state::pubsub::Kind;
use crate::wire::output::Output;
use crate::wire::reply::{Reply, Resp};

/// Removes the keys of slots that this node no longer owns, and has its replicas delete them, each by a command of its own.
pub fn drop_keys(srv: &mut Server, slots: &SlotSet) {
    let lazy = srv.config.lazyfree_lazy_server_del;
    for slot in slots.iter() {
        let keys: Vec<Box<[u8]>> = db(srv, 0).slot_keys(slot).map(Box::from).collect();
        for key in keys {
            as_unit(srv, |srv| {
                drop_moved(srv, &key, lazy);
                deletion(srv, 0, &key, lazy);
            });
        }
    }
}

/// Slots have another owner: their shard channels lose their subscribers here, and who is blocked on their keys is sent to the
/// new owner.
pub fn left(srv: &mut Server, slots: &SlotSet) {
    let channels: Vec<Box<[u8]>> = srv
        .pubsub
        .channels(Kind::Shard)
        .filter(|channel| slots.contains(key_slot(channel)))
        .map(Box::from)
        .collect();
    for channel in channels {
        for id in srv.pubsub.subscribers(Kind::Shard, &channel).to_vec() {
            unsubscribe(srv, id, Kind::Shard, &channel);
            tell_unsubscribed(srv, id, &channel);
        }
    }
    redirect_blocked(srv);
}

fn tell_unsubscribed(srv: &mut Server, id: ClientId, channel: &[u8]) {
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    let own = client.subscriptions.as_ref();
    let left = own.map_or(0, |own| own.count(Kind::Shard));
    if own.is_some_and(|own| own.is_empty()) {
        client.subscriptions = None;
        client.flags.remove(ClientFlags::PUBSUB);
    }
    let mut message = Reply::behind(Output::default(), client.session.resp, 0);
    match client.session.resp {
        Resp::V2 => message.array(3),
        Resp::V3 => message.push(3),
    }
    message.bulk(b"sunsubscribe");
    message.bulk(channel);
    message.int(left as i64);
    let bytes = message.out.into_bytes();
    push_raw(srv, id, &bytes);
}

/// Sends clients that are blocked on keys of other nodes there.
pub fn redirect_blocked(srv: &mut Server) {
    if srv.cluster.is_none() {
        return;
    }
    for id in srv.blocked.of_kind(BlockKind::Keys) {
        redirect_if_blocked(srv, id);
    }
}

/// Sends a client to another node if it is blocked on keys that this one no longer serves.
pub fn redirect_if_blocked(srv: &mut Server, id: ClientId) {
    let client = srv.clients.get(id);
    let Some((client, command)) = client.and_then(|it| Some((it, it.blocked.as_deref()?))) else {
        return;
    };
    let Block::Keys(block) = &command.block else {
        return;
    };
    let writes = table::spec(command.cmd)
        .flags
        .contains(table::words::Flags::WRITE);
    let reads_replica = client.flags.contains(ClientFlags::READS_REPLICA) && !writes;
    let keys = block.keys.iter().map(|key| &**key);
    if let Some(redirection) = route::route_blocked(srv, reads_replica, keys) {
        let fault = route::fault(srv, id, redirection);
        give_up(srv, id, Some(&fault));
    }
}
