//! The corpus of `tests/corpus/rdb`: RDB files and DUMP payloads that real servers wrote.
//!
//! | file | what it is |
//! |---|---|
//! | `VERSION-SUBJECT.rdb` | an RDB file of that version: every type and encoding, at and around its limits |
//! | `digests.txt` | DEBUG DIGEST and number of keys of each RDB file, after Redis 7.2.6 has loaded it |
//! | `dumps.txt` | DUMP payloads; OBJECT ENCODING and DEBUG DIGEST-VALUE after Redis 7.2.6 has restored each |
//!
//! `form-of-6.2` and `form-of-7.0` in `dumps.txt` are payloads assembled in the formats of those versions (ziplists,
//! zipmaps, scores as text, streams without the newer fields), which the real server has accepted. The digests of the
//! 7.0 files are also from 7.2.6, since 7.0 formats scores differently when it computes digests.

use std::fs;
use std::path::PathBuf;

use data::util::crc::crc64;

/// An RDB file.
pub struct Snapshot {
    /// The file name.
    pub name: String,
    /// DEBUG DIGEST of the data set.
    pub digest: String,
    /// Number of keys in all databases.
    pub keys: usize,
}

impl Snapshot {
    /// Its path.
    pub fn path(&self) -> PathBuf {
        folder().join(&self.name)
    }
}

/// A DUMP payload.
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

/// All RDB files.
///
/// # Panics
/// If `digests.txt` is missing or malformed.
pub fn snapshots() -> Vec<Snapshot> {
    let rows = rows("digests.txt").into_iter();
    rows.map(|row| match <[String; 3]>::try_from(row) {
        Ok([name, digest, keys]) => Snapshot {
            name,
            digest,
            keys: keys.parse().expect("a number of keys"),
        },
        Err(row) => panic!("malformed row of digests.txt: {row:?}"),
    })
    .collect()
}

/// All DUMP payloads.
///
/// # Panics
/// If `dumps.txt` is missing or malformed.
pub fn payloads() -> Vec<Payload> {
    let rows = rows("dumps.txt").into_iter();
    rows.map(|row| match <[String; 4]>::try_from(row) {
        Ok([version, encoding, digest, hex]) => Payload {
            version,
            encoding,
            digest,
            bytes: unhex(&hex),
        },
        Err(row) => panic!("malformed row of dumps.txt: {row:?}"),
    })
    .collect()
}

/// Decodes hexadecimal digits.
///
/// # Panics
/// If the text has other characters.
pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// A hash whose listpack header claims two elements and whose second one is truncated; without version and checksum.
pub const CORRUPT_HASH: &[u8] = b"\x10\x09\x09\x00\x00\x00\x02\x00\x85a\xff";

/// A DUMP payload: the body with version and checksum.
pub fn with_footer(body: &[u8]) -> Vec<u8> {
    let mut payload = [body, &11u16.to_le_bytes()].concat();
    let sum = crc64(0, &payload);
    payload.extend_from_slice(&sum.to_le_bytes());
    payload
}
