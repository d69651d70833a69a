//! Tests of the RDB format: round trips with arbitrary splits of the input, and rejection of corrupt input.

#![allow(clippy::unwrap_used)]

use data::ds::node;
use data::ds::quicklist::End;
use data::rdb::decoder::{Decoder, Item, Recency, check_payload, read_payload};
use data::rdb::encoder::{self, Writer};
use data::rdb::value::Options;
use data::util::crc::crc64;
use data::util::rand::Rng;
use data::value::aggregate::{Aggregate, Kind};
use data::value::db::{Db, Expire};
use data::value::entry::{Entry, EntryRef};
use data::value::hash::{self, Hash};
use data::value::list::List;
use data::value::set::{self, Set};
use data::value::zset::{self, Zset};
use data::value::{NewValue, Value};

const OPTIONS: Options = Options {
    list: node::ListLimits {
        fill: -2,
        depth: 1,
        plain_from: 1 << 20,
    },
    set: set::SetLimits {
        max_ints: 100,
        max_entries: 50,
        max_value: 64,
    },
    hash: hash::HashLimits {
        max_entries: 50,
        max_value: 64,
    },
    zset: zset::ZsetLimits {
        max_entries: 50,
        max_value: 64,
    },
    twice: false,
};

/// A value as text, independent of its encoding; unordered elements are sorted.
fn text(entry: EntryRef<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match entry
        .aggregate()
        .map(data::value::aggregate::AggregateRef::to_owned)
    {
        None => parts.push(show(&entry.value().to_vec())),
        Some(Aggregate::List(list)) => {
            let mut items = list.iter();
            while let Some(item) = items.next() {
                parts.push(show(&item.to_vec()));
            }
        }
        Some(Aggregate::Set(set)) => {
            parts.extend(set.iter().map(|item| show(&item.to_vec())));
            parts.sort();
        }
        Some(Aggregate::Zset(zset)) => {
            let pairs = zset.iter();
            parts
                .extend(pairs.map(|(member, score)| format!("{}={score}", show(&member.to_vec()))));
        }
        Some(Aggregate::Hash(hash)) => {
            let pairs = hash.iter();
            parts.extend(pairs.map(|(name, value)| {
                format!("{}={}", show(&name.to_vec()), show(&value.to_vec()))
            }));
            parts.sort();
        }
        Some(Aggregate::Stream(_) | Aggregate::Damaged(_)) => {}
    }
    format!("{}:{}", entry.encoding().name(), parts.join(","))
}

fn texts(rng: &mut Rng, count: usize, longest: u64) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| match rng.below(3) {
            0 => (number as i64 * 7 - 20).to_string().into_bytes(),
            1 => {
                let mut text = format!("{number}-").into_bytes();
                text.resize(text.len() + rng.below(longest) as usize, b'x');
                text
            }
            _ => [number.to_le_bytes().as_slice(), b"\0\xff"].concat(),
        })
        .collect()
}

/// Entries of every type and encoding.
fn entries() -> Vec<Entry> {
    let mut rng = Rng::new(9);
    let mut entries: Vec<Entry> = Vec::new();
    let mut add = |value: NewValue<'_>| {
        let key = format!("key{}", entries.len());
        let expire = entries.len().is_multiple_of(3).then_some(1_900_000_000_123);
        entries.push(Entry::new(key.as_bytes(), value, expire, 7));
    };
    for string in [
        &b""[..],
        b"a",
        b"12",
        b"-70000",
        b"99999999999",
        &[b'z'; 100],
        &[b'y'; 70_000],
    ] {
        add(NewValue::encode(string));
    }
    for (count, longest) in [(1, 4), (40, 20), (60, 20), (40, 90), (3000, 200)] {
        let texts = texts(&mut rng, count, longest);
        let slices = || texts.iter().map(Vec::as_slice);
        let mut list = List::new();
        list.push(End::Tail, slices(), &OPTIONS.list);
        add(NewValue::Aggregate(list.wrap()));
        let mut set = Set::new();
        let mut hash = Hash::new();
        let mut zset = Zset::new();
        for (number, text) in texts.iter().enumerate() {
            set.add(data::ds::item::Item::Bytes(text), &OPTIONS.set);
            hash.choose_encoding([text.as_slice(), text].into_iter(), &OPTIONS.hash);
            hash.set(text, text, &OPTIONS.hash);
            let score = [0.5, 3.0, -1e300, f64::INFINITY, number as f64][number % 5];
            zset.set(text, score, &OPTIONS.zset);
        }
        add(NewValue::Aggregate(set.wrap()));
        add(NewValue::Aggregate(hash.wrap()));
        add(NewValue::Aggregate(zset.wrap()));
    }
    for width in [10i64, 100_000, 1 << 40] {
        let mut set = Set::new();
        for number in 0..80 {
            set.add(data::ds::item::Item::Int(number * width), &OPTIONS.set);
        }
        add(NewValue::Aggregate(set.wrap()));
    }
    entries
}

fn file(compress: bool) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), Vec::new());
    encoder::header(&mut rest);
    encoder::aux(&mut rest, b"redis-ver", b"7.2.6");
    encoder::select_db(&mut rest, 3);
    let entries = entries();
    encoder::resize_db(&mut rest, entries.len() as u64, 10);
    for entry in &entries {
        let mut to = Writer {
            out: &mut rest,
            compress,
            empty: &mut |piece| out.append(piece),
        };
        encoder::entry(&mut to, entry.view(), Recency::Idle(5));
    }
    encoder::eof(&mut rest);
    out.append(&mut rest);
    let sum = crc64(0, &out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// Decodes a file that is fed in pieces of a given length.
fn load(file: &[u8], piece: usize) -> Result<Db, String> {
    let mut decoder = Decoder::new(OPTIONS, true);
    let mut db = Db::new();
    for bytes in file.chunks(piece) {
        decoder.feed(bytes);
        while let Some(item) = decoder.next_item().map_err(|corrupt| corrupt.reason)? {
            match item {
                Item::Key(loaded) => {
                    assert_eq!(loaded.recency, Recency::Idle(5));
                    let expire = loaded.expire.map_or(Expire::Clear, Expire::At);
                    let value = loaded.value.unwrap_or(NewValue::Owned(Value::Int(0)));
                    db.set(&loaded.key, value, expire, 7);
                }
                Item::End => return Ok(db),
                _ => {}
            }
        }
    }
    Err("short".to_owned())
}

#[test]
fn round_trips_with_any_split() {
    let expected = entries();
    for (compress, piece) in [(true, 1), (true, 17), (false, 4096), (true, usize::MAX)] {
        let db = load(&file(compress), piece).unwrap();
        assert_eq!(db.len(), expected.len());
        for entry in &expected {
            let entry = entry.view();
            let found = db.find(entry.key()).unwrap();
            assert_eq!(text(found), text(entry), "{:?}", entry.key());
            assert_eq!(found.expire(), entry.expire());
        }
    }
}

#[test]
fn payloads_round_trip() {
    for entry in entries() {
        let payload = encoder::payload(entry.view(), true);
        let body = check_payload(&payload, true).unwrap();
        let value = read_payload(body, &OPTIONS).unwrap().unwrap();
        let copy = Entry::new(entry.view().key(), value, entry.view().expire(), 7);
        assert_eq!(text(copy.view()), text(entry.view()));
        for end in [0, 5, payload.len() / 2, payload.len() - 1] {
            assert!(check_payload(&payload[..end], true).is_err());
        }
        assert!(read_payload(&body[..body.len() - 1], &OPTIONS).is_err());
    }
}

/// Hashes of Redis before 2.6: whichever field is repeated, the value is corrupt.
#[test]
fn a_zipmap_with_a_field_twice_is_corrupt() {
    let body = |names: [u8; 3]| {
        let pairs = names.map(|name| [1, name, 1, 0, b'v']).concat();
        let zipmap = [&[3][..], &pairs, &[0xff]].concat();
        // The type, and the length of the string that follows.
        [&[9, zipmap.len() as u8][..], &zipmap].concat()
    };
    assert!(matches!(
        read_payload(&body(*b"abc"), &OPTIONS),
        Ok(Some(_))
    ));
    for names in [b"aab", b"abb", b"aba"] {
        assert!(read_payload(&body(*names), &OPTIONS).is_err(), "{names:?}");
    }
}

#[test]
fn checksum_is_verified_unless_disabled() {
    let entries = entries();
    let mut payload = encoder::payload(entries[0].view(), true);
    let version = payload.len() - 10;
    // Unlike that of a file, it may not be left out.
    let mut unsummed = payload.clone();
    unsummed[version + 2..].fill(0);
    assert!(check_payload(&unsummed, true).is_err());
    *payload.last_mut().unwrap() ^= 1;
    assert!(check_payload(&payload, true).is_err());
    assert_eq!(check_payload(&payload, false).unwrap(), &payload[..version]);
    // A newer version is refused in any case.
    payload[version + 1] = 0xff;
    assert!(check_payload(&payload, false).is_err());
}

#[test]
fn corrupt_input_is_refused() {
    let whole = file(true);
    assert!(load(&whole[..whole.len() - 9], 1000).is_err());
    let mut rng = Rng::new(3);
    for _ in 0..300 {
        let mut bytes = whole.clone();
        let at = rng.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << rng.below(8);
        assert!(load(&bytes, 50_000).is_err(), "{at}");
    }
}

#[test]
fn corrupt_payloads_decode_to_valid_values_or_none() {
    let mut rng = Rng::new(4);
    let bodies: Vec<Vec<u8>> = entries()
        .iter()
        .map(|entry| encoder::payload(entry.view(), rng.below(2) == 0))
        .filter(|payload| payload.len() < 5000)
        .collect();
    for _ in 0..40_000 {
        let payload = &bodies[rng.below(bodies.len() as u64) as usize];
        let mut body = payload[..payload.len() - 10].to_vec();
        for _ in 0..=rng.below(4) {
            let at = rng.below(body.len() as u64) as usize;
            body[at] = rng.next_u64() as u8;
        }
        if let Ok(Some(value)) = read_payload(&body, &OPTIONS) {
            let entry = Entry::new(b"k", value, None, 0);
            entry.view().check();
            assert!(!text(entry.view()).is_empty());
        }
    }
}
