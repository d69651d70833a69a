//! From bytes to arguments: the query buffer of a client and the request that is parsed out of it.
//!
//! Arguments are ranges into the buffer, so a command costs no allocation per argument. A bulk of [`BIG_ARG`] bytes
//! and more gets a buffer of its own, read into straight from the socket, which a command may keep without a copy.
//!
//! ```text
//! buf   | done .. base | commands parsed and not executed .. pos | unparsed .. filled | free space |
//! ```
//!
//! Up to [`BATCH`] commands are parsed ahead, so that their keys come into the cache together, and handed out one by one.
//!
//! # Invariants
//! 1. Ranges are relative to `base`, so dropping what lies before it moves no range.
//! 2. While a big argument is under way (`big_fill`), every byte read belongs to it; the space offered is bounded by it.
//! 3. A command parsed ahead is whole: one that is not, or that is wrong, is left unparsed until it is the first.
//! 4. Nothing here allocates on a peer's word alone, but one bulk of a size that the limits allow.

use std::ops::{Index, Range};
use std::sync::Arc;

use data::util::num::parse_i64;
use data::util::split::split;

/// Space that a read is offered at least, in bytes.
pub const READ_CHUNK: usize = 16 * 1024;
/// A bulk of this size gets a buffer of its own.
pub const BIG_ARG: usize = 32 * 1024;
/// Commands of a pipeline that are parsed ahead at most.
pub const BATCH: usize = 32;
/// With so many arguments parsed no further command is: their places would take more room than its misses are worth.
const BATCH_ARGS: usize = 256;
/// A line (inline request or a length) longer than this is a protocol error.
const MAX_LINE: usize = 64 * 1024;
/// Bytes of a query buffer that the log shows.
const SHOWN_BYTES: usize = 64;
/// Arguments of a request before authentication.
const MAX_ARGS_UNAUTHENTICATED: i64 = 10;
/// Bytes of an argument before authentication.
const MAX_BULK_UNAUTHENTICATED: i64 = 16_384;

/// One argument: a place in the buffer, or a buffer of its own.
#[derive(Clone, Debug)]
enum Arg {
    Inline(Range<u32>),
    Big(Arc<Vec<u8>>),
}

/// The arguments of one command, name first.
#[derive(Clone, Debug, Default)]
pub struct Argv {
    buf: Vec<u8>,
    base: usize,
    /// Arguments of this command and of those parsed with it.
    args: Vec<Arg>,
    /// Which of `args` are this command's.
    window: Range<usize>,
}

impl Argv {
    /// Number of arguments, the name included.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Whether there is no argument at all.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// The arguments in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        (0..self.len()).map(|i| &self[i])
    }

    /// The buffer of a big argument, to be shared instead of copied.
    pub fn shared(&self, i: usize) -> Option<&Arc<Vec<u8>>> {
        match self.arg(i) {
            Arg::Big(bytes) => Some(bytes),
            Arg::Inline(_) => None,
        }
    }

    /// Arguments on memory of their own.
    pub fn of<'a>(args: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut argv = Argv::default();
        for arg in args {
            argv.push(arg);
        }
        argv
    }

    /// A copy on memory of its own that is no bigger than it has to be; big arguments are shared.
    pub fn detached(&self) -> Self {
        self.replacing(&[])
    }

    /// A copy on memory of its own in which other arguments stand at some places, each given once.
    pub fn replacing(&self, replaced: &[(usize, Vec<u8>)]) -> Self {
        let added: usize = replaced.iter().map(|(_, other)| other.len()).sum();
        let mut copy = Argv::default();
        copy.buf.reserve_exact(self.inline_bytes() + added);
        copy.args.reserve_exact(self.len());
        for i in 0..self.len() {
            let other = replaced.iter().find(|(place, _)| *place == i);
            match (other, self.arg(i)) {
                (Some((_, other)), _) => copy.push(other),
                (None, Arg::Inline(_)) => copy.push(&self[i]),
                (None, big) => copy.args.push(big.clone()),
            }
        }
        copy.window = 0..copy.args.len();
        copy
    }

    /// Adds an argument. One that ranges of 32 bits cannot name gets a buffer of its own.
    pub fn push(&mut self, arg: &[u8]) {
        let (start, end) = (self.buf.len(), self.buf.len() + arg.len());
        let arg = if let (Ok(start), Ok(end)) = (start.try_into(), end.try_into()) {
            self.buf.extend_from_slice(arg);
            Arg::Inline(start..end)
        } else {
            Arg::Big(Arc::new(arg.to_vec()))
        };
        self.args.push(arg);
        self.window.end = self.args.len();
    }

    fn inline_bytes(&self) -> usize {
        (0..self.len())
            .filter(|&i| matches!(self.arg(i), Arg::Inline(_)))
            .map(|i| self[i].len())
            .sum()
    }

    /// Bytes of all arguments together.
    pub fn bytes(&self) -> usize {
        self.iter().map(<[u8]>::len).sum()
    }

    #[inline]
    fn arg(&self, i: usize) -> &Arg {
        &self.args[self.window.clone()][i]
    }

    /// The bytes of an argument of any command parsed.
    #[inline]
    fn text<'a>(&'a self, arg: &'a Arg) -> &'a [u8] {
        match arg {
            Arg::Inline(range) => {
                &self.buf[self.base + range.start as usize..self.base + range.end as usize]
            }
            Arg::Big(bytes) => bytes,
        }
    }
}

impl Index<usize> for Argv {
    type Output = [u8];

    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.text(self.arg(i))
    }
}

/// What the parser may accept from this client at this moment.
#[derive(Clone, Copy)]
pub struct Limits {
    /// `proto-max-bulk-len`, in bytes.
    pub max_bulk: i64,
    /// Whether the client still has to authenticate.
    pub unauthenticated: bool,
}

/// Result of [`Request::parse`].
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// `argv` holds a command.
    Command,
    /// An empty line or an empty array was skipped.
    Nothing,
    /// More bytes are needed.
    Incomplete,
}

/// The peer does not speak the protocol: the text behind `Protocol error: `.
#[derive(Debug, PartialEq, Eq)]
pub struct ProtocolError(pub String);

impl ProtocolError {
    fn new(text: &str) -> Self {
        ProtocolError(text.to_owned())
    }
}

/// A big argument that is still arriving, its CR LF included.
struct BigFill {
    buf: Vec<u8>,
    filled: usize,
    want: usize,
}

/// Query buffer and parser of one client.
#[derive(Default)]
pub struct Request {
    /// The command parsed last; valid until the next call of [`Request::parse`].
    pub argv: Argv,
    pos: usize,
    filled: usize,
    /// Arguments still to come of an array that has begun.
    missing: i64,
    /// Length of the bulk whose header was read.
    bulk: Option<usize>,
    big_fill: Option<BigFill>,
    /// Where each command of the batch ends.
    ends: Vec<End>,
    /// How many commands of the batch were handed out.
    handed_out: usize,
    /// The command being parsed is not the first of its batch.
    ahead: bool,
    /// Room for the next big argument: who sends one is likely to send another.
    spare: Vec<u8>,
    /// Bytes that were read and are no longer in the buffer: what is before `pos` comes on top.
    passed: u64,
}

/// Where a command ends.
#[derive(Clone, Copy)]
struct End {
    /// Behind which of the arguments.
    args: usize,
    /// Behind how many of all the bytes that were ever read.
    position: u64,
}

impl Request {
    /// Space to read into: the rest of a big argument, or at least [`READ_CHUNK`] bytes of the buffer.
    pub fn space(&mut self) -> &mut [u8] {
        if let Some(big) = &mut self.big_fill {
            if big.buf.len() < big.want {
                big.buf.resize(big.want, 0);
            }
            return &mut big.buf[big.filled..];
        }
        let free = self.argv.buf.len() - self.filled;
        if free < READ_CHUNK {
            let wanted = (self.filled + READ_CHUNK).max(if self.filled >= READ_CHUNK {
                self.filled * 2
            } else {
                0
            });
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

    /// Bytes that wait to be parsed or belong to an unfinished command.
    pub fn pending(&self) -> usize {
        self.filled - self.argv.base + self.big_fill.as_ref().map_or(0, |big| big.filled)
    }

    /// The beginning of what waits to be parsed, for the log.
    pub fn first_bytes(&self) -> &[u8] {
        &self.argv.buf[self.argv.base..self.filled.min(self.argv.base + SHOWN_BYTES)]
    }

    /// Whether a command has begun to arrive and is not whole.
    pub fn is_incomplete(&self) -> bool {
        self.missing > 0 || self.filled > self.pos
    }

    /// Heap bytes in use and free: `qbuf` and `qbuf-free` of CLIENT LIST.
    pub fn sizes(&self) -> (usize, usize) {
        let (big_used, big_total) = self
            .big_fill
            .as_ref()
            .map_or((0, 0), |big| (big.filled, big.buf.len()));
        let used = self.filled - self.pos + big_used;
        let total = self.argv.buf.len() + big_total + self.spare.len();
        (used, total - used)
    }

    /// Bytes of the arguments parsed so far: `argv-mem` of CLIENT LIST.
    pub fn argv_bytes(&self) -> usize {
        self.argv
            .args
            .iter()
            .map(|arg| self.argv.text(arg).len())
            .sum()
    }

    /// Moves what is unfinished to the front, so that the space behind it can be read into again.
    pub fn compact(&mut self) {
        if self.argv.base > 0 {
            self.argv.buf.copy_within(self.argv.base..self.filled, 0);
            self.filled -= self.argv.base;
            self.pos -= self.argv.base;
            self.passed += self.argv.base as u64;
            self.argv.base = 0;
        }
    }

    /// Gives memory back until about `keep` bytes are left free (cron: idle clients, past peaks).
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
        }
        self.spare = Vec::new();
        self.argv.args.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Forgets everything read: the client is about to be closed.
    pub fn clear(&mut self) {
        *self = Request::default();
    }

    /// Takes the next command out of the buffer.
    ///
    /// # Errors
    /// The peer broke the protocol; the connection is of no further use.
    pub fn parse(&mut self, limits: Limits) -> Result<Parsed, ProtocolError> {
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

    /// How many of all the bytes that were ever read belong to the commands taken out so far, and to what was skipped
    /// before them.
    pub fn position(&self) -> u64 {
        let last = self.handed_out.checked_sub(1);
        last.map_or(0, |last| self.ends[last].position)
    }

    /// Whether the first command was just handed out of a batch of more than that.
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

    /// Parses the next command, and behind it whole ones as far as a batch goes.
    fn parse_batch(&mut self, limits: Limits) -> Result<Parsed, ProtocolError> {
        if self.missing == 0 {
            self.begin();
        }
        match self.parse_one(limits)? {
            Parsed::Command => self.end_command(),
            other => return Ok(other),
        }
        // What a client may send changes when it authenticates, so nothing is parsed ahead before that.
        while self.pos < self.filled
            && self.ends.len() < BATCH
            && self.argv.args.len() < BATCH_ARGS
            && !limits.unauthenticated
        {
            let (pos, args) = (self.pos, self.argv.args.len());
            self.ahead = true;
            let parsed = self.parse_one(limits);
            self.ahead = false;
            match parsed {
                Ok(Parsed::Command) => self.end_command(),
                Ok(Parsed::Nothing) => {}
                Ok(Parsed::Incomplete) | Err(_) => {
                    self.pos = pos;
                    self.argv.args.truncate(args);
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

    fn parse_one(&mut self, limits: Limits) -> Result<Parsed, ProtocolError> {
        if self.missing == 0 {
            if self.pos == self.filled {
                return Ok(Parsed::Incomplete);
            }
            if self.argv.buf[self.pos] != b'*' {
                return self.parse_inline(limits);
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

    fn parse_array_header(&mut self, limits: Limits) -> Result<Parsed, ProtocolError> {
        let Some((digits, next)) = self.line("too big mbulk count string")? else {
            return Ok(Parsed::Incomplete);
        };
        let count = parse_i64(&self.argv.buf[digits]).filter(|&n| n <= i64::from(i32::MAX));
        let Some(count) = count else {
            return Err(ProtocolError::new("invalid multibulk length"));
        };
        if limits.unauthenticated && count > MAX_ARGS_UNAUTHENTICATED {
            return Err(ProtocolError::new("unauthenticated multibulk length"));
        }
        self.pos = next;
        if count <= 0 {
            return Ok(Parsed::Nothing);
        }
        self.missing = count;
        Ok(Parsed::Command)
    }

    fn parse_bulks(&mut self, limits: Limits) -> Result<Parsed, ProtocolError> {
        while self.missing > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => match self.parse_bulk_header(limits)? {
                    Some(len) => len,
                    None => return Ok(Parsed::Incomplete),
                },
            };
            if len >= BIG_ARG {
                // A big argument under way could not be taken back.
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
                self.argv.args.push(Arg::Inline(start..start + len as u32));
                self.pos += len + 2;
            }
            self.bulk = None;
            self.missing -= 1;
        }
        Ok(Parsed::Command)
    }

    fn parse_bulk_header(&mut self, limits: Limits) -> Result<Option<usize>, ProtocolError> {
        if self.pos == self.filled {
            return Ok(None);
        }
        let Some((digits, next)) = self.line("too big bulk count string")? else {
            return Ok(None);
        };
        let mark = self.argv.buf[self.pos];
        if mark != b'$' {
            return Err(ProtocolError(format!(
                "expected '$', got '{}'",
                mark as char
            )));
        }
        let len =
            parse_i64(&self.argv.buf[digits]).filter(|len| (0..=limits.max_bulk).contains(len));
        let Some(len) = len else {
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

    /// The line at `pos` behind its first byte, and where the next one starts; `None` while it is not whole.
    #[inline]
    fn line(&self, too_long: &str) -> Result<Option<(Range<usize>, usize)>, ProtocolError> {
        let start = self.pos + 1;
        // Lengths are a few digits: a byte loop beats a call of memchr.
        let window = &self.argv.buf[start.min(self.filled)..self.filled];
        match window.iter().take(MAX_LINE).position(|&b| b == b'\r') {
            Some(n) if start + n + 1 < self.filled => Ok(Some((start..start + n, start + n + 2))),
            None if window.len() >= MAX_LINE => Err(ProtocolError::new(too_long)),
            _ => Ok(None),
        }
    }

    /// Moves what is here of a big bulk into a buffer of its own; true once it is whole.
    fn take_big(&mut self, len: usize) -> bool {
        let mut big = self.big_fill.take().unwrap_or_else(|| {
            let want = len + 2;
            let mut buf = std::mem::take(&mut self.spare);
            // The value may be kept for ever, so it may not drag a buffer along that is much too big.
            if buf.capacity() < want || buf.capacity() > want + want / 8 {
                buf = vec![0; want];
            }
            buf.resize(want, 0);
            BigFill {
                buf,
                filled: 0,
                want: len + 2,
            }
        });
        let here = (big.want - big.filled).min(self.filled - self.pos);
        if here > 0 {
            big.buf[big.filled..big.filled + here]
                .copy_from_slice(&self.argv.buf[self.pos..self.pos + here]);
            big.filled += here;
            self.pos += here;
        }
        if big.filled < big.want {
            // All that was read belongs to this bulk, so the buffer holds headers and small arguments only.
            self.big_fill = Some(big);
            return false;
        }
        self.spare = vec![0; big.want];
        big.buf.truncate(len);
        self.argv.args.push(Arg::Big(Arc::new(big.buf)));
        true
    }

    fn parse_inline(&mut self, limits: Limits) -> Result<Parsed, ProtocolError> {
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
        // Unquoting never lengthens, so the arguments fit where the line stood.
        let base = self.argv.base;
        let mut at = self.pos - (n + 1) - base;
        for arg in &args {
            self.argv.buf[base + at..base + at + arg.len()].copy_from_slice(arg);
            self.argv
                .args
                .push(Arg::Inline(at as u32..(at + arg.len()) as u32));
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
    use super::{BIG_ARG, Limits, Parsed, Request};

    const OPEN: Limits = Limits {
        max_bulk: 512 * 1024 * 1024,
        unauthenticated: false,
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
        let limits = Limits {
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
