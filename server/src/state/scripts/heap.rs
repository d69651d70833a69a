//! The memory of an interpreter as the server sees it while the interpreter itself may be running.
//!
//! What has been allocated since the last complete collection is taken for garbage: scripts leave little else. Cron collects
//! it, so it does not count towards `maxmemory`: keys must not be evicted for it.
//!
//! A collection takes two cycles of Lua's collector: the first ends what was under way, the second finds all garbage. If a
//! script has run meanwhile, its arguments and values may have survived, so another collection follows: what a single script
//! uses must not pass for memory in use until as much again has been allocated. Under a steady load no collection is without
//! a run, so after a few the next one waits until no script has run for a moment.

/// Cycles of the collector that a complete collection takes.
const CYCLES: u8 = 2;

/// Collections in succession that may leave the matter open before the next one waits for a moment without scripts.
const MAX_UNSURE: u8 = 3;

/// The memory of an interpreter, in bytes.
#[derive(Debug, Default)]
pub struct Heap {
    used: usize,
    /// The least that was in use since the last collection step that followed a script.
    at_step: usize,
    /// Bytes that the last collection has left.
    kept: usize,
    /// Bytes that are known to be in use for longer than a script runs: what the last collection has left during which none
    /// ran, or less.
    lasting: usize,
    cycles_left: u8,
    /// Whether a script has run since the collection began.
    has_run: bool,
    /// Whether a script has run since `begin` was called last.
    ran_lately: bool,
    /// Collections in succession during which scripts ran.
    unsure: u8,
}

impl Heap {
    /// Bytes in use, garbage included.
    pub fn used(&self) -> usize {
        self.used
    }

    /// A script has run; bytes in use now.
    pub fn note_run(&mut self, bytes: usize) {
        self.used = bytes;
        self.at_step = self.at_step.min(bytes);
        self.has_run = true;
        self.ran_lately = true;
    }

    /// What scripts have left since the last step, in bytes.
    pub fn since_step(&self) -> usize {
        self.used.saturating_sub(self.at_step)
    }

    /// A step of collection has followed a script; bytes in use now.
    pub fn note_step(&mut self, bytes: usize) {
        self.used = bytes;
        self.at_step = bytes;
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

    /// Begins a collection if one is due; whether it was. It takes time in proportion to what is kept. Cron calls this.
    pub fn begin(&mut self) -> bool {
        let is_much = |bytes: usize, of: usize| bytes > (1 << 20).max(of / 2);
        let is_idle = !std::mem::take(&mut self.ran_lately);
        let may_doubt = is_idle || self.unsure < MAX_UNSURE;
        let doubtful = self.used.saturating_sub(self.lasting);
        let is_due = !self.is_collecting()
            && (is_much(self.garbage(), self.kept)
                || (may_doubt && is_much(doubtful, self.lasting)));
        if is_due {
            self.cycles_left = CYCLES;
            self.has_run = false;
        }
        is_due
    }

    /// A cycle has ended; bytes that it has left.
    pub fn end_cycle(&mut self, bytes: usize) {
        self.used = bytes;
        self.cycles_left = self.cycles_left.saturating_sub(1);
        if self.cycles_left == 0 {
            self.kept = bytes;
            if self.has_run {
                self.lasting = self.lasting.min(bytes);
                self.unsure = self.unsure.saturating_add(1);
            } else {
                self.lasting = bytes;
                self.unsure = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CYCLES, Heap, MAX_UNSURE};

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
                kept: lasting,
                ..Heap::default()
            };
            assert_eq!(heap.begin(), expected, "{lasting} {used}");
        }
    }

    #[test]
    fn what_scripts_leave_is_counted_from_the_latest_step() {
        let mut heap = Heap::default();
        heap.note_run(100);
        assert_eq!(heap.since_step(), 100);
        heap.note_step(80);
        heap.note_run(90);
        assert_eq!(heap.since_step(), 10);
        // Lua has collected by itself.
        heap.note_run(50);
        heap.note_run(70);
        assert_eq!(heap.since_step(), 20);
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

    #[test]
    fn a_steady_load_is_not_collected_for_ever() {
        let mut heap = Heap::default();
        let run = |heap: &mut Heap| heap.note_run(50 << 20);
        run(&mut heap);
        let mut collections = 0;
        for _ in 0..100 {
            if heap.begin() {
                collections += 1;
                run(&mut heap);
                heap.end_cycle(50 << 20);
                heap.end_cycle(50 << 20);
            }
            run(&mut heap);
        }
        assert_eq!(collections, MAX_UNSURE);
        // In the first idle moment it is known what stays.
        heap.begin();
        assert!(heap.begin());
        heap.end_cycle(1 << 10);
        heap.end_cycle(1 << 10);
        assert!(!heap.begin() && heap.garbage() == 0);
    }
}
