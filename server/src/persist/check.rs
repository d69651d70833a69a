//! `redis-check-rdb`: reads a file as a server would, and reports its contents or its first error.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use data::rdb::decoder::{Decoder, Item, Stage, WRONG_CHECKSUM};
use data::rdb::ty;
use words::until_nul;

use crate::config::limits::rdb_options;
use crate::config::params::Params;
use crate::state::debug::DebugState;
use crate::sys::{clock, host};

/// Bytes that are read at once.
const CHUNK: usize = 1024 * 1024;
/// Bytes of the checksum at the end.
const FOOTER: usize = 8;

/// What the decoder says of a type that does not exist; the type follows.
const UNKNOWN_TYPE: &str = "Unknown RDB encoding type ";
/// What is reported for a function library that cannot be read.
const BAD_LIBRARY: &str = "Failed loading library, Failed loading library payload";

/// What was read of the file so far.
#[derive(Default)]
struct Seen {
    version: u16,
    keys: u64,
    expires: u64,
    expired: u64,
}

/// Checks the file at `path` and writes a report to `out`; returns where the snapshot ends if it is sound.
///
/// # Errors
/// `out` cannot be written to.
pub fn check(path: &str, out: &mut dyn Write) -> io::Result<Option<u64>> {
    writeln!(out, "[offset 0] Checking RDB file {path}")?;
    let config = Params::default();
    let options = rdb_options(&config, DebugState::default().list_limits(&config));
    let mut decoder = Decoder::new(options, true);
    let mut seen = Seen::default();
    let found = match File::open(path) {
        Ok(mut file) => read(&mut file, &mut decoder, &mut seen, out)?,
        Err(error) => Err(format!("Cannot open file: {}", host::reason(&error))),
    };
    match &found {
        Ok(()) => {
            let end = decoder.position();
            writeln!(out, "[offset {end}] \\o/ RDB looks OK! \\o/")?;
        }
        Err(why) => write_error(why, &decoder, &mut seen, out)?,
    }
    writeln!(out, "[info] {} keys read", seen.keys)?;
    writeln!(out, "[info] {} expires", seen.expires)?;
    writeln!(out, "[info] {} already expired", seen.expired)?;
    out.flush()?;
    Ok(found.ok().map(|()| decoder.position()))
}

/// Writes what is wrong, and where.
fn write_error(
    why: &str,
    decoder: &Decoder,
    seen: &mut Seen,
    out: &mut dyn Write,
) -> io::Result<()> {
    let stage = decoder.stage();
    let why = match why.strip_prefix(UNKNOWN_TYPE) {
        Some(number) => format!("Invalid object type: {number}"),
        None if why.starts_with(WRONG_CHECKSUM) => "RDB CRC error".to_owned(),
        None if stage == Stage::Function => BAD_LIBRARY.to_owned(),
        None => why.to_owned(),
    };
    let offset = decoder.reached();
    writeln!(out, "--- RDB ERROR DETECTED ---\n[offset {offset}] {why}")?;
    writeln!(out, "[additional info] While doing: {}", doing(stage))?;
    let ty = match stage {
        Stage::Key(ty) => Some(ty),
        Stage::Value(ty) => {
            seen.keys += 1;
            out.write_all(b"[additional info] Reading key '")?;
            out.write_all(until_nul(decoder.current_key()))?;
            out.write_all(b"'\n")?;
            Some(ty)
        }
        // As in Redis, whose variable is 0 before the first key.
        _ => (seen.keys == 0).then_some(0),
    };
    if let Some(ty) = ty {
        let name = type_name(ty);
        writeln!(out, "[additional info] Reading type {ty} ({name})")?;
    }
    Ok(())
}

/// What Redis calls a stage.
fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::Start => "start",
        Stage::Type => "read-type",
        Stage::Expire => "read-expire",
        Stage::Key(_) => "read-key",
        Stage::Value(_) => "read-object-value",
        Stage::Length => "read-len",
        Stage::Aux => "read-aux",
        Stage::ModuleAux => "read-module-aux",
        Stage::Function => "read-functions",
        Stage::Checksum => "check-sum",
    }
}

/// What Redis calls a type.
fn type_name(code: u8) -> &'static str {
    match code {
        ty::STRING => "string",
        ty::LIST => "list-linked",
        ty::SET => "set-hashtable",
        ty::ZSET => "zset-v1",
        ty::HASH => "hash-hashtable",
        ty::ZSET_2 => "zset-v2",
        ty::MODULE => "module-pre-release",
        ty::MODULE_2 => "module-value",
        ty::HASH_ZIPMAP => "hash-zipmap",
        ty::LIST_ZIPLIST => "list-ziplist",
        ty::SET_INTSET => "set-intset",
        ty::ZSET_ZIPLIST => "zset-ziplist",
        ty::HASH_ZIPLIST => "hash-ziplist",
        ty::LIST_QUICKLIST => "quicklist",
        ty::STREAM_LISTPACKS => "stream",
        ty::HASH_LISTPACK => "hash-listpack",
        ty::ZSET_LISTPACK => "zset-listpack",
        ty::LIST_QUICKLIST_2 => "quicklist-v2",
        ty::STREAM_LISTPACKS_2 => "stream-v2",
        ty::SET_LISTPACK => "set-listpack",
        ty::STREAM_LISTPACKS_3 => "stream-v3",
        _ => "unknown",
    }
}

/// Reads the file to its end; the inner error describes the file's.
fn read(
    file: &mut File,
    decoder: &mut Decoder,
    seen: &mut Seen,
    out: &mut dyn Write,
) -> io::Result<Result<(), String>> {
    let now_ms = clock::unix_ms();
    let mut buf = vec![0; CHUNK];
    loop {
        match file.read(&mut buf) {
            Ok(0) => return Ok(Err("Unexpected EOF reading RDB file".into())),
            Ok(n) => decoder.feed(&buf[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(host::reason(&error))),
        }
        loop {
            match decoder.next_item() {
                Ok(None) => break,
                Ok(Some(Item::End)) => {
                    say_checksum(file, decoder.position(), seen.version, out)?;
                    return Ok(Ok(()));
                }
                Ok(Some(item)) => look_at(item, decoder.position(), now_ms, seen, out)?,
                Err(corrupt) => return Ok(Err(corrupt.reason)),
            }
        }
    }
}

fn look_at(
    item: Item,
    offset: u64,
    now_ms: i64,
    seen: &mut Seen,
    out: &mut dyn Write,
) -> io::Result<()> {
    match item {
        Item::Version(version) => seen.version = version,
        Item::Aux(name, value) => {
            write!(out, "[offset {offset}] AUX FIELD ")?;
            out.write_all(until_nul(&name))?;
            out.write_all(b" = '")?;
            out.write_all(until_nul(&value))?;
            out.write_all(b"'\n")?;
        }
        Item::SelectDb(number) => writeln!(out, "[offset {offset}] Selecting DB ID {number}")?,
        Item::Key(key) => {
            seen.keys += 1;
            seen.expires += u64::from(key.expire.is_some());
            seen.expired += u64::from(key.expire.is_some_and(|at_ms| at_ms < now_ms));
        }
        Item::ResizeDb(..) | Item::Function(_) | Item::End => {}
    }
    Ok(())
}

/// The file is complete, so its last bytes before `end` are the checksum.
fn say_checksum(file: &mut File, end: u64, version: u16, out: &mut dyn Write) -> io::Result<()> {
    if version < 5 {
        return Ok(());
    }
    let mut footer = [0; FOOTER];
    let read = file
        .seek(SeekFrom::Start(end - FOOTER as u64))
        .and_then(|_| file.read_exact(&mut footer));
    let text = if read.is_ok() && footer == [0; FOOTER] {
        "RDB file was saved with checksum disabled: no check performed."
    } else {
        "Checksum OK"
    };
    writeln!(out, "[offset {end}] {text}")
}
