//! Intersection, union and difference of sets.
//!
//! Members are looked for in groups of [`GROUP`]: a big set hashes such a group together and prefetches, so that the
//! misses of the cache overlap instead of adding up.
//!
//! The encodings that the results take follow Redis's, as they can be seen once a result is stored.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::ControlFlow;

use crate::ds::intset::Intset;
use crate::ds::item::Item;
use crate::ds::listpack::Listpack;
use crate::value::set::{Keep, Limits, Set};

/// Members that are looked for together.
const GROUP: usize = 32;

/// Passes on the members that all of `sets` have, until `each` breaks. No sets have none in common.
pub fn each_common<'a>(sets: &[&'a Set], each: &mut dyn FnMut(Item<'a>) -> ControlFlow<()>) {
    let mut sets = sets.to_vec();
    sets.sort_by_key(|set| set.len());
    if let Some((smallest, others)) = sets.split_first() {
        each_filtered(smallest, others, Keep::Members, each);
    }
}

/// The set of the members that all of `sets` have.
pub fn intersection(sets: &[&Set], limits: &Limits) -> Set {
    let smallest = sets.iter().min_by_key(|set| set.len());
    let mut result = match smallest {
        Some(Set::Packed(_) | Set::Table(_)) => Set::Packed(Listpack::new()),
        Some(Set::Ints(_)) | None => Set::Ints(Intset::new()),
    };
    each_common(sets, &mut |member| {
        result.add(member, limits);
        ControlFlow::Continue(())
    });
    result.settle(limits);
    result
}

/// Passes on the members that any of `sets` has, each once.
pub fn each_of_any<'a>(sets: &[&'a Set], each: &mut dyn FnMut(Item<'a>)) {
    for (at, set) in sets.iter().enumerate() {
        each_filtered(set, &sets[..at], Keep::Strangers, &mut |member| {
            each(member);
            ControlFlow::Continue(())
        });
    }
}

/// The set of the members that any of `sets` has.
pub fn union(sets: &[&Set], limits: &Limits) -> Set {
    let mut result = Set::new();
    // The others may add nothing to the biggest.
    result.reserve(sets.iter().map(|set| set.len()).max().unwrap_or(0), limits);
    for set in sets {
        result.extend(set, limits);
    }
    result
}

/// Passes on the members of `first` that none of `others` has.
pub fn each_left(first: &Set, others: &[&Set], limits: &Limits, each: &mut dyn FnMut(Item<'_>)) {
    if looking_up_is_less(first, others) {
        each_unknown(first, others, each);
    } else {
        taken_out(first, others, limits).iter().for_each(each);
    }
}

/// The set of the members of `first` that none of `others` has.
pub fn difference(first: &Set, others: &[&Set], limits: &Limits) -> Set {
    if !looking_up_is_less(first, others) {
        return taken_out(first, others, limits);
    }
    let mut result = Set::new();
    each_unknown(first, others, &mut |member| {
        result.add(member, limits);
    });
    result
}

/// Whether a difference is found with less work by looking for each member of `first` in the others until one has it,
/// than by taking the members of the others out of a copy of `first`. The first way is given half its price, since it
/// often ends early and copies less.
fn looking_up_is_less(first: &Set, others: &[&Set]) -> bool {
    let look_up = first.len() * (others.len() + 1) / 2;
    let take_out = first.len() + others.iter().map(|other| other.len()).sum::<usize>();
    look_up <= take_out || others.iter().any(|other| std::ptr::eq(*other, first))
}

/// The first way to a difference.
fn each_unknown(first: &Set, others: &[&Set], each: &mut dyn FnMut(Item<'_>)) {
    if others.iter().any(|other| std::ptr::eq(*other, first)) {
        return;
    }
    let mut others = others.to_vec();
    // The biggest one is the likeliest to have a member.
    others.sort_by_key(|other| Reverse(other.len()));
    // A packed set that came by RESTORE may have a member twice; a difference has not.
    let mut seen = matches!(first, Set::Packed(_)).then(HashSet::new);
    each_filtered(first, &others, Keep::Strangers, &mut |member| {
        if seen
            .as_mut()
            .is_none_or(|seen| seen.insert(member.to_vec()))
        {
            each(member);
        }
        ControlFlow::Continue(())
    });
}

/// The second way to a difference.
fn taken_out(first: &Set, others: &[&Set], limits: &Limits) -> Set {
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

/// Passes on the members of `set` that every one of `others` lets pass.
fn each_filtered<'a>(
    set: &'a Set,
    others: &[&'a Set],
    keep: Keep,
    each: &mut dyn FnMut(Item<'a>) -> ControlFlow<()>,
) {
    let mut members = set.iter();
    let mut group = Vec::with_capacity(GROUP);
    loop {
        group.extend(members.by_ref().take(GROUP));
        if group.is_empty() {
            return;
        }
        for other in others {
            other.filter(&mut group, keep);
        }
        if group.drain(..).try_for_each(&mut *each).is_break() {
            return;
        }
    }
}
