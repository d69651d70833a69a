//! Tests of relocation: two databases get the same changes, and the allocations of one of them are moved at random
//! times. Afterwards both have the same content, and the structures of the moved one are sound. Under AddressSanitizer
//! the same test finds every pointer to an old place.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};

use data::ds::item::Item;
use data::ds::node::{ListLimits, PLAIN_FROM};
use data::ds::quicklist::End;
use data::ds::relocation::Relocator;
use data::util::rand::Rng;
use data::value::aggregate::Aggregate;
use data::value::damaged::Damaged;
use data::value::db::{Db, Expire};
use data::value::digest::of_all;
use data::value::hash::{Hash, HashLimits};
use data::value::list::List;
use data::value::set::{Set, SetLimits};
use data::value::stream::Stream;
use data::value::stream_group::{Group, Nack};
use data::value::stream_id::StreamId;
use data::value::stream_node::StreamLimits;
use data::value::zset::{Zset, ZsetLimits};
use data::value::{Encoding, NewValue, Type};

const HASH: HashLimits = HashLimits {
    max_entries: 20,
    max_value: 64,
};
const SET: SetLimits = SetLimits {
    max_ints: 40,
    max_entries: 20,
    max_value: 64,
};
const ZSET: ZsetLimits = ZsetLimits {
    max_entries: 20,
    max_value: 64,
};
const STREAM: StreamLimits = StreamLimits {
    max_bytes: 4096,
    max_entries: 3,
};
/// Nodes of two elements, compressed from the third node on; an element of 90 bytes has a node of its own.
const LIST: ListLimits = ListLimits {
    fill: 2,
    depth: 2,
    plain_from: 90,
};

/// Moves an allocation with a probability of `parts` in 4, and counts.
struct Dice {
    rng: Rng,
    parts: u64,
    moved: usize,
    asked: usize,
}

impl Dice {
    fn new(seed: u64, parts: u64) -> Self {
        Dice {
            rng: Rng::new(seed),
            parts,
            moved: 0,
            asked: 0,
        }
    }
}

impl Relocator for Dice {
    fn should_move(&mut self, at: *const u8) -> bool {
        assert!(at as usize > 4096, "not an allocation: {at:?}");
        let moves = self.rng.below(4) < self.parts;
        self.asked += 1;
        self.moved += usize::from(moves);
        moves
    }

    fn moves(&self) -> u64 {
        self.moved as u64
    }
}

fn text(rng: &mut Rng, number: u64) -> Vec<u8> {
    let mut text = number.to_string().into_bytes();
    if rng.below(3) > 0 {
        text.insert(0, b'e');
        text.resize(2 + rng.below(100) as usize, b'.');
        text.extend(number.to_string().bytes());
    }
    text
}

/// An empty value of a random type.
fn empty(rng: &mut Rng) -> Aggregate {
    match rng.below(6) {
        0 => Aggregate::Hash(Hash::new()),
        1 => Aggregate::Set(Set::new()),
        2 => Aggregate::Zset(Zset::new()),
        3 => Aggregate::List(List::new()),
        4 => Aggregate::Stream(Stream::new()),
        _ => {
            let payload = vec![7; rng.below(100) as usize];
            Aggregate::Damaged(Damaged::new(Type::Hash, Encoding::Listpack, payload))
        }
    }
}

/// Adds an element to a key's aggregate, or changes or removes one. `seed` makes both databases do the same.
fn edit(db: &mut Db, key: &[u8], seed: u64) {
    let rng = &mut Rng::new(seed);
    let Some(place) = db.locate(db.hash(key), key) else {
        return;
    };
    let name = rng.below(400);
    let member = text(&mut Rng::new(name), name);
    let is_removal = rng.below(5) == 0;
    match db.at(place).ty() {
        Type::Hash => {
            let hash: &mut Hash = db.value_mut(place).unwrap();
            if is_removal {
                hash.remove(&member);
            } else {
                hash.set(&member, &text(rng, name), &HASH);
            }
        }
        Type::Set => {
            let set: &mut Set = db.value_mut(place).unwrap();
            if is_removal {
                set.remove(Item::Bytes(&member));
            } else {
                set.add(Item::Bytes(&member), &SET);
            }
        }
        Type::Zset => {
            let zset: &mut Zset = db.value_mut(place).unwrap();
            if is_removal {
                zset.remove(&member);
            } else {
                zset.set(&member, rng.below(50) as f64, &ZSET);
            }
        }
        Type::List => {
            let list: &mut List = db.value_mut(place).unwrap();
            let end = [End::Head, End::Tail][rng.below(2) as usize];
            list.push(end, [&member[..]].into_iter(), &LIST);
        }
        Type::Stream => edit_stream(db.value_mut(place).unwrap(), &member, rng),
        Type::String => {
            db.append(key, &member);
        }
        Type::Damaged => {}
    }
}

fn edit_stream(stream: &mut Stream, member: &[u8], rng: &mut Rng) {
    let id = stream.log().next_id(0).unwrap();
    let pairs = [(&b"field"[..], member)];
    assert!(stream.log_mut().append(id, pairs.into_iter(), &STREAM));
    let name = [b"first", b"other"][rng.below(2) as usize];
    stream.create_group(name, Group::new(StreamId::MIN, None));
    let (_, group) = stream.group_mut(name).unwrap();
    let (consumer, _) = group.join(&member[..1], 5);
    let nack = Nack {
        delivered_ms: 1,
        deliveries: 1,
        consumer,
    };
    group.assign(id, nack);
}

/// A change of both databases.
fn change(dbs: [&mut Db; 2], keys: u64, rng: &mut Rng) {
    let number = rng.below(keys);
    let key = format!("key:{number}").into_bytes();
    let (what, seed) = (rng.below(20), rng.next_u64());
    for db in dbs {
        let own = &mut Rng::new(seed);
        match what {
            0 => drop(db.remove(&key)),
            1 => {
                let at_ms = (own.below(2) > 0).then_some(own.below(1 << 40) as i64);
                db.set_expire(&key, at_ms);
            }
            2 => {
                let value = vec![b'v'; own.below(900) as usize];
                db.set(&key, NewValue::encode(&value), Expire::Keep, 7);
            }
            3 if own.below(10) == 0 => {
                db.set(&key, empty(own), Expire::At(1 << 41), 3);
            }
            _ if db.find(&key).is_none() => {
                db.set(&key, empty(own), Expire::Clear, 9);
            }
            _ => {
                let few = if number.is_multiple_of(9) { 200 } else { 8 };
                (0..few).for_each(|step| edit(db, &key, seed ^ step));
            }
        }
    }
}

/// What there is to compare of a key: expiry, LRU field, encoding, memory.
type Facts = (Option<i64>, u32, &'static str, usize);

fn facts(db: &Db) -> BTreeMap<Vec<u8>, Facts> {
    let entries = db.iter().map(|entry| {
        let encoding = entry.encoding().name();
        let facts = (entry.expire(), entry.lru(), encoding, entry.memory(0));
        (entry.key().to_vec(), facts)
    });
    entries.collect()
}

fn compare(moved: &Db, still: &Db) {
    moved.check();
    assert_eq!(of_all([moved].into_iter()), of_all([still].into_iter()));
    let sizes = |db: &Db| -> Vec<_> {
        let table_sizes_vary = |(key, facts): (Vec<u8>, Facts)| {
            let exact = !matches!(facts.2, "hashtable" | "skiplist");
            (key, facts.0, facts.1, facts.2, exact.then_some(facts.3))
        };
        facts(db).into_iter().map(table_sizes_vary).collect()
    };
    assert_eq!(sizes(moved), sizes(still));
}

#[test]
fn relocation_changes_nothing() {
    for seed in 0..6 {
        let mut rng = Rng::new(seed);
        let (mut moved, mut still) = (Db::new(), Db::new());
        let keys = [40, 400, 4000][seed as usize % 3];
        let dice = &mut Dice::new(seed, 1 + seed % 4);
        let mut cursor = 0;
        let mut later: VecDeque<(Vec<u8>, u64)> = VecDeque::new();
        for step in 0..12_000 {
            change([&mut moved, &mut still], keys, &mut rng);
            if step % 3 == 0 {
                let fields = 1 + rng.below(40) as usize;
                cursor = moved.relocate(cursor, (4, fields), dice, &mut |seen| {
                    if seen.rest != 0 {
                        later.push_back((seen.key.to_vec(), seen.rest));
                    }
                });
            }
            // Between the slices of a value the key changes, or even becomes one of another type.
            if let Some((key, rest)) = later.pop_front() {
                let rest = moved.relocate_rest(&key, rest, 30, dice);
                if rest != 0 {
                    later.push_back((key, rest));
                }
            }
            if step % 3000 == 0 {
                compare(&moved, &still);
            }
        }
        compare(&moved, &still);
        assert!(dice.moved > 1000, "{} moved", dice.moved);
    }
}

#[test]
fn a_pass_asks_about_every_element() {
    let mut db = Db::new();
    let count = 10_000u64;
    let name = |number: u64| format!("element:{number}").into_bytes();
    let (mut hash, mut set) = (Hash::new(), Set::new());
    let (mut zset, mut list) = (Zset::new(), List::new());
    let limits = ListLimits {
        fill: 1,
        depth: 0,
        plain_from: PLAIN_FROM,
    };
    for number in 0..count {
        hash.set(&name(number), b"value", &HASH);
        set.add(Item::Bytes(&name(number)), &SET);
        zset.set(&name(number), number as f64, &ZSET);
        list.push(End::Tail, [&name(number)[..]].into_iter(), &limits);
    }
    for (key, value) in [
        ("hash", Aggregate::Hash(hash)),
        ("set", Aggregate::Set(set)),
        ("zset", Aggregate::Zset(zset)),
        ("list", Aggregate::List(list)),
    ] {
        db.set(key.as_bytes(), value, Expire::Clear, 0);
    }
    let before = of_all([&db].into_iter());
    let all = &mut Dice::new(1, 4);
    let mut later = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = db.relocate(cursor, (1, 100), all, &mut |seen| {
            assert!(seen.rest != 0, "a slice is not the whole value");
            assert!(seen.is_moved, "everything is moved");
            later.push((seen.key.to_vec(), seen.rest));
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(later.len(), 4);
    for (key, mut rest) in later {
        let asked = all.asked;
        let mut slices = 0;
        while rest != 0 {
            rest = db.relocate_rest(&key, rest, 100, all);
            slices += 1;
        }
        let asked = (all.asked - asked) as u64;
        assert!((50..1200).contains(&slices), "{slices} slices");
        // The first slice was with the key, and nodes of trees and chunks of nodes are asked about too.
        assert!(
            (count - 200..count + count / 10).contains(&asked),
            "{asked}"
        );
    }
    db.check();
    assert_eq!(of_all([&db].into_iter()), before);
}
