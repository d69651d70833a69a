//! The hash table: pointers to entries, eight to a cache line, 10 bytes of table per key.
//!
//! The entries live elsewhere and hold their keys; the table stores one word per key (see
//! `ds/lines.rs` for its bits). It grows by a fifth when 85 % full, by building a second array and
//! moving a few lines per write, so that no single operation is slow and memory follows the number
//! of keys closely, without the sawtooth of doubling. It shrinks when less than half full.
//!
//! While it migrates, *the frontier* divides the lines of the old array: keys whose home is before it
//! are in the new array, the others in the old. So every search looks into exactly one array. The
//! frontier only ever stops behind a line that was not full, over which nothing spills.
//!
//! SCAN's cursor is a position on the ring of hashes (see `ds/lines.rs`), from 0 to 2^48. Positions do
//! not depend on the size of the table: whatever grows, shrinks or migrates between two calls, a key
//! that stays is in the part of the ring that some call covers, and is found there.
//!
//! Invariants:
//! 1. `used` counts the keys of both arrays.
//! 2. The lines of the old array before the frontier are zero, and no key of the old array has its home
//!    there; every key of the new array has its old home there.
//! 3. Each address in the table came from [`Element::into_raw`] and was not taken back yet.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::ops::ControlFlow;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::ds::lines::{Lines, NoRoom, SLOTS, Spot};
use crate::util::hash::{POSITION_BITS, hash};
use crate::util::rand::Rng;

/// A thin owned pointer that knows its key.
///
/// # Safety
/// `from_raw` gives back what `into_raw` took; addresses are multiples of 8 and below 2^47 (2^48 off
/// x86-64); `borrow` of an address that was not taken back is valid as long as the element is.
pub unsafe trait Element: Sized + 'static {
    /// A shared view of an element.
    type Ref<'a>: Copy;

    /// Gives up ownership.
    fn into_raw(self) -> NonNull<u8>;

    /// Takes ownership back.
    ///
    /// # Safety
    /// `raw` came from `into_raw`, and is taken back once.
    unsafe fn from_raw(raw: NonNull<u8>) -> Self;

    /// Views the element behind an address.
    ///
    /// # Safety
    /// `raw` came from `into_raw`, and `'a` ends before it is taken back or mutated.
    unsafe fn borrow<'a>(raw: NonNull<u8>) -> Self::Ref<'a>;

    /// The hash of the element's key.
    fn hash(element: Self::Ref<'_>) -> u64;
}

/// When tables may begin to resize, and whether they go on with what they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ResizePolicy {
    /// Freely.
    Allow = 0,
    /// Only when a table is nearly full: a child process lives, and every page written is a page copied.
    Avoid = 1,
}

/// The policy of all tables of the process.
static POLICY: AtomicU8 = AtomicU8::new(ResizePolicy::Allow as u8);

/// Sets when tables resize.
pub fn set_resize_policy(policy: ResizePolicy) {
    POLICY.store(policy as u8, Ordering::Relaxed);
}

/// When tables resize.
pub fn resize_policy() -> ResizePolicy {
    if POLICY.load(Ordering::Relaxed) == ResizePolicy::Allow as u8 {
        ResizePolicy::Allow
    } else {
        ResizePolicy::Avoid
    }
}

/// How many scattered tables there were; see [`Table::scattered`].
static SCATTERED: AtomicU64 = AtomicU64::new(0);

/// Fill, in percent, from which a table grows.
const GROW_FROM: usize = 85;
/// Fill from which it grows whatever the policy. Beyond it the ways to free slots get long (at .95 some
/// would pass the reach of a line), and the migration itself still lets in a percent or two.
const GROW_ALWAYS_FROM: usize = 92;
/// Fill below which a table shrinks, and the fill that it shrinks to.
const SHRINK_BELOW: usize = 50;
const SHRINK_TO: usize = 70;

/// Up to this many lines (32 KiB), a table is rebuilt in one go: about 20 µs.
const SMALL: usize = 512;

/// Lines that each write migrates, and that a write migrates once the fill is pressing.
const PACE: usize = 4;
const URGENT_PACE: usize = 16;

/// A hash table of elements.
pub struct Table<E: Element> {
    ring: Ring,
    lines: Lines,
    migration: Option<Migration>,
    used: usize,
    /// Fewer elements than this make the table shrink.
    shrink_below: usize,
    owns: PhantomData<E>,
}

struct Migration {
    to: Lines,
    frontier: usize,
}

/// Where an element stands, until the table is next changed by anything but [`Table::update`] and
/// [`Table::replace`].
#[derive(Clone, Copy, Debug)]
pub struct Place {
    migrated: bool,
    spot: Spot,
}

/// What the arrays of a table look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Elements.
    pub used: usize,
    /// Slots of the array, or of the old one while migrating.
    pub slots: usize,
    /// Slots of the new array while migrating, else 0.
    pub slots_to: usize,
    /// Elements by the distance from their home line: `distances[d]` stand `d` lines away.
    pub distances: Vec<usize>,
}

impl<E: Element> Default for Table<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Element> Table<E> {
    /// An empty table; it takes memory with its first element.
    pub fn new() -> Self {
        Self::on(Ring(1))
    }

    /// An empty table that puts its elements into an order of its own.
    ///
    /// Elements that come in the order in which another table holds them would else crowd at the front of a table that
    /// is still small, and push each other along: four times slower for the union of two sets.
    pub fn scattered() -> Self {
        let number = SCATTERED.fetch_add(1, Ordering::Relaxed);
        Self::on(Ring(hash(&number.to_ne_bytes()) | 1))
    }

    /// An empty table with room for the elements of this one, which it takes fastest in the order of this one.
    pub fn alike(&self) -> Self {
        let mut table = Self::on(self.ring);
        table.reserve(self.used);
        table
    }

    fn on(ring: Ring) -> Self {
        Table {
            ring,
            lines: Lines::none(),
            migration: None,
            used: 0,
            shrink_below: 0,
            owns: PhantomData,
        }
    }

    /// Elements in the table.
    #[inline]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Bytes of the arrays, touched or not.
    pub fn bytes(&self) -> usize {
        self.arrays().map(Lines::bytes).sum()
    }

    /// Bytes of the arrays that are mapped past the allocator, so that its counters miss them.
    pub fn mapped_bytes(&self) -> usize {
        self.arrays().map(Lines::mapped_bytes).sum()
    }

    /// Whether the table is between two sizes.
    pub fn is_migrating(&self) -> bool {
        self.migration.is_some()
    }

    /// Makes room for `count` elements at once, before they come. Only an empty table takes the hint.
    pub fn reserve(&mut self, count: usize) {
        if self.used == 0 && self.migration.is_none() && count > 0 {
            self.lines = Lines::new(homes_for(count, GROW_FROM), 0);
        }
    }

    /// Looks for the element with this hash for which `is` holds.
    #[inline]
    pub fn locate(&self, hash: u64, mut is: impl FnMut(E::Ref<'_>) -> bool) -> Option<Place> {
        let position = self.ring.position(hash);
        let migrated = self.is_migrated(position);
        let spot = self
            .array(migrated)
            // SAFETY: an address in an array of this table, looked at for the moment.
            .find(position, |address| is(unsafe { borrow::<E>(address) }))?;
        Some(Place { migrated, spot })
    }

    /// The element at a place.
    #[inline]
    pub fn get(&self, place: Place) -> E::Ref<'_> {
        // SAFETY: an address of this table, which is borrowed for as long as the result.
        unsafe { borrow::<E>(self.array(place.migrated).get(place.spot)) }
    }

    /// The element with this hash for which `is` holds.
    #[inline]
    pub fn find(&self, hash: u64, is: impl FnMut(E::Ref<'_>) -> bool) -> Option<E::Ref<'_>> {
        self.locate(hash, is).map(|place| self.get(place))
    }

    /// Adds an element whose key is not in the table.
    pub fn insert(&mut self, hash: u64, element: E) -> Place {
        self.make_room();
        self.used += 1;
        let address = element.into_raw().as_ptr().expose_provenance() as u64;
        let position = self.ring.position(hash);
        loop {
            let migrated = self.is_migrated(position);
            if let Ok(spot) = self.array_mut(migrated).insert(position, address) {
                return Place { migrated, spot };
            }
            // Never seen at the fills above, except in tables of a few lines.
            self.grow_for_room(self.lines.homes().max(self.array(true).homes()));
        }
    }

    /// Takes out the element with this hash for which `is` holds.
    pub fn remove(&mut self, hash: u64, is: impl FnMut(E::Ref<'_>) -> bool) -> Option<E> {
        self.locate(hash, is).map(|place| self.remove_at(place))
    }

    /// Takes out the element at a place. It is not looked at, so it may be an address whose memory is
    /// gone.
    pub fn remove_at(&mut self, place: Place) -> E {
        let ring = self.ring;
        let address = self
            .array_mut(place.migrated)
            .remove(place.spot, ring.of::<E>());
        self.used -= 1;
        self.give_room();
        // SAFETY: the address was just removed.
        unsafe { take::<E>(address) }
    }

    /// Changes an element in place; the change may move it to another address, and keeps its key.
    pub fn update<R>(&mut self, place: Place, change: impl FnOnce(&mut E) -> R) -> R {
        /// Writes the address back even when `change` panics.
        struct WriteBack<'a, E: Element> {
            lines: &'a mut Lines,
            spot: Spot,
            element: ManuallyDrop<E>,
        }
        impl<E: Element> Drop for WriteBack<'_, E> {
            fn drop(&mut self) {
                // SAFETY: this is the drop: the field is not used again.
                let element = unsafe { ManuallyDrop::take(&mut self.element) };
                self.lines.set(
                    self.spot,
                    element.into_raw().as_ptr().expose_provenance() as u64,
                );
            }
        }
        let lines = self.array_mut(place.migrated);
        // SAFETY: the guard writes the address of the element back before anything else looks at the slot.
        let element = ManuallyDrop::new(unsafe { take::<E>(lines.get(place.spot)) });
        let mut guard = WriteBack {
            lines,
            spot: place.spot,
            element,
        };
        change(&mut guard.element)
    }

    /// Puts another element with the same key into a place.
    pub fn replace(&mut self, place: Place, element: E) -> E {
        let lines = self.array_mut(place.migrated);
        let old = lines.get(place.spot);
        lines.set(
            place.spot,
            element.into_raw().as_ptr().expose_provenance() as u64,
        );
        // SAFETY: the address was just overwritten.
        unsafe { take::<E>(old) }
    }

    /// First of two hints before a lookup: brings the line close.
    #[inline]
    pub fn prefetch_line(&self, hash: u64) {
        let position = self.ring.position(hash);
        self.array(self.is_migrated(position))
            .prefetch_line(position);
    }

    /// Second hint, a few dozen nanoseconds after the first: brings the entry close.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        let position = self.ring.position(hash);
        self.array(self.is_migrated(position))
            .prefetch_entry(position);
    }

    /// Visits the part of the ring that begins at `cursor`, until about `count` elements were seen or
    /// ten times as many slots. Returns the cursor to go on from, 0 at the end.
    ///
    /// An element that is in the table from the first call to the last is visited at least once,
    /// whatever is inserted, removed or resized in between.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, each: &mut dyn FnMut(E::Ref<'a>)) -> u64 {
        let mut cursor = cursor & RING;
        let (mut seen, mut lines) = (0, 0);
        while seen < count.max(1) && lines * SLOTS < count.saturating_mul(10).max(1) {
            let window = (count.saturating_sub(seen) / SLOTS).max(1);
            cursor = self.scan_window(cursor, window, |element| {
                seen += 1;
                each(element);
            });
            if cursor == 0 {
                break;
            }
            lines += window;
        }
        cursor
    }

    /// An element, each with the same chance. `None` only of an empty table.
    pub fn random(&self, rng: &mut Rng) -> Option<E::Ref<'_>> {
        /// To walk so many lines costs what a draw does.
        const LINES_PER_DRAW: usize = 16;
        /// Draws at least: with a fifth of the slots in use, all miss once in a million.
        const DRAWS: usize = 64;
        if self.used == 0 {
            return None;
        }
        let lines = self.physical_lines();
        let draws = DRAWS.max(lines / LINES_PER_DRAW);
        for _ in 0..draws {
            let slot = rng.below((lines * SLOTS) as u64) as usize;
            let (array, line) = self.physical_line(slot / SLOTS);
            let address = array.get(Spot {
                line,
                slot: slot % SLOTS,
            });
            if address != 0 {
                // SAFETY: an address of this table, which is borrowed for as long as the result.
                return Some(unsafe { borrow::<E>(address) });
            }
        }
        // Nearly empty, since a child keeps it from shrinking.
        self.iter().nth(rng.below(self.used as u64) as usize)
    }

    /// Visits up to `count` elements that stand together, from a random line on: cheap, but the
    /// neighbours of an element come with it. Returns how many it visited.
    pub fn sample(&self, rng: &mut Rng, count: usize, each: &mut dyn FnMut(E::Ref<'_>)) -> usize {
        let mut seen = 0;
        if count > 0 && self.used > 0 {
            self.walk(rng, count.saturating_mul(10), |element| {
                each(element);
                seen += 1;
                if seen == count {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
        }
        seen
    }

    /// All elements, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = E::Ref<'_>> {
        (0..self.physical_lines()).flat_map(|at| {
            let (array, line) = self.physical_line(at);
            // SAFETY: addresses of this table, which is borrowed for as long as the results.
            array
                .line(line)
                .map(|address| unsafe { borrow::<E>(address) })
        })
    }

    /// Goes on with a resize for about `lines` lines of 8. True while there is more to do.
    pub fn step(&mut self, lines: usize) -> bool {
        if self.migration.is_some() && resize_policy() == ResizePolicy::Allow {
            self.migrate(lines);
        }
        self.migration.is_some()
    }

    /// Sizes, and how far elements stand from their home. Walks the table.
    pub fn stats(&self) -> TableStats {
        let mut stats = TableStats {
            used: self.used,
            slots: self.lines.len() * SLOTS,
            slots_to: self
                .migration
                .as_ref()
                .map_or(0, |migration| migration.to.len() * SLOTS),
            distances: Vec::new(),
        };
        for at in 0..self.physical_lines() {
            let (array, line) = self.physical_line(at);
            for distance in array.distances(line, self.ring.of::<E>()) {
                if distance >= stats.distances.len() {
                    stats.distances.resize(distance + 1, 0);
                }
                stats.distances[distance] += 1;
            }
        }
        stats
    }

    /// Verifies the invariants of the table and of its arrays against the hash of every element, which are all looked at;
    /// panics when one does not hold. For tests.
    pub fn check(&self) {
        let ring = self.ring.of::<E>();
        let mut used = self.lines.check(ring, |home| {
            let frontier = self.migration.as_ref().map_or(0, |it| it.frontier);
            assert!(home >= frontier, "an old key before the frontier");
        });
        if let Some(migration) = &self.migration {
            assert!(migration.frontier <= self.lines.len(), "frontier");
            let before = (0..migration.frontier).flat_map(|line| self.lines.line(line));
            assert_eq!(before.count(), 0, "keys before the frontier");
            used += migration.to.check(ring, |_| {});
            for at in 0..migration.to.len() {
                for address in migration.to.line(at) {
                    let home = self.lines.home(ring(address));
                    assert!(home < migration.frontier, "a new key behind the frontier");
                }
            }
        }
        assert_eq!(used, self.used, "keys of both arrays");
    }

    fn arrays(&self) -> impl Iterator<Item = &Lines> {
        [
            Some(&self.lines),
            self.migration.as_ref().map(|migration| &migration.to),
        ]
        .into_iter()
        .flatten()
    }

    #[inline(always)]
    fn is_migrated(&self, position: u64) -> bool {
        self.migration
            .as_ref()
            .is_some_and(|migration| self.lines.home(position) < migration.frontier)
    }

    /// The new array, if asked for and there is one, else the only or old one.
    #[inline(always)]
    fn array(&self, migrated: bool) -> &Lines {
        match &self.migration {
            Some(migration) if migrated => &migration.to,
            _ => &self.lines,
        }
    }

    #[inline(always)]
    fn array_mut(&mut self, migrated: bool) -> &mut Lines {
        match &mut self.migration {
            Some(migration) if migrated => &mut migration.to,
            _ => &mut self.lines,
        }
    }

    /// Lines that may hold elements: those of the old array from the frontier on, then the new one's.
    fn physical_lines(&self) -> usize {
        self.migration
            .as_ref()
            .map_or(self.lines.len(), |migration| {
                self.lines.len() - migration.frontier + migration.to.len()
            })
    }

    fn physical_line(&self, at: usize) -> (&Lines, usize) {
        match &self.migration {
            None => (&self.lines, at),
            Some(migration) => {
                let old = self.lines.len() - migration.frontier;
                if at < old {
                    (&self.lines, migration.frontier + at)
                } else {
                    (&migration.to, at - old)
                }
            }
        }
    }

    /// Visits elements from a random line on, around the end, through `lines` lines at most.
    fn walk<'a>(
        &'a self,
        rng: &mut Rng,
        lines: usize,
        mut each: impl FnMut(E::Ref<'a>) -> ControlFlow<()>,
    ) {
        let all = self.physical_lines();
        let start = rng.below(all as u64) as usize;
        for at in (start..all).chain(0..start).take(lines) {
            let (array, line) = self.physical_line(at);
            for address in array.line(line) {
                // SAFETY: an address of this table, which is borrowed for `'a`.
                if each(unsafe { borrow::<E>(address) }).is_break() {
                    return;
                }
            }
        }
    }

    fn scan_window<'a>(&'a self, cursor: u64, window: usize, each: impl FnMut(E::Ref<'a>)) -> u64 {
        // The arrays divide the ring between them at the frontier, so a window ends there too.
        let (array, limit) = match &self.migration {
            Some(migration) if self.is_migrated(cursor) => {
                (&migration.to, self.lines.first_position(migration.frontier))
            }
            _ => (&self.lines, RING + 1),
        };
        let first = array.home(cursor);
        let end = (first + window).min(array.homes());
        if first < end {
            let mut each = each;
            array.each_of_homes(first..end, self.ring.of::<E>(), |address| {
                // SAFETY: an address of this table, which is borrowed for `'a`.
                each(unsafe { borrow::<E>(address) });
            });
        }
        array.first_position(end).min(limit) & RING
    }

    /// Before an insertion: moves a migration on, or begins one when the table is full enough.
    fn make_room(&mut self) {
        let fill = self.used * 100 / SLOTS;
        let avoid = resize_policy() == ResizePolicy::Avoid;
        match &self.migration {
            Some(migration) => {
                let pressing =
                    fill >= GROW_ALWAYS_FROM * self.lines.homes().min(migration.to.homes());
                if pressing {
                    self.migrate(URGENT_PACE);
                } else if !avoid {
                    self.migrate(PACE);
                }
            }
            None => {
                let homes = self.lines.homes();
                if fill >= GROW_FROM * homes && (!avoid || fill >= GROW_ALWAYS_FROM * homes) {
                    self.resize(homes * 6 / 5 + 1);
                }
            }
        }
    }

    /// After a removal: moves a migration on, or begins one when the table is empty enough.
    fn give_room(&mut self) {
        if resize_policy() == ResizePolicy::Avoid {
            return;
        }
        if self.migration.is_some() {
            self.migrate(PACE);
        } else if self.used == 0 {
            self.lines = Lines::none();
        } else if self.used < self.shrink_below {
            let homes = homes_for(self.used, SHRINK_TO);
            if homes < self.lines.homes() {
                self.resize(homes);
            }
        }
    }

    fn resize(&mut self, homes: usize) {
        if self.lines.homes().max(homes) <= SMALL {
            self.rebuild(homes);
        } else {
            self.migration = Some(Migration {
                to: Lines::new(homes, self.lines.window()),
                frontier: 0,
            });
        }
    }

    /// Moves lines from the old array to the new until `lines` are done and the last was not full.
    fn migrate(&mut self, lines: usize) {
        let ring = self.ring;
        let Some(Migration { to, frontier }) = &mut self.migration else {
            return;
        };
        let end = *frontier + lines;
        while *frontier < self.lines.len() {
            let was_full = self.lines.is_full(*frontier);
            if let Err(NoRoom) = self.lines.move_line(*frontier, to, ring.of::<E>()) {
                return self.abandon_migration();
            }
            *frontier += 1;
            if !was_full && (*frontier >= end || *frontier >= self.lines.homes()) {
                break;
            }
        }
        // Past the last home nothing is left: the overhang holds only what spilled over full lines.
        if *frontier >= self.lines.homes() {
            let lines = mem::replace(to, Lines::none());
            self.settle(lines);
        } else {
            self.lines.discard_before(*frontier);
        }
    }

    /// The new array has no room for a line of the old, part of which it may hold already.
    #[cold]
    fn abandon_migration(&mut self) {
        let position_of = self.ring.of::<E>();
        if let Some(Migration { to, frontier }) = &mut self.migration {
            let homes = to.homes();
            // What the line left in the new array is still in the line as well: take it out there.
            for address in self.lines.line(*frontier) {
                let position = position_of(address);
                if let Some(spot) = to.find(position, |other| other == address) {
                    to.remove(spot, position_of);
                }
            }
            self.grow_for_room(homes);
        }
    }

    /// An array of `homes` lines had no room within reach of some key: takes a larger one at once.
    #[cold]
    fn grow_for_room(&mut self, homes: usize) {
        self.rebuild(homes * 6 / 5 + 1);
        // The fill is low now, and yet a smaller array would not do.
        self.shrink_below = self.shrink_below.min(self.used / 2);
    }

    /// Puts everything into one new array at once, which has `homes` lines, or more if they are uneven.
    fn rebuild(&mut self, homes: usize) {
        let window = self.arrays().map(Lines::window).min().unwrap_or(0);
        let mut to = Lines::new(homes, window);
        let filled = (0..self.physical_lines()).try_for_each(|at| {
            let (array, line) = self.physical_line(at);
            array.copy_line(line, &mut to, self.ring.of::<E>())
        });
        match filled {
            Ok(()) => self.settle(to),
            Err(NoRoom) => self.grow_for_room(homes),
        }
    }

    /// Goes on with an array that holds everything.
    fn settle(&mut self, lines: Lines) {
        self.shrink_below = lines.homes() * SLOTS * SHRINK_BELOW / 100;
        self.lines = lines;
        self.migration = None;
    }
}

impl<E: Element> Drop for Table<E> {
    fn drop(&mut self) {
        if !mem::needs_drop::<E>() {
            return;
        }
        for at in 0..self.physical_lines() {
            let (array, line) = self.physical_line(at);
            for address in array.line(line) {
                // SAFETY: each address is visited once, and the arrays go with the table.
                drop(unsafe { take::<E>(address) });
            }
        }
    }
}

/// The greatest position.
const RING: u64 = (1 << POSITION_BITS) - 1;

/// How hashes become positions: times an odd number, of which the high bits count.
#[derive(Clone, Copy)]
struct Ring(u64);

impl Ring {
    #[inline(always)]
    fn position(self, hash: u64) -> u64 {
        hash.wrapping_mul(self.0) >> (u64::BITS - POSITION_BITS)
    }

    /// The position of the element at an address.
    #[inline(always)]
    fn of<E: Element>(self) -> impl Fn(u64) -> u64 + Copy {
        // SAFETY: private, and passed only addresses of the table whose ring this is, looked at for the moment.
        move |address| self.position(E::hash(unsafe { borrow::<E>(address) }))
    }
}

/// Lines that `count` elements fill to `percent`.
fn homes_for(count: usize, percent: usize) -> usize {
    (count * 100 / SLOTS).div_ceil(percent).max(1)
}

/// # Safety
/// `address` is in a table of `E` (invariant 3), and `'a` ends before the element is removed or mutated: it is the
/// borrow of the table in every public function that passes the result on.
#[inline(always)]
unsafe fn borrow<'a, E: Element>(address: u64) -> E::Ref<'a> {
    // SAFETY: the caller's promise.
    unsafe { E::borrow(pointer(address)) }
}

/// # Safety
/// `address` was in a table of `E` (invariant 3) and has left it: its slot is emptied or overwritten before anything
/// else looks at it, or the array goes.
#[inline(always)]
unsafe fn take<E: Element>(address: u64) -> E {
    // SAFETY: the caller's promise.
    unsafe { E::from_raw(pointer(address)) }
}

#[inline(always)]
fn pointer(address: u64) -> NonNull<u8> {
    NonNull::new(std::ptr::with_exposed_provenance_mut(address as usize))
        .expect("slots in use are not 0")
}
