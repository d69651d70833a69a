//! Intersection, union and difference of sets.
//!
//! Members are looked up in batches of up to [`GROUP`]: a table hashes a batch together and prefetches, so cache misses
//! overlap.
//!
//! The encodings of the results follow Redis's, since clients see them once a result is stored.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::ControlFlow;

use crate::ds::intset::Intset;
use crate::ds::item::Item;
use crate::ds::listpack::Listpack;
use crate::value::set::{Retain, Set, SetLimits};

/// Most members that are looked up together.
const GROUP: usize = 32;

/// Passes the members of the intersection to `each` until it breaks. The intersection of no sets is empty.
pub fn each_common<'a>(sets: &[&'a Set], each: &mut dyn FnMut(Item<'a>) -> ControlFlow<()>) {
    if let Some((smallest, others)) = smallest_and_others(sets) {
        each_filtered(smallest, &others, Retain::Members, GROUP, each);
    }
}

/// Number of members of the intersection, counted up to `limit`.
pub fn count_common(sets: &[&Set], limit: usize) -> usize {
    let Some((smallest, others)) = smallest_and_others(sets) else {
        return 0;
    };
    if others.is_empty() {
        return smallest.len().min(limit);
    }
    let mut members = 0;
    // No more are looked up than the limit needs, if all are found.
    let first_group = limit.min(GROUP);
    each_filtered(smallest, &others, Retain::Members, first_group, &mut |_| {
        members += 1;
        if members < limit {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    members
}

/// The smallest set, and those that are others: a key may be given more than once.
fn smallest_and_others<'a>(sets: &[&'a Set]) -> Option<(&'a Set, Vec<&'a Set>)> {
    let mut sets = sets.to_vec();
    sets.sort_by_key(|set| set.len());
    let smallest = *sets.first()?;
    sets.retain(|set| !std::ptr::eq(*set, smallest));
    Some((smallest, sets))
}

/// The intersection as a new set.
pub fn intersection(sets: &[&Set], limits: &SetLimits) -> Set {
    let smallest = sets.iter().min_by_key(|set| set.len());
    let mut result = match smallest {
        Some(Set::Packed(_) | Set::Table(_)) => Set::Packed(Listpack::new()),
        Some(Set::Ints(_)) | None => Set::Ints(Intset::new()),
    };
    each_common(sets, &mut |member| {
        result.add(member, limits);
        ControlFlow::Continue(())
    });
    result.convert_to_ints(limits);
    result
}

/// Number of sets up to which the union is passed on without being built: each member is looked up in all sets before its own.
const LOOKED_UP: usize = 8;

/// Passes each member of the union to `each` once. Of a union of integers that stays an intset the order is that of the
/// numbers, as in Redis.
pub fn each_of_any(sets: &[&Set], limits: &SetLimits, each: &mut dyn FnMut(Item<'_>)) {
    let members: usize = sets.iter().map(|set| set.len()).sum();
    let are_ints = sets.iter().all(|set| matches!(set, Set::Ints(_)));
    let stays_ints = sets.len() > 1 && are_ints && members <= limits.max_ints;
    if stays_ints || sets.len() > LOOKED_UP {
        return union(sets, limits).iter().for_each(each);
    }
    for (at, set) in sets.iter().enumerate() {
        let before = &sets[..at];
        each_filtered(set, before, Retain::NonMembers, GROUP, &mut |member| {
            each(member);
            ControlFlow::Continue(())
        });
    }
}

/// The union as a new set.
pub fn union(sets: &[&Set], limits: &SetLimits) -> Set {
    let mut result = Set::new();
    // The result may be no larger than the largest set.
    result.reserve(sets.iter().map(|set| set.len()).max().unwrap_or(0), limits);
    for set in sets {
        result.extend(set, limits);
    }
    result
}

/// Passes the members of `first` that no other set contains to `each`.
pub fn each_difference(
    first: &Set,
    others: &[&Set],
    limits: &SetLimits,
    each: &mut dyn FnMut(Item<'_>),
) {
    if lookup_is_cheaper(first, others) {
        each_difference_by_lookup(first, others, each);
    } else {
        difference_by_removal(first, others, limits)
            .iter()
            .for_each(each);
    }
}

/// The difference as a new set.
pub fn difference(first: &Set, others: &[&Set], limits: &SetLimits) -> Set {
    if !lookup_is_cheaper(first, others) {
        return difference_by_removal(first, others, limits);
    }
    let mut result = Set::new();
    each_difference_by_lookup(first, others, &mut |member| {
        result.add(member, limits);
    });
    result
}

/// Whether it is cheaper to look up each member of `first` in the other sets until one contains it, than to remove the
/// members of the others from a copy of `first`. The cost of lookups is halved, as in Redis, since they often end
/// early and copy less.
fn lookup_is_cheaper(first: &Set, others: &[&Set]) -> bool {
    let look_up = first.len() * (others.len() + 1) / 2;
    let take_out = first.len() + others.iter().map(|other| other.len()).sum::<usize>();
    look_up <= take_out || others.iter().any(|other| std::ptr::eq(*other, first))
}

/// Difference by lookups in the other sets.
fn each_difference_by_lookup(first: &Set, others: &[&Set], each: &mut dyn FnMut(Item<'_>)) {
    if others.iter().any(|other| std::ptr::eq(*other, first)) {
        return;
    }
    let mut others = others.to_vec();
    // The largest set is the most likely to contain a member.
    others.sort_by_key(|other| Reverse(other.len()));
    // A packed set from RESTORE may contain a member twice; the difference must not.
    let mut seen = matches!(first, Set::Packed(_)).then(HashSet::new);
    each_filtered(first, &others, Retain::NonMembers, GROUP, &mut |member| {
        if seen
            .as_mut()
            .is_none_or(|seen| seen.insert(member.to_vec()))
        {
            each(member);
        }
        ControlFlow::Continue(())
    });
}

/// Difference by removal from a copy.
fn difference_by_removal(first: &Set, others: &[&Set], limits: &SetLimits) -> Set {
    let mut result = Set::new();
    result.reserve(first.len(), limits);
    result.extend(first, limits);
    for other in others {
        for member in other.iter() {
            result.remove(member);
        }
        if result.is_empty() {
            break;
        }
    }
    result
}

/// Passes the members of `set` that pass the filter of every other set to `each`. They are looked up in groups, of which
/// each is twice as large as the one before, up to [`GROUP`].
fn each_filtered<'a>(
    set: &'a Set,
    others: &[&'a Set],
    retain: Retain,
    first_group: usize,
    each: &mut dyn FnMut(Item<'a>) -> ControlFlow<()>,
) {
    let mut members = set.iter();
    let mut size = first_group;
    let mut group = Vec::with_capacity(size);
    loop {
        group.extend(members.by_ref().take(size));
        size = (2 * size).min(GROUP);
        if group.is_empty() {
            return;
        }
        for other in others {
            other.filter(&mut group, retain);
        }
        if group.drain(..).try_for_each(&mut *each).is_break() {
            return;
        }
    }
}
