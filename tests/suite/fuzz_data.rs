//! Malformed RDB files, payloads and compact encodings, a bounded number of them with fixed seeds. Nothing panics,
//! memory stays in proportion to the input, and a value that is accepted is valid: it can be iterated and written, and
//! reads back equal.
//!
//! The inputs are the files of `tests/corpus/rdb`, split into parts, and files of `tests/fuzz`, all with random
//! mutations.

use data::ds::hyperloglog;
use data::ds::intset::Intset;
use data::ds::listpack::Listpack;
use data::ds::node;
use data::rdb::cursor::Cursor;
use data::rdb::decoder::{Decoder, Item as Record, read_payload};
use data::rdb::encoder::payload;
use data::rdb::value::Options;
use data::rdb::ziplist::{read_ziplist, read_zipmap};
use data::rdb::{shallow, ty};
use data::util::rand::Rng;
use data::value::NewValue;
use data::value::aggregate::{AggregateRef, Kind};
use data::value::digest::of_value;
use data::value::entry::{Entry, EntryRef};
use data::value::stream_id::StreamId;
use data::value::stream_node::{Node, is_sound};
use data::value::{hash, set, zset};
use tests::client::{Transport, show};
use tests::corpus::Corpus;
use tests::server::Server;
use tests::snapshots::{payloads, snapshots};

const OPTIONS: Options = Options {
    list: node::ListLimits {
        fill: -2,
        depth: 1,
        plain_from: 1 << 20,
    },
    set: set::SetLimits {
        max_ints: 512,
        max_entries: 128,
        max_value: 64,
    },
    hash: hash::HashLimits {
        max_entries: 128,
        max_value: 64,
    },
    zset: zset::ZsetLimits {
        max_entries: 128,
        max_value: 64,
    },
    twice: false,
};

/// Memory that a value may take per byte of input: an element of two bytes becomes a table entry, and LZF expands one
/// byte to 88.
const BYTES_PER_BYTE: usize = 120;
/// Memory that a value may take regardless of its input.
const BYTES_AT_LEAST: usize = 16 * 1024;

/// The corpus payloads without footers, as transformed by `choose`; `None` drops a payload.
fn parts(choose: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Corpus {
    let bodies = payloads().into_iter().map(|mut payload| {
        payload.bytes.truncate(payload.bytes.len() - 10);
        (payload.encoding, payload.bytes)
    });
    let files: Vec<_> = bodies
        .filter_map(|(name, body)| Some((name, choose(&body)?)))
        .collect();
    assert!(!files.is_empty());
    Corpus { files }
}

/// The string behind the type byte, of payloads of these types.
fn packed(types: &[u8]) -> Corpus {
    parts(|body| {
        let (ty, rest) = body.split_first()?;
        let text = Cursor::new(rest).text().ok()?;
        types.contains(ty).then(|| text.into_owned())
    })
}

/// Visits all of a value, from both ends and by every lookup.
fn walk(entry: EntryRef<'_>) {
    match entry.aggregate() {
        None => {
            let text = entry.value().to_vec();
            if hyperloglog::encoding(&text).is_some() {
                let _ = hyperloglog::count(&text);
            }
        }
        Some(AggregateRef::List(list)) => {
            let (mut forth, mut back) = (list.iter(), list.rev());
            let mut seen = 0;
            while let (Some(_), Some(_)) = (forth.next(), back.next()) {
                seen += 1;
            }
            assert_eq!(seen, list.len());
        }
        Some(AggregateRef::Set(set)) => {
            assert!(set.iter().all(|member| set.contains(member)));
            assert_eq!(set.iter().count(), set.len());
        }
        Some(AggregateRef::Hash(hash)) => {
            assert!(hash.iter().all(|(name, _)| hash.contains(&name.to_vec())));
            assert_eq!(hash.iter().count(), hash.len());
        }
        Some(AggregateRef::Zset(zset)) => {
            for (place, (member, score)) in zset.iter().enumerate() {
                assert_eq!(zset.rank(&member.to_vec()), Some((place, score)));
            }
            assert_eq!(zset.range(0..zset.len(), true).count(), zset.len());
        }
        Some(AggregateRef::Stream(stream)) => {
            let log = stream.log();
            for reverse in [false, true] {
                let entries = log.entries(StreamId::MIN, StreamId::MAX, reverse);
                assert_eq!(entries.count(), log.len());
            }
            for (_, group) in stream.groups() {
                let owned: usize = group.consumers().map(|one| one.pending().len()).sum();
                assert_eq!(owned, group.pending().len());
                let _ = group.lag(log);
            }
        }
        Some(AggregateRef::Damaged(_)) => panic!("corrupt values are not accepted here"),
    }
}

/// Checks a value that was accepted from `came` bytes of input.
fn check_value(value: NewValue<'_>, came: usize) {
    let entry = Entry::new(b"k", value, None, 0);
    walk(entry.view());
    let most = BYTES_AT_LEAST + BYTES_PER_BYTE * came;
    let memory = entry.view().memory(0);
    assert!(memory <= most, "{memory} bytes of {came}");
    let written = payload(entry.view(), came.is_multiple_of(2));
    let body = &written[..written.len() - 10];
    let again = read_payload(body, &OPTIONS).expect("what is written can be read");
    let again = Entry::new(b"k", again.expect("the value is not empty"), None, 0);
    assert_eq!(of_value(again.view()), of_value(entry.view()));
}

#[test]
fn the_rdb_decoder_survives_arbitrary_input() {
    let files = snapshots().into_iter().map(|snapshot| {
        let bytes = std::fs::read(snapshot.path()).expect("it exists");
        (snapshot.name, bytes)
    });
    let corpus = Corpus {
        files: files.collect(),
    };
    corpus.run(21, 1500, |bytes, rng| {
        let mut decoder = Decoder::new(OPTIONS, false);
        let step = 1 + rng.below(5000) as usize;
        for piece in bytes.chunks(step) {
            decoder.feed(piece);
            loop {
                match decoder.next_item() {
                    Ok(None) => break,
                    Ok(Some(Record::End)) | Err(_) => return,
                    Ok(Some(Record::Key(key))) => {
                        if let Some(value) = key.value {
                            check_value(value, bytes.len());
                        }
                    }
                    Ok(Some(_)) => {}
                }
            }
        }
    });
}

#[test]
fn the_payload_decoder_survives_arbitrary_input() {
    let mut accepted = 0;
    parts(|body| Some(body.to_vec())).run(22, 40_000, |body, _| {
        if let Ok(Some(value)) = read_payload(body, &OPTIONS) {
            check_value(value, body.len());
            accepted += 1;
        }
        if let Some(damaged) = shallow::read(body) {
            let entry = Entry::new(b"k", NewValue::Aggregate(damaged.wrap()), None, 0);
            let written = payload(entry.view(), true);
            assert_eq!(&written[..written.len() - 10], body);
        }
    });
    assert!(accepted > 1000, "{accepted}");
}

#[test]
fn listpacks_survive_arbitrary_input() {
    let types = [ty::HASH_LISTPACK, ty::ZSET_LISTPACK, ty::SET_LISTPACK];
    packed(&types).run(23, 20_000, |bytes, _| {
        let Some(pack) = Listpack::from_rdb(bytes) else {
            return;
        };
        let forth: Vec<Vec<u8>> = pack.iter().map(|item| item.to_vec()).collect();
        let positions = std::iter::successors(pack.last(), |&pos| pack.prev(pos));
        let mut back: Vec<Vec<u8>> = positions.map(|pos| pack.get(pos).to_vec()).collect();
        back.reverse();
        assert_eq!(forth, back);
        assert_eq!(forth.len(), pack.len());
        let again = Listpack::from_rdb(&pack.to_rdb()).expect("what is written can be read");
        assert!(again.iter().map(|item| item.to_vec()).eq(forth));
    });
}

#[test]
fn intsets_survive_arbitrary_input() {
    packed(&[ty::SET_INTSET]).run(24, 20_000, |bytes, rng| {
        let Some(ints) = Intset::from_rdb(bytes, rng.below(2) == 0) else {
            return;
        };
        let count = ints.iter().count();
        assert_eq!(count, ints.len());
        if Intset::from_rdb(bytes, true).is_some() {
            assert!(ints.iter().all(|number| ints.contains(number)));
        }
        assert_eq!(ints.to_rdb(), bytes);
    });
}

#[test]
fn ziplists_and_zipmaps_survive_arbitrary_input() {
    Corpus::load("ziplist").run(25, 20_000, |bytes, _| {
        let mut len = 0;
        let _ = read_ziplist(bytes, |item| {
            len += item.len();
            Ok(())
        });
        // The decimal form of an integer has at most twice as many digits as its encoding has bytes.
        assert!(len <= 2 * bytes.len(), "{len}");
    });
    Corpus::load("zipmap").run(26, 20_000, |bytes, _| {
        let mut len = 0;
        let read = read_zipmap(bytes, |name, value| {
            len += name.len() + value.len();
            Ok(())
        });
        assert!(len <= bytes.len());
        assert!(read.is_err() || len > 0 || bytes.len() > 2);
    });
}

#[test]
fn stream_nodes_survive_arbitrary_input() {
    let nodes = parts(|body| {
        let (code, rest) = body.split_first()?;
        let mut cursor = Cursor::new(rest);
        let kept = [ty::STREAM_LISTPACKS_2, ty::STREAM_LISTPACKS_3].contains(code);
        if !kept || cursor.length().ok()? == 0 {
            return None;
        }
        cursor.text().ok()?;
        Some(cursor.text().ok()?.into_owned())
    });
    nodes.run(27, 20_000, |bytes, _| {
        let Some(pack) = Listpack::from_rdb(bytes).filter(is_sound) else {
            return;
        };
        let node = Node::open(StreamId::new(5, 5), &pack).expect("the node is valid");
        let (mut forth, mut back) = (Vec::new(), Vec::new());
        let mut next = node.first();
        while let Some(entry) = next.and_then(|at| node.entry(at)) {
            assert_eq!(entry.pairs().count(), entry.len);
            forth.push(entry.id);
            next = entry.next();
        }
        next = node.last();
        while let Some(entry) = next.and_then(|at| node.entry(at)) {
            back.push(entry.id);
            next = node.before(&entry);
        }
        back.reverse();
        assert_eq!(forth, back);
        assert_eq!(forth.len(), node.live + node.deleted);
    });
}

#[test]
fn hyperloglogs_survive_arbitrary_input() {
    let texts = parts(|body| {
        let (&code, rest) = body.split_first()?;
        let text = Cursor::new(rest).text().ok()?;
        (code == ty::STRING && text.starts_with(b"HYLL")).then(|| text.into_owned())
    });
    texts.run(28, 5_000, |text, rng| {
        let Some(_) = hyperloglog::encoding(text) else {
            return;
        };
        let count = hyperloglog::count(text);
        let mut changed = text.to_vec();
        let _ = hyperloglog::raise(&mut changed, rng.below(16384) as usize, 9, 3000);
        let mut dense = text.to_vec();
        if hyperloglog::make_dense(&mut dense).is_ok() {
            assert_eq!(hyperloglog::count(&dense).ok(), count.ok());
            assert!(dense.len() <= 12_304.max(text.len()));
        }
        let _ = hyperloglog::sparse::describe(text);
    });
}

/// Read commands for values of every type.
const READS: &[&str] = &[
    "GET k",
    "STRLEN k",
    "GETRANGE k 0 -1",
    "BITCOUNT k",
    "PFCOUNT k",
    "LRANGE k 0 -1",
    "LINDEX k -1",
    "LPOS k x",
    "SMEMBERS k",
    "SISMEMBER k x",
    "SRANDMEMBER k -5",
    "SSCAN k 0",
    "SUNION k",
    "SDIFF k",
    "HGETALL k",
    "HGET k f",
    "HRANDFIELD k -5",
    "HSCAN k 0",
    "ZRANGE k 0 -1 WITHSCORES",
    "ZRANGE k - + BYLEX",
    "ZRANK k x",
    "ZRANDMEMBER k -5",
    "ZSCAN k 0",
    "ZUNION 1 k",
    "XRANGE k - +",
    "XREVRANGE k + -",
    "XREAD STREAMS k 0",
    "XINFO STREAM k FULL",
    "XPENDING k g1",
    "SORT k ALPHA",
    "OBJECT ENCODING k",
    "MEMORY USAGE k SAMPLES 0",
    "TYPE k",
    "TTL k",
    "COPY k copy REPLACE",
    "DEBUG DIGEST-VALUE k",
    "DEBUG OBJECT k",
    "DUMP k",
];

#[test]
fn read_commands_survive_every_value_that_restore_accepts() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    assert_eq!(client.text("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1"), "OK");
    let mut kept = [0, 0];
    let mut deep = false;
    let corpus = parts(|body| Some(body.to_vec()));
    let with_zero_footer = |body: &[u8]| [body, b"\x0b\0\0\0\0\0\0\0\0\0"].concat();
    corpus.run(29, 1200, |body, rng: &mut Rng| {
        if rng.below(10) == 0 {
            deep = !deep;
            let wanted = if deep { "yes" } else { "no" };
            client.text(&format!("CONFIG SET sanitize-dump-payload {wanted}"));
        }
        let payload = with_zero_footer(body);
        let args: [&[u8]; 5] = [b"RESTORE", b"k", b"0", &payload, b"REPLACE"];
        match show(&client.call(&args)).as_str() {
            "OK" => kept[usize::from(deep)] += 1,
            reply => return assert_eq!(reply, "-ERR Bad data format"),
        }
        for command in READS {
            client.text(command);
        }
        assert_eq!(client.text("DEL k"), "1");
    });
    assert!(kept.iter().all(|&count| count > 50), "{kept:?}");
    assert_eq!(client.text("PING"), "PONG");
}
