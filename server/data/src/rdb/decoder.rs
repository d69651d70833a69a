//! The pushed decoder: bytes go in as they come, items come out as soon as they are whole.
//!
//! ```text
//!            ┌──────── record that is no key ────────┐
//!            v                                       │
//! Magic ─> Record ─> Key ─> Value ─┐               Record ─> Footer ─> End
//!            ^                     │ (stops and goes on between elements)
//!            └──────── item ───────┘
//! ```
//!
//! A step reads one thing, an element of a value at most, from what is there. If that is not all of it the step is undone
//! and tried again when more has come. So what is kept is one unfinished element and the value it belongs to.
//!
//! # Invariants
//! 1. `buf[..done]` is read and counted in `checksum` up to `summed`; `summed <= done`.
//! 2. Nothing is allocated for bytes that were announced and have not come.

use std::mem;

use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::value::{Builder, Options};
use crate::rdb::{Corrupt, VERSION, op};
use crate::util::crc::crc64;
use crate::value::NewValue;

/// How recently or how often a key was used, as the file tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recency {
    /// It does not.
    #[default]
    Unknown,
    /// Seconds since it was used.
    Idle(u64),
    /// LFU counter.
    Frequency(u8),
}

/// A key with all that belongs to it.
#[derive(Debug)]
pub struct Loaded {
    /// The key.
    pub key: Vec<u8>,
    /// The value; `None` when it has no elements and so is no value.
    pub value: Option<NewValue<'static>>,
    /// When it expires, in milliseconds of Unix time.
    pub expire: Option<i64>,
    /// How recently it was used.
    pub recency: Recency,
}

/// What the decoder has read.
#[derive(Debug)]
pub enum Item {
    /// The version of the file.
    Version(u16),
    /// A fact about the file: name and value.
    Aux(Vec<u8>, Vec<u8>),
    /// What follows belongs to this database.
    SelectDb(u64),
    /// The database has about so many keys and so many that expire.
    ResizeDb(u64, u64),
    /// Code of a library.
    Function(Vec<u8>),
    /// A key.
    Key(Box<Loaded>),
    /// The end; the bytes after it belong to somebody else.
    End,
}

enum State {
    Magic,
    Record,
    Value(Builder),
    Footer,
    End,
}

/// Reads a file.
pub struct Decoder {
    options: Options,
    state: State,
    buf: Vec<u8>,
    done: usize,
    summed: usize,
    checksum: u64,
    check: bool,
    read: u64,
    version: u16,
    /// What is known of the key whose value is being read.
    key: Loaded,
}

/// What a step has come to.
enum Step {
    Item(Item),
    Again,
}

impl Decoder {
    /// A decoder at the beginning of a file; `check` says whether its checksum is to be right.
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
            version: 0,
            key: Loaded::default(),
        }
    }

    /// Adds bytes as they come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.sum();
        self.buf.drain(..self.done);
        (self.done, self.summed) = (0, 0);
        self.buf.extend_from_slice(bytes);
    }

    /// The next item; `None` when more bytes are needed first.
    ///
    /// # Errors
    /// The bytes are no RDB file, or one that is damaged or not understood.
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
                Err(Stop::Short) => return Ok(None),
                Err(Stop::Corrupt(corrupt)) => return Err(corrupt),
            }
        }
    }

    /// Bytes that were read and understood so far.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// What was fed and does not belong to the file any more, once [`Item::End`] has come.
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buf.split_off(self.done);
        self.buf.clear();
        (self.done, self.summed) = (0, 0);
        rest
    }

    /// The key whose value is being read, for messages.
    pub fn current_key(&self) -> &[u8] {
        &self.key.key
    }

    fn advance(&mut self, by: usize) {
        self.done += by;
        self.read += by as u64;
    }

    /// Works what was read into the checksum.
    fn sum(&mut self) {
        if self.check {
            self.checksum = crc64(self.checksum, &self.buf[self.summed..self.done]);
        }
        self.summed = self.done;
    }

    /// The footer, of so many bytes, is there.
    fn finish(&mut self, footer: usize) -> Result<(), Corrupt> {
        self.sum();
        let bytes = &self.buf[self.done..self.done + footer];
        let expected = bytes
            .first_chunk()
            .map_or(0, |sum| u64::from_le_bytes(*sum));
        let wrong = self.check && expected != 0 && expected != self.checksum;
        self.advance(footer);
        self.summed = self.done;
        if wrong {
            return Err(Corrupt::new(format!(
                "Wrong RDB checksum expected: ({expected:x}) but got ({:x}). Aborting now.",
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
        State::Value(builder) => {
            let Some(value) = builder.step(cursor, options)? else {
                return Ok(Step::Again);
            };
            *state = State::Record;
            let mut loaded = mem::take(key);
            loaded.value = value;
            Ok(Step::Item(Item::Key(Box::new(loaded))))
        }
        State::Footer => {
            // Before version 5 there was no checksum.
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
        .strip_prefix(b"REDIS")
        .ok_or_else(|| Corrupt::new("Wrong signature trying to load DB from file"))?;
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .filter(|version| (1..=VERSION).contains(version))
        .ok_or_else(|| {
            Corrupt::new(format!(
                "Can't handle RDB format version {}",
                String::from_utf8_lossy(digits)
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
            // Before version 9 in the order of the machine that wrote it: little-endian, on all that matter.
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
        ty => {
            let builder = Builder::begin(ty, options)?;
            key.key = cursor.text()?.into_owned();
            *state = State::Value(builder);
            return Ok(Step::Again);
        }
    };
    Ok(Step::Item(item))
}

/// What RESTORE is given, checked as far as that goes without reading the value: the part before the footer.
///
/// Without `sums` any checksum will do, so that tests can reach what stands behind this check.
///
/// # Errors
/// It is too short, of a newer version, or its checksum is wrong.
pub fn check_payload(payload: &[u8], sums: bool) -> Result<&[u8], Corrupt> {
    let wrong = || Corrupt::new("DUMP payload version or checksum are wrong");
    let (body, footer) = payload.split_last_chunk::<10>().ok_or_else(wrong)?;
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    let sum = footer
        .last_chunk()
        .map_or(0, |sum| u64::from_le_bytes(*sum));
    let covered = &payload[..payload.len() - 8];
    if version > VERSION || sums && sum != 0 && sum != crc64(0, covered) {
        return Err(wrong());
    }
    Ok(body)
}

/// Reads the value of a payload, all of which is there; `None` when it has no elements.
///
/// # Errors
/// It is damaged, or goes on behind the value.
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
