//! `redis-check-rdb`: reads a file as a server would, and reports its contents or its first error.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use data::rdb::decoder::{Decoder, Item};

use crate::config::limits::rdb_options;
use crate::config::params::Params;
use crate::state::debug::DebugState;
use crate::sys::{clock, host};

/// Bytes that are read at once.
const CHUNK: usize = 1024 * 1024;
/// Bytes of the checksum at the end.
const FOOTER: usize = 8;

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
    let offset = decoder.position();
    if let Err(why) = &found {
        let checksum = why.starts_with("Wrong RDB checksum");
        let key = decoder.current_key();
        let (why, doing) = match (checksum, key.is_empty()) {
            (true, _) => ("RDB CRC error", "check-sum"),
            (false, true) => (why.as_str(), "read-type"),
            (false, false) => (why.as_str(), "read-object-value"),
        };
        writeln!(out, "--- RDB ERROR DETECTED ---\n[offset {offset}] {why}")?;
        writeln!(out, "[additional info] While doing: {doing}")?;
        if !key.is_empty() {
            let key = String::from_utf8_lossy(key);
            writeln!(out, "[additional info] Reading key '{key}'")?;
        }
    } else {
        writeln!(out, "[offset {offset}] \\o/ RDB looks OK! \\o/")?;
    }
    writeln!(out, "[info] {} keys read", seen.keys)?;
    writeln!(out, "[info] {} expires", seen.expires)?;
    writeln!(out, "[info] {} already expired", seen.expired)?;
    out.flush()?;
    Ok(found.ok().map(|()| offset))
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
        Item::Aux(name, value) => writeln!(
            out,
            "[offset {offset}] AUX FIELD {} = '{}'",
            String::from_utf8_lossy(&name),
            String::from_utf8_lossy(&value)
        )?,
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
