//! Tests of the database against a model: a map from keys to text, encoding and expiry.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use data::ds::resize_policy::{ResizePolicy, set_resize_policy};
use data::util::num::parse_i64;
use data::util::rand::Rng;
use data::value::db::{Db, Expire};
use data::value::entry::{Entry, EntryRef, Old};
use data::value::stored::INLINE_MAX;
use data::value::{Encoding, NewValue, Type, Value, ValueRef};

/// State of a key in the model.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    text: Vec<u8>,
    encoding: &'static str,
    expire: Option<i64>,
    lru: u32,
}

fn seen(entry: EntryRef<'_>) -> Known {
    Known {
        text: entry.value().to_vec(),
        encoding: entry.encoding().name(),
        expire: entry.expire(),
        lru: entry.lru(),
    }
}

fn encoding_of_set(text: &[u8]) -> &'static str {
    match text.len() {
        _ if parse_i64(text).is_some() => "int",
        0..=44 => "embstr",
        _ => "raw",
    }
}

/// A text with a length near one at which the storage changes.
fn random_text(rng: &mut Rng) -> Vec<u8> {
    const EDGES: [usize; 17] = [
        0, 1, 2, 7, 19, 20, 43, 44, 45, 63, 128, 251, 252, 253, 511, 512, 513,
    ];
    if rng.below(3) == 0 {
        let bits = rng.below(64);
        return ((rng.next_u64() as i64) >> bits).to_string().into_bytes();
    }
    let len = EDGES[rng.below(17) as usize] + rng.below(2) as usize;
    (0..len).map(|_| rng.next_u64() as u8).collect()
}

fn check(db: &Db, model: &BTreeMap<Vec<u8>, Known>) {
    assert_eq!(db.len(), model.len());
    let all: BTreeMap<Vec<u8>, Known> = db
        .iter()
        .map(|entry| (entry.key().to_vec(), seen(entry)))
        .collect();
    assert_eq!(&all, model);
    let mut expiring = BTreeSet::new();
    let mut cursor = 0;
    loop {
        cursor = db.scan_expires(cursor, 10, &mut |entry| {
            assert!(entry.expire().is_some());
            expiring.insert(entry.key().to_vec());
        });
        if cursor == 0 {
            break;
        }
    }
    let expected: BTreeSet<Vec<u8>> = model
        .iter()
        .filter(|(_, known)| known.expire.is_some())
        .map(|(key, _)| key.clone())
        .collect();
    assert_eq!(expiring, expected);
    assert_eq!(db.expires_len(), expected.len());
    let (mut scanned, mut cursor) = (BTreeSet::new(), 0);
    loop {
        cursor = db.scan(cursor, 7, &mut |entry| {
            scanned.insert(entry.key().to_vec());
        });
        if cursor == 0 {
            break;
        }
    }
    assert!(scanned.iter().eq(model.keys()));
}

#[test]
fn random_walk_against_a_map() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let kind = if seed < 6 { Db::new } else { Db::by_slot };
        let (mut db, mut model) = (kind(), BTreeMap::new());
        let keys = [30, 300, 3000][seed as usize % 3];
        for step in 0..60_000 {
            let number = rng.below(keys);
            // Keys with lengths around the width changes of the encoded length; in a cluster several in a slot.
            let mut key = format!("{{{}}}key:{number}", number / 10).into_bytes();
            key.resize(key.len() + [0, 0, 0, 240, 300][number as usize % 5], b'.');
            walk(&mut db, &mut model, &key, &mut rng);
            assert_eq!(db.find(&key).map(seen), model.get(&key).cloned());
            if step % 10_000 == 0 {
                check(&db, &model);
            }
            if step % (2 * keys) == 0 {
                db.check();
            }
        }
        check(&db, &model);
    }
}

/// A random operation on a random key.
fn walk(db: &mut Db, model: &mut BTreeMap<Vec<u8>, Known>, key: &[u8], rng: &mut Rng) {
    let text = random_text(rng);
    let lru = rng.below(1 << 24) as u32;
    match rng.below(16) {
        0..=5 => set(db, model, key, text, lru, rng),
        6..=8 => assert_eq!(
            db.remove(key).map(|entry| seen(entry.view())),
            model.remove(key)
        ),
        9 | 10 => {
            let expire = (rng.below(3) > 0).then(|| rng.next_u64() as i64);
            assert_eq!(db.set_expire(key, expire), model.contains_key(key));
            if let Some(known) = model.get_mut(key) {
                known.expire = expire;
            }
        }
        11 | 12 => {
            let len = db.append(key, &text);
            let known = model.get_mut(key).map(|known| {
                known.text.extend_from_slice(&text);
                known.encoding = "raw";
                known.text.len()
            });
            assert_eq!(len, known);
        }
        13 => {
            let offset = rng.below(600) as usize;
            let len = db.set_range(key, offset, &text);
            let known = model.get_mut(key).map(|known| {
                let end = offset + text.len();
                known.text.resize(known.text.len().max(end), 0);
                known.text[offset..end].copy_from_slice(&text);
                known.encoding = "raw";
                known.text.len()
            });
            assert_eq!(len, known);
        }
        14 => {
            let number = (rng.next_u64() as i64) >> rng.below(64);
            assert_eq!(
                db.set_int(db.hash(key), key, number),
                model.contains_key(key)
            );
            if let Some(known) = model.get_mut(key) {
                known.text = number.to_string().into_bytes();
                known.encoding = "int";
            }
        }
        _ => {
            let found = db.find(key).map(|entry| entry.set_lru(lru));
            assert_eq!(found.is_some(), model.contains_key(key));
            if let Some(known) = model.get_mut(key) {
                known.lru = lru;
            }
        }
    }
}

fn set(
    db: &mut Db,
    model: &mut BTreeMap<Vec<u8>, Known>,
    key: &[u8],
    text: Vec<u8>,
    lru: u32,
    rng: &mut Rng,
) {
    let before = model.get(key);
    let kept = before.and_then(|known| known.expire);
    let (how, expire) = match rng.below(3) {
        0 => (Expire::Keep, kept),
        1 => (Expire::Clear, None),
        _ => (Expire::At(77), Some(77)),
    };
    let (value, encoding) = match rng.below(4) {
        0 => (NewValue::encode(&text), encoding_of_set(&text)),
        1 => (NewValue::Raw(&text), "raw"),
        2 => (
            NewValue::encode_shared(Arc::new(text.clone())),
            encoding_of_set(&text),
        ),
        _ => (
            NewValue::Owned(Value::Str(text.clone())),
            if text.len() > 44 { "raw" } else { "embstr" },
        ),
    };
    let old = db.set(key, value, how, lru);
    assert_eq!(old.is_some(), before.is_some());
    if let (Some(Old::Buffer(buffer)), Some(before)) = (&old, before) {
        assert_eq!(**buffer, before.text);
    }
    model.insert(
        key.to_vec(),
        Known {
            text,
            encoding,
            expire,
            lru,
        },
    );
}

#[test]
fn encodings_follow_the_history() {
    let mut db = Db::new();
    let encoding = |db: &Db| db.find(b"k").map(|entry| entry.encoding().name());
    let set = |db: &mut Db, value: NewValue<'_>| {
        db.set(b"k", value, Expire::Clear, 0);
    };
    for (text, name) in [
        (b"9223372036854775807".as_slice(), "int"),
        (b"-9223372036854775808", "int"),
        (b"9223372036854775808", "embstr"),
        (b"01", "embstr"),
        (b"", "embstr"),
        (&[b'x'; 44], "embstr"),
        (&[b'x'; 45], "raw"),
        (&[b'x'; 5000], "raw"),
    ] {
        set(&mut db, NewValue::encode(text));
        assert_eq!(encoding(&db), Some(name), "{text:?}");
    }
    // APPEND and SETRANGE leave raw strings, whatever their previous encoding and length.
    for start in [b"12".as_slice(), b"ab", b"", &[b'x'; 600]] {
        set(&mut db, NewValue::encode(start));
        db.append(b"k", b"");
        assert_eq!(encoding(&db), Some("raw"));
        assert_eq!(
            db.find(b"k").map(|entry| entry.value().to_vec()).as_deref(),
            Some(start)
        );
    }
    // INCRBYFLOAT stores a text even if it is an integer.
    set(&mut db, NewValue::Text(b"3"));
    assert_eq!(encoding(&db), Some("embstr"));
}

#[test]
fn every_shape_of_entry_survives_every_change() {
    let texts = [0, 1, 44, 45, 252, 253, 512, 513, 70_000].map(|len| vec![b't'; len]);
    let values: Vec<NewValue<'_>> = [0, 127, 128, 1 << 20, 1 << 30, 1 << 40]
        .map(NewValue::from)
        .into_iter()
        .chain(texts.iter().map(|text| NewValue::Text(text)))
        .collect();
    for key_len in [0, 1, 250, 251, 252, 253, 254, 255, 65_535, 65_536] {
        let key: Vec<u8> = (0..key_len).map(|at| (at % 251) as u8).collect();
        let mut db = Db::new();
        let text_of = |value: &NewValue<'_>| {
            Entry::new(b"", value.clone(), None, 0)
                .view()
                .value()
                .to_vec()
        };
        for (before, after) in values
            .iter()
            .flat_map(|before| values.iter().map(move |after| (before, after)))
        {
            db.set(&key, before.clone(), Expire::Clear, 1);
            for expire in [Some(i64::MIN), Some(i64::MAX), None, Some(0)] {
                assert!(db.set_expire(&key, expire));
                assert_eq!(
                    (db.expire_of(&key), db.expires_len()),
                    (expire, usize::from(expire.is_some()))
                );
                assert_eq!(
                    db.find(&key).map(|entry| entry.value().to_vec()),
                    Some(text_of(before))
                );
            }
            db.set(&key, after.clone(), Expire::Keep, 2);
            db.check();
            let entry = db.find(&key).unwrap();
            assert_eq!(
                (entry.key(), entry.expire(), entry.lru()),
                (&key[..], Some(0), 2)
            );
            assert_eq!(
                (entry.value().to_vec(), entry.value().len()),
                (text_of(after), text_of(after).len())
            );
        }
    }
}

#[test]
fn integers_at_every_width() {
    let mut db = Db::new();
    let mut memory = BTreeSet::new();
    for bits in 0..64 {
        for number in [
            1i64.wrapping_shl(bits),
            (-1i64).wrapping_shl(bits),
            1i64.wrapping_shl(bits).wrapping_sub(1),
        ] {
            db.set(b"0123456789", number, Expire::Clear, 0);
            let entry = db.find(b"0123456789").unwrap();
            assert_eq!(entry.value().to_i64(), Some(number));
            assert!(matches!(entry.value(), ValueRef::Int(_)));
            memory.insert(entry.memory(0));
        }
    }
    // 4 bytes of header, 11 of key, 1 to 8 of integer.
    assert_eq!(memory, BTreeSet::from([16, 24]));
}

#[test]
fn big_values_are_taken_over_and_shared() {
    let mut db = Db::new();
    let buffer = Arc::new(vec![b'x'; INLINE_MAX + 1]);
    let address = buffer.as_ptr();
    db.set(b"k", NewValue::encode_shared(buffer), Expire::Clear, 0);
    let ValueRef::Shared(held) = db.find(b"k").unwrap().value() else {
        panic!("kept as it came")
    };
    assert_eq!(held.as_ptr(), address);
    let reader = Arc::clone(held);
    db.append(b"k", b"y");
    assert_eq!((reader.len(), reader.as_ptr()), (INLINE_MAX + 1, address));
    assert_eq!(db.find(b"k").unwrap().value().len(), INLINE_MAX + 2);
    let old = db.set(b"k", NewValue::Text(b"small"), Expire::Clear, 0);
    assert!(matches!(old, Some(Old::Buffer(buffer)) if buffer.len() == INLINE_MAX + 2));
}

#[test]
fn excess_capacity_is_trimmed() {
    let mut db = Db::new();
    let mut text = Vec::with_capacity(10_000);
    text.resize(1000, b'x');
    db.set(
        b"k",
        NewValue::Owned(Value::Shared(Arc::new(text))),
        Expire::Clear,
        0,
    );
    assert_eq!(db.find(b"k").unwrap().room(), 0);
}

#[test]
fn appends_are_amortised() {
    let mut db = Db::new();
    db.set(b"k", NewValue::Text(b""), Expire::Clear, 0);
    let (mut moves, mut address) = (0, std::ptr::null());
    for len in 1..=3_000_000 {
        db.append(b"k", b"x");
        let ValueRef::Shared(buffer) = db.find(b"k").unwrap().value() else {
            continue;
        };
        if buffer.as_ptr() != address {
            (moves, address) = (moves + 1, buffer.as_ptr());
            // Twice the length up to 1 MiB, then 1 MiB more.
            assert_eq!(db.find(b"k").unwrap().room(), (len as usize).min(1 << 20));
        }
    }
    assert!(moves <= 15, "{moves}");
    assert_eq!(db.find(b"k").unwrap().value().len(), 3_000_000);
}

#[test]
fn entries_change_databases_and_names() {
    let (mut one, mut two) = (Db::new(), Db::new());
    one.set(b"k", NewValue::Raw(b"short"), Expire::At(5), 9);
    let entry = one.remove(b"k").unwrap();
    assert_eq!((one.len(), one.expires_len()), (0, 0));
    two.insert(entry.renamed(b"other")).unwrap();
    one.set(b"k", NewValue::Raw(b"short"), Expire::At(5), 9);
    two.insert(one.remove(b"k").unwrap()).unwrap();
    for key in [b"k".as_slice(), b"other"] {
        let entry = two.find(key).unwrap();
        assert_eq!(
            (entry.encoding(), entry.expire(), entry.lru()),
            (Encoding::Raw, Some(5), 9)
        );
        assert_eq!(
            (entry.ty(), entry.value().to_vec()),
            (Type::String, b"short".to_vec())
        );
    }
    assert_eq!(two.expires_len(), 2);
    one.set(b"k", 1, Expire::Clear, 0);
    let back = one.remove(b"k").and_then(|entry| two.insert(entry).err());
    assert_eq!(
        back.map(|entry| entry.view().value().to_i64()),
        Some(Some(1))
    );
    one.swap(&mut two);
    assert_eq!((one.len(), two.len()), (2, 0));
    let gone = one.clear();
    assert_eq!(
        (one.len(), one.expires_len(), gone.len(), gone.expires_len()),
        (0, 0, 2, 2)
    );
    // It may be dropped on another thread.
    std::thread::spawn(move || drop(gone)).join().unwrap();
}

#[test]
fn random_keys_and_expiring_keys() {
    random_choices(Db::new());
    random_choices(Db::by_slot());
}

fn random_choices(mut db: Db) {
    let mut rng = Rng::new(1);
    assert!(db.random(&mut rng).is_none() && db.random_expiring(&mut rng).is_none());
    for number in 0..1000 {
        let expire = if number % 10 == 0 {
            Expire::At(1)
        } else {
            Expire::Clear
        };
        db.set(format!("{number}").as_bytes(), number, expire, 0);
    }
    assert!((0..1000).all(|_| {
        db.random_expiring(&mut rng)
            .is_some_and(|entry| entry.expire() == Some(1))
    }));
    let expiring = (0..10_000)
        .filter(|_| {
            db.random(&mut rng)
                .is_some_and(|entry| entry.expire().is_some())
        })
        .count();
    assert!((850..1150).contains(&expiring), "{expiring}");
    let mut seen = 0;
    assert_eq!(db.sample(&mut rng, 16, &mut |_| seen += 1), 16);
    assert_eq!(db.sample_expires(&mut rng, 200, &mut |_| seen += 1), 100);
    assert_eq!(seen, 116);
}

#[test]
fn batches_hash_and_prefetch_as_single_keys_do() {
    batch(Db::new());
    batch(Db::by_slot());
}

fn batch(mut db: Db) {
    let keys: Vec<Vec<u8>> = (0..100)
        .map(|number| format!("key:{number}").into_bytes())
        .collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut hashes = Vec::new();
    db.hash_batch(&keys, &mut hashes);
    for (&hash, key) in hashes.iter().zip(&keys) {
        db.prefetch_line(hash);
        db.prefetch_entry(hash);
        assert_eq!(hash, db.hash(key));
        assert!(
            db.set_hashed(hash, key, NewValue::Text(key), Expire::Clear, 0)
                .is_none()
        );
    }
    for (&hash, key) in hashes.iter().zip(&keys) {
        db.prefetch_line(hash);
        db.prefetch_entry(hash);
        assert!(
            db.find_hashed(hash, key)
                .is_some_and(|entry| entry.key() == *key)
        );
        assert!(db.remove_hashed(hash, key).is_some());
    }
    assert!(db.is_empty());
    set_resize_policy(ResizePolicy::Allow);
}

#[test]
fn keys_of_a_slot_are_counted_and_listed() {
    let mut db = Db::by_slot();
    for number in 0..5000 {
        let tag = number % 7;
        db.set(
            format!("{{{tag}}}{number}").as_bytes(),
            number,
            Expire::Clear,
            0,
        );
    }
    for tag in 0..7usize {
        let prefix = format!("{{{tag}}}");
        let slot = Db::slot_of(db.hash(prefix.as_bytes()));
        let keys: BTreeSet<&[u8]> = db.slot_keys(slot).collect();
        assert_eq!(
            (keys.len(), db.slot_len(slot)),
            ((5000 - tag).div_ceil(7), keys.len())
        );
        assert!(keys.iter().all(|key| key.starts_with(prefix.as_bytes())));
    }
    assert_eq!((db.slot_len(0), db.slot_keys(0).count()), (0, 0));
    // Taken some at a time, each comes once.
    let slot = Db::slot_of(db.hash(b"{0}"));
    let count = db.slot_len(slot);
    for left in (0..=count).rev().step_by(10) {
        assert_eq!(db.slot_len(slot), left);
        let some: Vec<Vec<u8>> = db.slot_keys(slot).take(10).map(<[u8]>::to_vec).collect();
        assert_eq!(some.len(), left.min(10));
        assert!(some.iter().all(|key| db.remove(key).is_some()));
    }
    assert_eq!(db.slot_len(slot), 0);
    let gone = db.clear();
    assert_eq!((db.len(), gone.len()), (0, 5000 - count));
    db.set(b"k", 1, Expire::Clear, 0);
    assert_eq!(db.slot_len(Db::slot_of(db.hash(b"k"))), 1, "still by slot");
}

#[test]
fn a_scan_by_slot_ends_whatever_changes_meanwhile() {
    let (mut db, mut rng) = (Db::by_slot(), Rng::new(5));
    for number in 0..2000 {
        db.set(
            format!("stays:{number}").as_bytes(),
            number,
            Expire::Clear,
            0,
        );
    }
    let (mut seen, mut cursor, mut calls) = (BTreeSet::new(), 0, 0);
    loop {
        cursor = db.scan(cursor, 10, &mut |entry| {
            seen.insert(entry.key().to_vec());
        });
        calls += 1;
        if cursor == 0 {
            break;
        }
        for _ in 0..20 {
            let key = format!("comes and goes:{}", rng.below(500)).into_bytes();
            if db.remove(&key).is_none() {
                db.set(&key, 1, Expire::Clear, 0);
            }
        }
    }
    let stayed = seen.iter().filter(|key| key.starts_with(b"stays:")).count();
    assert_eq!(stayed, 2000);
    assert!(calls <= 260, "{calls} calls");
}

#[test]
fn the_tables_of_many_slots_are_resized_a_little_at_a_time() {
    let mut db = Db::by_slot();
    let unfinished = |db: &Db| db.stats().0.slots_to;
    // Tables of the same size grow at the same time; these are too large to be rebuilt at once.
    let mut number = 0;
    while unfinished(&db) < 12 * 4096 {
        assert!(number < 10_000, "the tables do not grow");
        for _ in 0..50 {
            number += 1;
            for tag in 0..16 {
                let key = format!("{{{tag}}}{number}");
                db.set(key.as_bytes(), 1, Expire::Clear, 0);
            }
        }
    }
    let before = unfinished(&db);
    db.step(1000);
    assert!(unfinished(&db) > before / 2, "all were resized at once");
    while db.step(1000) {}
    assert_eq!(unfinished(&db), 0);
    db.check();
}
