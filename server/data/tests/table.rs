//! Tests of the hash table against a model, through growth, shrinking and migrations at several sizes.

#![allow(unsafe_code, clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use data::ds::resize_policy::{ResizePolicy, set_resize_policy};
use data::ds::table::{Element, Table};
use data::util::hash::{hash, set_seed};
use data::util::rand::Rng;

/// A boxed number: key and value in one.
struct Item(Box<u64>);

// SAFETY: the address of a boxed `u64` is aligned to 8 and does not change.
unsafe impl Element for Item {
    type Ref<'a> = &'a u64;

    fn into_raw(self) -> NonNull<u8> {
        NonNull::from(Box::leak(self.0)).cast()
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        // SAFETY: the pointer of a box, by the contract of the trait.
        Item(unsafe { Box::from_raw(raw.as_ptr().cast()) })
    }

    unsafe fn borrow<'a>(raw: NonNull<u8>) -> &'a u64 {
        // SAFETY: the pointer of a box, by the contract of the trait.
        unsafe { raw.cast().as_ref() }
    }

    fn hash(item: &u64) -> u64 {
        HASHES.with(|hashes| hashes.set(hashes.get() + 1));
        hash_of(*item)
    }
}

thread_local! {
    /// How often a table has asked this thread for the hash of an item: to move it, it must.
    static HASHES: Cell<usize> = const { Cell::new(0) };
}

/// The low 24 bits are a serial number; the high bits, if set, determine the position on the ring.
fn hash_of(item: u64) -> u64 {
    let spread = hash(&item.to_le_bytes());
    if item >> 24 == 0 {
        spread
    } else {
        (item >> 24) << 48 | spread >> 16
    }
}

/// The resize policy is process-wide, so tests that set it or depend on it take this lock. It also sets the hash seed,
/// so that each run is the same.
static TURN: Mutex<()> = Mutex::new(());

fn policy(policy: ResizePolicy) -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    set_seed(*b"the same for all");
    set_resize_policy(policy);
    turn
}

fn insert(table: &mut Table<Item>, item: u64) {
    table.insert(hash_of(item), Item(Box::new(item)));
}

fn find(table: &Table<Item>, item: u64) -> Option<u64> {
    table.find(hash_of(item), |other| *other == item).copied()
}

fn remove(table: &mut Table<Item>, item: u64) -> Option<u64> {
    table
        .remove(hash_of(item), |other| *other == item)
        .map(|item| *item.0)
}

fn items(table: &Table<Item>) -> BTreeSet<u64> {
    let all: Vec<u64> = table.iter().copied().collect();
    let set: BTreeSet<u64> = all.iter().copied().collect();
    assert_eq!(
        (all.len(), all.len()),
        (set.len(), table.len()),
        "each item once"
    );
    set
}

#[test]
fn random_walk_against_a_set() {
    let _turn = policy(ResizePolicy::Allow);
    for (seed, keys) in [(1, 10), (2, 200), (3, 5_000), (4, 60_000), (5, 200_000)] {
        let mut rng = Rng::new(seed);
        let (mut table, mut model) = (Table::new(), BTreeSet::new());
        // The proportion of insertions oscillates, so the table grows and shrinks.
        for step in 0..6 * keys.max(2_000) {
            let growing = step / keys.max(2_000) % 2 == 0;
            let item = rng.below(keys);
            assert_eq!(find(&table, item), model.get(&item).copied());
            if rng.below(100) < if growing { 85 } else { 10 } {
                if model.insert(item) {
                    insert(&mut table, item);
                }
            } else {
                assert_eq!(remove(&mut table, item), model.take(&item));
            }
            assert_eq!(table.len(), model.len());
            // About as many element checks as there are steps.
            if step % (keys / 8 + 1) == 0 {
                table.check();
            }
        }
        table.check();
        assert_eq!(items(&table), model);
        for item in model {
            assert_eq!(remove(&mut table, item), Some(item));
        }
        assert_eq!(
            (table.len(), table.bytes(), table.iter().count()),
            (0, 0, 0)
        );
    }
}

#[test]
fn growth_and_shrinking_keep_every_item_and_a_good_fill() {
    let _turn = policy(ResizePolicy::Allow);
    let mut table = Table::new();
    const COUNT: u64 = 300_000;
    for item in 0..COUNT {
        insert(&mut table, item);
        let fill = table.len() as f64 * 8.0 / table.bytes() as f64;
        assert!(
            table.is_migrating() || item < 1000 || (0.66..0.86).contains(&fill),
            "{item}: {fill}"
        );
    }
    assert!((0..COUNT).all(|item| find(&table, item) == Some(item)));
    assert!((COUNT..2 * COUNT).all(|item| find(&table, item).is_none()));
    for item in 0..COUNT {
        assert_eq!(remove(&mut table, item), Some(item));
        let fill = table.len() as f64 * 8.0 / table.bytes() as f64;
        assert!(
            table.is_migrating() || COUNT - item < 1000 || (0.48..0.92).contains(&fill),
            "{item}: {fill}"
        );
        if item % 50_000 == 0 {
            assert_eq!(items(&table), (item + 1..COUNT).collect());
        }
    }
    assert_eq!(table.bytes(), 0);
}

#[test]
fn a_reserved_table_does_not_resize() {
    let _turn = policy(ResizePolicy::Allow);
    let mut table = Table::new();
    table.reserve(100_000);
    let bytes = table.bytes();
    (0..100_000).for_each(|item| insert(&mut table, item));
    assert_eq!(table.bytes(), bytes);
    assert!((0..100_000).all(|item| find(&table, item).is_some()));
}

#[test]
fn no_resize_while_a_child_lives_until_nearly_full() {
    let _turn = policy(ResizePolicy::Allow);
    let mut table = Table::new();
    (0..50_000).for_each(|item| insert(&mut table, item));
    while table.step(100) {}
    let (bytes, slots) = (table.bytes(), table.stats().slots as u64);
    set_resize_policy(ResizePolicy::Avoid);
    (50_000..slots * 90 / 100).for_each(|item| insert(&mut table, item));
    assert_eq!(
        (table.bytes(), table.is_migrating()),
        (bytes, false),
        "room is left"
    );
    (slots * 90 / 100..slots * 2).for_each(|item| insert(&mut table, item));
    assert!(table.bytes() > bytes, "no room was left");
    assert!((0..slots * 2).all(|item| find(&table, item).is_some()));
    // A migration in progress is suspended.
    set_resize_policy(ResizePolicy::Allow);
    while table.step(100) {}
    let mut next = slots * 2;
    while !table.is_migrating() {
        insert(&mut table, next);
        next += 1;
    }
    set_resize_policy(ResizePolicy::Avoid);
    let before = table.stats();
    assert!(table.step(1000), "not done");
    assert_eq!(table.stats(), before);
    let (some, few) = (next / 4, next / 8);
    (some..next).for_each(|item| assert_eq!(remove(&mut table, item), Some(item)));
    assert!(table.is_migrating(), "nor by removals");
    // Unless few elements are left.
    (few..some).for_each(|item| assert_eq!(remove(&mut table, item), Some(item)));
    while table.step(100) {}
    assert!((0..few).all(|item| find(&table, item).is_some()));
    (0..few).for_each(|item| assert_eq!(remove(&mut table, item), Some(item)));
    set_resize_policy(ResizePolicy::Allow);
    (0..50_000).for_each(|item| insert(&mut table, item));
    while table.step(100) {}
    set_resize_policy(ResizePolicy::Avoid);
    (0..49_900).for_each(|item| assert_eq!(remove(&mut table, item), Some(item)));
    assert!(!table.is_migrating(), "none is begun");
    set_resize_policy(ResizePolicy::Allow);
    remove(&mut table, 49_900);
    set_resize_policy(ResizePolicy::Avoid);
    assert!(table.is_migrating());
    while table.step(100) {}
    (49_901..50_000).for_each(|item| assert_eq!(remove(&mut table, item), Some(item)));
    set_resize_policy(ResizePolicy::Allow);
    while table.step(100) {}
    assert_eq!(table.len(), 0);
}

/// Scans everything from `cursor` 0 on and calls `between` between any two calls.
fn scan_all(
    table: &mut Table<Item>,
    count: usize,
    mut between: impl FnMut(&mut Table<Item>),
) -> HashMap<u64, u32> {
    let mut seen = HashMap::new();
    let mut cursor = 0;
    loop {
        cursor = table.scan(cursor, count, &mut |item| {
            *seen.entry(*item).or_insert(0) += 1;
        });
        if cursor == 0 {
            return seen;
        }
        assert!(cursor < 1 << 48);
        between(table);
    }
}

#[test]
fn scan_visits_unchanging_elements_once() {
    let _turn = policy(ResizePolicy::Allow);
    for count in [0, 1, 7, 8, 9, 50, 1000, 5_600, 100_000] {
        let mut table = Table::new();
        (0..count).for_each(|item| insert(&mut table, item));
        while table.step(1000) {}
        let seen = scan_all(&mut table, 10, |_| {});
        assert_eq!(seen.len() as u64, count);
        assert!(seen.values().all(|&times| times == 1));
    }
}

#[test]
fn scan_visits_elements_that_stay_during_resizes() {
    let _turn = policy(ResizePolicy::Allow);
    for (seed, stay, insertions) in [
        (1, 50, 60),
        (2, 3_000, 70),
        (3, 3_000, 20),
        (4, 30_000, 80),
        (5, 60_000, 5),
    ] {
        let mut rng = Rng::new(seed);
        let mut table = Table::new();
        // Numbers below `stay` are never removed; those above are inserted and removed.
        let mut moving: Vec<u64> = (stay..2 * stay).collect();
        (0..2 * stay).for_each(|item| insert(&mut table, item));
        let mut next = 2 * stay;
        let seen = scan_all(&mut table, 1 + seed as usize * 7, |table| {
            for _ in 0..rng.below(2 * seed * seed * 10) {
                if rng.below(100) < insertions {
                    insert(table, next);
                    moving.push(next);
                    next += 1;
                } else if !moving.is_empty() {
                    let item = moving.swap_remove(rng.below(moving.len() as u64) as usize);
                    assert_eq!(remove(table, item), Some(item));
                }
            }
        });
        assert!(
            (0..stay).all(|item| seen.contains_key(&item)),
            "seed {seed}"
        );
    }
}

#[test]
fn scan_accepts_any_cursor_and_bounds_its_work() {
    let _turn = policy(ResizePolicy::Allow);
    let (mut table, mut rng) = (Table::new(), Rng::new(1));
    assert_eq!(table.scan(12345, 10, &mut |_: &u64| {}), 0);
    (0..20_000).for_each(|item| insert(&mut table, item));
    for _ in 0..10_000 {
        let mut seen = 0;
        table.scan(rng.next_u64(), 10, &mut |_| seen += 1);
        assert!(seen < 100, "{seen}");
    }
    // Nearly all elements are gone, and the table may not shrink: calls still terminate and find the rest.
    set_resize_policy(ResizePolicy::Avoid);
    (10..20_000).for_each(|item| assert!(remove(&mut table, item).is_some()));
    let mut calls = 0;
    let seen = scan_all(&mut table, 10, |_| calls += 1);
    assert_eq!(seen.len(), 10);
    assert!(calls > 100, "{calls}");
}

/// Pearson's chi-squared statistic divided by the degrees of freedom: about 1 for uniform draws.
fn unevenness(draws: &BTreeMap<u64, u64>, items: u64) -> f64 {
    let total: u64 = draws.values().sum();
    let expected = total as f64 / items as f64;
    let hit: f64 = draws
        .values()
        .map(|&times| (times as f64 - expected).powi(2) / expected)
        .sum();
    (hit + (items - draws.len() as u64) as f64 * expected) / (items - 1) as f64
}

#[test]
fn random_draws_are_uniform() {
    let _turn = policy(ResizePolicy::Allow);
    let mut rng = Rng::new(99);
    let mut table = Table::new();
    let mut next = 0;
    let mut check = |table: &Table<Item>, next: u64| {
        let mut draws = BTreeMap::new();
        for _ in 0..next * 20 {
            *draws.entry(*table.random(&mut rng).unwrap()).or_insert(0) += 1;
        }
        let unevenness = unevenness(&draws, next);
        // Five standard deviations of the statistic.
        let bound = 5.0 * (2.0 / next as f64).sqrt();
        assert!(
            (unevenness - 1.0).abs() < bound,
            "{next} items: {unevenness}"
        );
    };
    for (count, migrating) in [(500, false), (5_000, true), (9_000, false)] {
        while next < count || table.is_migrating() != migrating {
            insert(&mut table, next);
            next += 1;
        }
        // In the middle of the migration, if there is one.
        table.step(if migrating { 300 } else { 0 });
        check(&table, next);
    }
}

#[test]
fn draws_from_a_nearly_empty_table_terminate() {
    let _turn = policy(ResizePolicy::Allow);
    let (mut table, mut rng) = (Table::new(), Rng::new(1));
    assert!(table.random(&mut rng).is_none());
    (0..100_000).for_each(|item| insert(&mut table, item));
    set_resize_policy(ResizePolicy::Avoid);
    (1..100_000).for_each(|item| assert!(remove(&mut table, item).is_some()));
    assert_eq!(table.random(&mut rng), Some(&0));
    let mut seen = Vec::new();
    (0..100).for_each(|_| {
        table.sample(&mut rng, 5, &mut |item| seen.push(*item));
    });
    assert!(seen.iter().all(|&item| item == 0));
}

#[test]
fn samples_are_distinct_neighbours() {
    let _turn = policy(ResizePolicy::Allow);
    let (mut table, mut rng) = (Table::new(), Rng::new(1));
    (0..10_000).for_each(|item| insert(&mut table, item));
    for _ in 0..1000 {
        let mut seen = BTreeSet::new();
        assert_eq!(
            table.sample(&mut rng, 20, &mut |item| assert!(seen.insert(*item))),
            20
        );
    }
}

/// An item whose hash begins with the 16 bits of `place`.
fn crowded(place: u64, item: u64) -> u64 {
    place << 24 | item
}

#[test]
fn clustered_hashes_are_found() {
    // Adjacent hashes fill many consecutive lines, also at the end of the ring. No hash function produces that, but
    // the table must handle it.
    let _turn = policy(ResizePolicy::Allow);
    for (place, crowd) in [
        (1, 20),
        (1, 1000),
        (0x7fff, 1000),
        (0xffff, 20),
        (0xffff, 200),
    ] {
        let mut table = Table::new();
        (0..20_000).for_each(|item| insert(&mut table, item));
        (0..crowd).for_each(|item| insert(&mut table, crowded(place, item)));
        assert!((0..crowd).all(|item| find(&table, crowded(place, item)).is_some()));
        assert_eq!(items(&table).len() as u64, 20_000 + crowd);
        (0..crowd).for_each(|item| assert!(remove(&mut table, crowded(place, item)).is_some()));
        assert!((0..20_000).all(|item| find(&table, item).is_some()));
        assert_eq!(table.len(), 20_000);
    }
}

#[test]
fn a_cluster_beyond_reach_makes_the_table_grow() {
    let _turn = policy(ResizePolicy::Allow);
    for (place, crowd) in [(0x7fff, 8_012), (0xffff, 262)] {
        let mut table = Table::new();
        (0..5_000).for_each(|item| insert(&mut table, item));
        let before = table.bytes();
        (0..crowd).for_each(|item| insert(&mut table, crowded(place, item)));
        assert!(table.bytes() > before && table.len() < table.bytes() / 8 / 2);
        assert!(
            (0..crowd)
                .step_by(40)
                .all(|item| find(&table, crowded(place, item)).is_some())
        );
        assert!((0..5_000).all(|item| find(&table, item).is_some()));
        assert_eq!(items(&table).len() as u64, 5_000 + crowd);
    }
}

#[test]
fn places_stay_valid_through_updates() {
    let _turn = policy(ResizePolicy::Allow);
    let mut table = Table::new();
    (0..1000).for_each(|item| insert(&mut table, item));
    let place = table.locate(hash_of(500), |item| *item == 500).unwrap();
    // The same key at another address.
    assert_eq!(
        table.update(place, |item| std::mem::replace(item, Item(Box::new(500))).0),
        Box::new(500)
    );
    assert_eq!(*table.replace(place, Item(Box::new(500))).0, 500);
    assert_eq!(*table.get(place), 500);
    assert_eq!(*table.remove_at(place).0, 500);
    assert_eq!((find(&table, 500), table.len()), (None, 999));
}

#[test]
fn stats_report_probe_distances() {
    let _turn = policy(ResizePolicy::Allow);
    let mut table = Table::new();
    (0..100_000).for_each(|item| insert(&mut table, item));
    let stats = table.stats();
    assert_eq!(
        (stats.used, stats.distances.iter().sum::<usize>()),
        (100_000, 100_000)
    );
    assert!(
        stats.distances[0] > 50_000 && stats.distances.len() < 400,
        "{:?}",
        stats.distances
    );
}

#[test]
fn a_resize_is_spread_over_many_writes() {
    let _turn = policy(ResizePolicy::Allow);
    let mut table = Table::new();
    (0..20_000).for_each(|item| insert(&mut table, item));
    let (mut writes, mut resizes, mut last) = (0, 0, 20_000);
    for item in 20_000..200_000 {
        insert(&mut table, item);
        if table.is_migrating() {
            writes += 1;
        } else if writes > 0 {
            // Four lines each, and occasionally a run of full lines more.
            assert!(writes > last / 8 / 16, "{writes} writes moved {last} items");
            (writes, resizes) = (0, resizes + 1);
        } else {
            last = item;
        }
    }
    assert!(resizes > 5, "{resizes}");
}

/// Distance up to which probing is normal at the fills of a table.
const NORMAL_DISTANCES: usize = 60;
/// Items that a write may move: four lines of a migration.
const MOVED_PER_WRITE: usize = 4 * 8;

#[test]
fn items_removed_in_the_order_of_a_scan_move_few_others() {
    let _turn = policy(ResizePolicy::Allow);
    for count in [600, 5_000, 200_000] {
        let mut table = Table::new();
        (0..count).for_each(|item| insert(&mut table, item));
        let mut cursor = 0;
        loop {
            let mut found = Vec::new();
            cursor = table.scan(cursor, 100, &mut |item| found.push(*item));
            for item in found {
                let before = HASHES.get();
                remove(&mut table, item);
                let moved = HASHES.get() - before;
                assert!(moved <= MOVED_PER_WRITE, "{count}: {moved}");
            }
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(table.len(), 0);
    }
}

#[test]
fn items_inserted_in_the_order_of_another_table_have_short_probe_distances() {
    let _turn = policy(ResizePolicy::Allow);
    let mut from = Table::ordered_by(0);
    (0..200_000).for_each(|item| insert(&mut from, item));
    let mut to = Table::ordered_by(1);
    for (step, item) in from.iter().enumerate() {
        insert(&mut to, *item);
        if step % 2_000 == 0 {
            let distances = to.stats().distances.len();
            assert!(distances < NORMAL_DISTANCES, "{step}: {distances}");
        }
    }
}

#[test]
fn a_table_that_was_kept_shrinks_when_it_is_evenly_filled() {
    let _turn = policy(ResizePolicy::Allow);
    let mut table = Table::new();
    (0..200_000).for_each(|item| insert(&mut table, item));
    while table.step(100) {}
    let bytes = table.bytes();
    let order: Vec<u64> = table.iter().copied().collect();
    for item in &order[..120_000] {
        remove(&mut table, *item);
    }
    assert_eq!(table.bytes(), bytes, "the rest is as dense as before");
    let mut remove_all_but = |divisor| {
        for item in &order[120_000..] {
            if *item % divisor != 0 {
                remove(&mut table, *item);
            }
        }
    };
    // What is still ahead of the removals is dense to the end of this pass, but not of the next.
    remove_all_but(8);
    remove_all_but(16);
    while table.step(100) {}
    assert!(table.bytes() < bytes / 3, "{} of {bytes}", table.bytes());
    table.check();
}
