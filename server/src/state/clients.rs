//! All clients, and the queues of clients to be flushed or closed.
//!
//! Output is sent and queued closes are carried out before the loop sleeps (`house/before_sleep`). A command that closes
//! another client (CLIENT KILL) closes it at once, unless that client is on the stack.

use std::collections::BTreeMap;

use data::ds::slab::Slab;

use crate::state::client::{Class, Client, Closing};
use crate::state::client_id::ClientId;
use crate::state::replication::replica::Replica;
use crate::state::size_classes::SizeClasses;
use crate::state::throttle::Throttle;

/// The clients of the server.
#[derive(Default)]
pub struct Clients {
    /// All clients.
    pub slab: Slab<Client>,
    /// Clients by their public id, in the order of CLIENT LIST.
    pub by_number: BTreeMap<u64, ClientId>,
    /// Clients with output to send.
    pub pending_write: Vec<ClientId>,
    /// Empty but for its memory: the list of receivers with much output, for `egress/publish`.
    pub big_output: Vec<ClientId>,
    /// Clients to close.
    pub close_queue: Vec<ClientId>,
    /// Memory of all clients of each [`Class`], in bytes, as of when each client was last active.
    memory: [usize; Class::COUNT],
    /// Clients that may be evicted, by their memory.
    sizes: SizeClasses,
    next_number: u64,
    /// The public id of the client that cron has visited last.
    pub cron_cursor: u64,
    /// The largest buffers that cron has met lately.
    pub peaks: Peaks,
    /// Limits warnings of connections over which HTTP is spoken.
    pub http_warnings: Throttle<1, 60_000>,
}

/// Seconds for which INFO remembers the largest buffers, as in Redis.
const PEAK_SECONDS: usize = 8;

/// The largest buffers of a client, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// Query buffer and arguments.
    pub input: usize,
    /// Output.
    pub output: usize,
}

impl Peak {
    fn with(self, other: Peak) -> Peak {
        Peak {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
        }
    }
}

/// The largest buffers of each of the last seconds.
#[derive(Debug, Default)]
pub struct Peaks {
    seconds: [(i64, Peak); PEAK_SECONDS],
    newest: i64,
}

impl Peaks {
    /// Notes the buffers of a client; `now` is in seconds and does not fall.
    pub fn note(&mut self, now: i64, peak: Peak) {
        let slot = &mut self.seconds[now.rem_euclid(PEAK_SECONDS as i64) as usize];
        *slot = match *slot {
            (second, before) if second == now => (now, before.with(peak)),
            _ => (now, peak),
        };
        self.newest = now;
    }

    /// The largest buffers noted in the last seconds.
    pub fn recent(&self) -> Peak {
        let oldest = self.newest - PEAK_SECONDS as i64;
        let recent = self.seconds.iter().filter(|(second, _)| *second > oldest);
        recent.fold(Peak::default(), |most, (_, peak)| most.with(*peak))
    }
}

impl Clients {
    /// Adds a client and assigns its public id.
    pub fn add(&mut self, mut client: Client) -> ClientId {
        self.next_number += 1;
        client.id = self.next_number;
        let number = client.id;
        let id = self.slab.insert(client);
        self.by_number.insert(number, id);
        id
    }

    /// Removes a client. The caller releases what it refers to (watches, blocks, its connection).
    pub fn remove(&mut self, id: ClientId) -> Option<Client> {
        let client = self.slab.remove(id)?;
        self.by_number.remove(&client.id);
        if let Some((class, bytes)) = client.accounted {
            self.memory[class as usize] -= bytes;
        }
        self.sizes.forget(&mut self.slab, &client);
        Some(client)
    }

    /// Accounts for the memory of a client, in bytes, in place of what was accounted for before. A client that is about
    /// to be closed no longer counts.
    pub fn account(&mut self, id: ClientId, bytes: usize) {
        let Some(client) = self.slab.get_mut(id) else {
            return;
        };
        if client.closing == Closing::Now {
            return;
        }
        let class = client.class();
        if let Some((class, bytes)) = client.accounted.replace((class, bytes)) {
            self.memory[class as usize] -= bytes;
        }
        self.memory[class as usize] += bytes;
        let bytes = client.is_evictable().then_some(bytes);
        self.sizes.set(&mut self.slab, id, bytes);
    }

    /// A client counts no longer: it is about to be closed.
    pub fn forget_memory(&mut self, id: ClientId) {
        let client = self.slab.get_mut(id);
        if let Some((class, bytes)) = client.and_then(|client| client.accounted.take()) {
            self.memory[class as usize] -= bytes;
        }
        self.sizes.set(&mut self.slab, id, None);
    }

    /// A client among the biggest of those that may be evicted.
    pub fn biggest(&self) -> Option<ClientId> {
        self.sizes.biggest()
    }

    /// Memory of all clients of a class, in bytes.
    pub fn memory_of(&self, class: Class) -> usize {
        self.memory[class as usize]
    }

    /// The client at `id`, if it is still there.
    #[inline]
    pub fn get(&self, id: ClientId) -> Option<&Client> {
        self.slab.get(id)
    }

    /// The client at `id`, if it is still there.
    #[inline]
    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.slab.get_mut(id)
    }

    /// The replication state of a client that is a replica or has sent REPLCONF.
    #[inline]
    pub fn replica(&self, id: ClientId) -> Option<&Replica> {
        self.get(id)?.replica.as_deref()
    }

    /// As [`Clients::replica`], mutable.
    #[inline]
    pub fn replica_mut(&mut self, id: ClientId) -> Option<&mut Replica> {
        self.get_mut(id)?.replica.as_deref_mut()
    }

    /// Number of clients.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.slab.len() == 0
    }

    /// The public id of the next client.
    pub fn next_number(&self) -> u64 {
        self.next_number + 1
    }

    /// Queues output to be sent before the loop sleeps.
    #[inline]
    pub fn queue_write(&mut self, id: ClientId) {
        if let Some(client) = self.slab.get_mut(id) {
            client.queue_write(id, &mut self.pending_write);
        }
    }

    /// Queues a client to be closed at the next safe point.
    pub fn queue_close(&mut self, id: ClientId) {
        if let Some(client) = self.slab.get_mut(id)
            && client.closing != Closing::Now
        {
            client.closing = Closing::Now;
            self.close_queue.push(id);
            self.forget_memory(id);
        }
    }

    /// The ids of all clients in the order in which they connected.
    pub fn ids(&self) -> Vec<ClientId> {
        self.by_number.values().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{PEAK_SECONDS, Peak, Peaks};

    #[test]
    fn peaks_are_forgotten_after_some_seconds() {
        let mut peaks = Peaks::default();
        let peak = |input, output| Peak { input, output };
        assert_eq!(peaks.recent(), peak(0, 0));
        peaks.note(100, peak(7, 1));
        peaks.note(100, peak(3, 9));
        peaks.note(101, peak(5, 5));
        assert_eq!(peaks.recent(), peak(7, 9));
        peaks.note(99 + PEAK_SECONDS as i64, peak(1, 1));
        assert_eq!(peaks.recent(), peak(7, 9));
        peaks.note(100 + PEAK_SECONDS as i64, peak(1, 1));
        assert_eq!(peaks.recent(), peak(5, 5));
        peaks.note(1000, peak(2, 0));
        assert_eq!(peaks.recent(), peak(2, 0));
    }
}
