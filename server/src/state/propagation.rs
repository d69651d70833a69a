//! Writes of the current unit, to be propagated when it ends.

use std::ops::Range;

use conn::encode::request;

use crate::state::caller::Targets;

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    /// Its targets.
    targets: Targets,
    /// Its database.
    db: usize,
    /// Where its request is in `bytes`.
    bytes: Range<usize>,
}

/// The collected writes; the bytes are requests in RESP.
#[derive(Debug, Default)]
pub struct Propagation {
    writes: Vec<Write>,
    bytes: Vec<u8>,
}

/// Capacity that is kept for the next unit, in bytes.
const KEEP: usize = 64 * 1024;

impl Propagation {
    /// Whether there are no writes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Adds a write.
    pub fn push<'a>(
        &mut self,
        targets: Targets,
        db: usize,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        let start = self.bytes.len();
        request(args, &mut self.bytes);
        self.add(targets, db, start);
    }

    /// Adds a write that is a request in RESP already.
    pub fn push_encoded(&mut self, targets: Targets, db: usize, request: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(request);
        self.add(targets, db, start);
    }

    fn add(&mut self, targets: Targets, db: usize, start: usize) {
        self.writes.push(Write {
            targets,
            db,
            bytes: start..self.bytes.len(),
        });
    }

    /// The writes that go to a target, in order: the database and the request of each.
    pub fn to(&self, target: Targets) -> impl Iterator<Item = (usize, &[u8])> {
        self.writes
            .iter()
            .filter(move |write| write.targets.contains(target))
            .map(|write| (write.db, &self.bytes[write.bytes.clone()]))
    }

    /// Removes all writes.
    pub fn clear(&mut self) {
        self.writes.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
    }
}
