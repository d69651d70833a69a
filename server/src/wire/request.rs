//! The query buffer of a client and the parser of the requests in it.
//!
//! Arguments are ranges of the buffer, so a command costs no allocation per argument. A bulk of [`BIG_ARG`] bytes and
//! more is read from the socket straight into a buffer of its own, which a command may keep without copying it.
//!
//! ```text
//! buf   | done .. base | commands parsed and not executed .. pos | unparsed .. filled | free space |
//! ```
//!
//! Up to [`BATCH`] commands are parsed ahead, so that their keys can be prefetched together, and handed out one by
//! one.
//!
//! # Invariants
//! 1. Ranges are relative to `base`, so dropping what lies before it moves no range.
//! 2. While a big argument is being read (`big_fill`), every byte read belongs to it; the space offered is limited to
//!    it.
//! 3. Only complete commands are parsed ahead; an incomplete or invalid one is left unparsed until it is the first.
//! 4. Nothing is allocated because of a length that the peer announces: the buffer of a bulk grows as its bytes arrive,
//!    from [`FIRST_PART`] bytes on, to at most four times of what has arrived. The client is charged with the whole bulk
//!    at once, as in Redis, so that `maxmemory-clients` takes those first who announce much.

use std::ops::Range;
use std::sync::Arc;

use data::util::num::parse_i64;
use words::split;

use crate::wire::argv::{Arg, Argv, BIG_ARG};
use crate::wire::file_line::{TooLong, file_line, file_number};
use crate::wire::header::{MAX_SHORT, short_number};

/// Minimum space offered to a read, in bytes.
pub const READ_CHUNK: usize = 16 * 1024;
/// What the buffer of a big argument begins with, in bytes.
const FIRST_PART: usize = 2 * BIG_ARG;
/// The largest buffer that is kept for the next big argument, in bytes.
const MAX_SPARE: usize = 1024 * 1024;
/// Maximum number of commands that are parsed ahead.
pub const BATCH: usize = 32;
/// Beyond this number of arguments no further command is parsed ahead.
const BATCH_ARGS: usize = 256;
/// A line (inline request or a length) longer than this is a protocol error.
const MAX_LINE: usize = 64 * 1024;
/// Bytes of a query buffer shown in the log.
const SHOWN_BYTES: usize = 64;
/// Maximum number of arguments before authentication.
const MAX_ARGS_UNAUTHENTICATED: i64 = 10;
/// Maximum size of an argument before authentication, in bytes.
const MAX_BULK_UNAUTHENTICATED: i64 = 16_384;

/// What the parser accepts from this client.
#[derive(Clone, Copy)]
pub struct RequestLimits {
    /// `proto-max-bulk-len`, in bytes.
    pub max_bulk: i64,
    /// Whether the client still has to authenticate.
    pub unauthenticated: bool,
    /// Where the bytes come from.
    pub origin: Origin,
}

/// Where requests come from, which decides about those that are not arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client: a line is an inline request.
    Client,
    /// The primary, which never sends one: a line that is not empty shows that the stream was misunderstood, and could be
    /// part of a value.
    Primary,
    /// An append-only file. Lines that begin with `#` are annotations, which are skipped; others are errors.
    File,
}

/// Result of [`Request::parse`].
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// `argv` holds a command.
    Command,
    /// An empty line, an empty array or an annotation was skipped.
    Nothing,
    /// More bytes are needed.
    Incomplete,
}

/// A protocol error: the text behind `Protocol error: `.
#[derive(Debug, PartialEq, Eq)]
pub struct ProtocolError(pub String);

impl ProtocolError {
    fn new(text: &str) -> Self {
        ProtocolError(text.to_owned())
    }
}

impl From<TooLong> for ProtocolError {
    fn from(_: TooLong) -> Self {
        ProtocolError::new("too long line")
    }
}

/// A big argument being read, including its CR LF.
struct BigFill {
    buf: Vec<u8>,
    filled: usize,
    want: usize,
    /// The size that the client is charged with: what it has announced, until cron finds it idle.
    charged: usize,
}

impl BigFill {
    /// Grows the buffer if it is full, so that it holds `more` further bytes of the argument.
    fn make_room(&mut self, more: usize) {
        let needed = (self.filled + more).min(self.want);
        if self.buf.len() < needed {
            let size = self.buf.len().saturating_mul(4).max(FIRST_PART);
            let size = size.max(needed).min(self.want);
            self.buf.reserve_exact(size - self.buf.len());
            self.buf.resize(size, 0);
            self.charged = self.charged.max(size);
        }
    }
}

/// Query buffer and parser of one client.
#[derive(Default)]
pub struct Request {
    /// The command parsed last; valid until the next call of [`Request::parse`].
    pub argv: Argv,
    pos: usize,
    filled: usize,
    /// Arguments still missing of the current array.
    missing: i64,
    /// Length of the current bulk, once its header was parsed.
    bulk: Option<usize>,
    big_fill: Option<BigFill>,
    /// Where each command of the batch ends.
    ends: Vec<End>,
    /// How many commands of the batch were handed out.
    handed_out: usize,
    /// The command being parsed is not the first of its batch.
    ahead: bool,
    /// A buffer for the next big argument: big arguments tend to follow each other.
    spare: Vec<u8>,
    /// Bytes that were read and dropped from the buffer; `pos` counts on from there.
    passed: u64,
}

/// Where a command ends.
#[derive(Clone, Copy)]
struct End {
    /// Index behind its last argument.
    args: usize,
    /// Position behind it among all bytes that were ever read.
    position: u64,
    /// The hash of its first argument; 0 if that is not known.
    key_hash: u64,
}

impl Request {
    /// Space to read into: the rest of a big argument, or at least [`READ_CHUNK`] bytes of the buffer.
    pub fn space(&mut self) -> &mut [u8] {
        if let Some(big) = &mut self.big_fill {
            big.make_room(1);
            return &mut big.buf[big.filled..];
        }
        let free = self.argv.buf.len() - self.filled;
        if free < READ_CHUNK {
            // By half of what is there, so that a long request is not copied for every read.
            let wanted = self.filled + (self.filled / 2).max(READ_CHUNK);
            if self.argv.buf.is_empty() {
                // Pages that the allocator knows to be zero are not touched: a request fills the first one only.
                self.argv.buf = vec![0; wanted];
            } else {
                self.argv.buf.reserve_exact(wanted - self.argv.buf.len());
                self.argv.buf.resize(wanted, 0);
            }
        }
        &mut self.argv.buf[self.filled..]
    }

    /// `n` bytes of [`Request::space`] now hold data.
    pub fn filled(&mut self, n: usize) {
        match &mut self.big_fill {
            Some(big) => {
                big.filled += n;
                self.passed += n as u64;
            }
            None => self.filled += n,
        }
    }

    /// The last `n` bytes that [`Request::filled`] was told of.
    pub fn latest(&self, n: usize) -> &[u8] {
        match &self.big_fill {
            Some(big) => &big.buf[big.filled - n..big.filled],
            None => &self.argv.buf[self.filled - n..self.filled],
        }
    }

    /// Bytes that were not parsed, or belong to an incomplete command.
    pub fn pending(&self) -> usize {
        self.filled - self.argv.base + self.big_fill.as_ref().map_or(0, |big| big.filled)
    }

    /// The beginning of the unparsed bytes, for the log.
    pub fn first_bytes(&self) -> &[u8] {
        &self.argv.buf[self.argv.base..self.filled.min(self.argv.base + SHOWN_BYTES)]
    }

    /// Whether a command has arrived in part.
    pub fn is_incomplete(&self) -> bool {
        self.missing > 0 || self.filled > self.pos
    }

    /// Heap bytes in use and free: `qbuf` and `qbuf-free` of CLIENT LIST. Arguments that were parsed are neither: they are
    /// counted on their own.
    pub fn sizes(&self) -> (usize, usize) {
        let (big_used, big_total) = self
            .big_fill
            .as_ref()
            .map_or((0, 0), |big| (big.filled, big.charged));
        let used = self.filled - self.pos + big_used;
        // Where the arguments are that were parsed, and their headers.
        let parsed = self.pos - self.argv.base;
        let total = self.argv.buf.len() + big_total + self.spare.len();
        (used, total - used - parsed)
    }

    /// Bytes of the arguments parsed so far: `argv-mem` of CLIENT LIST.
    #[inline]
    pub fn argv_bytes(&self) -> usize {
        self.argv.args_bytes
    }

    /// Heap bytes of the list of arguments.
    pub fn list_bytes(&self) -> usize {
        self.argv.args.capacity() * size_of::<Arg>()
    }

    /// Moves the unfinished part to the front of the buffer.
    pub fn compact(&mut self) {
        if self.argv.base > 0 {
            self.argv.buf.copy_within(self.argv.base..self.filled, 0);
            self.filled -= self.argv.base;
            self.pos -= self.argv.base;
            self.passed += self.argv.base as u64;
            self.argv.base = 0;
        }
    }

    /// Shrinks the buffer until about `keep` bytes are free (cron: idle clients, past peaks).
    pub fn shrink(&mut self, keep: usize) {
        self.compact();
        let size = if self.filled + keep == 0 {
            0
        } else {
            self.filled + keep
        };
        if size < self.argv.buf.len() {
            self.argv.buf.truncate(size);
            self.argv.buf.shrink_to_fit();
        }
        if let Some(big) = &mut self.big_fill {
            big.buf.truncate(big.filled);
            big.buf.shrink_to_fit();
            big.charged = big.filled;
        }
        self.spare = Vec::new();
        self.argv.args.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Drops everything that was read: the client is about to be closed.
    pub fn clear(&mut self) {
        *self = Request::default();
    }

    /// Hands out the next command.
    ///
    /// # Errors
    /// A protocol error; the connection is of no further use.
    pub fn parse(&mut self, limits: RequestLimits) -> Result<Parsed, ProtocolError> {
        if !self.hand_out() {
            match self.parse_batch(limits)? {
                Parsed::Command => self.hand_out(),
                other => return Ok(other),
            };
        }
        Ok(Parsed::Command)
    }

    /// Hands out the next command that was parsed ahead; false if there is none.
    #[inline]
    pub fn hand_out(&mut self) -> bool {
        let Some(end) = self.ends.get(self.handed_out) else {
            return false;
        };
        // The window of the previous command ends where this one begins.
        self.argv.window = self.argv.window.end..end.args;
        self.handed_out += 1;
        true
    }

    /// Position behind the commands handed out so far, among all bytes that were ever read.
    pub fn position(&self) -> u64 {
        let last = self.handed_out.checked_sub(1);
        last.map_or(0, |last| self.ends[last].position)
    }

    /// Whether several commands were parsed together.
    #[inline]
    pub fn is_batch(&self) -> bool {
        self.ends.len() > 1
    }

    /// The first arguments, most often keys, of all commands of the batch; empty for one without arguments.
    pub fn batch_keys(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().map(|end| end.args));
        starts.zip(&self.ends).map(|(start, end)| {
            let args = self.argv.args.get(start + 1..end.args);
            let key = args.and_then(<[Arg]>::first);
            key.map_or(&[][..], |key| self.argv.text(key))
        })
    }

    /// The hashes of [`Request::batch_keys`] are known.
    pub fn set_key_hashes(&mut self, hashes: &[u64]) {
        for (end, &hash) in self.ends.iter_mut().zip(hashes) {
            end.key_hash = hash;
        }
    }

    /// The first argument of the command handed out last and its hash, if that is known.
    #[inline]
    pub fn key_hash(&self) -> Option<(&[u8], u64)> {
        let end = self.ends.get(self.handed_out.checked_sub(1)?)?;
        let is_known = end.key_hash != 0 && self.argv.len() > 1;
        is_known.then(|| (&self.argv[1], end.key_hash))
    }

    /// Parses the next command, and as many complete ones after it as fit into a batch.
    fn parse_batch(&mut self, limits: RequestLimits) -> Result<Parsed, ProtocolError> {
        if self.missing == 0 {
            self.begin();
        }
        match self.parse_one(limits)? {
            Parsed::Command => self.end_command(),
            other => return Ok(other),
        }
        // Limits change when the client authenticates, so nothing is parsed ahead before that.
        while self.pos < self.filled
            && self.ends.len() < BATCH
            && self.argv.args.len() < BATCH_ARGS
            && !limits.unauthenticated
        {
            let (pos, args, args_bytes) = (self.pos, self.argv.args.len(), self.argv.args_bytes);
            self.ahead = true;
            let parsed = self.parse_one(limits);
            self.ahead = false;
            match parsed {
                Ok(Parsed::Command) => self.end_command(),
                Ok(Parsed::Nothing) => {}
                Ok(Parsed::Incomplete) | Err(_) => {
                    self.pos = pos;
                    self.argv.args.truncate(args);
                    self.argv.args_bytes = args_bytes;
                    self.missing = 0;
                    self.bulk = None;
                    break;
                }
            }
        }
        Ok(Parsed::Command)
    }

    fn end_command(&mut self) {
        self.ends.push(End {
            args: self.argv.args.len(),
            position: self.passed + self.pos as u64,
            key_hash: 0,
        });
    }

    fn parse_one(&mut self, limits: RequestLimits) -> Result<Parsed, ProtocolError> {
        if self.missing == 0 {
            if self.parse_short(limits) {
                return Ok(Parsed::Command);
            }
            if self.pos == self.filled {
                return Ok(Parsed::Incomplete);
            }
            if self.argv.buf[self.pos] != b'*' {
                return if limits.origin == Origin::File {
                    self.skip_annotation()
                } else {
                    self.parse_inline(limits)
                };
            }
            match self.parse_array_header(limits)? {
                Parsed::Command => {}
                other => return Ok(other),
            }
        }
        self.parse_bulks(limits)
    }

    /// Parses a command of the usual kind: complete, with few and short arguments. For anything else it answers false and
    /// changes nothing.
    #[inline]
    fn parse_short(&mut self, limits: RequestLimits) -> bool {
        let Argv {
            buf,
            base,
            args,
            args_bytes,
            ..
        } = &mut self.argv;
        let (bytes, first) = (&buf[..self.filled], args.len());
        // Ranges are 32 bits wide.
        if limits.unauthenticated
            || limits.max_bulk < MAX_SHORT
            || self.filled - *base > u32::MAX as usize
        {
            return false;
        }
        let Some((count @ 1.., mut at)) = short_number(bytes, self.pos, b'*') else {
            return false;
        };
        let (head, mut sum) = (at, 0);
        for _ in 0..count {
            let Some((len, start)) = short_number(bytes, at, b'$') else {
                args.truncate(first);
                return false;
            };
            at = start + len + 2;
            if at > bytes.len() {
                args.truncate(first);
                return false;
            }
            sum += len;
            let place = (start - *base) as u32;
            args.push(Arg::Inline(place..place + len as u32));
        }
        // In a file a lone carriage return ends no line.
        let ends_line = |start: usize| bytes[start - 1] == b'\n';
        if limits.origin == Origin::File
            && !(ends_line(head) && starts(&args[first..], *base).all(ends_line))
        {
            args.truncate(first);
            return false;
        }
        *args_bytes += sum;
        self.pos = at;
        true
    }

    fn begin(&mut self) {
        self.argv.args.clear();
        self.argv.args_bytes = 0;
        self.argv.window = 0..0;
        self.ends.clear();
        self.handed_out = 0;
        self.argv.base = self.pos;
        if self.pos == self.filled {
            self.passed += self.pos as u64;
            self.argv.base = 0;
            self.pos = 0;
            self.filled = 0;
        }
    }

    fn parse_array_header(&mut self, limits: RequestLimits) -> Result<Parsed, ProtocolError> {
        let Some((number, next)) = self.number(limits, "too big mbulk count string")? else {
            return Ok(Parsed::Incomplete);
        };
        let Some(count) = number.filter(|&n| n <= i64::from(i32::MAX)) else {
            return Err(ProtocolError::new("invalid multibulk length"));
        };
        if limits.unauthenticated && count > MAX_ARGS_UNAUTHENTICATED {
            return Err(ProtocolError::new("unauthenticated multibulk length"));
        }
        if count <= 0 && limits.origin == Origin::File {
            return Err(ProtocolError::new("empty command"));
        }
        self.pos = next;
        if count <= 0 {
            return Ok(Parsed::Nothing);
        }
        self.missing = count;
        Ok(Parsed::Command)
    }

    fn parse_bulks(&mut self, limits: RequestLimits) -> Result<Parsed, ProtocolError> {
        while self.missing > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => match self.parse_bulk_header(limits)? {
                    Some(len) => len,
                    None => return Ok(Parsed::Incomplete),
                },
            };
            if len >= BIG_ARG {
                // A big argument cannot be taken back once it is begun.
                if self.ahead {
                    return Ok(Parsed::Incomplete);
                }
                if !self.take_big(len) {
                    return Ok(Parsed::Incomplete);
                }
            } else {
                if self.filled - self.pos < len + 2 {
                    return Ok(Parsed::Incomplete);
                }
                let start = (self.pos - self.argv.base) as u32;
                self.argv
                    .push_arg(Arg::Inline(start..start + len as u32), len);
                self.pos += len + 2;
            }
            self.bulk = None;
            self.missing -= 1;
        }
        Ok(Parsed::Command)
    }

    fn parse_bulk_header(&mut self, limits: RequestLimits) -> Result<Option<usize>, ProtocolError> {
        if self.pos == self.filled {
            return Ok(None);
        }
        let Some((number, next)) = self.number(limits, "too big bulk count string")? else {
            return Ok(None);
        };
        let mark = self.argv.buf[self.pos];
        if mark != b'$' {
            return Err(ProtocolError(format!(
                "expected '$', got '{}'",
                mark as char
            )));
        }
        let Some(len) = number.filter(|len| (0..=limits.max_bulk).contains(len)) else {
            return Err(ProtocolError::new("invalid bulk length"));
        };
        if limits.unauthenticated && len > MAX_BULK_UNAUTHENTICATED {
            return Err(ProtocolError::new("unauthenticated bulk length"));
        }
        self.pos = next;
        self.bulk = Some(len as usize);
        if self.pos - self.argv.base > u32::MAX as usize - BIG_ARG {
            return Err(ProtocolError::new("too big request"));
        }
        Ok(self.bulk)
    }

    /// The number in the line at `pos`, behind its first byte, and the start of the next line; no number if it is invalid.
    /// `None` while the line is incomplete.
    #[inline]
    fn number(
        &self,
        limits: RequestLimits,
        too_long: &str,
    ) -> Result<Option<(Option<i64>, usize)>, ProtocolError> {
        if limits.origin == Origin::File {
            let rest = &self.argv.buf[self.pos..self.filled];
            let found = file_number(rest)?;
            return Ok(found.map(|(number, len)| (Some(number), self.pos + len)));
        }
        let line = self.line(too_long)?;
        Ok(line.map(|(digits, next)| (parse_i64(&self.argv.buf[digits]), next)))
    }

    /// The line at `pos` without its first byte, and the start of the next line; `None` while it is incomplete.
    #[inline]
    fn line(&self, too_long: &str) -> Result<Option<(Range<usize>, usize)>, ProtocolError> {
        let start = self.pos + 1;
        // Lengths have few digits: a byte loop is faster than memchr.
        let window = &self.argv.buf[start.min(self.filled)..self.filled];
        match window.iter().take(MAX_LINE).position(|&b| b == b'\r') {
            Some(n) if start + n + 1 < self.filled => Ok(Some((start..start + n, start + n + 2))),
            None if window.len() >= MAX_LINE => Err(ProtocolError::new(too_long)),
            _ => Ok(None),
        }
    }

    /// Moves the available part of a big bulk into a buffer of its own; true once it is complete.
    fn take_big(&mut self, len: usize) -> bool {
        let mut big = self.big_fill.take().unwrap_or_else(|| {
            let want = len + 2;
            let mut buf = std::mem::take(&mut self.spare);
            // The value may be stored, so its buffer must not be much bigger than the value.
            if buf.capacity() < want || buf.capacity() > want + want / 8 {
                buf = Vec::new();
            } else {
                buf.resize(want, 0);
            }
            BigFill {
                buf,
                filled: 0,
                want,
                charged: want,
            }
        });
        let here = (big.want - big.filled).min(self.filled - self.pos);
        if here > 0 {
            big.make_room(here);
            big.buf[big.filled..big.filled + here]
                .copy_from_slice(&self.argv.buf[self.pos..self.pos + here]);
            big.filled += here;
            self.pos += here;
        }
        if big.filled < big.want {
            // Everything that was read belongs to this bulk, so the buffer needs to hold only headers and small arguments.
            self.pos -= here;
            self.filled = self.pos;
            self.passed += here as u64;
            self.big_fill = Some(big);
            return false;
        }
        if big.want <= MAX_SPARE {
            self.spare = vec![0; big.want];
        }
        big.buf.truncate(len);
        self.argv.push_arg(Arg::Big(Arc::new(big.buf)), len);
        true
    }

    /// Skips an annotation of an append-only file.
    #[cold]
    fn skip_annotation(&mut self) -> Result<Parsed, ProtocolError> {
        let rest = &self.argv.buf[self.pos..self.filled];
        if rest[0] != b'#' {
            return Err(ProtocolError::new("expected '*' or '#'"));
        }
        let Some(len) = file_line(rest)? else {
            return Ok(Parsed::Incomplete);
        };
        self.pos += len;
        Ok(Parsed::Nothing)
    }

    fn parse_inline(&mut self, limits: RequestLimits) -> Result<Parsed, ProtocolError> {
        let Some(n) = memchr::memchr(b'\n', &self.argv.buf[self.pos..self.filled]) else {
            if self.filled - self.pos > MAX_LINE {
                return Err(ProtocolError::new("too big inline request"));
            }
            return Ok(Parsed::Incomplete);
        };
        let line = &self.argv.buf[self.pos..self.pos + n];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if limits.origin == Origin::Primary && !line.is_empty() {
            return Err(ProtocolError::new(
                "Master using the inline protocol. Desync?",
            ));
        }
        let args = split(line).map_err(|_| ProtocolError::new("unbalanced quotes in request"))?;
        self.pos += n + 1;
        if limits.unauthenticated && args.len() as i64 > MAX_ARGS_UNAUTHENTICATED {
            return Err(ProtocolError::new("unauthenticated multibulk length"));
        }
        // Unquoting never lengthens an argument, so they fit where the line was.
        let base = self.argv.base;
        let mut at = self.pos - (n + 1) - base;
        for arg in &args {
            self.argv.buf[base + at..base + at + arg.len()].copy_from_slice(arg);
            let place = at as u32..(at + arg.len()) as u32;
            self.argv.push_arg(Arg::Inline(place), arg.len());
            at += arg.len();
        }
        Ok(if args.is_empty() {
            Parsed::Nothing
        } else {
            Parsed::Command
        })
    }
}

/// Where arguments begin in the buffer.
fn starts(args: &[Arg], base: usize) -> impl Iterator<Item = usize> {
    args.iter().filter_map(move |arg| match arg {
        Arg::Inline(range) => Some(base + range.start as usize),
        Arg::Big(_) => None,
    })
}

#[cfg(test)]
mod tests;
