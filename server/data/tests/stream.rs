//! Tests of streams against a model: a vector of entries, and a map of pending entries.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use data::ds::item::Item;
use data::ds::listpack::Listpack;
use data::util::rand::Rng;
use data::value::stream::Stream;
use data::value::stream_group::{Group, Nack};
use data::value::stream_id::StreamId;
use data::value::stream_log::{Log, Trim, TrimThreshold};
use data::value::stream_node::{Entry, StreamLimits, is_sound};
use data::value::stream_parts::{GroupBuilder, StreamBuilder, Totals};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;
type Model = Vec<(StreamId, Pairs)>;

fn random_pairs(rng: &mut Rng) -> Pairs {
    let names: &[&str] = match rng.below(4) {
        0 => &["temperature", "7"],
        1 => &["other"],
        _ => &["f", "g"],
    };
    let value = |rng: &mut Rng| match rng.below(3) {
        0 => rng.next_u64().to_string().into_bytes(),
        1 => (rng.below(200) as i64 - 100).to_string().into_bytes(),
        _ => vec![b'x'; rng.below(90) as usize],
    };
    let pairs = names.iter();
    pairs
        .map(|name| (name.as_bytes().to_vec(), value(rng)))
        .collect()
}

fn add(log: &mut Log, id: StreamId, pairs: &Pairs, limits: &StreamLimits) -> bool {
    let pairs = pairs.iter().map(|(field, value)| (&field[..], &value[..]));
    log.append(id, pairs, limits)
}

fn owned(entry: &Entry<'_>) -> (StreamId, Pairs) {
    let pairs = entry.pairs();
    let pairs: Pairs = pairs
        .map(|(field, value)| (field.to_vec(), value.to_vec()))
        .collect();
    assert_eq!(pairs.len(), entry.len);
    (entry.id, pairs)
}

/// Checks that the stream equals the model, for iteration in both directions and lookups of both kinds.
fn compare(log: &Log, model: &Model, rng: &mut Rng) {
    assert_eq!((log.len(), log.is_empty()), (model.len(), model.is_empty()));
    let ends =
        [model.first(), model.last()].map(|entry| entry.map_or(StreamId::MIN, |(id, _)| *id));
    assert_eq!([log.first_id(), log.top_id()], ends);
    let all: Model = log
        .entries(StreamId::MIN, StreamId::MAX, false)
        .map(|entry| owned(&entry))
        .collect();
    assert_eq!(all, *model);
    let mut bound = || StreamId::new(rng.below(log.last_id.ms + 2), rng.below(3));
    let (start, end) = (bound(), bound());
    let inside = |id: &StreamId| (start..=end).contains(id);
    let mut expected: Model = model
        .iter()
        .filter(|(id, _)| start <= end && inside(id))
        .cloned()
        .collect();
    let found: Model = log
        .entries(start, end, false)
        .map(|entry| owned(&entry))
        .collect();
    assert_eq!(found, expected, "{start:?} to {end:?}");
    expected.reverse();
    let found: Model = log
        .entries(start, end, true)
        .map(|entry| owned(&entry))
        .collect();
    assert_eq!(found, expected, "{end:?} back to {start:?}");
    let one = model.iter().find(|(id, _)| *id == start);
    assert_eq!(log.get(start).map(|entry| owned(&entry)).as_ref(), one);
    // Some ids in ascending order, after those from another one on.
    let mut finder = log.finder();
    let steps = [1, 1 + rng.below(40)];
    for (from, step) in [end.ms, start.ms].into_iter().zip(steps) {
        let ids = (from..log.last_id.ms + 2).step_by(step as usize);
        for id in ids.flat_map(|ms| [StreamId::new(ms, 0), StreamId::new(ms, 1)]) {
            let found = finder.get(id).map(|entry| entry.id);
            let known = model.binary_search_by_key(&id, |(id, _)| *id).is_ok();
            assert_eq!(found, known.then_some(id));
        }
    }
    for (_, pack) in log.nodes() {
        assert!(is_sound(pack));
    }
}

fn trim(log: &mut Log, model: &mut Model, rng: &mut Rng) {
    let (len, last) = (model.len() as u64, log.last_id.ms);
    let threshold = match rng.below(2) {
        0 => TrimThreshold::Last(len.saturating_sub(rng.below(60))),
        _ => TrimThreshold::From(StreamId::new(
            last.saturating_sub(rng.below(300)),
            rng.below(3),
        )),
    };
    let approximate = rng.below(2) == 0;
    let limit = Some(rng.below(40)).filter(|&limit| approximate && limit > 0);
    let surplus = match threshold {
        TrimThreshold::Last(most) => (len - most.min(len)) as usize,
        TrimThreshold::From(min) => model.partition_point(|(id, _)| *id < min),
    };
    let gone = log.trim(&Trim {
        threshold,
        approximate,
        limit,
    });
    if approximate {
        assert!(gone <= surplus && limit.is_none_or(|limit| gone as u64 <= limit));
    } else {
        assert_eq!(gone, surplus);
    }
    model.drain(..gone);
}

#[test]
fn behaves_like_a_vector() {
    for seed in 1..9 {
        let mut rng = Rng::new(seed);
        let limits = [
            StreamLimits {
                max_bytes: 4096,
                max_entries: 100,
            },
            StreamLimits {
                max_bytes: 0,
                max_entries: 7,
            },
            StreamLimits {
                max_bytes: 200,
                max_entries: 0,
            },
        ][seed as usize % 3];
        let (mut log, mut model, mut added) = (Log::default(), Model::new(), 0);
        let mut highest_gone = StreamId::MIN;
        for step in 0..3000 {
            match rng.below(20) {
                0 => trim(&mut log, &mut model, &mut rng),
                1..5 => {
                    let ids: Vec<_> = (0..rng.below(3))
                        .filter_map(|_| {
                            let at = rng.below(model.len() as u64 + 1) as usize;
                            model.get(at).map(|(id, _)| *id)
                        })
                        .chain([StreamId::new(0, 1)])
                        .collect();
                    let before = model.len();
                    for &id in ids
                        .iter()
                        .filter(|id| model.iter().any(|(own, _)| own == *id))
                    {
                        highest_gone = highest_gone.max(id);
                    }
                    model.retain(|(id, _)| !ids.contains(id));
                    assert_eq!(log.delete(ids.into_iter()), before - model.len());
                }
                _ => {
                    let (ms, seq) = (log.last_id.ms + rng.below(4), rng.below(3));
                    let (id, pairs) = (StreamId::new(ms, seq), random_pairs(&mut rng));
                    let fits = id > log.last_id;
                    assert_eq!(add(&mut log, id, &pairs, &limits), fits);
                    if fits {
                        model.push((id, pairs));
                        added += 1;
                    }
                }
            }
            assert_eq!(
                (log.entries_added, log.max_deleted_id),
                (added, highest_gone)
            );
            // A full check walks every entry, and the log grows to some hundred entries.
            if step % 4 == 0 {
                log.check();
            }
            if step % 10 == 0 {
                compare(&log, &model, &mut rng);
            }
        }
        compare(&log.clone(), &model, &mut rng);
    }
}

#[test]
fn pending_entries_have_one_consumer() {
    let mut rng = Rng::new(3);
    let mut group = Group::new(StreamId::MIN, None);
    let mut model: BTreeMap<StreamId, (Vec<u8>, u64)> = BTreeMap::new();
    for step in 0..20_000 {
        let id = StreamId::new(rng.below(50), rng.below(2));
        let name = format!("c{}", rng.below(6)).into_bytes();
        match rng.below(10) {
            0 => {
                let had = model.values().filter(|(owner, _)| *owner == name).count();
                let known = group.find(&name).is_some();
                assert_eq!(group.delete_consumer(&name), known.then_some(had));
                model.retain(|_, (owner, _)| *owner != name);
            }
            1..4 => assert_eq!(group.acknowledge(id), model.remove(&id).is_some()),
            _ => {
                let (consumer, _) = group.join(&name, step);
                let nack = Nack {
                    delivered_ms: step,
                    deliveries: rng.below(9),
                    consumer,
                };
                group.assign(id, nack);
                model.insert(id, (name, nack.deliveries));
            }
        }
        group.check();
        let pending: BTreeMap<_, _> = group
            .pending()
            .iter()
            .map(|(&id, nack)| {
                let owner = group.consumer(nack.consumer);
                assert!(owner.pending().contains(&id));
                (id, (owner.name().to_vec(), nack.deliveries))
            })
            .collect();
        assert_eq!(pending, model);
        let owned: usize = group
            .consumers()
            .map(|consumer| consumer.pending().len())
            .sum();
        assert_eq!(owned, model.len());
        assert!(
            group
                .consumers()
                .is_sorted_by_key(|consumer| consumer.name().to_vec())
        );
    }
}

/// Rebuilds a stream from the parts that an encoder writes.
fn rebuild(stream: &Stream) -> Option<Stream> {
    let (mut builder, log) = (StreamBuilder::default(), stream.log());
    for (id, pack) in log.nodes() {
        builder
            .node(id, Listpack::from_rdb(&pack.to_rdb())?)
            .then_some(())?;
    }
    let totals = Totals {
        len: log.len() as u64,
        last_id: log.last_id,
        history: Some((log.max_deleted_id, log.entries_added)),
    };
    builder.totals(&totals).then_some(())?;
    for (name, group) in stream.groups() {
        let mut parts = GroupBuilder::new(group.last_id, group.entries_read);
        for (&id, nack) in group.pending() {
            parts
                .pending(id, nack.delivered_ms, nack.deliveries)
                .then_some(())?;
        }
        for consumer in group.consumers() {
            parts
                .consumer(consumer.name(), consumer.seen_ms, consumer.active_ms)
                .then_some(())?;
            for &id in consumer.pending() {
                parts.owned(id).then_some(())?;
            }
        }
        builder.group(name, parts.finish()?).then_some(())?;
    }
    Some(builder.finish())
}

fn sample() -> Stream {
    let (mut stream, mut rng) = (Stream::new(), Rng::new(5));
    let limits = StreamLimits {
        max_bytes: 0,
        max_entries: 5,
    };
    for ms in 1..40 {
        let pairs = random_pairs(&mut rng);
        assert!(add(stream.log_mut(), StreamId::new(ms, 0), &pairs, &limits));
    }
    stream
        .log_mut()
        .delete([1, 7, 39].map(|ms| StreamId::new(ms, 0)).into_iter());
    for name in ["g", "h"] {
        assert!(stream.create_group(name.as_bytes(), Group::new(StreamId::new(9, 0), Some(9))));
        let (_, group) = stream.group_mut(name.as_bytes()).unwrap();
        for ms in 1..9 {
            let (consumer, _) = group.join(format!("c{}", ms % 3).as_bytes(), 100);
            let nack = Nack {
                delivered_ms: 50,
                deliveries: ms,
                consumer,
            };
            group.assign(StreamId::new(ms, 0), nack);
        }
    }
    stream
}

#[test]
fn streams_round_trip_through_parts() {
    let stream = sample();
    let other = rebuild(&stream).unwrap();
    let (a, b) = (stream.log(), other.log());
    assert!(
        a.entries(StreamId::MIN, StreamId::MAX, false)
            .map(|entry| owned(&entry))
            .eq(b
                .entries(StreamId::MIN, StreamId::MAX, false)
                .map(|entry| owned(&entry)))
    );
    assert_eq!(
        (a.len(), a.first_id(), a.last_id),
        (b.len(), b.first_id(), b.last_id)
    );
    for ((name, group), (other_name, other)) in stream.groups().zip(other.groups()) {
        assert_eq!(name, other_name);
        let list = |group: &Group| -> Vec<_> {
            let pending = group.pending().iter();
            pending
                .map(|(&id, nack)| {
                    (
                        id,
                        nack.delivered_ms,
                        nack.deliveries,
                        group.consumer(nack.consumer).name().to_vec(),
                    )
                })
                .collect()
        };
        assert_eq!(list(group), list(other));
        assert_eq!(group.lag(a), other.lag(b));
    }
}

#[test]
fn damaged_parts_are_refused() {
    let id = StreamId::new(1, 0);
    let pack = |numbers: &[i64]| {
        let mut pack = Listpack::new();
        for &number in numbers {
            pack.push_back(Item::Int(number));
        }
        pack
    };
    let sound: &[i64] = &[1, 1, 1, 7, 0, 2, 0, 0, 8, 4, 1, 1, 0, 2, 5, 6, 5, 6, 8];
    assert!(is_sound(&pack(sound)));
    for at in [0, 1, 2, 4, 9, 13, 18] {
        for other in [-1, 3, 1000] {
            let mut numbers = sound.to_vec();
            numbers[at] = other;
            assert!(!is_sound(&pack(&numbers)), "{at} {other}");
        }
        assert!(!is_sound(&pack(&sound[..at])), "{at}");
    }
    let totals = |len, last_id| Totals {
        len,
        last_id,
        history: None,
    };
    for (totals, fits) in [
        (totals(1, id), true),
        (totals(2, id), false),
        (totals(1, StreamId::new(0, 9)), false),
    ] {
        let mut builder = StreamBuilder::default();
        assert!(builder.node(id, pack(sound)) && !builder.node(id, pack(sound)));
        assert_eq!(builder.totals(&totals), fits, "{totals:?}");
    }
    let mut group = GroupBuilder::new(id, None);
    assert!(!group.owned(id), "it has no consumer yet");
    assert!(group.pending(id, 0, 1) && !group.pending(id, 0, 1));
    assert!(group.consumer(b"a", 0, None) && group.owned(id) && !group.owned(id));
    assert!(group.consumer(b"b", 0, None) && !group.owned(id) && !group.consumer(b"b", 0, None));
    assert!(group.pending(StreamId::new(2, 0), 0, 1) && group.finish().is_none());
}
