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
use data::util::split::split;

use crate::wire::argv::{Arg, Argv, BIG_ARG};
use crate::wire::file_line::{TooLong, file_line, file_number};

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
    /// The bytes come from an append-only file: they are arrays only, and lines that begin with `#` are annotations,
    /// which are skipped.
    pub is_file: bool,
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
            self.argv.buf.reserve_exact(wanted - self.argv.buf.len());
            self.argv.buf.resize(wanted, 0);
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
        if self.handed_out == self.ends.len() {
            match self.parse_batch(limits)? {
                Parsed::Command => {}
                other => return Ok(other),
            }
        }
        let start = self
            .handed_out
            .checked_sub(1)
            .map_or(0, |last| self.ends[last].args);
        self.argv.window = start..self.ends[self.handed_out].args;
        self.handed_out += 1;
        Ok(Parsed::Command)
    }

    /// Position behind the commands handed out so far, among all bytes that were ever read.
    pub fn position(&self) -> u64 {
        let last = self.handed_out.checked_sub(1);
        last.map_or(0, |last| self.ends[last].position)
    }

    /// Whether the first command of a batch of several was just handed out.
    #[inline]
    pub fn is_new_batch(&self) -> bool {
        self.handed_out == 1 && self.ends.len() > 1
    }

    /// The first arguments, most often keys, of all commands of the batch.
    pub fn batch_keys(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().map(|end| end.args));
        starts
            .zip(&self.ends)
            .filter(|(start, end)| start + 1 < end.args)
            .map(|(start, _)| self.argv.text(&self.argv.args[start + 1]))
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
        });
    }

    fn parse_one(&mut self, limits: RequestLimits) -> Result<Parsed, ProtocolError> {
        if self.missing == 0 {
            if self.pos == self.filled {
                return Ok(Parsed::Incomplete);
            }
            if self.argv.buf[self.pos] != b'*' {
                return if limits.is_file {
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
        if count <= 0 && limits.is_file {
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
        let line = self.line(too_long);
        if let Ok(Some((digits, next))) = &line
            && let Some(number) = parse_i64(&self.argv.buf[digits.clone()])
        {
            return Ok(Some((Some(number), *next)));
        }
        if limits.is_file {
            let rest = &self.argv.buf[self.pos..self.filled];
            return Ok(file_number(rest)?.map(|(number, len)| (number, self.pos + len)));
        }
        Ok(line?.map(|(_, next)| (None, next)))
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

#[cfg(test)]
mod tests {
    use super::{BIG_ARG, Parsed, Request, RequestLimits};

    const OPEN: RequestLimits = RequestLimits {
        max_bulk: 512 * 1024 * 1024,
        unauthenticated: false,
        is_file: false,
    };

    /// Lets a request have as many bytes as it offers space for; what is left of them.
    fn fill<'a>(request: &mut Request, bytes: &'a [u8]) -> &'a [u8] {
        let space = request.space();
        let n = space.len().min(bytes.len());
        space[..n].copy_from_slice(&bytes[..n]);
        request.filled(n);
        &bytes[n..]
    }

    /// Feeds `input` in pieces of `step` bytes and collects every command.
    fn commands(input: &[u8], step: usize) -> Result<Vec<Vec<Vec<u8>>>, String> {
        let mut request = Request::default();
        let mut got = Vec::new();
        for piece in input.chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                rest = fill(&mut request, rest);
                loop {
                    match request.parse(OPEN).map_err(|e| e.0)? {
                        Parsed::Command => {
                            got.push(request.argv.iter().map(<[u8]>::to_vec).collect());
                        }
                        Parsed::Nothing => {}
                        Parsed::Incomplete => break,
                    }
                }
                request.compact();
            }
        }
        Ok(got)
    }

    #[test]
    fn every_split_yields_the_same_commands() {
        let big = vec![b'x'; BIG_ARG + 7];
        let mut input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n\r\n*0\r\n*-1\r\n*1\r\n$0\r\n\r\nset a \"b\\x41\"\r\n".to_vec();
        let small = commands(&input, input.len()).expect("valid");
        assert_eq!(small.len(), 4);
        assert_eq!(small[3], [b"set".to_vec(), b"a".to_vec(), b"bA".to_vec()]);
        for step in 1..input.len() {
            assert_eq!(commands(&input, step).expect("valid"), small, "step {step}");
        }
        input.extend_from_slice(format!("*2\r\n$4\r\nECHO\r\n${}\r\n", big.len()).as_bytes());
        input.extend_from_slice(&big);
        input.extend_from_slice(b"\r\nPING\r\n");
        for step in [1, 2, 7, 1000, 16_384, 100_000] {
            let got = commands(&input, step).expect("valid");
            assert_eq!(got.len(), 6, "step {step}");
            assert_eq!(got[4][1], big);
        }
    }

    #[test]
    fn the_position_is_behind_the_command_taken_out() {
        let big = vec![b'x'; BIG_ARG + 7];
        let mut input = Vec::new();
        let mut ends = Vec::new();
        for round in 0..40 {
            input.extend_from_slice(b"*2\r\n$4\r\nECHO\r\n$1\r\nk\r\n");
            ends.push(input.len() as u64);
            if round % 7 == 3 {
                input.extend_from_slice(b"\r\n\n");
                let head = format!("*2\r\n$4\r\nECHO\r\n${}\r\n", big.len());
                input.extend_from_slice(head.as_bytes());
                input.extend_from_slice(&big);
                input.extend_from_slice(b"\r\n");
                ends.push(input.len() as u64);
            }
        }
        for step in [1, 3, 1000, 20_000, input.len()] {
            let mut request = Request::default();
            let mut got = Vec::new();
            for piece in input.chunks(step) {
                let mut rest = piece;
                while !rest.is_empty() {
                    rest = fill(&mut request, rest);
                    loop {
                        match request.parse(OPEN).expect("valid") {
                            Parsed::Command => got.push(request.position()),
                            Parsed::Nothing => {}
                            Parsed::Incomplete => break,
                        }
                    }
                    request.compact();
                }
            }
            assert_eq!(got, ends, "step {step}");
        }
    }

    #[test]
    fn protocol_errors_have_redis_texts() {
        for (input, text) in [
            (&b"*3000000000\r\n"[..], "invalid multibulk length"),
            (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
            (b"*1\r\n$-10\r\n", "invalid bulk length"),
            (b"*1\r\n$2000000000\r\n", "invalid bulk length"),
            (b"*1\r\n$blabla\r\n", "invalid bulk length"),
            (b"set \"\"\"a\"\"\" b\r\n", "unbalanced quotes in request"),
        ] {
            assert_eq!(commands(input, input.len()).expect_err("broken"), text);
        }
        assert_eq!(
            commands(&[b'a'; 70_000], 4096).expect_err("broken"),
            "too big inline request"
        );
        let mut long = b"*".to_vec();
        long.extend_from_slice(&[b'1'; 70_000]);
        assert_eq!(
            commands(&long, 4096).expect_err("broken"),
            "too big mbulk count string"
        );
    }

    #[test]
    fn unauthenticated_limits() {
        let limits = RequestLimits {
            unauthenticated: true,
            ..OPEN
        };
        for (input, text) in [
            (&b"*11\r\n"[..], "unauthenticated multibulk length"),
            (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
        ] {
            let mut request = Request::default();
            fill(&mut request, input);
            assert_eq!(request.parse(limits).expect_err("broken").0, text);
        }
    }

    #[test]
    fn shrinking_forgets_how_many_arguments_there_were() {
        let mut request = Request::default();
        let text = [b"*5000\r\n".to_vec(), b"$1\r\nx\r\n".repeat(5000)].concat();
        for part in text.chunks(1000) {
            fill(&mut request, part);
        }
        assert_eq!(request.parse(OPEN), Ok(Parsed::Command));
        assert_eq!(request.argv.len(), 5000);
        assert_eq!(request.parse(OPEN), Ok(Parsed::Incomplete));
        request.shrink(0);
        assert_eq!(request.argv.args.capacity(), 0);
    }

    #[test]
    fn shrinking_loses_no_byte() {
        let mut request = Request::default();
        let head = b"*3\r\n$3\r\nset\r\n$1\r\na\r\n$100000\r\n";
        fill(&mut request, head);
        assert_eq!(request.parse(OPEN), Ok(Parsed::Incomplete));
        assert!(request.sizes().0 + request.sizes().1 >= 100_000);
        let allocated = request.big_fill.as_ref().map(|big| big.buf.capacity());
        assert!(
            allocated.is_some_and(|bytes| bytes < 100_000),
            "{allocated:?}"
        );
        request.shrink(0);
        assert!(request.sizes().0 + request.sizes().1 < 100);
        let mut left = 100_002;
        while left > 0 {
            let n = request.space().len().min(left);
            request.space()[..n].fill(b'z');
            request.filled(n);
            left -= n;
            let parsed = request.parse(OPEN).expect("valid");
            assert_eq!(parsed == Parsed::Command, left == 0);
        }
        assert_eq!(&request.argv[0], b"set");
        assert_eq!(request.argv[2].len(), 100_000);
        assert!(request.argv.shared(2).is_some());
    }
}
