//! Messages that clients get without asking: those of Pub/Sub, of MONITOR, and what `egress/invalidate` sends.
//!
//! A message is encoded once per protocol version, when the first receiver needs it, and appended to the output of all
//! receivers; a big one is shared by them. CLIENT REPLY does not silence messages, but it does silence replies, which the
//! lines of MONITOR are.
//!
//! Messages are delivered by an [`Outbox`], which exists only within [`send`]. So the output limits of the receivers are
//! always checked afterwards: not for each message, as the receiver may be the client whose command is executed.
//!
//! While the receiver's own command is executed, its replies are elsewhere (`ingress/input`), and what is appended to its
//! output is sent behind the reply to that command (`egress/push`).

use std::sync::Arc;

use conn::encode::{NULL, NULL_BULK, bulk, header};

use crate::egress::account::account_if_limited;
use crate::egress::limits::{close_over_limit, over_output_limit};
use crate::server::Server;
use crate::state::client::Closing;
use crate::state::client_id::ClientId;
use crate::state::clients::Clients;
use crate::state::observers::Observers;
use crate::state::pubsub::{Kind, Pubsub};
use crate::wire::output::KEEP_TAIL;
use crate::wire::reply::Resp;

/// An encoded message of this size and more is shared by its receivers; a shorter one costs less as a copy, in bytes.
const SHARED: usize = 512;

/// A message, encoded as far as it was needed.
pub enum Message<'a> {
    /// A push, whose encoding depends on the protocol version.
    Push(Push<'a>),
    /// An encoded reply, for clients that want replies.
    Reply(Encoded),
}

/// Bulk strings in RESP2 and in RESP3, a last part, and the encodings.
pub struct Push<'a> {
    parts: [&'a [&'a [u8]]; 2],
    last: Last<'a>,
    encoded: [Option<Encoded>; 2],
}

/// An encoded message.
pub enum Encoded {
    /// Copied to each receiver.
    Short(Vec<u8>),
    /// Shared by all receivers.
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
        Message::Reply(bytes.into())
    }

    fn push(parts: [&'a [&'a [u8]]; 2], last: Last<'a>) -> Self {
        Message::Push(Push {
            parts,
            last,
            encoded: [None, None],
        })
    }

    #[inline]
    fn encoded(&mut self, resp: Resp) -> &Encoded {
        match self {
            Message::Reply(encoded) => encoded,
            Message::Push(push) => {
                let (parts, last) = (push.parts[resp as usize], push.last);
                push.encoded[resp as usize]
                    .get_or_insert_with(|| encode(parts, last, resp.push_mark()).into())
            }
        }
    }
}

#[cold]
fn encode(parts: &[&[u8]], last: Last<'_>, mark: u8) -> Vec<u8> {
    let keys: &[&[u8]] = match last {
        Last::Keys(keys) => keys,
        _ => &[],
    };
    let size = parts.iter().chain(keys).map(|part| part.len() + 32).sum();
    let mut out = Vec::with_capacity(size);
    let has_last = !matches!(last, Last::None);
    let count = parts.len() + usize::from(has_last);
    header(mark, count as i64, &mut out);
    parts.iter().for_each(|part| bulk(part, &mut out));
    match last {
        Last::None => {}
        Last::Keys(keys) => {
            header(b'*', keys.len() as i64, &mut out);
            keys.iter().for_each(|key| bulk(key, &mut out));
        }
        Last::Null2 => out.extend_from_slice(NULL_BULK),
        Last::Null3 => out.extend_from_slice(NULL),
        Last::Number(number) => header(b':', number as i64, &mut out),
    }
    out
}

/// Delivers messages.
pub struct Outbox<'a> {
    /// The clients.
    pub clients: &'a mut Clients,
    /// Receivers whose output has become so big that limits have to be checked.
    big: &'a mut Vec<ClientId>,
}

/// The lists of receivers, which do not change while messages are delivered.
pub struct Receivers<'a> {
    /// The subscribers.
    pub pubsub: &'a Pubsub,
    /// The clients in MONITOR, among others.
    pub observers: &'a Observers,
}

/// Lets `deliver` deliver messages, then accounts for the receivers with much output and closes those that are over a limit.
#[inline]
pub fn send<R>(srv: &mut Server, deliver: impl FnOnce(&mut Outbox<'_>, &Receivers<'_>) -> R) -> R {
    let mut big = std::mem::take(&mut srv.clients.big_output);
    let mut outbox = Outbox {
        clients: &mut srv.clients,
        big: &mut big,
    };
    let receivers = Receivers {
        pubsub: &srv.pubsub,
        observers: &srv.observers,
    };
    let result = deliver(&mut outbox, &receivers);
    if !big.is_empty() {
        check_limits(srv, &mut big);
    }
    // Kept for its memory.
    srv.clients.big_output = big;
    result
}

/// Sends a message to one client.
pub fn send_to(srv: &mut Server, id: ClientId, message: &mut Message<'_>) {
    send(srv, |outbox, _| outbox.deliver(id, message));
}

impl Outbox<'_> {
    /// Appends a message to the output of a client.
    #[inline]
    pub fn deliver(&mut self, id: ClientId, message: &mut Message<'_>) {
        let Some(client) = self.clients.slab.get_mut(id) else {
            return;
        };
        let is_muted = client.is_muted() && matches!(message, Message::Reply(_));
        if client.conn.is_none() || client.closing != Closing::No || is_muted {
            return;
        }
        let out = &mut client.io.out;
        match message.encoded(client.session.resp) {
            Encoded::Short(bytes) => out.push_short(bytes),
            Encoded::Shared(bytes) => out.push_shared(Arc::clone(bytes)),
        }
        let is_big = out.len() > KEEP_TAIL;
        client.queue_write(id, &mut self.clients.pending_write);
        if is_big {
            self.big.push(id);
        }
    }

    /// Appends a message to the output of each of `ids`.
    #[inline]
    pub fn deliver_all(&mut self, ids: &[ClientId], message: &mut Message<'_>) {
        for &id in ids {
            self.deliver(id, message);
        }
    }
}

#[cold]
fn check_limits(srv: &mut Server, ids: &mut Vec<ClientId>) {
    for id in ids.drain(..) {
        account_if_limited(srv, id);
        if over_output_limit(srv, id) {
            close_over_limit(srv, id);
        }
    }
}

/// Sends a message to the subscribers of a channel and of the patterns that match it. Returns their number; a client
/// counts once per subscription.
pub fn publish(srv: &mut Server, channel: &[u8], text: &[u8]) -> usize {
    send(srv, |outbox, receivers| {
        let ids = receivers.pubsub.subscribers(Kind::Channel, channel);
        let mut count = ids.len();
        let parts = [b"message", channel, text];
        outbox.deliver_all(ids, &mut Message::new(&parts));
        receivers.pubsub.for_each_match(channel, |pattern, ids| {
            count += ids.len();
            let parts = [b"pmessage", pattern, channel, text];
            outbox.deliver_all(ids, &mut Message::new(&parts));
        });
        count
    })
}

/// Sends a message to the subscribers of a shard channel; returns their number.
pub fn publish_to_shard(srv: &mut Server, channel: &[u8], text: &[u8]) -> usize {
    send(srv, |outbox, receivers| {
        let ids = receivers.pubsub.subscribers(Kind::Shard, channel);
        let parts = [b"smessage", channel, text];
        outbox.deliver_all(ids, &mut Message::new(&parts));
        ids.len()
    })
}
