//! When a table is resized, and how: a few lines per write, or at once if it is small.
//!
//! Elements that are removed in the order of the ring, as by a client that deletes what SCAN returns, leave the rest of the
//! ring as densely populated as it was: an array for the average would be far too small for it. So before a table shrinks,
//! its density is sampled around the ring and next to the latest removal, and the densest part determines the size.

use std::mem;

use crate::ds::lines::{Lines, NoRoom, SLOTS};
use crate::ds::resize_policy::{ResizePolicy, resize_policy};
use crate::ds::table::{Element, Table};

/// Fill in percent at which a table grows.
const GROW_FROM: usize = 85;
/// Fill at which a table grows regardless of the policy: at 95 % some probe distances would exceed REACH.
const GROW_ALWAYS_FROM: usize = 92;
/// Fill below which a table shrinks, and the fill after shrinking.
const SHRINK_BELOW: usize = 50;
const SHRINK_TO: usize = 70;
/// A migration from an array with room for this many times the elements continues regardless of the policy: it writes few
/// pages and frees many.
const NEARLY_EMPTY: usize = 5;

/// A table of up to this many lines (32 KiB) is rebuilt at once: about 20 µs.
const SMALL: usize = 512;

/// Lines migrated per write, normally and once the table is nearly full.
const LINES_PER_WRITE: usize = 4;
const URGENT_LINES_PER_WRITE: usize = 16;

/// Adjacent lines that are counted together to determine a local density.
const SAMPLE_LINES: usize = 32;
/// How many of them, evenly distributed.
const SAMPLES: usize = 32;

/// A resize in progress.
pub(super) struct Migration {
    pub(super) to: Lines,
    pub(super) frontier: usize,
}

impl<E: Element> Table<E> {
    /// Reserves capacity for `count` elements. Ignored unless the table is empty.
    pub fn reserve(&mut self, count: usize) {
        if self.used == 0 && self.migration.is_none() && count > 0 {
            self.lines = Lines::new(homes_for(count, GROW_FROM), 0);
        }
    }

    /// Continues a resize for about `lines` lines of 8. Returns whether it is still unfinished.
    pub fn step(&mut self, lines: usize) -> bool {
        let is_nearly_empty = self.used * NEARLY_EMPTY <= self.lines.len() * SLOTS;
        if is_nearly_empty || resize_policy() == ResizePolicy::Allow {
            self.migrate(lines);
        }
        self.migration.is_some()
    }

    /// Continues a resize by as much as a write does.
    pub fn continue_resize(&mut self) {
        self.step(LINES_PER_WRITE);
    }

    /// Before an insertion: continues a migration, or starts one if the table is full enough.
    pub(super) fn make_room(&mut self) {
        let fill = self.used * 100 / SLOTS;
        match &self.migration {
            Some(migration) => {
                let pressing =
                    fill >= GROW_ALWAYS_FROM * self.lines.homes().min(migration.to.homes());
                if pressing {
                    self.migrate(URGENT_LINES_PER_WRITE);
                } else {
                    self.continue_resize();
                }
            }
            None => {
                let homes = self.lines.homes();
                let avoid = resize_policy() == ResizePolicy::Avoid;
                if fill >= GROW_FROM * homes && (!avoid || fill >= GROW_ALWAYS_FROM * homes) {
                    self.resize(homes * 6 / 5 + 1);
                }
            }
        }
    }

    /// After a removal from a line: continues a migration, or starts one if the table is empty enough.
    pub(super) fn give_room(&mut self, line: usize) {
        if self.migration.is_some() {
            return self.continue_resize();
        }
        if resize_policy() == ResizePolicy::Avoid {
            return;
        }
        if self.used == 0 {
            self.lines = Lines::none();
        } else if self.used < self.shrink_below {
            let homes = homes_for(self.used, SHRINK_TO).max(self.homes_for_densest(line));
            if homes * 8 < self.lines.homes() * 7 {
                self.resize(homes);
            } else {
                // Sampled again after as many removals as lines are sampled, and few times in all.
                let lines = self.lines.len().min(SAMPLES * SAMPLE_LINES);
                self.shrink_below = self.used.saturating_sub(lines.max(self.used / 64));
            }
        }
    }

    /// Number of lines with room for the densest part of the array, as far as samples show, of which one begins at
    /// `line`.
    fn homes_for_densest(&self, line: usize) -> usize {
        let len = self.lines.len();
        if len <= 2 * SAMPLE_LINES {
            return 1;
        }
        let stride = (len / SAMPLES).max(SAMPLE_LINES);
        let used_from = |first: usize| {
            let first = first.min(len - SAMPLE_LINES);
            let lines = first..first + SAMPLE_LINES;
            lines.map(|line| self.lines.line(line).count()).sum()
        };
        let firsts = (0..len).step_by(stride).chain([line]);
        let used: usize = firsts.map(used_from).max().unwrap_or(0);
        (used * self.lines.homes()).div_ceil(SAMPLE_LINES * SLOTS)
    }

    fn resize(&mut self, homes: usize) {
        if self.lines.homes().max(homes) <= SMALL {
            self.rebuild(homes);
        } else {
            let mut to = Lines::new(homes, self.lines.window());
            to.use_until(0);
            self.migration = Some(Migration { to, frontier: 0 });
        }
    }

    /// Migrates lines until `lines` are done and the last one was not full.
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
        // After the last home line the old array is empty: the overhang held only keys that spilled past full lines.
        if *frontier >= self.lines.homes() {
            let lines = mem::replace(to, Lines::none());
            self.install(lines);
        } else {
            self.lines.discard_before(*frontier);
            to.use_until(to.home(self.lines.first_position(*frontier)));
        }
    }

    /// Handles a new array without room for a line of the old one, part of which it may already hold.
    #[cold]
    fn abandon_migration(&mut self) {
        let position_of = self.ring.of::<E>();
        if let Some(Migration { to, frontier }) = &mut self.migration {
            let homes = to.homes();
            // The keys of this line that reached the new array are also still in the line: remove the copies.
            for address in self.lines.line(*frontier) {
                let position = position_of(address);
                if let Some(spot) = to.find(position, |other| other == address) {
                    to.remove(spot, position_of);
                }
            }
            self.grow_for_room(homes);
        }
    }

    /// Some key found no free slot within reach in an array of `homes` lines: rebuilds into a larger one at once.
    #[cold]
    pub(super) fn grow_for_room(&mut self, homes: usize) {
        // A large array is that uneven only if it is much too small for a part of the ring.
        self.rebuild(if homes > SMALL {
            homes * 2
        } else {
            homes * 6 / 5 + 1
        });
        // The fill is low now, but a smaller array would have no room.
        self.shrink_below = self.shrink_below.min(self.used / 2);
    }

    /// Rebuilds into one new array at once, of `homes` lines or more if the keys are unevenly distributed.
    fn rebuild(&mut self, homes: usize) {
        let window = self.arrays().map(Lines::window).min().unwrap_or(0);
        let mut to = Lines::new(homes, window);
        let filled = (0..self.physical_lines()).try_for_each(|at| {
            let (array, line) = self.physical_line(at);
            array.copy_line(line, &mut to, self.ring.of::<E>())
        });
        match filled {
            Ok(()) => self.install(to),
            Err(NoRoom) => self.grow_for_room(homes),
        }
    }

    /// Makes an array that holds all elements the only one.
    fn install(&mut self, mut lines: Lines) {
        lines.use_until(lines.len());
        self.shrink_below = lines.homes() * SLOTS * SHRINK_BELOW / 100;
        self.lines = lines;
        self.migration = None;
    }
}

/// Number of lines that `count` elements fill to `percent`.
fn homes_for(count: usize, percent: usize) -> usize {
    (count * 100 / SLOTS).div_ceil(percent).max(1)
}
