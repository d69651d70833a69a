//! Tests of hashes against a model: both encodings, conversion at the limits, iteration and sampling.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use data::util::rand::Rng;
use data::value::Encoding;
use data::value::hash::{Hash, HashLimits, Pair};

/// Redis's defaults.
const LIMITS: HashLimits = HashLimits {
    max_entries: 128,
    max_value: 64,
};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn owned((name, value): Pair<'_>) -> (Vec<u8>, Vec<u8>) {
    (name.to_vec(), value.to_vec())
}

fn fields(hash: &Hash) -> Model {
    let all: Vec<_> = hash.iter().map(owned).collect();
    let distinct: Model = all.iter().cloned().collect();
    assert_eq!((all.len(), hash.len()), (distinct.len(), distinct.len()));
    distinct
}

fn hash_of(names: std::ops::Range<u32>, limits: &HashLimits) -> Hash {
    let mut hash = Hash::new();
    for name in names {
        hash.set(
            format!("f{name}").as_bytes(),
            format!("{name}").as_bytes(),
            limits,
        );
    }
    hash
}

#[test]
fn behaves_like_a_map() {
    let mut rng = Rng::new(1);
    let mut tables = 0;
    for round in 0..400u64 {
        let limits = HashLimits {
            max_entries: 6 * (round % 8) as usize,
            max_value: if round % 3 == 0 { 20 } else { 64 },
        };
        let (mut hash, mut model) = (Hash::new(), Model::new());
        for _ in 0..80 {
            let name = match rng.below(10) {
                0 => Vec::new(),
                1 => vec![b'f'; 15 + rng.below(10) as usize],
                number => number.to_string().into_bytes(),
            };
            // A value that equals a name must not be found as a field.
            let value = match rng.below(4) {
                0 => vec![b'v'; rng.below(25) as usize],
                _ => rng.below(12).to_string().into_bytes(),
            };
            if rng.below(3) > 0 {
                let new = model.insert(name.clone(), value.clone()).is_none();
                assert_eq!(hash.set(&name, &value, &limits), new);
            } else {
                assert_eq!(hash.remove(&name), model.remove(&name).is_some());
            }
            assert_eq!(
                hash.get(&name).map(|value| value.to_vec()).as_ref(),
                model.get(&name)
            );
            assert_eq!(hash.contains(&name), model.contains_key(&name));
            assert_eq!(hash.len(), model.len());
            hash.check();
        }
        assert_eq!(fields(&hash), model);
        assert_eq!(fields(&hash.clone()), model);
        assert!(hash.is_empty() || hash.memory(0) > 0 && hash.memory(1) > 0);
        tables += u32::from(hash.encoding() == Encoding::Hashtable);
    }
    assert!((50..350).contains(&tables), "{tables}");
}

#[test]
fn encodings_change_where_redis_changes_them() {
    assert_eq!(hash_of(0..128, &LIMITS).encoding(), Encoding::Listpack);
    assert_eq!(hash_of(0..129, &LIMITS).encoding(), Encoding::Hashtable);
    for (name, value, encoding) in [
        (64, 64, Encoding::Listpack),
        (65, 1, Encoding::Hashtable),
        (1, 65, Encoding::Hashtable),
    ] {
        let mut hash = Hash::new();
        hash.set(&vec![b'n'; name], &vec![b'v'; value], &LIMITS);
        assert_eq!(hash.encoding(), encoding);
        let (name, value) = (vec![b'n'; name], vec![b'v'; value]);
        let mut hash = Hash::new();
        hash.choose_encoding([&name[..], &value[..]].into_iter(), &LIMITS);
        assert_eq!(hash.encoding(), encoding);
    }
    for (count, encoding) in [(128, Encoding::Listpack), (129, Encoding::Hashtable)] {
        let mut hash = Hash::new();
        hash.choose_encoding(vec![&b"same"[..]; 2 * count].into_iter(), &LIMITS);
        assert_eq!(hash.encoding(), encoding);
        assert!(hash.is_empty());
    }
}

#[test]
fn a_value_that_grows_stays_with_its_field() {
    let mut hash = hash_of(0..1000, &LIMITS);
    for size in [0, 1, 100, 300, 70_000, 3] {
        for name in (0..1000).step_by(37) {
            hash.set(format!("f{name}").as_bytes(), &vec![b'v'; size], &LIMITS);
        }
        for name in 0..1000 {
            let value = hash.get(format!("f{name}").as_bytes()).unwrap();
            let expected = if name % 37 == 0 {
                vec![b'v'; size]
            } else {
                name.to_string().into_bytes()
            };
            assert!(value.is(&expected), "{name}");
        }
    }
}

#[test]
fn scan_visits_elements_that_stay() {
    let mut rng = Rng::new(3);
    for mut hash in [hash_of(0..100, &LIMITS), hash_of(0..9000, &LIMITS)] {
        let staying = fields(&hash);
        let (mut met, mut cursor) = (Model::new(), 0);
        loop {
            cursor = hash.scan(cursor, 10, &mut |pair| {
                let (name, value) = owned(pair);
                met.insert(name, value);
            });
            if cursor == 0 {
                break;
            }
            for _ in 0..rng.below(40) {
                let name = format!("other{}", rng.below(8000));
                if rng.below(3) == 0 {
                    hash.remove(name.as_bytes());
                } else {
                    hash.set(name.as_bytes(), b"x", &LIMITS);
                }
            }
        }
        assert!(
            staying
                .iter()
                .all(|(name, value)| met.get(name) == Some(value))
        );
    }
}

#[test]
fn random_fields_are_uniform() {
    const ROUNDS: usize = 4000;
    let mut rng = Rng::new(4);
    for max_entries in [128, 0] {
        let hash = hash_of(
            0..20,
            &HashLimits {
                max_entries,
                ..LIMITS
            },
        );
        let mut counts: [BTreeMap<Vec<u8>, usize>; 4] = Default::default();
        let mut count = |way: usize, pair: Pair<'_>| {
            let (name, value) = owned(pair);
            assert_eq!(name[1..], value[..]);
            *counts[way].entry(name).or_default() += 1;
        };
        for _ in 0..ROUNDS {
            count(0, hash.random(&mut rng).unwrap());
            hash.draw(5, &mut rng, |pair| count(1, pair));
            hash.sample(3, &mut rng, |pair| count(2, pair));
            hash.sample(15, &mut rng, |pair| count(3, pair));
        }
        for (counts, per_round) in counts.iter().zip([1, 5, 3, 15]) {
            let mean = (ROUNDS * per_round) as f64 / 20.0;
            assert_eq!(counts.len(), 20);
            for (name, count) in counts {
                let off = (*count as f64 - mean).abs();
                assert!(off < 6.0 * mean.sqrt(), "{name:?}: {count} of {mean}");
            }
        }
    }
}

#[test]
fn a_sample_has_no_field_twice() {
    let mut rng = Rng::new(5);
    for max_entries in [128, 0] {
        let hash = hash_of(
            0..20,
            &HashLimits {
                max_entries,
                ..LIMITS
            },
        );
        for count in [0, 1, 5, 7, 19, 20, 21, 1000] {
            let mut sample = Vec::new();
            hash.sample(count, &mut rng, |(name, _)| sample.push(name.to_vec()));
            let distinct: BTreeSet<Vec<u8>> = sample.iter().cloned().collect();
            assert_eq!(
                (sample.len(), distinct.len()),
                (count.min(20), count.min(20))
            );
        }
    }
    assert!(Hash::new().random(&mut rng).is_none());
    Hash::new().draw(3, &mut rng, |_| panic!("there is no field"));
}
