//! One array of a hash table: cache lines of eight slots with linear probing.
//!
//! A key's *position* is the high 48 bits of its hash. The array divides the range of positions into `homes` equal
//! parts, one line each, for any number of lines: home = position × homes / 2^48. A key is stored in its home line or,
//! if that is full, in the next line with a free slot. A few extra lines at the end (the overhang) are home to no key,
//! so probing never wraps around.
//!
//! A slot is one word: a tag of hash bits above a pointer divided by 8; zero is an empty slot. The tag is the window
//! of the position that starts below its top `window` bits. A line holds only keys whose home is at most [`REACH`]
//! lines back, which determines the bits above the window; so line and tag together give the position down to the end
//! of the window, and keys move between lines and arrays without an access to their entries. Only when a line boundary
//! falls among the bits below the window must a key be hashed again: about one in a thousand.
//!
//! | bits of a slot | meaning |
//! |---|---|
//! | 63 … 64−[`TAG_BITS`] | tag |
//! | the rest | address / 8 |
//!
//! # Invariants
//! 1. The used slots of a line come first: a line is full if its last slot is used.
//! 2. If a key with home `h` is stored in line `p`, the lines `h..p` are all full. So a lookup stops at the first line
//!    that is not full, and no key has spilled past such a line.
//! 3. `p - h <= REACH`, which is less than the number of lines that share the bits above the window.

#![allow(unsafe_code)]

use crate::ds::relocation::Relocator;
use crate::util::hash::POSITION_BITS;
use crate::util::mem::{CacheLine, LineArray, prefetch};

/// Slots per line.
pub(super) const SLOTS: usize = 8;

/// Width of a tag. User addresses have 47 bits on x86-64 and up to 48 elsewhere; the low three bits are 0.
#[cfg(target_arch = "x86_64")]
const TAG_BITS: u32 = 20;
#[cfg(not(target_arch = "x86_64"))]
const TAG_BITS: u32 = 19;

const ADDRESS_MASK: u64 = (1 << (64 - TAG_BITS)) - 1;

/// Maximum probe distance in lines. At a fill of 85 % the longest distance among 12 million keys is about 230 lines;
/// beyond this limit an insertion fails and the table is rebuilt.
const REACH: usize = 1000;

/// Low bits of the line number that the bits above the window need not determine: at least 2^WINDOW_SLACK lines share
/// them. A larger value tolerates longer probe distances, a smaller one makes tags more selective.
const WINDOW_SLACK: u32 = 10;
const _: () = assert!(REACH + 2 < 1 << WINDOW_SLACK);

/// Octaves of growth before the window moves, which hashes every key again. By then only `TAG_BITS - WINDOW_SLACK -
/// WINDOW_STEP` bits of a tag distinguish the keys of one line.
const WINDOW_STEP: u32 = 3;

/// Line and slot of a key in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: usize,
    pub(super) slot: usize,
}

/// Error of an insertion: no free slot within [`REACH`] of the key's home.
#[derive(Debug)]
pub(super) struct NoRoom;

/// An array of lines.
pub(super) struct Lines {
    array: LineArray,
    homes: usize,
    window: u32,
    /// 2^(64 + window) / homes: converts a line number to the bits above the window.
    reciprocal: u64,
}

impl Lines {
    /// An array without lines; allocates nothing.
    pub(super) fn none() -> Self {
        Lines {
            array: LineArray::zeroed(0),
            homes: 0,
            window: 0,
            reciprocal: 0,
        }
    }

    /// An empty array of `homes` lines that will receive keys from an array with the given window (0 for none). Keys
    /// are moved without hashing unless the window had to move down.
    pub(super) fn new(homes: usize, from_window: u32) -> Self {
        let ideal = homes.ilog2().saturating_sub(WINDOW_SLACK);
        let window = if ideal >= from_window + WINDOW_STEP {
            ideal
        } else {
            ideal.min(from_window)
        };
        let overhang = (homes / 32).min(32);
        let reciprocal = if window == 0 {
            0
        } else {
            ((1u128 << (64 + window)) / homes as u128) as u64
        };
        Lines {
            array: LineArray::zeroed(homes + overhang),
            homes,
            window,
            reciprocal,
        }
    }

    /// Number of home lines.
    pub(super) fn homes(&self) -> usize {
        self.homes
    }

    /// Number of lines including the overhang.
    pub(super) fn len(&self) -> usize {
        self.array.len()
    }

    pub(super) fn window(&self) -> u32 {
        self.window
    }

    pub(super) fn bytes(&self) -> usize {
        self.array.bytes()
    }

    /// Lines are used in order up to `line`; those behind it take no memory yet.
    pub(super) fn use_until(&mut self, line: usize) {
        self.array.use_until(line);
    }

    /// The home line of a position.
    #[inline(always)]
    pub(super) fn home(&self, position: u64) -> usize {
        ((u128::from(position) * self.homes as u128) >> POSITION_BITS) as usize
    }

    /// The first position whose home is `line` or later; 2^48 if there is none.
    pub(super) fn first_position(&self, line: usize) -> u64 {
        if line >= self.homes {
            return 1 << POSITION_BITS;
        }
        ((line as u128) << POSITION_BITS).div_ceil(self.homes as u128) as u64
    }

    /// Whether a line is full.
    #[inline(always)]
    pub(super) fn is_full(&self, line: usize) -> bool {
        self.array[line].0[SLOTS - 1] != 0
    }

    /// The addresses in a line.
    #[inline(always)]
    pub(super) fn line(&self, line: usize) -> impl Iterator<Item = u64> + use<> {
        self.array[line]
            .0
            .into_iter()
            .take_while(|&slot| slot != 0)
            .map(address)
    }

    /// The address in a slot; 0 if the slot is empty.
    #[inline(always)]
    pub(super) fn get(&self, spot: Spot) -> u64 {
        address(self.array[spot.line].0[spot.slot])
    }

    /// Replaces the address in a slot by another one for the same key.
    #[inline(always)]
    pub(super) fn set(&mut self, spot: Spot, to: u64) {
        let slot = &mut self.array[spot.line].0[spot.slot];
        *slot = (*slot & !ADDRESS_MASK) | packed(to);
    }

    /// Finds the key at `position` for whose address `is` returns true.
    #[inline(always)]
    pub(super) fn find(&self, position: u64, mut is: impl FnMut(u64) -> bool) -> Option<Spot> {
        let tag = self.tag(position);
        let mut at = self.home(position);
        while let Some(line) = self.array.get(at) {
            let mut candidates = matches(line, tag);
            while candidates != 0 {
                let slot = candidates.trailing_zeros() as usize;
                let here = address(line.0[slot]);
                if here != 0 && is(here) {
                    return Some(Spot { line: at, slot });
                }
                candidates &= candidates - 1;
            }
            if line.0[SLOTS - 1] == 0 {
                return None;
            }
            at += 1;
        }
        None
    }

    /// Inserts the address of a key that is not present into the first free slot from its home line on.
    pub(super) fn insert(&mut self, position: u64, address: u64) -> Result<Spot, NoRoom> {
        let slot = self.tag(position) | packed(address);
        let home = self.home(position);
        let reach = (home + REACH + 1).min(self.array.len());
        for line in home..reach {
            let slots = &mut self.array[line].0;
            if slots[SLOTS - 1] == 0 {
                let free = slots
                    .iter()
                    .position(|&slot| slot == 0)
                    .unwrap_or(SLOTS - 1);
                slots[free] = slot;
                return Ok(Spot { line, slot: free });
            }
        }
        Err(NoRoom)
    }

    /// Removes the key at `spot` and closes the gap by moving back keys that had spilled past its line.
    pub(super) fn remove(&mut self, spot: Spot, position_of: impl Fn(u64) -> u64) -> u64 {
        let removed = self.get(spot);
        let mut gap = spot.line;
        let mut was_full = self.take(spot);
        if !was_full {
            return removed;
        }
        let mut line = gap;
        // Where the homes behind the gap begin. Most lines are not full, and then the division is spared.
        let mut behind = None;
        // As long as lines are full, a later key may have its home at or before the gap.
        while was_full && line + 1 < self.array.len() {
            line += 1;
            let behind_gap = *behind.get_or_insert_with(|| self.first_position(gap + 1));
            let comes_back = (0..SLOTS).rev().find(|&slot| {
                let word = self.array[line].0[slot];
                word != 0 && self.lies_before(behind_gap, line, word, &position_of)
            });
            match comes_back {
                Some(slot) => {
                    self.array[gap].0[SLOTS - 1] = self.array[line].0[slot];
                    was_full = self.take(Spot { line, slot });
                    gap = line;
                    behind = None;
                }
                None => was_full = self.is_full(line),
            }
        }
        removed
    }

    /// Moves all keys of `line` to `to`, whose window must be reachable from this array's. Afterwards the line is
    /// zero. If `to` has no room, the line is unchanged and the caller must discard the copies in `to`.
    pub(super) fn move_line(
        &mut self,
        line: usize,
        to: &mut Lines,
        position_of: impl Fn(u64) -> u64,
    ) -> Result<(), NoRoom> {
        self.copy_line(line, to, position_of)?;
        self.array[line] = CacheLine::default();
        Ok(())
    }

    /// Like [`Lines::move_line`], but keeps the line.
    pub(super) fn copy_line(
        &self,
        line: usize,
        to: &mut Lines,
        position_of: impl Fn(u64) -> u64,
    ) -> Result<(), NoRoom> {
        let rehash = to.window > self.window;
        if rehash {
            self.line(line)
                .for_each(|address| prefetch((address as usize) as *const u8));
        }
        for word in self.array[line].0.into_iter().take_while(|&word| word != 0) {
            let low = self.low_position(line, word);
            let known = !rehash && to.home(low) == to.home(low | self.unknown());
            let position = if known {
                low
            } else {
                position_of(address(word))
            };
            to.insert(position, address(word))?;
        }
        Ok(())
    }

    /// Calls `each` with the address of every key whose home is in `homes`.
    pub(super) fn each_of_homes(
        &self,
        homes: std::ops::Range<usize>,
        position_of: impl Fn(u64) -> u64,
        mut each: impl FnMut(u64),
    ) {
        for line in homes.start..self.array.len() {
            for word in self.array[line].0.into_iter().take_while(|&word| word != 0) {
                if homes.contains(&self.home_of(line, word, &position_of)) {
                    each(address(word));
                }
            }
            if line + 1 >= homes.end && !self.is_full(line) {
                return;
            }
        }
    }

    /// Calls `each` with the place of every key whose home is in `homes`. `each` may replace the address there by that of
    /// the same key elsewhere.
    pub(super) fn each_spot_of_homes(
        &mut self,
        homes: std::ops::Range<usize>,
        position_of: impl Fn(u64) -> u64,
        mut each: impl FnMut(&mut Lines, Spot),
    ) {
        for line in homes.start..self.array.len() {
            for slot in 0..SLOTS {
                let word = self.array[line].0[slot];
                if word == 0 {
                    break;
                }
                if homes.contains(&self.home_of(line, word, &position_of)) {
                    each(self, Spot { line, slot });
                }
            }
            if line + 1 >= homes.end && !self.is_full(line) {
                return;
            }
        }
    }

    /// Moves the lines if they are from the heap and `relocator` says so.
    pub(super) fn relocate(&mut self, relocator: &mut dyn Relocator) {
        if let Some(at) = self.array.heap_address()
            && relocator.should_move(at)
        {
            self.array.relocate();
        }
    }

    /// Probe distance in lines of each key in `line`.
    pub(super) fn distances(
        &self,
        line: usize,
        position_of: impl Fn(u64) -> u64,
    ) -> impl Iterator<Item = usize> {
        let words = self.array[line].0.into_iter().take_while(|&word| word != 0);
        words.map(move |word| line - self.home_of(line, word, &position_of))
    }

    /// Verifies the invariants against the position of every key and passes each key's home to `each`. Returns the
    /// number of keys; panics on a violation.
    pub(super) fn check(&self, position_of: impl Fn(u64) -> u64, each: impl Fn(usize)) -> usize {
        let mut count = 0;
        let mut full_from = 0;
        for line in 0..self.len() {
            let words = &self.array[line].0;
            let used = words.iter().take_while(|&&word| word != 0).count();
            assert!(words[used..].iter().all(|&word| word == 0), "a gap");
            for &word in &words[..used] {
                let position = position_of(address(word));
                let home = self.home(position);
                assert_eq!(word & !ADDRESS_MASK, self.tag(position), "tag");
                assert!(home <= line && line - home <= REACH, "reach");
                assert!(home >= full_from, "room between a key and its home");
                assert_eq!(self.home_of(line, word, &position_of), home, "home");
                each(home);
            }
            count += used;
            if used < SLOTS {
                full_from = line + 1;
            }
        }
        count
    }

    /// Prefetches the home line of a position.
    #[inline(always)]
    pub(super) fn prefetch_line(&self, position: u64) {
        prefetch(self.array.as_ptr().wrapping_add(self.home(position)));
    }

    /// Prefetches the entry of a key from its home line, or the next line if the key may have spilled there.
    #[inline(always)]
    pub(super) fn prefetch_entry(&self, position: u64) {
        let home = self.home(position);
        let Some(line) = self.array.get(home) else {
            return;
        };
        let candidates = matches(line, self.tag(position));
        if candidates != 0 {
            let word = line.0[candidates.trailing_zeros() as usize];
            prefetch((address(word) as usize) as *const u8);
        } else if line.0[SLOTS - 1] != 0 {
            prefetch(self.array.as_ptr().wrapping_add(home + 1));
        }
    }

    /// Returns the memory of the lines before `line`, which must all be zero, to the system.
    pub(super) fn discard_before(&mut self, line: usize) {
        self.array.discard_before(line);
    }

    /// The tag of a position, shifted to its place in the slot.
    #[inline(always)]
    fn tag(&self, position: u64) -> u64 {
        position << (64 - POSITION_BITS + self.window) & !ADDRESS_MASK
    }

    /// Empties a slot and keeps the used slots at the front. Returns whether the line was full.
    fn take(&mut self, spot: Spot) -> bool {
        let slots = &mut self.array[spot.line].0;
        let last = slots
            .iter()
            .rposition(|&slot| slot != 0)
            .unwrap_or(spot.slot);
        slots[spot.slot] = slots[last];
        slots[last] = 0;
        last == SLOTS - 1
    }

    /// Mask of the position bits below the window.
    #[inline(always)]
    fn unknown(&self) -> u64 {
        (1u64 << (POSITION_BITS - TAG_BITS).saturating_sub(self.window)) - 1
    }

    /// The lowest position that a key in this slot of `line` can have.
    #[inline(always)]
    fn low_position(&self, line: usize, word: u64) -> u64 {
        let in_window = (word & !ADDRESS_MASK) >> (64 - POSITION_BITS + self.window);
        if self.window == 0 {
            return in_window;
        }
        // The bits above the window are the largest value whose home is not after `line`; one less would put the key
        // more than REACH lines from its home. The initial estimate is never too small.
        let mut above = (((line as u128 + 1) * u128::from(self.reciprocal)) >> 64) as u64 + 1;
        above = above.min((1 << self.window) - 1);
        loop {
            let low = above << (POSITION_BITS - self.window) | in_window;
            if self.home(low) <= line {
                return low;
            }
            above -= 1;
        }
    }

    /// Whether the position of the key in a slot of `line` lies before `limit`.
    #[inline(always)]
    fn lies_before(
        &self,
        limit: u64,
        line: usize,
        word: u64,
        position_of: &impl Fn(u64) -> u64,
    ) -> bool {
        let low = self.low_position(line, word);
        if low >= limit {
            false
        } else if low | self.unknown() < limit {
            true
        } else {
            position_of(address(word)) < limit
        }
    }

    #[inline(always)]
    fn home_of(&self, line: usize, word: u64, position_of: &impl Fn(u64) -> u64) -> usize {
        let low = self.low_position(line, word);
        let home = self.home(low);
        if home == self.home(low | self.unknown()) {
            home
        } else {
            self.home(position_of(address(word)))
        }
    }
}

#[inline(always)]
fn address(word: u64) -> u64 {
    (word & ADDRESS_MASK) << 3
}

#[inline(always)]
fn packed(address: u64) -> u64 {
    let packed = address >> 3;
    assert!(
        packed & !ADDRESS_MASK == 0 && address & 7 == 0 && address != 0,
        "address fits a slot"
    );
    packed
}

/// The slots of a line that carry `tag`, as a bit mask. Tag 0 also matches empty slots.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn matches(line: &CacheLine, tag: u64) -> u32 {
    use std::arch::x86_64::{
        _mm_and_si128, _mm_castps_si128, _mm_castsi128_ps, _mm_cmpeq_epi32, _mm_load_si128,
        _mm_movemask_ps, _mm_set1_epi32, _mm_shuffle_ps,
    };
    // The tag is in the high half of each word. Comparing words one by one costs 30 ns more per lookup, so the high
    // halves of four slots are gathered into one register, twice.
    let pairs = line.0.as_ptr();
    // SAFETY: SSE2 is part of x86-64; a `CacheLine` is 64 readable bytes, aligned to 64.
    unsafe {
        let mask = _mm_set1_epi32((!ADDRESS_MASK >> 32) as i32);
        let wanted = _mm_castsi128_ps(_mm_set1_epi32((tag >> 32) as i32));
        let four = |from: usize| {
            let low = _mm_castsi128_ps(_mm_load_si128(pairs.add(from).cast()));
            let high = _mm_castsi128_ps(_mm_load_si128(pairs.add(from + 2).cast()));
            let halves = _mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(low, high));
            let equal = _mm_cmpeq_epi32(_mm_and_si128(halves, mask), _mm_castps_si128(wanted));
            _mm_movemask_ps(_mm_castsi128_ps(equal)) as u32
        };
        four(0) | four(4) << 4
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn matches(line: &CacheLine, tag: u64) -> u32 {
    line.0.iter().enumerate().fold(0, |set, (slot, word)| {
        set | u32::from(word & !ADDRESS_MASK == tag) << slot
    })
}
