//! The memory of an interpreter as the server sees it while the interpreter itself may be running.
//!
//! What has been allocated since the last complete collection is taken for garbage: scripts leave little else. Cron collects
//! it, so it does not count towards `maxmemory`: keys must not be evicted for it.
//!
//! A collection takes two cycles of Lua's collector: the first ends what was under way, the second finds all garbage.

/// Cycles of the collector that a complete collection takes.
const CYCLES: u8 = 2;

/// The memory of an interpreter, in bytes.
#[derive(Debug, Default)]
pub struct Heap {
    used: usize,
    kept: usize,
    cycles_left: u8,
}

impl Heap {
    /// Bytes in use, garbage included.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Bytes in use now.
    pub fn set_used(&mut self, bytes: usize) {
        self.used = bytes;
    }

    /// Bytes that were allocated since the last complete collection.
    pub fn garbage(&self) -> usize {
        self.used.saturating_sub(self.kept)
    }

    /// Whether a collection is under way.
    pub fn is_collecting(&self) -> bool {
        self.cycles_left > 0
    }

    /// Begins a collection if one is due; whether it was. It takes time in proportion to what is kept.
    pub fn begin(&mut self) -> bool {
        let is_due = !self.is_collecting() && self.garbage() > (1 << 20).max(self.kept / 2);
        if is_due {
            self.cycles_left = CYCLES;
        }
        is_due
    }

    /// A cycle has ended, and left so many bytes.
    pub fn end_cycle(&mut self, bytes: usize) {
        self.used = bytes;
        self.cycles_left = self.cycles_left.saturating_sub(1);
        if self.cycles_left == 0 {
            self.kept = bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CYCLES, Heap};

    #[test]
    fn a_collection_is_due_when_there_is_much_garbage() {
        const MB: usize = 1 << 20;
        for (kept, used, expected) in [
            (0, MB, false),
            (0, MB + 1, true),
            (100 * MB, 150 * MB, false),
            (100 * MB, 151 * MB, true),
            (100 * MB, 10 * MB, false),
        ] {
            let mut heap = Heap {
                used,
                kept,
                cycles_left: 0,
            };
            assert_eq!(heap.begin(), expected, "{kept} {used}");
        }
    }

    #[test]
    fn a_collection_takes_two_cycles() {
        let mut heap = Heap::default();
        heap.set_used(10 << 20);
        assert!(heap.begin());
        assert!(!heap.begin());
        for _ in 0..CYCLES {
            assert_eq!(heap.garbage(), heap.used());
            assert!(heap.is_collecting());
            heap.end_cycle(5 << 20);
        }
        assert!(!heap.is_collecting());
        assert_eq!(heap.garbage(), 0);
    }
}
