//! Tests of sets against a model: all encodings, conversion at the limits, iteration, sampling and set algebra.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use data::ds::item::Item;
use data::util::rand::Rng;
use data::value::Encoding;
use data::value::set::{Set, SetLimits};
use data::value::set_algebra::{
    count_common, difference, each_common, each_difference, each_of_any, intersection, union,
};

/// Redis's defaults.
const LIMITS: SetLimits = SetLimits {
    max_ints: 512,
    max_entries: 128,
    max_value: 64,
};

const SMALL: SetLimits = SetLimits {
    max_ints: 8,
    max_entries: 5,
    max_value: 10,
};

fn add(set: &mut Set, member: &[u8], limits: &SetLimits) -> bool {
    set.add(Item::Bytes(member), limits)
}

fn set_of<'a>(members: impl IntoIterator<Item = &'a [u8]>, limits: &SetLimits) -> Set {
    let mut set = Set::new();
    for member in members {
        add(&mut set, member, limits);
    }
    set
}

fn numbers(range: std::ops::Range<i64>, limits: &SetLimits) -> Set {
    let mut set = Set::new();
    for number in range {
        set.add(Item::Int(number), limits);
    }
    set
}

fn texts(range: std::ops::Range<u32>, limits: &SetLimits) -> Set {
    let members: Vec<String> = range.map(|number| format!("m{number}")).collect();
    set_of(members.iter().map(String::as_bytes), limits)
}

fn members(set: &Set) -> BTreeSet<Vec<u8>> {
    let all: Vec<Vec<u8>> = set.iter().map(|member| member.to_vec()).collect();
    let distinct: BTreeSet<Vec<u8>> = all.iter().cloned().collect();
    assert_eq!((all.len(), set.len()), (distinct.len(), distinct.len()));
    distinct
}

/// A member from a small population: integers, texts, texts that look like integers, long texts.
fn member(rng: &mut Rng, texts_too: bool) -> Vec<u8> {
    let number = rng.below(12) as i64 - 4;
    match rng.below(if texts_too { 6 } else { 2 }) {
        0 => number.to_string().into_bytes(),
        1 => (number << 40).to_string().into_bytes(),
        2 => format!("0{number}").into_bytes(),
        3 => format!("m{number}").into_bytes(),
        4 => vec![b'x'; (number + 5) as usize],
        _ => Vec::new(),
    }
}

#[test]
fn behaves_like_a_set_of_texts() {
    let mut rng = Rng::new(1);
    let mut seen = HashSet::new();
    for round in 0..400 {
        let (mut set, mut model) = (Set::new(), BTreeSet::new());
        let limits = if round % 2 == 0 { SMALL } else { LIMITS };
        for step in 0..60 {
            let member = member(&mut rng, round % 3 > 0 && step > round % 20);
            let item = Item::Bytes(&member);
            if rng.below(3) > 0 {
                assert_eq!(set.add(item, &limits), model.insert(member.clone()));
            } else {
                assert_eq!(set.remove(item), model.remove(&member));
            }
            assert_eq!(set.contains(item), model.contains(&member));
            assert_eq!(set.len(), model.len());
            set.check();
            seen.insert(set.encoding());
        }
        assert_eq!(members(&set), model);
        assert_eq!(members(&set.clone()), model);
        assert!(set.is_empty() || set.memory(0) > 0 && set.memory(1) > 0);
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let row = |set: &Set, encoding: Encoding| assert_eq!(set.encoding(), encoding);
    row(&numbers(0..512, &LIMITS), Encoding::Intset);
    row(&numbers(0..513, &LIMITS), Encoding::Hashtable);
    row(&texts(0..128, &LIMITS), Encoding::Listpack);
    row(&texts(0..129, &LIMITS), Encoding::Hashtable);
    row(&set_of([&[b'x'; 64][..]], &LIMITS), Encoding::Listpack);
    row(&set_of([&[b'x'; 65][..]], &LIMITS), Encoding::Hashtable);
    // A text added to integers: packed if everything fits.
    for (count, encoding) in [(127, Encoding::Listpack), (128, Encoding::Hashtable)] {
        let mut set = numbers(0..count, &LIMITS);
        add(&mut set, b"a", &LIMITS);
        row(&set, encoding);
    }
    let narrow = SetLimits {
        max_value: 2,
        ..LIMITS
    };
    for (number, encoding) in [(99, Encoding::Listpack), (-10, Encoding::Hashtable)] {
        let mut set = numbers(number..number + 1, &narrow);
        add(&mut set, b"a", &narrow);
        row(&set, encoding);
    }
    let mut set = numbers(0..0, &LIMITS);
    add(
        &mut set,
        b"a",
        &SetLimits {
            max_entries: 0,
            ..LIMITS
        },
    );
    row(&set, Encoding::Hashtable);
}

#[test]
fn choose_encoding_follows_count_and_first_member() {
    let expect = |first: &[u8], count: usize, mut set: Set| {
        set.choose_encoding(Item::Bytes(first), count, &LIMITS);
        set.encoding()
    };
    assert_eq!(expect(b"1", 512, Set::new()), Encoding::Intset);
    assert_eq!(expect(b"1", 513, Set::new()), Encoding::Hashtable);
    assert_eq!(expect(b"a", 128, Set::new()), Encoding::Listpack);
    assert_eq!(expect(b"a", 129, Set::new()), Encoding::Hashtable);
    assert_eq!(expect(b"a", 1, numbers(0..9, &LIMITS)), Encoding::Intset);
    assert_eq!(
        expect(b"a", 513, numbers(0..9, &LIMITS)),
        Encoding::Hashtable
    );
    assert_eq!(expect(b"a", 129, texts(0..9, &LIMITS)), Encoding::Hashtable);
    let mut none = Set::new();
    none.choose_encoding(
        Item::Bytes(b"1"),
        1,
        &SetLimits {
            max_ints: 0,
            ..LIMITS
        },
    );
    assert_eq!(none.encoding(), Encoding::Listpack);
}

#[test]
fn scan_visits_elements_that_stay() {
    let mut rng = Rng::new(5);
    for mut set in [
        texts(0..100, &LIMITS),
        texts(0..9000, &LIMITS),
        numbers(0..300, &LIMITS),
    ] {
        let staying: BTreeSet<Vec<u8>> = members(&set)
            .into_iter()
            .filter(|member| member.last().unwrap() % 2 == 0)
            .collect();
        let (mut met, mut cursor) = (BTreeSet::new(), 0);
        loop {
            cursor = set.scan(cursor, 10, &mut |member| {
                met.insert(member.to_vec());
            });
            if cursor == 0 {
                break;
            }
            for _ in 0..rng.below(40) {
                let other = format!("m{}", 2 * rng.below(8000) + 1);
                if rng.below(2) == 0 {
                    set.remove(Item::Bytes(other.as_bytes()));
                } else {
                    add(&mut set, other.as_bytes(), &LIMITS);
                }
            }
        }
        assert!(met.is_superset(&staying));
    }
}

#[test]
fn members_in_the_order_of_another_table_do_not_cluster() {
    let from = texts(0..100_000, &LIMITS);
    let mut to = Set::new();
    // If members clustered, the table would find no free slots near their homes and grow far beyond its need.
    for member in from.iter().take(50_000) {
        to.add(member, &LIMITS);
    }
    let stats = to.table_stats().unwrap();
    let slots = stats.slots.max(stats.slots_to);
    assert!(stats.used * 100 / slots > 65, "{} of {slots}", stats.used);
}

/// Three sets, one of each encoding.
fn one_of_each() -> [Set; 3] {
    let sets = [
        numbers(0..20, &LIMITS),
        texts(0..20, &LIMITS),
        texts(
            0..20,
            &SetLimits {
                max_entries: 0,
                ..LIMITS
            },
        ),
    ];
    assert_eq!(
        sets.each_ref().map(Set::encoding),
        [Encoding::Intset, Encoding::Listpack, Encoding::Hashtable]
    );
    sets
}

/// Checks that each of 20 members was drawn `mean` times, within six standard deviations.
fn assert_even(counts: &BTreeMap<Vec<u8>, usize>, mean: f64) {
    assert_eq!(counts.len(), 20);
    for (member, count) in counts {
        let off = (*count as f64 - mean).abs();
        assert!(off < 6.0 * mean.sqrt(), "{member:?}: {count} of {mean}");
    }
}

#[test]
fn random_members_are_uniform() {
    const ROUNDS: usize = 4000;
    let mut rng = Rng::new(6);
    for set in one_of_each() {
        // Single draws, independent samples, few and many distinct ones, and pops.
        let mut counts: [BTreeMap<Vec<u8>, usize>; 6] = Default::default();
        let mut count = |way: usize, member: Item<'_>| {
            *counts[way].entry(member.to_vec()).or_default() += 1;
        };
        for _ in 0..ROUNDS {
            count(0, set.random(&mut rng).unwrap());
            set.draw(5, &mut rng, |member| count(1, member));
            set.sample(3, &mut rng, |member| count(2, member));
            set.sample(15, &mut rng, |member| count(3, member));
            set.clone()
                .pop(&mut rng, |member| count(4, member))
                .unwrap();
            set.clone()
                .pop_many(10, &LIMITS, &mut rng, |member| count(5, member));
        }
        for (counts, per_round) in counts.iter().zip([1, 5, 3, 15, 1, 10]) {
            assert_even(counts, (ROUNDS * per_round) as f64 / 20.0);
        }
    }
}

#[test]
fn a_sample_has_no_member_twice() {
    let mut rng = Rng::new(7);
    for set in one_of_each() {
        for count in [0, 1, 5, 7, 19, 20, 21, 1000] {
            let mut sample = Vec::new();
            set.sample(count, &mut rng, |member| sample.push(member.to_vec()));
            let distinct: BTreeSet<Vec<u8>> = sample.iter().cloned().collect();
            assert_eq!(
                (sample.len(), distinct.len()),
                (count.min(20), count.min(20))
            );
            assert!(distinct.is_subset(&members(&set)));
        }
    }
    assert!(Set::new().random(&mut rng).is_none());
    Set::new().draw(3, &mut rng, |_| panic!("there is no member"));
    assert!(Set::new().pop(&mut rng, |_| ()).is_none());
}

#[test]
fn popped_members_are_removed() {
    let mut rng = Rng::new(8);
    for set in one_of_each() {
        for count in [1, 5, 10, 15, 17, 19] {
            let mut rest = set.clone();
            let mut popped = BTreeSet::new();
            rest.pop_many(count, &LIMITS, &mut rng, |member| {
                assert!(popped.insert(member.to_vec()));
            });
            assert_eq!((popped.len(), rest.len()), (count, 20 - count));
            assert!(popped.is_disjoint(&members(&rest)));
            popped.extend(members(&rest));
            assert_eq!(popped, members(&set));
            // A table of which few members stay is rebuilt.
            let renewed = set.encoding() == Encoding::Hashtable && (20 - count) * 5 <= count;
            if renewed {
                assert_eq!(rest.encoding(), Encoding::Listpack);
            } else {
                assert_eq!(rest.encoding(), set.encoding());
            }
        }
    }
}

/// A set of random encoding, with members from a small population.
fn any_set(rng: &mut Rng) -> Set {
    let limits = [
        SMALL,
        LIMITS,
        SetLimits {
            max_entries: 0,
            max_ints: 0,
            max_value: 0,
        },
    ][rng.below(3) as usize];
    let texts_too = rng.below(3) > 0;
    let mut set = Set::new();
    for _ in 0..rng.below(50) {
        add(&mut set, &member(rng, texts_too), &limits);
    }
    set
}

/// Model of a set.
type Model = BTreeSet<Vec<u8>>;

#[test]
fn set_algebra_equals_that_of_models() {
    let mut rng = Rng::new(9);
    for _ in 0..3000 {
        let sets: Vec<Set> = (0..1 + rng.below(4)).map(|_| any_set(&mut rng)).collect();
        let mut sets: Vec<&Set> = sets.iter().collect();
        if rng.below(4) == 0 {
            // A key that is given twice.
            sets.push(sets[rng.below(sets.len() as u64) as usize]);
        }
        let models: Vec<BTreeSet<Vec<u8>>> = sets.iter().map(|set| members(set)).collect();
        let (first, others) = models.split_first().unwrap();
        let fold = |combine: fn(&Model, &Model) -> Model| {
            others
                .iter()
                .fold(first.clone(), |left, right| combine(&left, right))
        };
        let common = fold(|left, right| left & right);
        let intersection = intersection(&sets, &SMALL);
        intersection.check();
        assert_eq!(members(&intersection), common);
        let mut passed = BTreeSet::new();
        each_common(&sets, &mut |member| {
            assert!(passed.insert(member.to_vec()));
            if passed.len() == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(passed.len(), common.len().min(3));
        assert!(passed.is_subset(&common));
        for limit in [1, 2, 5, 40, usize::MAX] {
            assert_eq!(count_common(&sets, limit), common.len().min(limit));
        }
        assert_eq!(
            members(&union(&sets, &SMALL)),
            fold(|left, right| left | right)
        );
        let mut passed = Vec::new();
        each_of_any(&sets, &SMALL, &mut |member| passed.push(member.to_vec()));
        passed.sort();
        assert!(fold(|left, right| left | right).into_iter().eq(passed));
        let mut passed = Vec::new();
        each_difference(sets[0], &sets[1..], &SMALL, &mut |member| {
            passed.push(member.to_vec());
        });
        passed.sort();
        assert!(fold(|left, right| left - right).into_iter().eq(passed));
        assert_eq!(
            members(&difference(sets[0], &sets[1..], &SMALL)),
            fold(|left, right| left - right)
        );
    }
}

#[test]
fn difference_by_removal_equals_the_model() {
    // Few large operands: lookups. Many small operands: removal from a copy.
    let first = texts(0..1000, &LIMITS);
    let big = texts(10..5000, &LIMITS);
    assert_eq!(
        members(&difference(&first, &[&big], &LIMITS)),
        members(&texts(0..10, &LIMITS))
    );
    let small: Vec<Set> = (0..50)
        .map(|at| texts(at * 19..(at + 1) * 19, &LIMITS))
        .collect();
    let small: Vec<&Set> = small.iter().collect();
    assert_eq!(
        members(&difference(&first, &small, &LIMITS)),
        members(&texts(950..1000, &LIMITS))
    );
    assert!(difference(&first, &[&big, &first], &LIMITS).is_empty());
}

#[test]
fn results_take_the_encodings_of_redis() {
    let tables = SetLimits {
        max_entries: 0,
        ..LIMITS
    };
    let ints = numbers(0..600, &LIMITS);
    let few = numbers(0..400, &tables);
    assert_eq!(ints.encoding(), Encoding::Hashtable);
    // Few members, all integers: an intset, although the operands are tables.
    assert_eq!(
        intersection(&[&ints, &few], &LIMITS).encoding(),
        Encoding::Intset
    );
    assert_eq!(
        intersection(&[&ints, &ints], &LIMITS).encoding(),
        Encoding::Hashtable
    );
    let words = texts(0..50, &LIMITS);
    assert_eq!(
        intersection(&[&words, &words], &LIMITS).encoding(),
        Encoding::Listpack
    );
    assert_eq!(union(&[&few], &LIMITS).encoding(), Encoding::Intset);
    assert_eq!(
        union(&[&few, &words], &LIMITS).encoding(),
        Encoding::Hashtable
    );
    assert_eq!(union(&[], &LIMITS).encoding(), Encoding::Intset);
}
