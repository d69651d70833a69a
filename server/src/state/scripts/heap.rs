//! The memory of an interpreter as the server sees it while the interpreter itself may be running.
//!
//! What has been allocated since the last complete collection is taken for garbage: scripts leave little else. Cron collects
//! it, so it does not count towards `maxmemory`: keys must not be evicted for it.
//!
//! A collection takes two cycles of Lua's collector: the first ends what was under way, the second finds all garbage. If a
//! script has run meanwhile, its arguments and values may have survived, so another collection follows: what a single script
//! uses must not pass for memory in use until as much again has been allocated.

/// Cycles of the collector that a complete collection takes.
const CYCLES: u8 = 2;

/// The memory of an interpreter, in bytes.
#[derive(Debug, Default)]
pub struct Heap {
    used: usize,
    /// Bytes that the last collection has left.
    kept: usize,
    /// Bytes that are known to be in use for longer than a script runs: what the last collection has left during which none
    /// ran, or less.
    lasting: usize,
    cycles_left: u8,
    /// Whether a script has run since the collection began.
    has_run: bool,
}

impl Heap {
    /// Bytes in use, garbage included.
    pub fn used(&self) -> usize {
        self.used
    }

    /// A script has run; bytes in use now.
    pub fn note_run(&mut self, bytes: usize) {
        self.used = bytes;
        self.has_run = true;
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
        let doubtful = self.used.saturating_sub(self.lasting);
        let is_due = !self.is_collecting() && doubtful > (1 << 20).max(self.lasting / 2);
        if is_due {
            self.cycles_left = CYCLES;
            self.has_run = false;
        }
        is_due
    }

    /// A cycle has ended, and left so many bytes.
    pub fn end_cycle(&mut self, bytes: usize) {
        self.used = bytes;
        self.cycles_left = self.cycles_left.saturating_sub(1);
        if self.cycles_left == 0 {
            self.kept = bytes;
            self.lasting = if self.has_run {
                self.lasting.min(bytes)
            } else {
                bytes
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CYCLES, Heap};

    #[test]
    fn a_collection_is_due_when_there_is_much_garbage() {
        const MB: usize = 1 << 20;
        for (lasting, used, expected) in [
            (0, MB, false),
            (0, MB + 1, true),
            (100 * MB, 150 * MB, false),
            (100 * MB, 151 * MB, true),
            (100 * MB, 10 * MB, false),
        ] {
            let mut heap = Heap {
                used,
                lasting,
                ..Heap::default()
            };
            assert_eq!(heap.begin(), expected, "{lasting} {used}");
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
        assert!(!heap.begin());
    }

    #[test]
    fn a_collection_with_a_run_in_it_is_followed_by_another() {
        let mut heap = Heap::default();
        heap.set_used(50 << 20);
        assert!(heap.begin());
        heap.end_cycle(50 << 20);
        heap.note_run(50 << 20);
        heap.end_cycle(50 << 20);
        assert_eq!(heap.garbage(), 0);
        assert!(heap.begin());
        heap.end_cycle(50 << 20);
        heap.end_cycle(50 << 20);
        assert!(!heap.begin());
    }
}
