//! Hash table of entry pointers: eight per cache line, about 10 bytes of table per key.
//!
//! Entries are allocated elsewhere and contain their keys; the table stores one word per key (see `ds/lines.rs` for
//! its bits). It grows by a fifth when 85 % full, by building a second array and migrating a few lines per write, so
//! no single operation is slow and memory follows the number of keys closely, unlike with doubling. It shrinks when
//! less than half full (`table/resize.rs`). Readers migrate nothing unless they call [`Table::continue_resize`].
//!
//! During a migration the *frontier* divides the lines of the old array: keys whose home is before it are in the new
//! array, the others in the old one. So every lookup searches exactly one array. The frontier stops only after a line
//! that was not full, past which no key spills.
//!
//! A SCAN cursor is a position on the ring of hashes (see `ds/lines.rs`), from 0 to 2^48. Positions do not depend on
//! the size of the table: whatever the table does between two calls, a key that stays is in a part of the ring that
//! some call covers, and is found there.
//!
//! # Invariants
//! 1. `used` is the number of keys in both arrays.
//! 2. The lines of the old array before the frontier are zero, and no key of the old array has its home there; every
//!    key of the new array has its old home there.
//! 3. Each address in the table came from [`Element::into_raw`] and has not been taken back.

#![allow(unsafe_code)]

mod resize;

use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::ops::{ControlFlow, Range};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ds::lines::{Lines, SLOTS, Spot};
use crate::ds::relocation::Relocator;
use crate::ds::table::resize::Migration;
use crate::util::hash::{POSITION_BITS, hash};
use crate::util::rand::Rng;

/// A thin owned pointer to an entry that knows its key.
///
/// # Safety
/// `from_raw` returns what `into_raw` was given; addresses are multiples of 8 and below 2^47 (2^48 off x86-64); the
/// result of `borrow` on an address that was not taken back is valid as long as the element is.
pub unsafe trait Element: Sized + 'static {
    /// A shared view of an element.
    type Ref<'a>: Copy;

    /// Releases ownership as an address.
    fn into_raw(self) -> NonNull<u8>;

    /// Takes ownership back.
    ///
    /// # Safety
    /// `raw` came from `into_raw` and is taken back only once.
    unsafe fn from_raw(raw: NonNull<u8>) -> Self;

    /// Borrows the element at an address.
    ///
    /// # Safety
    /// `raw` came from `into_raw`, and `'a` ends before it is taken back or mutated.
    unsafe fn borrow<'a>(raw: NonNull<u8>) -> Self::Ref<'a>;

    /// The hash of the element's key.
    fn hash(element: Self::Ref<'_>) -> u64;
}

/// Number of scattered tables created so far; see [`Table::scattered`].
static SCATTERED: AtomicU64 = AtomicU64::new(0);

/// A hash table of elements.
pub struct Table<E: Element> {
    ring: Ring,
    lines: Lines,
    migration: Option<Migration>,
    used: usize,
    /// The table shrinks when it has fewer elements than this.
    shrink_below: usize,
    owns: PhantomData<E>,
}

/// Location of an element; valid until the table changes by anything but [`Table::update`] and [`Table::replace`].
#[derive(Clone, Copy, Debug)]
pub struct Place {
    migrated: bool,
    spot: Spot,
}

/// Statistics of a table's arrays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Number of elements.
    pub used: usize,
    /// Slots of the array (the old one during a migration).
    pub slots: usize,
    /// Slots of the new array during a migration, else 0.
    pub slots_to: usize,
    /// Elements by probe distance: `distances[d]` are `d` lines from their home line.
    pub distances: Vec<usize>,
}

impl<E: Element> Default for Table<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Element> Table<E> {
    /// An empty table; allocates with its first element.
    pub fn new() -> Self {
        Self::on(Ring(1))
    }

    /// An empty table with an order of its own.
    ///
    /// Elements inserted in the order of another table would otherwise cluster at the front of a table that is still
    /// small and cause long probe distances: the union of two sets would be four times slower.
    pub fn scattered() -> Self {
        Self::ordered_by(SCATTERED.fetch_add(1, Ordering::Relaxed))
    }

    /// An empty table whose order depends on a number: that of two tables differs unless they have the same number.
    pub fn ordered_by(number: u64) -> Self {
        Self::on(Ring(hash(&number.to_ne_bytes()) | 1))
    }

    /// An empty table with the order of this one: a SCAN may go on there.
    pub fn new_like(&self) -> Self {
        Self::on(self.ring)
    }

    /// An empty table with the capacity and order of this one, for a copy: insertion is fastest in the same order.
    pub fn with_room_of(&self) -> Self {
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

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Bytes of the arrays, resident or not.
    pub fn bytes(&self) -> usize {
        self.arrays().map(Lines::bytes).sum()
    }

    /// Whether a resize is in progress.
    pub fn is_migrating(&self) -> bool {
        self.migration.is_some()
    }

    /// Finds the element with this hash for which `is` returns true.
    #[inline]
    pub fn locate(&self, hash: u64, mut is: impl FnMut(E::Ref<'_>) -> bool) -> Option<Place> {
        let position = self.ring.position(hash);
        let migrated = self.is_migrated(position);
        let spot = self
            .array(migrated)
            // SAFETY: an address in an array of this table, borrowed only for this call.
            .find(position, |address| is(unsafe { borrow::<E>(address) }))?;
        Some(Place { migrated, spot })
    }

    /// The element at a place.
    #[inline]
    pub fn get(&self, place: Place) -> E::Ref<'_> {
        // SAFETY: an address of this table, which is borrowed for as long as the result.
        unsafe { borrow::<E>(self.array(place.migrated).get(place.spot)) }
    }

    /// The element with this hash for which `is` returns true.
    #[inline]
    pub fn find(&self, hash: u64, is: impl FnMut(E::Ref<'_>) -> bool) -> Option<E::Ref<'_>> {
        self.locate(hash, is).map(|place| self.get(place))
    }

    /// Inserts an element whose key is not in the table.
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
            // Not observed at these fills, except in tables of a few lines.
            self.grow_for_room(self.lines.homes().max(self.array(true).homes()));
        }
    }

    /// Removes the element with this hash for which `is` returns true.
    pub fn remove(&mut self, hash: u64, is: impl FnMut(E::Ref<'_>) -> bool) -> Option<E> {
        self.locate(hash, is).map(|place| self.remove_at(place))
    }

    /// Removes the element at a place. Does not access the element, so its memory may already be freed.
    pub fn remove_at(&mut self, place: Place) -> E {
        let ring = self.ring;
        let address = self
            .array_mut(place.migrated)
            .remove(place.spot, ring.of::<E>());
        self.used -= 1;
        self.give_room(place.spot.line);
        // SAFETY: the address was just removed.
        unsafe { take::<E>(address) }
    }

    /// Modifies an element in place. `change` may move it to another address but must keep its key.
    pub fn update<R>(&mut self, place: Place, change: impl FnOnce(&mut E) -> R) -> R {
        update_spot::<E, R>(self.array_mut(place.migrated), place.spot, change)
    }

    /// Replaces the element at a place by another one with the same key.
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

    /// First prefetch before a lookup: the line.
    #[inline]
    pub fn prefetch_line(&self, hash: u64) {
        let position = self.ring.position(hash);
        self.array(self.is_migrated(position))
            .prefetch_line(position);
    }

    /// Second prefetch, a few dozen nanoseconds after the first: the entry.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        let position = self.ring.position(hash);
        self.array(self.is_migrated(position))
            .prefetch_entry(position);
    }

    /// Visits the elements from `cursor` on until about `count` elements or ten times as many slots were seen. Returns
    /// the next cursor; 0 at the end.
    ///
    /// An element that is in the table from the first call to the last is visited at least once, whatever is inserted,
    /// removed or resized in between.
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

    /// Like [`Table::scan`], for modification: `each` may move an element to another address but must keep its key.
    pub fn scan_mut(&mut self, cursor: u64, count: usize, each: &mut dyn FnMut(&mut E)) -> u64 {
        let (mut cursor, mut seen) = (cursor & RING, 0);
        for _ in 0..=count.saturating_mul(10) / SLOTS {
            let (migrated, homes, next) = self.window(cursor, 1);
            let position_of = self.ring.of::<E>();
            let lines_of = self.array_mut(migrated);
            lines_of.each_spot_of_homes(homes, position_of, |array, spot| {
                seen += 1;
                update_spot::<E, ()>(array, spot, &mut *each);
            });
            cursor = next;
            if cursor == 0 || seen >= count {
                break;
            }
        }
        cursor
    }

    /// Moves the arrays that are from the heap if `relocator` says so; the elements stay.
    pub fn relocate_arrays(&mut self, relocator: &mut dyn Relocator) {
        self.lines.relocate(relocator);
        if let Some(migration) = &mut self.migration {
            migration.to.relocate(relocator);
        }
    }

    /// An element chosen uniformly at random; `None` only if the table is empty.
    pub fn random(&self, rng: &mut Rng) -> Option<E::Ref<'_>> {
        /// Visiting this many lines costs about as much as one draw.
        const LINES_PER_DRAW: usize = 16;
        /// Number of draws: if a fifth of the slots is used, all of them miss once in a million.
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
        // The table is nearly empty: a running child prevents it from shrinking.
        self.iter().nth(rng.below(self.used as u64) as usize)
    }

    /// Visits up to `count` adjacent elements from a random line on. Cheap, but the elements are not independent
    /// samples. Returns the number visited.
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

    /// Iterator over all elements in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = E::Ref<'_>> {
        (0..self.physical_lines()).flat_map(|at| self.elements(at))
    }

    /// As [`Table::iter`], but from the line on that `seed` selects, wrapping around.
    pub fn iter_from(&self, seed: usize) -> impl Iterator<Item = E::Ref<'_>> {
        let lines = self.physical_lines();
        let first = seed.checked_rem(lines).unwrap_or(0);
        let order = (first..lines).chain(0..first);
        order.flat_map(|at| self.elements(at))
    }

    fn elements(&self, at: usize) -> impl Iterator<Item = E::Ref<'_>> {
        let (array, line) = self.physical_line(at);
        // SAFETY: addresses of this table, which is borrowed for as long as the results.
        array
            .line(line)
            .map(|address| unsafe { borrow::<E>(address) })
    }

    /// Sizes and probe distances. Walks the whole table.
    pub fn stats(&self) -> TableStats {
        let mut stats = TableStats {
            used: self.used,
            slots: self.lines.len() * SLOTS,
            slots_to: self.migration.as_ref().map_or(0, |it| it.to.len() * SLOTS),
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

    /// Verifies the invariants of the table and of its arrays against the hash of every element; panics on a
    /// violation. For tests.
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
        [&self.lines]
            .into_iter()
            .chain(self.migration.iter().map(|it| &it.to))
    }

    #[inline(always)]
    fn is_migrated(&self, position: u64) -> bool {
        let migration = self.migration.as_ref();
        migration.is_some_and(|it| self.lines.home(position) < it.frontier)
    }

    /// The new array if `migrated` and there is one, else the only or old one.
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

    /// Number of lines that may hold elements: those of the old array from the frontier on, then those of the new one.
    fn physical_lines(&self) -> usize {
        let migration = self.migration.as_ref();
        self.lines.len() + migration.map_or(0, |it| it.to.len())
            - migration.map_or(0, |it| it.frontier)
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

    /// Visits elements from a random slot on, wrapping around, in at most `lines` lines. To begin at the first slot of
    /// a line would hide the last elements of full lines: a walk would most often end before them.
    fn walk<'a>(
        &'a self,
        rng: &mut Rng,
        lines: usize,
        mut each: impl FnMut(E::Ref<'a>) -> ControlFlow<()>,
    ) {
        let all = self.physical_lines();
        let start = rng.below((all * SLOTS) as u64) as usize;
        let (start, offset) = (start / SLOTS, start % SLOTS);
        // The first line comes again at the end, for the slots before the offset.
        for step in 0..=all.min(lines) {
            let (array, line) = self.physical_line((start + step) % all);
            let slots = match step {
                0 => offset..SLOTS,
                _ if step == all => 0..offset,
                _ => 0..SLOTS,
            };
            for address in array.line(line).skip(slots.start).take(slots.len()) {
                // SAFETY: an address of this table, which is borrowed for `'a`.
                if each(unsafe { borrow::<E>(address) }).is_break() {
                    return;
                }
            }
        }
    }

    fn scan_window<'a>(
        &'a self,
        cursor: u64,
        window: usize,
        mut each: impl FnMut(E::Ref<'a>),
    ) -> u64 {
        let (migrated, homes, next) = self.window(cursor, window);
        let array = self.array(migrated);
        array.each_of_homes(homes, self.ring.of::<E>(), |address| {
            // SAFETY: an address of this table, which is borrowed for `'a`.
            each(unsafe { borrow::<E>(address) });
        });
        next
    }

    /// At most `window` home lines from a position on: whether they are in the new array, and the position after them,
    /// 0 at the end.
    #[inline]
    fn window(&self, cursor: u64, window: usize) -> (bool, Range<usize>, u64) {
        let migrated = self.is_migrated(cursor);
        // The arrays divide the ring at the frontier, so a window ends there too.
        let limit = match &self.migration {
            Some(migration) if migrated => self.lines.first_position(migration.frontier),
            _ => RING + 1,
        };
        let array = self.array(migrated);
        let first = array.home(cursor);
        let end = (first + window).min(array.homes());
        let next = array.first_position(end).min(limit) & RING;
        (migrated, first..end, next)
    }
}

/// Modifies the element in a slot; see [`Table::update`].
#[inline]
fn update_spot<E: Element, R>(
    lines: &mut Lines,
    spot: Spot,
    change: impl FnOnce(&mut E) -> R,
) -> R {
    /// Writes the address back even if `change` panics.
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
    // SAFETY: the guard writes the address of the element back before the slot is read again.
    let element = ManuallyDrop::new(unsafe { take::<E>(lines.get(spot)) });
    let mut guard = WriteBack {
        lines,
        spot,
        element,
    };
    change(&mut guard.element)
}

impl<E: Element> Drop for Table<E> {
    fn drop(&mut self) {
        if !mem::needs_drop::<E>() {
            return;
        }
        for at in 0..self.physical_lines() {
            let (array, line) = self.physical_line(at);
            for address in array.line(line) {
                // SAFETY: each address is visited once, and the arrays are dropped with the table.
                drop(unsafe { take::<E>(address) });
            }
        }
    }
}

/// The largest position.
const RING: u64 = (1 << POSITION_BITS) - 1;

/// Maps hashes to positions: multiplies the high bits by an odd number. The low bits do not count: a database of a node of
/// a cluster puts the slot there.
#[derive(Clone, Copy)]
struct Ring(u64);

impl Ring {
    #[inline(always)]
    fn position(self, hash: u64) -> u64 {
        (hash >> (u64::BITS - POSITION_BITS)).wrapping_mul(self.0) & RING
    }

    /// The position of the element at an address.
    #[inline(always)]
    fn of<E: Element>(self) -> impl Fn(u64) -> u64 + Copy {
        // SAFETY: private, and only called with addresses of the table that owns this ring, each borrowed for this
        // call.
        move |address| self.position(E::hash(unsafe { borrow::<E>(address) }))
    }
}

/// # Safety
/// `address` is in a table of `E` (invariant 3), and `'a` ends before the element is removed or mutated: it is the
/// borrow of the table in every public function that returns the result.
#[inline(always)]
unsafe fn borrow<'a, E: Element>(address: u64) -> E::Ref<'a> {
    // SAFETY: the caller's promise.
    unsafe { E::borrow(pointer(address)) }
}

/// # Safety
/// `address` was in a table of `E` (invariant 3) and has left it: its slot is emptied or overwritten before it is read
/// again, or the array is dropped.
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
