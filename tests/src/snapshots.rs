//! The corpus of `tests/corpus/rdb`: snapshots and payloads that real servers wrote.
//!
//! | file | what it is |
//! |---|---|
//! | `VERSION-SUBJECT.rdb` | a snapshot that Redis of that version wrote: every type and encoding, at and around its limits |
//! | `digests.txt` | of each snapshot DEBUG DIGEST and the number of keys in Redis 7.2.6 once it is loaded |
//! | `dumps.txt` | payloads of DUMP, with what OBJECT ENCODING and DEBUG DIGEST-VALUE say in Redis 7.2.6 after RESTORE |
//!
//! `form-of-6.2` and `form-of-7.0` in the second table are payloads put together in the forms that those versions wrote (ziplists,
//! zipmaps, scores as text, streams that tell less), which the real server has taken. (A server of 7.0 writes scores of fewer digits into its digests; those
//! of its snapshots are 7.2.6's, too.)

use std::fs;
use std::path::PathBuf;

use data::util::crc::crc64;

/// A snapshot.
pub struct Snapshot {
    /// The name of its file.
    pub name: String,
    /// DEBUG DIGEST of what is in it.
    pub digest: String,
    /// Keys, those of all databases.
    pub keys: usize,
}

impl Snapshot {
    /// Its file.
    pub fn path(&self) -> PathBuf {
        folder().join(&self.name)
    }
}

/// A payload of DUMP.
pub struct Payload {
    /// The version that wrote it.
    pub version: String,
    /// OBJECT ENCODING after RESTORE.
    pub encoding: String,
    /// DEBUG DIGEST-VALUE after RESTORE.
    pub digest: String,
    /// The payload, with its footer.
    pub bytes: Vec<u8>,
}

fn folder() -> PathBuf {
    crate::root().join("tests/corpus/rdb")
}

fn rows(table: &str) -> Vec<Vec<String>> {
    let path = folder().join(table);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .collect()
}

/// The snapshots.
///
/// # Panics
/// The table of digests is not there, or of another form.
pub fn snapshots() -> Vec<Snapshot> {
    let rows = rows("digests.txt").into_iter();
    rows.map(|row| match <[String; 3]>::try_from(row) {
        Ok([name, digest, keys]) => Snapshot {
            name,
            digest,
            keys: keys.parse().expect("a number of keys"),
        },
        Err(row) => panic!("no row of a snapshot: {row:?}"),
    })
    .collect()
}

/// The payloads.
///
/// # Panics
/// Their table is not there, or of another form.
pub fn payloads() -> Vec<Payload> {
    let rows = rows("dumps.txt").into_iter();
    rows.map(|row| match <[String; 4]>::try_from(row) {
        Ok([version, encoding, digest, hex]) => Payload {
            version,
            encoding,
            digest,
            bytes: unhex(&hex),
        },
        Err(row) => panic!("no row of a payload: {row:?}"),
    })
    .collect()
}

/// Bytes of hexadecimal digits.
///
/// # Panics
/// They are none.
pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// A hash whose listpack promises two elements and has half a one; without version and checksum.
pub const DAMAGED: &[u8] = b"\x10\x09\x09\x00\x00\x00\x02\x00\x85a\xff";

/// A payload of DUMP around a body.
pub fn sealed(body: &[u8]) -> Vec<u8> {
    let mut payload = [body, &11u16.to_le_bytes()].concat();
    let sum = crc64(0, &payload);
    payload.extend_from_slice(&sum.to_le_bytes());
    payload
}
