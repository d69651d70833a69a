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
use crate::wire::command::{bulk, header};
use crate::wire::output::KEEP_TAIL;
use crate::wire::reply::Resp;

/// An encoded message of this size and more is shared by its receivers; a shorter one costs less as a copy, in bytes.
const SHARED: usize = 512;

/// A message, encoded as far as it was needed.
pub struct Message<'a> {
    content: Content<'a>,
    encoded: [Option<Encoded>; 2],
}

#[derive(Clone)]
enum Encoded {
    Short(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl From<Vec<u8>> for Encoded {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() < SHARED {
            Encoded::Short(bytes)
        } else {
            Encoded::Shared(Arc::new(bytes))
        }
    }
}

enum Content<'a> {
    /// Bulk strings in RESP2 and in RESP3, and a last part.
    Push([&'a [&'a [u8]]; 2], Last<'a>),
    /// An encoded reply, for clients that want replies.
    Reply,
}

/// The last part of a push.
#[derive(Clone, Copy)]
pub enum Last<'a> {
    /// There is none.
    None,
    /// An array of keys.
    Keys(&'a [&'a [u8]]),
    /// The null of RESP2, in both versions.
    Null2,
    /// The null of RESP3, in both versions.
    Null3,
    /// The public id of a client.
    Number(u64),
}

impl<'a> Message<'a> {
    /// A message of these parts.
    pub fn new(parts: &'a [&'a [u8]]) -> Self {
        Message::push([parts, parts], Last::None)
    }

    /// Keys have changed; a null stands for all keys.
    pub fn invalidation(keys: Last<'a>) -> Self {
        let parts: [&[&[u8]]; 2] = [&[b"message", b"__redis__:invalidate"], &[b"invalidate"]];
        Message::push(parts, keys)
    }

    /// The client of this number is gone, so invalidations no longer reach anyone; RESP3 only.
    pub fn broken_redirection(number: u64) -> Self {
        Message::push([&[], &[b"tracking-redir-broken"]], Last::Number(number))
    }

    /// A reply, encoded, that is the same in both protocol versions. CLIENT REPLY silences it.
    pub fn reply(bytes: Vec<u8>) -> Self {
        let bytes = Encoded::from(bytes);
        Message {
            content: Content::Reply,
            encoded: [Some(bytes.clone()), Some(bytes)],
        }
    }

    fn push(parts: [&'a [&'a [u8]]; 2], last: Last<'a>) -> Self {
        Message {
            content: Content::Push(parts, last),
            encoded: [None, None],
        }
    }

    #[inline]
    fn encoded(&mut self, resp: Resp) -> &Encoded {
        let content = &self.content;
        self.encoded[resp as usize].get_or_insert_with(|| content.encode(resp).into())
    }
}

impl Content<'_> {
    #[cold]
    fn encode(&self, resp: Resp) -> Vec<u8> {
        let Content::Push(parts, last) = self else {
            return Vec::new();
        };
        let parts = parts[resp as usize];
        let keys: &[&[u8]] = match last {
            Last::Keys(keys) => keys,
            _ => &[],
        };
        let size = parts.iter().chain(keys).map(|part| part.len() + 32).sum();
        let mut out = Vec::with_capacity(size);
        let mark = if resp == Resp::V3 { b'>' } else { b'*' };
        let has_last = !matches!(last, Last::None);
        header(mark, parts.len() + usize::from(has_last), &mut out);
        parts.iter().for_each(|part| bulk(part, &mut out));
        match last {
            Last::None => {}
            Last::Keys(keys) => {
                header(b'*', keys.len(), &mut out);
                keys.iter().for_each(|key| bulk(key, &mut out));
            }
            Last::Null2 => out.extend_from_slice(b"$-1\r\n"),
            Last::Null3 => out.extend_from_slice(b"_\r\n"),
            Last::Number(number) => header(b':', *number as usize, &mut out),
        }
        out
    }
}

/// Appends a message to the output of a client. Call [`check_limits`] after the last receiver.
#[inline]
pub fn deliver(clients: &mut Clients, id: ClientId, message: &mut Message<'_>) {
    let Some(client) = clients.slab.get_mut(id) else {
        return;
    };
    let is_muted = client.is_muted() && matches!(message.content, Content::Reply);
    if client.conn.is_none() || client.closing != Closing::No || is_muted {
        return;
    }
    let out = &mut client.io.out;
    match message.encoded(client.session.resp) {
        Encoded::Short(bytes) => out.push_short(bytes),
        Encoded::Shared(bytes) => out.push_shared(Arc::clone(bytes)),
    }
    let is_big = out.len() > KEEP_TAIL;
    if !client.flags.contains(ClientFlags::PENDING_WRITE) {
        client.flags.insert(ClientFlags::PENDING_WRITE);
        clients.pending_write.push(id);
    }
    if is_big {
        clients.big_output.push(id);
    }
}

/// Accounts for receivers with much output, and closes those that are over a limit.
#[inline]
pub fn check_limits(srv: &mut Server) {
    if !srv.clients.big_output.is_empty() {
        check_big_outputs(srv);
    }
}

#[cold]
fn check_big_outputs(srv: &mut Server) {
    let mut ids = std::mem::take(&mut srv.clients.big_output);
    for id in ids.drain(..) {
        account_memory(srv, id);
        if over_output_limit(srv, id) {
            close_over_limit(srv, id);
        }
    }
    // Kept for its memory.
    srv.clients.big_output = ids;
}

/// Sends a message to the subscribers of a channel and of the patterns that match it. Returns their number; a client
/// counts once per subscription.
pub fn publish(srv: &mut Server, channel: &[u8], text: &[u8]) -> usize {
    let Server {
        pubsub, clients, ..
    } = srv;
    let ids = pubsub.subscribers(Kind::Channel, channel);
    let mut receivers = ids.len();
    let parts = [b"message", channel, text];
    let mut message = Message::new(&parts);
    for &id in ids {
        deliver(clients, id, &mut message);
    }
    pubsub.for_each_match(channel, |pattern, ids| {
        receivers += ids.len();
        let parts = [b"pmessage", pattern, channel, text];
        let mut message = Message::new(&parts);
        for &id in ids {
            deliver(clients, id, &mut message);
        }
    });
    check_limits(srv);
    receivers
}

/// Sends a message to the subscribers of a shard channel; returns their number.
pub fn publish_to_shard(srv: &mut Server, channel: &[u8], text: &[u8]) -> usize {
    let Server {
        pubsub, clients, ..
    } = srv;
    let ids = pubsub.subscribers(Kind::Shard, channel);
    let receivers = ids.len();
    let parts = [b"smessage", channel, text];
    let mut message = Message::new(&parts);
    for &id in ids {
        deliver(clients, id, &mut message);
    }
    check_limits(srv);
    receivers
}
