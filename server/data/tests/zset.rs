//! Tests of sorted sets against a model, a sorted vector of pairs, with both encodings.

#![allow(clippy::unwrap_used)]

use data::util::rand::Rng;
use data::value::Encoding;
use data::value::zset::{Zset, ZsetLimits};
use data::value::zset_range::{LexBound, LexRange, ScoreBound, ScoreRange};

type Model = Vec<(f64, Vec<u8>)>;

const LIMITS: ZsetLimits = ZsetLimits {
    max_entries: 40,
    max_value: 20,
};

fn place(model: &Model, score: f64, member: &[u8]) -> usize {
    model.partition_point(|(other, name)| (*other, name.as_slice()) < (score, member))
}

fn take(model: &mut Model, member: &[u8]) -> Option<f64> {
    let at = model.iter().position(|(_, name)| name == member)?;
    Some(model.remove(at).0)
}

fn compare(zset: &Zset, model: &Model, rng: &mut Rng) {
    assert_eq!(zset.len(), model.len());
    let pairs = |start: usize, end: usize, reverse: bool| -> Model {
        zset.range(start..end, reverse)
            .map(|(member, score)| (score, member.to_vec()))
            .collect()
    };
    assert_eq!(pairs(0, model.len(), false), *model);
    let backwards: Model = model.iter().rev().cloned().collect();
    assert_eq!(pairs(0, model.len(), true), backwards);
    let start = rng.below(model.len() as u64 + 1) as usize;
    let end = start + rng.below((model.len() - start) as u64 + 1) as usize;
    assert_eq!(pairs(start, end, false), model[start..end]);
    for (rank, (score, member)) in model.iter().enumerate().step_by(7) {
        assert_eq!(zset.score(member), Some(*score));
        assert_eq!(zset.rank(member), Some((rank, *score)));
    }
    let (low, high) = (rng.below(12) as f64 - 6.0, rng.below(12) as f64 - 6.0);
    let bound = |score, exclusive| ScoreBound { score, exclusive };
    let range = ScoreRange {
        min: bound(low, true),
        max: bound(high, false),
    };
    let inside = model
        .iter()
        .filter(|(score, _)| *score > low && *score <= high);
    assert_eq!(zset.ranks_by_score(&range).len(), inside.count());
}

#[test]
fn behaves_like_a_sorted_vector() {
    for seed in 1..6 {
        let mut rng = Rng::new(seed);
        let (mut zset, mut model) = (Zset::new(), Model::new());
        let size = if seed % 2 == 0 { 30 } else { 400 };
        for round in 0..4000 {
            let number = rng.below(size * 2);
            let member = match rng.below(3) {
                0 => number.to_string().into_bytes(),
                _ => format!("m{number}").into_bytes(),
            };
            let score = match rng.below(20) {
                0 => f64::INFINITY,
                1 => f64::NEG_INFINITY,
                2 => 0.1 * number as f64,
                _ => rng.below(10) as f64 - 5.0,
            };
            if rng.below(100) < 60 {
                let old = take(&mut model, &member);
                assert_eq!(zset.set(&member, score, &LIMITS), old);
                model.insert(place(&model, score, &member), (score, member));
            } else {
                assert_eq!(zset.remove(&member), take(&mut model, &member));
            }
            zset.check();
            if round % 50 == 0 {
                compare(&zset, &model, &mut rng);
                compare(&zset.clone(), &model, &mut rng);
            }
            if round % 100 == 99 {
                let start = rng.below(model.len() as u64 + 1) as usize;
                let most = if round % 900 == 899 { model.len() } else { 20 };
                let end = (start + most).min(model.len());
                assert_eq!(zset.remove_range(start..end), end - start);
                model.drain(start..end);
                zset.check();
            }
        }
        compare(&zset, &model, &mut rng);
    }
}

#[test]
fn the_encoding_changes_at_its_limits() {
    let mut zset = Zset::new();
    for number in 0..40 {
        zset.set(format!("{number}").as_bytes(), 1.0, &LIMITS);
    }
    assert_eq!(zset.encoding(), Encoding::Listpack);
    zset.set(b"7", 2.0, &LIMITS);
    assert_eq!(zset.encoding(), Encoding::Listpack);
    zset.set(b"more", 1.0, &LIMITS);
    assert_eq!((zset.encoding(), zset.len()), (Encoding::Skiplist, 41));
    let mut zset = Zset::new();
    zset.set(&[b'x'; 20], 1.0, &LIMITS);
    assert_eq!(zset.encoding(), Encoding::Listpack);
    zset.set(&[b'x'; 21], 1.0, &LIMITS);
    assert_eq!(zset.encoding(), Encoding::Skiplist);
}

#[test]
fn members_with_equal_scores_are_ordered_by_bytes() {
    for limits in [
        LIMITS,
        ZsetLimits {
            max_entries: 0,
            max_value: 0,
        },
    ] {
        let mut zset = Zset::new();
        for member in ["b", "d", "a", "c", "5"] {
            zset.set(member.as_bytes(), 0.0, &limits);
        }
        let count = |min, max| zset.ranks_by_lex(&LexRange { min, max }).len();
        assert_eq!(count(LexBound::Least, LexBound::Greatest), 5);
        assert_eq!(
            count(LexBound::Inclusive(b"a"), LexBound::Exclusive(b"c")),
            2
        );
        assert_eq!(
            count(LexBound::Exclusive(b"a"), LexBound::Inclusive(b"c")),
            2
        );
        assert_eq!(count(LexBound::Greatest, LexBound::Least), 0);
        assert_eq!(
            count(LexBound::Inclusive(b"c"), LexBound::Inclusive(b"a")),
            0
        );
    }
}

#[test]
fn a_tree_keeps_a_negative_zero() {
    let sign = |zset: &Zset| zset.score(b"zero").map(f64::is_sign_negative);
    let members: Vec<Vec<u8>> = (0..41).map(|n| format!("m{n}").into_bytes()).collect();
    let fill = |mut zset: Zset, count: usize, bytes: usize| {
        zset.choose_encoding(count + 1, bytes, &LIMITS);
        zset.set(b"zero", -0.0, &LIMITS);
        for member in &members[..count] {
            zset.set(member, 1.0, &LIMITS);
        }
        zset
    };
    assert_eq!(sign(&fill(Zset::new(), 39, 4)), Some(false));
    assert_eq!(sign(&fill(Zset::new(), 40, 4)), Some(true));
    assert_eq!(sign(&fill(Zset::new(), 1, 21)), Some(true));
    let tree = fill(Zset::tree_with_room(2), 1, 4);
    assert_eq!(
        (sign(&tree), tree.encoding()),
        (Some(true), Encoding::Skiplist)
    );
    let packed = tree.reencoded(&LIMITS);
    assert_eq!(
        (sign(&packed), packed.encoding()),
        (Some(false), Encoding::Listpack)
    );
    let big = fill(Zset::tree_with_room(41), 40, 4).reencoded(&LIMITS);
    assert_eq!(
        (sign(&big), big.encoding()),
        (Some(true), Encoding::Skiplist)
    );
    assert_eq!(sign(&big.part(0..41, 41, &LIMITS)), Some(true));
    assert_eq!(sign(&big.part(0..41, 0, &LIMITS)), Some(false));
    // For a nonempty set, only the number of members determines the encoding.
    let mut zset = fill(Zset::new(), 1, 4);
    zset.choose_encoding(2, 100, &LIMITS);
    assert_eq!(zset.encoding(), Encoding::Listpack);
    zset.choose_encoding(41, 1, &LIMITS);
    assert_eq!(zset.encoding(), Encoding::Skiplist);
}

/// A member that an edge split puts into a node of its own is removed and set again, at either end of the order: the
/// tree must not keep the address of its old record.
#[test]
fn a_member_at_the_edge_is_removed_and_set_again() {
    for sign in [1.0, -1.0] {
        let mut zset = Zset::new();
        for number in 0..1985 {
            let member = format!("member:{number}");
            zset.set(member.as_bytes(), f64::from(number) * sign, &LIMITS);
        }
        zset.remove(b"member:1984");
        zset.check();
        // Reuses the memory of the record that was just freed.
        let other = vec![b'z'; 24];
        zset.set(b"member:1984 again", 1984.0 * sign, &LIMITS);
        let everything = ScoreRange {
            min: ScoreBound {
                score: f64::NEG_INFINITY,
                exclusive: false,
            },
            max: ScoreBound {
                score: f64::INFINITY,
                exclusive: false,
            },
        };
        assert_eq!(zset.ranks_by_score(&everything), 0..1985);
        assert_eq!(zset.rank(&other), None);
        for number in 0..1984 {
            let member = format!("member:{number}");
            assert_eq!(
                zset.remove(member.as_bytes()),
                Some(f64::from(number) * sign)
            );
        }
        assert_eq!(zset.len(), 1);
    }
}
