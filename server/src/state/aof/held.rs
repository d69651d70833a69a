//! Output that is held back until the writes before it are on the disk (`appendfsync always`).
//!
//! All output that is produced while a write is not on the disk belongs to a batch, and a batch is released when its
//! mark is reached. An output records how many of its first bytes are released (`wire::output`); a batch records how
//! many bytes of each client it adds to them.
//!
//! # Invariants
//! 1. Marks rise from batch to batch, so output is released in the order in which it was produced.
//! 2. While nothing is held, there are no batches.

use std::collections::VecDeque;

use crate::state::aof::sync::Mark;
use crate::state::client_id::ClientId;

/// Output that is released together.
#[derive(Debug)]
pub struct Batch {
    /// What must be on the disk before.
    pub mark: Mark,
    /// The clients, and the bytes that each of them is released.
    pub outputs: Vec<(ClientId, usize)>,
}

/// All output that is held.
#[derive(Debug, Default)]
pub struct Held {
    batches: VecDeque<Batch>,
}

impl Held {
    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The position up to which everything must be on the disk before all output is released.
    pub fn awaited(&self) -> u64 {
        self.batches.back().map_or(0, |last| last.mark.position)
    }

    /// How many outputs are released once `position` is on the disk.
    pub fn count_reached(&self, position: u64) -> usize {
        let reached = |batch: &&Batch| batch.mark.position <= position;
        let batches = self.batches.iter().take_while(reached);
        batches.map(|batch| batch.outputs.len()).sum()
    }

    /// Holds everything that is produced from now on until `mark` is reached.
    pub fn begin(&mut self, mark: Mark) {
        if self.batches.back().is_none_or(|last| last.mark != mark) {
            let outputs = Vec::new();
            self.batches.push_back(Batch { mark, outputs });
        }
    }

    /// Adds `bytes` more bytes of a client to the last batch.
    pub fn add(&mut self, id: ClientId, bytes: usize) {
        if bytes > 0
            && let Some(batch) = self.batches.back_mut()
        {
            batch.outputs.push((id, bytes));
        }
    }

    /// Puts back what is left of a batch that was taken last. Of several the last comes first.
    pub fn put_back(&mut self, batch: Batch) {
        if !batch.outputs.is_empty() {
            self.batches.push_front(batch);
        }
    }

    /// Takes the first batch if its mark is at most `position`.
    pub fn take_reached(&mut self, position: u64) -> Option<Batch> {
        let is_reached = self.batches.front()?.mark.position <= position;
        is_reached.then(|| self.batches.pop_front()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, Held};
    use crate::state::aof::sync::Mark;
    use crate::state::client_id::ClientId;

    fn mark(position: u64) -> Mark {
        Mark {
            position,
            offset: 0,
        }
    }

    #[test]
    fn batches_are_released_in_order_and_only_when_their_mark_is_reached() {
        let mut held = Held::default();
        let (a, b) = (ClientId::from_word(1), ClientId::from_word(2));
        held.begin(mark(10));
        held.add(a, 3);
        held.begin(mark(10));
        held.add(b, 4);
        held.begin(mark(20));
        held.add(a, 5);
        assert!(held.take_reached(9).is_none());
        assert_eq!([9, 10, 20].map(|at| held.count_reached(at)), [0, 2, 3]);
        let first = held.take_reached(15).expect("the first is due");
        assert_eq!(first.outputs, [(a, 3), (b, 4)]);
        assert!(held.take_reached(15).is_none());
        let second = held.take_reached(20).expect("the second");
        assert_eq!(second.outputs, [(a, 5)]);
        for batch in [second, first] {
            held.put_back(batch);
        }
        let first = held.take_reached(10).expect("in the same order");
        assert_eq!(first.outputs, [(a, 3), (b, 4)]);
        let outputs = Vec::new();
        held.put_back(Batch { outputs, ..first });
        assert!(held.take_reached(20).is_some() && held.is_empty());
    }
}
