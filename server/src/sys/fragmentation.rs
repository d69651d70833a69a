//! Fragmentation: how much memory the allocator holds beyond what is allocated, and which allocations are worth moving.
//!
//! jemalloc cuts pages into slabs of regions of one size. After many deletions slabs are partly free, and since an
//! allocation cannot move by itself, such a slab stays. [`Slabs`] answers for one allocation whether moving it helps:
//! its slab is used less than the average of the partly used slabs of that size. New allocations go to the oldest
//! partly used slab, so some slabs become full and others empty; the latter return to the system.
//!
//! The thread's cache of free regions must be out of the way meanwhile ([`without_cache`]): it would hand out the very
//! places that have just been left.
//!
//! Under AddressSanitizer (`cfg(asan)`) there are no slabs: memory counts as fragmented and every second allocation is
//! moved, so that defragmentation can be tested.

use data::ds::relocation::Relocator;

use crate::sys::mallctl::{ALL_ARENAS, Mib, set_integer};
use crate::sys::memory;

/// Fragmentation of the heap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fragmentation {
    /// Bytes in pages in use that are not allocated, per cent of those that are.
    pub percent: f32,
    /// The same in bytes.
    pub bytes: usize,
}

/// Time to wait after a pass of defragmentation that was of no use, microseconds.
pub const PAUSE_US: u64 = if cfg!(asan) { 0 } else { 10_000_000 };

/// The present fragmentation. Refreshing the statistics takes about 10 µs.
pub fn measure() -> Fragmentation {
    if cfg!(asan) {
        return Fragmentation {
            percent: 1000.0,
            bytes: usize::MAX,
        };
    }
    let arena = memory::arena();
    Fragmentation {
        percent: arena.active as f32 / arena.allocated.max(1) as f32 * 100.0 - 100.0,
        bytes: arena.active.saturating_sub(arena.allocated),
    }
}

/// Runs `work` while this thread allocates and frees without a cache.
pub fn without_cache<R>(work: impl FnOnce() -> R) -> R {
    set_cache(false);
    let result = work();
    set_cache(true);
    result
}

fn set_cache(on: bool) {
    // Under AddressSanitizer there is no cache.
    let _ = set_integer(c"thread.tcache.enabled", i64::from(on));
}

/// A slab, as the allocator describes it.
#[derive(Clone, Copy, Debug)]
struct Slab {
    /// Address of the slab from which the next allocation of the same size is taken.
    current: usize,
    /// Its free regions.
    free: usize,
    /// Its regions; 1 for an allocation too big for a slab.
    regions: usize,
    /// Its size in bytes.
    size: usize,
}

/// Slabs of one size of regions.
#[derive(Debug)]
struct Bin {
    /// Bytes of a region.
    size: usize,
    /// Regions of a slab.
    regions: usize,
    /// When the statistics were sampled: all regions in use.
    used: usize,
    /// All slabs.
    slabs: usize,
    /// Slabs that are partly used, without the current one, from which new allocations are taken.
    partly: usize,
    /// An allocation is moved if its slab has at most this many regions in use; `None` until the bin is asked about.
    limit: Option<usize>,
    /// The highest limit in this pass. A pass makes sparse slabs sparser, so the average falls; a slab that is being
    /// emptied must not be abandoned for that.
    least: usize,
}

/// The slabs of the allocator: decides which allocations are moved, and counts.
#[derive(Debug)]
pub struct Slabs {
    query: Option<Mib>,
    /// Regions in use, slabs, and partly used slabs other than the current one; each of the first bin.
    statistics: Option<[Mib; 3]>,
    /// By ascending size.
    bins: Vec<Bin>,
    /// Allocations moved since the counts were taken.
    hits: u64,
    /// Allocations left where they are, likewise.
    misses: u64,
}

impl Default for Slabs {
    fn default() -> Self {
        Self::new()
    }
}

/// Place of the bin's number in the name of its statistics, `stats.arenas.<i>.bins.<j>.…`.
const BIN_PART: usize = 4;
/// Place of the arena's number there.
const ARENA_PART: usize = 2;

impl Slabs {
    /// Looks up the names of the statistics, and the sizes of regions.
    pub fn new() -> Self {
        let statistic = |name| Mib::of(name).map(|mib| mib.with(ARENA_PART, ALL_ARENAS));
        let statistics = || {
            Some([
                statistic(c"stats.arenas.0.bins.0.curregs")?,
                statistic(c"stats.arenas.0.bins.0.curslabs")?,
                statistic(c"stats.arenas.0.bins.0.nonfull_slabs")?,
            ])
        };
        let query = Mib::of(c"experimental.utilization.query");
        Slabs {
            query,
            statistics: statistics(),
            bins: read_bins().unwrap_or_default(),
            hits: 0,
            misses: 0,
        }
    }

    /// Whether the allocator has what is needed.
    pub fn are_known(&self) -> bool {
        cfg!(asan) || self.query.is_some() && self.statistics.is_some() && !self.bins.is_empty()
    }

    /// A new pass begins: limits no longer depend on those of the last one.
    pub fn begin_pass(&mut self) {
        self.bins.iter_mut().for_each(|bin| bin.least = 0);
        self.sample();
    }

    /// Reads the statistics anew, on which the decisions are based; takes about 20 µs.
    pub fn sample(&mut self) {
        memory::refresh_statistics();
        let Some(statistics) = self.statistics else {
            return;
        };
        for (number, bin) in self.bins.iter_mut().enumerate() {
            [bin.used, bin.slabs, bin.partly] = statistics.map(|mib| {
                let mib = mib.with(BIN_PART, number);
                mib.read::<usize>().unwrap_or(0)
            });
            bin.limit = None;
        }
    }

    /// Takes the numbers of allocations that were moved and that were not.
    pub fn take_counts(&mut self) -> (u64, u64) {
        (
            std::mem::take(&mut self.hits),
            std::mem::take(&mut self.misses),
        )
    }

    fn is_worth_moving(&mut self, at: *const u8) -> bool {
        if cfg!(asan) {
            return (self.hits + self.misses).is_multiple_of(2);
        }
        let Some(slab) = self.slab_of(at) else {
            return false;
        };
        // What is in the slab that allocations are taken from would move within it.
        let is_current = (at as usize).wrapping_sub(slab.current) < slab.size;
        let region = slab.size / slab.regions.max(1);
        let bin = self.bins.binary_search_by_key(&region, |bin| bin.size);
        let (Ok(number), false) = (bin, is_current || slab.free == 0) else {
            return false;
        };
        let limit = self.bins[number].limit.unwrap_or_else(|| {
            let current = self.slab_of(slab.current as *const u8);
            let bin = &self.bins[number];
            bin.limit(current.map_or(0, |current| current.free))
                .max(bin.least)
        });
        let bin = &mut self.bins[number];
        bin.limit = Some(limit);
        bin.least = limit;
        slab.regions - slab.free <= limit
    }

    /// What is known of the slab that an address is in.
    #[inline]
    fn slab_of(&self, at: *const u8) -> Option<Slab> {
        let [current, free, regions, size, ..] = self.query?.read_about::<[usize; 6]>(at)?;
        Some(Slab {
            current,
            free,
            regions,
            size,
        })
    }
}

impl Bin {
    /// The number of regions up to which a slab is emptied: the average of the partly used slabs, and an eighth more,
    /// since nothing would move if all of them were used equally. `free` is the number of free regions of the current
    /// slab.
    fn limit(&self, free: usize) -> usize {
        // The statistics do not count the current slab among the partly used ones.
        let others = self.slabs.saturating_sub(self.partly) * self.regions;
        let in_partly_used = (self.used + free).saturating_sub(others);
        (in_partly_used + in_partly_used / 8)
            .checked_div(self.partly)
            .unwrap_or(0)
    }
}

impl Relocator for Slabs {
    fn should_move(&mut self, at: *const u8) -> bool {
        let moves = self.is_worth_moving(at);
        self.hits += u64::from(moves);
        self.misses += u64::from(!moves);
        moves
    }

    fn moves(&self) -> u64 {
        self.hits
    }
}

/// The sizes of regions.
fn read_bins() -> Option<Vec<Bin>> {
    let count: u32 = Mib::of(c"arenas.nbins")?.read()?;
    let size = Mib::of(c"arenas.bin.0.size")?;
    let regions = Mib::of(c"arenas.bin.0.nregs")?;
    let bin = |number: u32| {
        Some(Bin {
            size: size.with(2, number as usize).read()?,
            regions: regions.with(2, number as usize).read::<u32>()? as usize,
            used: 0,
            slabs: 0,
            partly: 0,
            limit: None,
            least: 0,
        })
    };
    (0..count).map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::{Bin, Slabs};

    #[test]
    fn slabs_up_to_the_average_are_emptied() {
        // Regions in use, slabs, partly used ones, free regions of the current slab: the limit.
        for (used, slabs, partly, free, expected) in [
            (0, 0, 0, 0, 0),
            // All full but the current one.
            (300, 10, 0, 20, 0),
            // Eight half full, one full, the current one.
            (8 * 16 + 32 + 2, 10, 8, 30, 18),
            // Two nearly empty and the current one, which is empty.
            (2 * 4, 3, 2, 32, 4),
            (100 * 31 + 1, 101, 100, 31, 34),
        ] {
            let bin = Bin {
                size: 8,
                regions: 32,
                used,
                slabs,
                partly,
                limit: None,
                least: 0,
            };
            assert_eq!(bin.limit(free), expected, "{bin:?}");
        }
    }

    #[test]
    fn the_allocator_has_the_statistics() {
        let mut slabs = Slabs::new();
        assert!(slabs.are_known(), "{slabs:?}");
        slabs.sample();
        assert_eq!(slabs.take_counts(), (0, 0));
    }
}
