//! HyperLogLogs: PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST.

use data::ds::hyperloglog::{self as hll, Corrupted, Encoding, REGISTERS, Registers};
use data::util::rand::Rng;
use data::value::db::Expire;
use data::value::entry::EntryRef;
use data::value::{NewValue, Scratch, ValueRef};
use table::hyperloglog as rows;

use crate::commands::Family;
use crate::keyspace::change::{Event, key_changed, key_changed_unwatched};
use crate::keyspace::lookup::{db_mut, find_read, find_write, need_string};
use crate::keyspace::store::store;
use crate::server::{Ctx, Done, Server};
use crate::wire::fault::{Fault, WRONG_TYPE};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::PFADD, pfadd),
    (&rows::PFCOUNT, pfcount),
    (&rows::PFMERGE, pfmerge),
    (&rows::PFDEBUG, pfdebug),
    (&rows::PFSELFTEST, pfselftest),
];

/// A string with a valid HyperLogLog header.
struct Found<'a> {
    text: ValueRef<'a>,
    encoding: Encoding,
}

impl<'a> Found<'a> {
    fn in_entry(entry: EntryRef<'a>) -> Result<Self, Fault> {
        let text = need_string(entry)?.value();
        let encoding = hll::encoding(text.bytes(&mut Scratch::default()));
        match encoding {
            Some(encoding) => Ok(Found { text, encoding }),
            None => Err(Fault::new(
                "WRONGTYPE Key is not a valid HyperLogLog string value.",
            )),
        }
    }

    /// Passes the bytes to `look`.
    fn with<R>(&self, look: impl FnOnce(&[u8]) -> Result<R, Corrupted>) -> Result<R, Fault> {
        look(self.text.bytes(&mut Scratch::default())).map_err(corrupted)
    }
}

fn corrupted(_: Corrupted) -> Fault {
    Fault::new("INVALIDOBJ Corrupted HLL object detected")
}

/// The encoding of the HyperLogLog under a key; a missing one is created, which the second value tells.
fn find_or_create(srv: &mut Server, db: usize, key: &[u8]) -> Result<(Encoding, bool), Fault> {
    if let Some(entry) = find_write(srv, db, key) {
        return Ok((Found::in_entry(entry)?.encoding, false));
    }
    store(srv, db, key, NewValue::Raw(&hll::empty()), Expire::Clear);
    Ok((Encoding::Sparse, true))
}

/// Edits the bytes of an existing HyperLogLog.
fn edit<R>(
    srv: &mut Server,
    db: usize,
    key: &[u8],
    change: impl FnOnce(&mut Vec<u8>) -> Result<R, Corrupted>,
) -> Result<R, Fault> {
    db_mut(srv, db)
        .edit_string(key, |text| change(text.buffer_mut()))
        .ok_or(WRONG_TYPE)?
        .map_err(corrupted)
}

/// Maximum size of the sparse encoding, in bytes.
fn max_sparse(srv: &Server) -> usize {
    usize::try_from(srv.config.hll_sparse_max_bytes).unwrap_or(0)
}

fn pfadd(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let (_, created) = find_or_create(cx.srv, cx.db, key)?;
    let max_bytes = max_sparse(cx.srv);
    let changes = edit(cx.srv, cx.db, key, |text| {
        let mut changes = u64::from(created);
        for element in argv.iter().skip(2) {
            let (index, value) = hll::register_of(element);
            changes += u64::from(hll::raise(text, index, value, max_bytes)?);
        }
        if changes > 0 {
            hll::invalidate(text);
        }
        Ok(changes)
    })?;
    if changes > 0 {
        key_changed(cx.srv, cx.db, key, changes, Event::String("pfadd"));
    }
    cx.reply.int(i64::from(changes > 0));
    Ok(())
}

fn pfcount(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    if argv.len() > 2 {
        let mut union = Registers::default();
        for key in argv.iter().skip(1) {
            if let Some(entry) = find_read(cx.srv, cx.db, key) {
                Found::in_entry(entry)?.with(|text| union.merge(text))?;
            }
        }
        cx.reply.int(union.estimate() as i64);
        return Ok(());
    }
    let key = &argv[1];
    let Some(entry) = find_read(cx.srv, cx.db, key) else {
        cx.reply.int(0);
        return Ok(());
    };
    let found = Found::in_entry(entry)?;
    if let Some(estimate) = found.with(|text| Ok(hll::cached(text)))? {
        cx.reply.int(estimate as i64);
        return Ok(());
    }
    let estimate = found.with(hll::count)?;
    db_mut(cx.srv, cx.db).edit_string(key, |text| hll::set_cached(text.bytes_mut(), estimate));
    // The cached cardinality is part of the value, so the change is propagated.
    key_changed(cx.srv, cx.db, key, 1, Event::Silent);
    cx.reply.int(estimate as i64);
    Ok(())
}

fn pfmerge(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let target = &argv[1];
    let mut union = Registers::default();
    let mut dense = false;
    for key in argv.iter().skip(1) {
        if let Some(entry) = find_read(cx.srv, cx.db, key) {
            let found = Found::in_entry(entry)?;
            dense |= found.encoding == Encoding::Dense;
            found.with(|text| union.merge(text))?;
        }
    }
    find_or_create(cx.srv, cx.db, target)?;
    let max_bytes = max_sparse(cx.srv);
    edit(cx.srv, cx.db, target, |text| {
        union.write(text, dense, max_bytes)
    })?;
    // As if that many elements were added at once.
    key_changed(cx.srv, cx.db, target, 1, Event::String("pfadd"));
    cx.reply.ok();
    Ok(())
}

fn pfdebug(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[2];
    let Some(entry) = find_write(cx.srv, cx.db, key) else {
        return Err(Fault::new("ERR The specified key does not exist"));
    };
    let found = Found::in_entry(entry)?;
    let encoding = found.encoding;
    match argv[1].to_ascii_lowercase().as_slice() {
        b"getreg" => {
            let mut registers = Registers::default();
            found.with(|text| registers.merge(text))?;
            make_dense(cx.srv, cx.db, key, encoding)?;
            cx.reply.array(REGISTERS);
            for &value in registers.values() {
                cx.reply.int(i64::from(value));
            }
        }
        b"decode" if encoding == Encoding::Dense => {
            return Err(Fault::new("ERR HLL encoding is not sparse"));
        }
        b"decode" => {
            let words = found.with(|text| Ok(hll::sparse::describe(text)))?;
            cx.reply.bulk(words.as_bytes());
        }
        b"encoding" => cx.reply.status(match encoding {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        }),
        b"todense" => {
            make_dense(cx.srv, cx.db, key, encoding)?;
            cx.reply.int(i64::from(encoding == Encoding::Sparse));
        }
        _ => {
            let parts: [&[u8]; 3] = [b"ERR Unknown PFDEBUG subcommand '", &argv[1], b"'"];
            return Err(Fault::quoting(&parts));
        }
    }
    Ok(())
}

/// Converts a sparse HyperLogLog to dense: a change of representation that is saved and propagated.
fn make_dense(srv: &mut Server, db: usize, key: &[u8], encoding: Encoding) -> Done {
    if encoding == Encoding::Sparse {
        edit(srv, db, key, hll::make_dense)?;
        key_changed_unwatched(srv, db, key, 1, Event::Silent);
    }
    Ok(())
}

fn pfselftest(cx: &mut Ctx<'_>) -> Done {
    let mut rng = cx.srv.keys.rng.fork();
    test_registers(&mut rng)?;
    test_estimates(&mut rng, max_sparse(cx.srv))?;
    cx.reply.ok();
    Ok(())
}

/// Each register keeps its value and does not affect its neighbours.
fn test_registers(rng: &mut Rng) -> Done {
    const CYCLES: usize = 1000;
    for _ in 0..CYCLES {
        let mut text = hll::empty();
        hll::make_dense(&mut text).map_err(corrupted)?;
        let values: Vec<u8> = (0..REGISTERS).map(|_| rng.below(64) as u8).collect();
        for (index, &value) in values.iter().enumerate() {
            hll::raise_dense(&mut text, index, value);
        }
        let mut registers = Registers::default();
        registers.merge(&text).map_err(corrupted)?;
        let pairs = values.iter().zip(registers.values());
        for (index, (value, found)) in pairs.enumerate() {
            if value != found {
                return Err(Fault::new(format!(
                    "TESTFAILED Register {index} should be {value} but is {found}"
                )));
            }
        }
    }
    Ok(())
}

/// Estimates of 1, 10, 100, … elements are within six standard errors, and equal in both encodings.
fn test_estimates(rng: &mut Rng, max_bytes: usize) -> Done {
    const MOST: u64 = 10_000_000;
    let standard_error = 1.04 / (REGISTERS as f64).sqrt();
    let (mut sparse, mut dense) = (hll::empty(), hll::empty());
    hll::make_dense(&mut dense).map_err(corrupted)?;
    let seed = rng.next_u64();
    let mut checkpoint = 1;
    for elements in 1..=MOST {
        let (index, value) = hll::register_of(&(elements ^ seed).to_le_bytes());
        hll::raise_dense(&mut dense, index, value);
        hll::raise(&mut sparse, index, value, max_bytes).map_err(corrupted)?;
        if elements != checkpoint {
            continue;
        }
        if elements < max_bytes as u64 / 2 && hll::encoding(&sparse) != Some(Encoding::Sparse) {
            return Err(Fault::new("TESTFAILED sparse encoding not used"));
        }
        let estimate = hll::count(&dense).map_err(corrupted)?;
        if Ok(estimate) != hll::count(&sparse) {
            return Err(Fault::new("TESTFAILED dense/sparse disagree"));
        }
        let error = estimate.abs_diff(elements);
        let most = (standard_error * 6.0 * elements as f64).ceil() as u64;
        // Among ten elements two are likely enough to share a register.
        if error > most.max(u64::from(elements == 10)) {
            return Err(Fault::new(format!(
                "TESTFAILED Too big error. card:{elements} abserr:{error}"
            )));
        }
        checkpoint *= 10;
    }
    Ok(())
}
