//! Messages that clients get without asking: those of Pub/Sub, of MONITOR, and what `egress/invalidate` sends.
//!
//! A message is encoded once per protocol version, when the first receiver needs it, and appended to the output of all
//! receivers; a big one is shared by them. CLIENT REPLY does not silence messages, but it does silence replies, which the
//! lines of MONITOR are.
//!
//! While the receiver's own command is executed, its replies are elsewhere (`ingress/input`), and what is appended to its
//! output is sent behind the reply to that command (`egress/push`).

use std::sync::Arc;

use crate::egress::account::account_memory;
use crate::egress::limits::{close_over_limit, over_output_limit};
use crate::server::Server;
use crate::state::client::{ClientFlags, Closing};
use crate::state::client_id::ClientId;
use crate::state::clients::Clients;
use crate::state::pubsub::Kind;
use crate::wire::output::{KEEP_TAIL, Output};
use crate::wire::reply::{Reply, Resp};

/// A message, encoded as far as it was needed.
pub struct Message<'a> {
    content: Content<'a>,
    encoded: [Option<Arc<Vec<u8>>>; 2],
}

enum Content<'a> {
    /// Bulk strings in RESP2 and in RESP3, and a last part that is encoded already.
    Push([&'a [&'a [u8]]; 2], &'a [u8]),
    /// An encoded reply, for clients that want replies.
    Reply,
}

impl<'a> Message<'a> {
    /// A message of these parts.
    pub fn new(parts: &'a [&'a [u8]]) -> Self {
        Message::push([parts, parts], &[])
    }

    /// Keys have changed: `value` is an encoded array of them, or a null that means all.
    pub fn invalidation(value: &'a [u8]) -> Self {
        let parts: [&[&[u8]]; 2] = [&[b"message", b"__redis__:invalidate"], &[b"invalidate"]];
        Message::push(parts, value)
    }

    /// The client that `value` names is gone, so invalidations no longer reach anyone; RESP3 only.
    pub fn broken_redirection(value: &'a [u8]) -> Self {
        Message::push([&[], &[b"tracking-redir-broken"]], value)
    }

    /// A reply, encoded, that is the same in both protocol versions. CLIENT REPLY silences it.
    pub fn reply(bytes: Vec<u8>) -> Self {
        let bytes = Arc::new(bytes);
        Message {
            content: Content::Reply,
            encoded: [Some(Arc::clone(&bytes)), Some(bytes)],
        }
    }

    fn push(parts: [&'a [&'a [u8]]; 2], value: &'a [u8]) -> Self {
        Message {
            content: Content::Push(parts, value),
            encoded: [None, None],
        }
    }

    #[inline]
    fn encoded(&mut self, resp: Resp) -> &Arc<Vec<u8>> {
        let content = &self.content;
        self.encoded[resp as usize].get_or_insert_with(|| Arc::new(content.encode(resp)))
    }
}

impl Content<'_> {
    #[cold]
    fn encode(&self, resp: Resp) -> Vec<u8> {
        let Content::Push(parts, value) = self else {
            return Vec::new();
        };
        let parts = parts[resp as usize];
        let mut reply = Reply::behind(Output::default(), resp, 0);
        let bytes: usize = parts.iter().map(|part| part.len() + 32).sum();
        reply.out.tail.reserve(bytes + value.len());
        reply.push(parts.len() + usize::from(!value.is_empty()));
        parts.iter().for_each(|part| reply.bulk(part));
        let mut bytes = reply.out.into_bytes();
        bytes.extend_from_slice(value);
        bytes
    }
}

/// Receivers whose output has become so big that its limits have to be checked.
pub type Big = Vec<ClientId>;

/// Appends a message to the output of a client.
#[inline]
pub fn deliver(clients: &mut Clients, big: &mut Big, id: ClientId, message: &mut Message<'_>) {
    let Some(client) = clients.slab.get_mut(id) else {
        return;
    };
    let is_muted = client.is_muted() && matches!(message.content, Content::Reply);
    if client.conn.is_none() || client.closing != Closing::No || is_muted {
        return;
    }
    let out = &mut client.io.out;
    out.push_message(message.encoded(client.session.resp));
    let is_big = out.len() > KEEP_TAIL;
    if !client.flags.contains(ClientFlags::PENDING_WRITE) {
        client.flags.insert(ClientFlags::PENDING_WRITE);
        clients.pending_write.push(id);
    }
    if is_big {
        big.push(id);
    }
}

/// Accounts for receivers with much output, and closes those that are over a limit.
pub fn check_limits(srv: &mut Server, big: Big) {
    for id in big {
        account_memory(srv, id);
        if over_output_limit(srv, id) {
            close_over_limit(srv, id);
        }
    }
}

/// Sends a message to the subscribers of a channel and of the patterns that match it. Returns their number; a client
/// counts once per subscription.
pub fn publish(srv: &mut Server, channel: &[u8], text: &[u8]) -> usize {
    let Server {
        pubsub, clients, ..
    } = srv;
    let mut big = Big::new();
    let ids = pubsub.subscribers(Kind::Channel, channel);
    let mut receivers = ids.len();
    let parts = [b"message", channel, text];
    let mut message = Message::new(&parts);
    for &id in ids {
        deliver(clients, &mut big, id, &mut message);
    }
    pubsub.for_each_match(channel, |pattern, ids| {
        receivers += ids.len();
        let parts = [b"pmessage", pattern, channel, text];
        let mut message = Message::new(&parts);
        for &id in ids {
            deliver(clients, &mut big, id, &mut message);
        }
    });
    check_limits(srv, big);
    receivers
}

/// Sends a message to the subscribers of a shard channel; returns their number.
pub fn publish_to_shard(srv: &mut Server, channel: &[u8], text: &[u8]) -> usize {
    let Server {
        pubsub, clients, ..
    } = srv;
    let mut big = Big::new();
    let ids = pubsub.subscribers(Kind::Shard, channel);
    let receivers = ids.len();
    let parts = [b"smessage", channel, text];
    let mut message = Message::new(&parts);
    for &id in ids {
        deliver(clients, &mut big, id, &mut message);
    }
    check_limits(srv, big);
    receivers
}
