//! Push decoder: bytes are fed as they arrive, and items are returned as soon as they are complete.
//!
//! ```text
//!            ┌────── record that is not a key ───────┐
//!            v                                       │
//! Magic ─> Record ─> Key ─> Value ─┐               Record ─> Footer ─> End
//!            ^                     │ (suspends between elements)
//!            └──────── item ───────┘
//! ```
//!
//! A step decodes one thing, at most one element of a value, from the buffered bytes. If they are incomplete the step
//! is undone and repeated when more have arrived. So the decoder buffers at most one unfinished element, plus the
//! value it belongs to.
//!
//! # Invariants
//! 1. `buf[..done]` has been read, and is included in `checksum` up to `summed`; `summed <= done`.
//! 2. Nothing is allocated for bytes that were announced but have not arrived.

use std::mem;

use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::value::{Builder, Options};
use crate::rdb::{Corrupt, SIGNATURE, VERSION, op, ty};
use crate::util::crc::crc64;
use crate::util::leading::leading_i64;
use crate::value::NewValue;

/// How the message about a wrong checksum begins.
pub const WRONG_CHECKSUM: &str = "Wrong RDB checksum";

/// How recently or how often a key was used, as stored in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recency {
    /// Not stored.
    #[default]
    Unknown,
    /// Idle time in seconds.
    Idle(u64),
    /// LFU counter.
    Frequency(u8),
}

/// A key with its value and attributes.
#[derive(Debug)]
pub struct Loaded {
    /// The key.
    pub key: Vec<u8>,
    /// The value; `None` if it has no elements, so that the key does not exist.
    pub value: Option<NewValue<'static>>,
    /// The expiry in milliseconds of Unix time.
    pub expire: Option<i64>,
    /// Its LRU or LFU attribute.
    pub recency: Recency,
}

/// A decoded item.
#[derive(Debug)]
pub enum Item {
    /// The version of the file.
    Version(u16),
    /// An auxiliary field: name and value.
    Aux(Vec<u8>, Vec<u8>),
    /// The number of the database that follows.
    SelectDb(u64),
    /// Approximate number of keys in the database, and of keys with an expiry.
    ResizeDb(u64, u64),
    /// Code of a function library.
    Function(Vec<u8>),
    /// A key.
    Key(Box<Loaded>),
    /// The end; any bytes after it are not part of the file.
    End,
}

/// What the decoder reads next, or cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The signature and version of the file.
    Start,
    /// The opcode of a record, or the type of a key.
    Type,
    /// The expiry of a key.
    Expire,
    /// The name of a key of this type.
    Key(u8),
    /// The value of a key of this type.
    Value(u8),
    /// The number of a database, or of its keys.
    Length,
    /// An auxiliary field.
    Aux,
    /// Data of a module.
    ModuleAux,
    /// A function library.
    Function,
    /// The checksum.
    Checksum,
}

enum State {
    Magic,
    Record,
    /// The type of the key, and its value so far.
    Value(u8, Builder),
    Footer,
    End,
}

/// Decodes a file.
pub struct Decoder {
    options: Options,
    state: State,
    buf: Vec<u8>,
    done: usize,
    summed: usize,
    checksum: u64,
    check: bool,
    read: u64,
    /// Bytes beyond `done` that the last incomplete or failed step could read.
    tried: usize,
    version: u16,
    /// Attributes of the key whose value is being read.
    key: Loaded,
}

/// Result of a step.
enum Step {
    Item(Item),
    Again,
}

impl Decoder {
    /// A decoder at the beginning of a file; `check` enables verification of the checksum.
    pub fn new(options: Options, check: bool) -> Self {
        Decoder {
            options,
            state: State::Magic,
            buf: Vec::new(),
            done: 0,
            summed: 0,
            checksum: 0,
            check,
            read: 0,
            tried: 0,
            version: 0,
            key: Loaded::default(),
        }
    }

    /// Feeds bytes as they arrive.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.sum();
        self.buf.drain(..self.done);
        (self.done, self.summed) = (0, 0);
        self.buf.extend_from_slice(bytes);
    }

    /// The next item; `None` if more bytes are needed.
    ///
    /// # Errors
    /// The input is not an RDB file, or is corrupt or unsupported.
    pub fn next_item(&mut self) -> Result<Option<Item>, Corrupt> {
        loop {
            let mut cursor = Cursor::new(&self.buf[self.done..]);
            let step = step(
                &mut self.state,
                &mut self.key,
                &mut self.version,
                &mut cursor,
                &self.options,
            );
            let position = cursor.position();
            self.tried = 0;
            match step {
                Ok(Step::Again) => self.advance(position),
                Ok(Step::Item(Item::End)) => {
                    self.finish(position)?;
                    return Ok(Some(Item::End));
                }
                Ok(Step::Item(item)) => {
                    self.advance(position);
                    return Ok(Some(item));
                }
                Err(Stop::Short) => {
                    self.tried = position;
                    return Ok(None);
                }
                Err(Stop::Corrupt(corrupt)) => {
                    self.tried = position;
                    return Err(corrupt);
                }
            }
        }
    }

    /// Number of bytes decoded so far.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// As [`Decoder::position`], including the readable part of what is incomplete or corrupt.
    pub fn reached(&self) -> u64 {
        self.read + self.tried as u64
    }

    /// What is read next, or is incomplete or corrupt.
    pub fn stage(&self) -> Stage {
        match &self.state {
            State::Magic => Stage::Start,
            State::Value(code, _) => Stage::Value(*code),
            State::Footer | State::End => Stage::Checksum,
            State::Record => match self.buf.get(self.done).copied() {
                Some(op::EXPIRETIME | op::EXPIRETIME_MS) => Stage::Expire,
                Some(op::SELECTDB | op::RESIZEDB) => Stage::Length,
                Some(op::AUX) => Stage::Aux,
                Some(op::MODULE_AUX) => Stage::ModuleAux,
                Some(op::FUNCTION2) => Stage::Function,
                Some(code) if ty::exists(code) => Stage::Key(code),
                _ => Stage::Type,
            },
        }
    }

    /// The bytes that were fed but are not part of the file, once [`Item::End`] was returned.
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buf.split_off(self.done);
        self.buf.clear();
        (self.done, self.summed) = (0, 0);
        rest
    }

    /// The key whose value is being read, for error messages.
    pub fn current_key(&self) -> &[u8] {
        &self.key.key
    }

    fn advance(&mut self, by: usize) {
        self.done += by;
        self.read += by as u64;
    }

    /// Updates the checksum with the bytes decoded so far.
    fn sum(&mut self) {
        if self.check {
            self.checksum = crc64(self.checksum, &self.buf[self.summed..self.done]);
        }
        self.summed = self.done;
    }

    /// Verifies the footer, which has `footer` bytes.
    fn finish(&mut self, footer: usize) -> Result<(), Corrupt> {
        self.sum();
        let bytes = &self.buf[self.done..self.done + footer];
        let stored = bytes
            .first_chunk()
            .map_or(0, |sum| u64::from_le_bytes(*sum));
        let wrong = self.check && stored != 0 && stored != self.checksum;
        self.advance(footer);
        self.summed = self.done;
        if wrong {
            return Err(Corrupt::new(format!(
                "{WRONG_CHECKSUM} expected: ({:x}) but got ({stored:x}). Aborting now.",
                self.checksum
            )));
        }
        Ok(())
    }
}

impl Default for Loaded {
    fn default() -> Self {
        Loaded {
            key: Vec::new(),
            value: None,
            expire: None,
            recency: Recency::Unknown,
        }
    }
}

fn step(
    state: &mut State,
    key: &mut Loaded,
    version: &mut u16,
    cursor: &mut Cursor<'_>,
    options: &Options,
) -> Result<Step, Stop> {
    match state {
        State::Magic => {
            *version = magic(cursor.take(9)?)?;
            *state = State::Record;
            Ok(Step::Item(Item::Version(*version)))
        }
        State::Record => record(state, key, cursor, options),
        State::Value(_, builder) => {
            let Some(value) = builder.step(cursor, options)? else {
                return Ok(Step::Again);
            };
            *state = State::Record;
            let mut loaded = mem::take(key);
            loaded.value = value;
            Ok(Step::Item(Item::Key(Box::new(loaded))))
        }
        State::Footer => {
            // Versions before 5 have no checksum.
            if *version >= 5 {
                cursor.take(8)?;
            }
            *state = State::End;
            Ok(Step::Item(Item::End))
        }
        State::End => Err(Stop::Short),
    }
}

fn magic(bytes: &[u8]) -> Result<u16, Corrupt> {
    let digits = bytes
        .strip_prefix(SIGNATURE)
        .ok_or_else(|| Corrupt::new("Wrong signature trying to load DB from file"))?;
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .filter(|version| (1..=VERSION).contains(version))
        .ok_or_else(|| {
            Corrupt::new(format!(
                "Can't handle RDB format version {}",
                leading_i64(digits).0
            ))
        })
}

fn record(
    state: &mut State,
    key: &mut Loaded,
    cursor: &mut Cursor<'_>,
    options: &Options,
) -> Result<Step, Stop> {
    let item = match cursor.u8()? {
        op::EXPIRETIME => {
            let seconds = cursor.u32()? as i32;
            key.expire = Some(i64::from(seconds) * 1000);
            return Ok(Step::Again);
        }
        op::EXPIRETIME_MS => {
            // Versions before 9 use the byte order of the writer; all relevant platforms are little-endian.
            key.expire = Some(cursor.u64()? as i64);
            return Ok(Step::Again);
        }
        op::IDLE => {
            key.recency = Recency::Idle(cursor.length()?);
            return Ok(Step::Again);
        }
        op::FREQ => {
            key.recency = Recency::Frequency(cursor.u8()?);
            return Ok(Step::Again);
        }
        op::EOF => {
            *state = State::Footer;
            return Ok(Step::Again);
        }
        op::SELECTDB => Item::SelectDb(cursor.length()?),
        op::RESIZEDB => Item::ResizeDb(cursor.length()?, cursor.length()?),
        op::AUX => Item::Aux(cursor.text()?.into_owned(), cursor.text()?.into_owned()),
        op::FUNCTION2 => Item::Function(cursor.text()?.into_owned()),
        op::FUNCTION_PRE_GA => {
            return Err(Corrupt::new("Pre-release function format not supported.").into());
        }
        op::MODULE_AUX => {
            return Err(
                Corrupt::new("The RDB file contains module data, and no module is loaded").into(),
            );
        }
        code => {
            let builder = Builder::begin(code, options)?;
            key.key = cursor.text()?.into_owned();
            *state = State::Value(code, builder);
            return Ok(Step::Again);
        }
    };
    Ok(Step::Item(item))
}

/// The body of a payload for RESTORE, that is everything before the footer, which is verified.
///
/// If `sums` is false any checksum is accepted, so that tests reach the code behind this check.
///
/// # Errors
/// The payload is too short, has a newer version, or its checksum is wrong.
pub fn check_payload(payload: &[u8], sums: bool) -> Result<&[u8], Corrupt> {
    let wrong = || Corrupt::new("DUMP payload version or checksum are wrong");
    let (body, footer) = payload.split_last_chunk::<10>().ok_or_else(wrong)?;
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    let sum = footer
        .last_chunk()
        .map_or(0, |sum| u64::from_le_bytes(*sum));
    let covered = &payload[..payload.len() - 8];
    if version > VERSION || sums && sum != crc64(0, covered) {
        return Err(wrong());
    }
    Ok(body)
}

/// Decodes the value of a complete payload; `None` if it has no elements.
///
/// # Errors
/// The value is corrupt, or bytes follow it.
pub fn read_payload(body: &[u8], options: &Options) -> Result<Option<NewValue<'static>>, Corrupt> {
    let short = |stop| match stop {
        Stop::Short => Corrupt::new("the payload ends inside a value"),
        Stop::Corrupt(corrupt) => corrupt,
    };
    let mut cursor = Cursor::new(body);
    let ty = cursor.u8().map_err(short)?;
    let mut builder = Builder::begin(ty, options)?;
    loop {
        if let Some(value) = builder.step(&mut cursor, options).map_err(short)? {
            return if cursor.left() == 0 {
                Ok(value)
            } else {
                Err(Corrupt::new("the payload goes on behind its value"))
            };
        }
    }
}
