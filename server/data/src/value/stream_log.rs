//! The entries of a stream: nodes by id, and metadata about entries that were deleted.
//!
//! Entries are only appended, so only the last node grows.
//!
//! # Invariants
//! 1. `len` is the number of entries in the nodes that are not deleted.
//! 2. `first_id` is the id of the first of them, or 0-0.

use crate::ds::listpack::{Listpack, Pos};
use crate::value::stream_id::StreamId;
use crate::value::stream_index::{Index, Place};
use crate::value::stream_node::{
    Entry, MAX_BYTES, Node, Pairs, StreamLimits, append, create, delete_while, is_full, is_sound,
};

/// The log of a stream.
#[derive(Clone, Default)]
pub struct Log {
    pub(crate) nodes: Index,
    pub(crate) len: usize,
    pub(crate) first_id: StreamId,
    /// The last id that was assigned.
    pub last_id: StreamId,
    /// The highest id that XDEL has deleted.
    pub max_deleted_id: StreamId,
    /// Number of entries ever added.
    pub entries_added: u64,
}

/// The threshold of XTRIM and XADD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimThreshold {
    /// MAXLEN: keep this many entries.
    Last(u64),
    /// MINID: keep entries with at least this id.
    From(StreamId),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug)]
pub struct Trim {
    /// The threshold.
    pub threshold: TrimThreshold,
    /// Remove only whole nodes (`~`), so slightly more entries may be kept.
    pub approximate: bool,
    /// Remove at most this many entries (LIMIT).
    pub limit: Option<u64>,
}

impl Log {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The id of the first entry, or 0-0.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The id of the last entry, or 0-0; below [`Log::last_id`] if later entries were deleted.
    pub fn top_id(&self) -> StreamId {
        let top = self.entries(StreamId::MIN, StreamId::MAX, true).next();
        top.map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The id of the first entry still stored, deleted ones included, or the maximum id.
    pub fn first_id_ever(&self) -> StreamId {
        let first = self.nodes.iter().find_map(|(id, pack)| {
            let node = Node::open(id, pack)?;
            node.entry(node.first()?)
        });
        first.map_or(StreamId::MAX, |entry| entry.id)
    }

    /// Number of nodes.
    pub fn nodes_len(&self) -> usize {
        self.nodes.len()
    }

    /// Iterator over the nodes with their ids.
    pub fn nodes(&self) -> impl Iterator<Item = (StreamId, &Listpack)> {
        self.nodes.iter()
    }

    /// The id that XADD assigns for `*`; `None` if the maximum id was assigned.
    pub fn next_id(&self, now_ms: u64) -> Option<StreamId> {
        if now_ms > self.last_id.ms {
            Some(StreamId::new(now_ms, 0))
        } else {
            self.last_id.next()
        }
    }

    /// Iterator over the entries of an inclusive range of ids, backwards if `reverse`.
    pub fn entries(&self, start: StreamId, end: StreamId, reverse: bool) -> Entries<'_> {
        let first = if reverse {
            self.nodes.up_to(end)
        } else {
            // The node before the range may extend into it.
            self.nodes.up_to(start).or(self.nodes.first())
        };
        Entries {
            nodes: &self.nodes,
            next: first,
            node: None,
            start,
            end,
            reverse,
        }
    }

    /// The entry with an id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.entries(id, id, false).next()
    }

    /// For looking up many ids that mostly ascend.
    pub fn finder(&self) -> Finder<'_> {
        Finder {
            log: self,
            from: StreamId::MIN,
            following: self.entries(StreamId::MIN, StreamId::MAX, false),
            first: None,
        }
    }

    /// Appends an entry. Returns false if it is too big or its id is not above the last one.
    pub fn append<'a>(
        &mut self,
        id: StreamId,
        pairs: impl Pairs<'a>,
        limits: &StreamLimits,
    ) -> bool {
        let bytes = pairs
            .clone()
            .map(|(field, value)| field.len() + value.len())
            .sum();
        if bytes > MAX_BYTES || id <= self.last_id {
            return false;
        }
        match self.nodes.last().map(|place| self.nodes.get_mut(place)) {
            Some((master, tail)) if !is_full(tail, bytes, limits) => {
                append(tail, master, id, pairs);
            }
            _ => self.nodes.push(id, create(pairs)),
        }
        self.len += 1;
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
        true
    }

    /// Deletes entries by id. Returns the number deleted.
    pub fn delete(&mut self, ids: impl Iterator<Item = StreamId>) -> usize {
        let (mut deleted, mut first_gone) = (0, false);
        for id in ids {
            if self.delete_one(id) {
                deleted += 1;
                first_gone |= id == self.first_id;
                self.max_deleted_id = self.max_deleted_id.max(id);
            }
        }
        if first_gone {
            self.renew_first_id();
        }
        deleted
    }

    fn delete_one(&mut self, id: StreamId) -> bool {
        let Some(place) = self.nodes.up_to(id) else {
            return false;
        };
        let (master, pack) = self.nodes.get_mut(place);
        let (left, gone) = delete_while(pack, master, |entry| (entry <= id).then_some(entry == id));
        if gone > 0 && left == 0 {
            self.nodes.remove(place);
        }
        self.len -= gone;
        gone > 0
    }

    /// Trims entries from the front. Returns the number deleted.
    pub fn trim(&mut self, trim: &Trim) -> usize {
        let mut deleted = 0;
        while let Some(place) = self.nodes.first() {
            let (master, pack) = self.nodes.get(place);
            if matches!(trim.threshold, TrimThreshold::Last(max) if self.len as u64 <= max) {
                break;
            }
            let Some(node) = Node::open(master, pack) else {
                break;
            };
            let live = node.live;
            if trim
                .limit
                .is_some_and(|most| (deleted + live) as u64 > most)
            {
                break;
            }
            let whole = match trim.threshold {
                TrimThreshold::Last(max) => (self.len - live) as u64 >= max,
                TrimThreshold::From(min) => {
                    let last = node.last().and_then(|at| node.entry(at));
                    last.is_none_or(|last| last.id < min)
                }
            };
            if whole {
                self.nodes.remove(place);
                self.len -= live;
                deleted += live;
                continue;
            }
            if !trim.approximate {
                deleted += self.trim_first_node(trim.threshold);
            }
            break;
        }
        if deleted > 0 {
            self.renew_first_id();
        }
        deleted
    }

    /// Deletes some entries of the first node. Keeps the node even if all its entries are then deleted.
    fn trim_first_node(&mut self, threshold: TrimThreshold) -> usize {
        let mut surplus = match threshold {
            TrimThreshold::Last(max) => (self.len as u64).saturating_sub(max),
            TrimThreshold::From(_) => 0,
        };
        let Some(place) = self.nodes.first() else {
            return 0;
        };
        let (master, pack) = self.nodes.get_mut(place);
        let (_, gone) = delete_while(pack, master, |id| match threshold {
            TrimThreshold::Last(_) => {
                surplus = surplus.checked_sub(1)?;
                Some(true)
            }
            TrimThreshold::From(min) => (id < min).then_some(true),
        });
        self.len -= gone;
        gone
    }

    /// Updates `first_id` after a deletion.
    pub(crate) fn renew_first_id(&mut self) {
        let first = self.entries(StreamId::MIN, StreamId::MAX, false).next();
        self.first_id = first.map_or(StreamId::MIN, |entry| entry.id);
    }

    /// Verifies the invariants of the log and of every node; panics on a violation. For tests.
    pub fn check(&self) {
        self.nodes.check();
        let mut live = 0;
        for (id, pack) in self.nodes() {
            pack.check();
            assert!(is_sound(pack), "a node is of its form");
            live += Node::open(id, pack).map_or(0, |node| node.live);
        }
        assert_eq!(live, self.len, "entries that are not deleted");
        let ids: Vec<StreamId> = self
            .entries(StreamId::MIN, StreamId::MAX, false)
            .map(|entry| entry.id)
            .collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "ids ascend");
        let first = ids.first().copied().unwrap_or(StreamId::MIN);
        assert_eq!(first, self.first_id, "the first id");
        assert!(ids.last().is_none_or(|last| *last <= self.last_id));
    }

    /// Memory of the nodes, estimated from the first `samples`; 0 visits all of them.
    pub fn memory(&self, samples: usize) -> usize {
        let looked_at = match samples {
            0 => self.nodes.len(),
            samples => samples.min(self.nodes.len()),
        };
        let packs = self.nodes().take(looked_at);
        let bytes: usize = packs.map(|(_, pack)| pack.memory()).sum();
        let all = bytes as f64 / looked_at.max(1) as f64 * self.nodes.len() as f64;
        self.nodes.memory() + all as usize
    }
}

/// Looks up entries by ids. A search begins at the start of a node; a few steps from the last id on are cheaper.
///
/// Invariant: unless `first` is none, it is the first entry from `from` on, and `following` are those behind it.
pub struct Finder<'a> {
    log: &'a Log,
    from: StreamId,
    first: Option<Entry<'a>>,
    following: Entries<'a>,
}

impl<'a> Finder<'a> {
    /// The entry with an id.
    pub fn get(&mut self, id: StreamId) -> Option<Entry<'a>> {
        if id < self.from || !self.steps_to(id) {
            self.following = self.log.entries(id, StreamId::MAX, false);
            self.first = self.following.next();
        }
        self.from = id;
        self.first.filter(|entry| entry.id == id)
    }

    /// Steps to the first entry from an id on. Returns false if it is too far or there is none.
    fn steps_to(&mut self, id: StreamId) -> bool {
        /// Entries that are skipped before a search is cheaper.
        const NEAR: usize = 16;
        for _ in 0..NEAR {
            match self.first {
                Some(entry) if entry.id < id => self.first = self.following.next(),
                first => return first.is_some(),
            }
        }
        false
    }
}

/// Iterator over entries in either direction, skipping deleted ones.
#[derive(Clone)]
pub struct Entries<'a> {
    nodes: &'a Index,
    /// The next node to open.
    next: Option<Place>,
    /// The current node and the position of its next entry.
    node: Option<(Node<'a>, Pos)>,
    start: StreamId,
    end: StreamId,
    reverse: bool,
}

impl<'a> Entries<'a> {
    /// The next entry of the current node.
    fn step(&mut self) -> Option<Entry<'a>> {
        let (node, at) = self.node.take()?;
        let entry = node.entry(at)?;
        let following = if self.reverse {
            node.before(&entry)
        } else {
            entry.next()
        };
        self.node = following.map(|at| (node, at));
        Some(entry)
    }

    /// Advances to the next node.
    fn open(&mut self) -> Option<()> {
        let place = self.next?;
        let (id, pack) = self.nodes.get(place);
        self.next = if self.reverse {
            self.nodes.prev(place)
        } else {
            self.nodes.next(place)
        };
        let node = Node::open(id, pack)?;
        let at = if self.reverse {
            node.last()
        } else {
            node.first()
        };
        self.node = at.map(|at| (node, at));
        Some(())
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let Some(entry) = self.step() else {
                self.open()?;
                continue;
            };
            let (before, behind) = (entry.id < self.start, entry.id > self.end);
            if entry.deleted {
                continue;
            }
            if if self.reverse { before } else { behind } {
                (self.node, self.next) = (None, None);
                return None;
            }
            if !before && !behind {
                return Some(entry);
            }
        }
    }
}
