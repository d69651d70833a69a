//! RESP2 and RESP3 from the client's side: commands out, replies in.
//!
//! The decoder takes bytes as they come and keeps where it is, also inside an aggregate, so a reply of any size costs
//! time linear in it. A user who only counts replies (a benchmark) skips them without building values, and from the
//! buffer that they were read into: only a line that its end cuts off is copied.
//!
//! Invariants:
//! 1. Nothing is allocated on the server's word alone: an aggregate grows as its elements arrive, and lengths are bounded.
//! 2. Between calls, `stack` holds the aggregates that have begun and lack elements, outermost first.
//! 3. After an error the stream has no meaning any more; the connection is to be closed.

use std::fmt;

/// Aggregates inside aggregates at most.
const MAX_DEPTH: usize = 128;
/// Elements of one aggregate at most.
const MAX_ELEMENTS: i64 = (1 << 31) - 1;
/// Bytes of one bulk string at most.
const MAX_BULK: i64 = 1 << 33;
/// Bytes of a line at most.
const MAX_LINE: usize = 64 * 1024 * 1024;
/// Elements that an aggregate has room for before the first has come.
const FIRST_ROOM: usize = 1024;

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+`
    Status(Vec<u8>),
    /// `-`, or `!`
    Error(Vec<u8>),
    /// `:`
    Int(i64),
    /// `,` as the server wrote it
    Double(Vec<u8>),
    /// `(` as the server wrote it
    BigNumber(Vec<u8>),
    /// `#`
    Bool(bool),
    /// `$`
    Bulk(Vec<u8>),
    /// `=`: three letters of format, and the text
    Verbatim([u8; 3], Vec<u8>),
    /// `_`, `$-1` or `*-1`
    Null,
    /// `*`
    Array(Vec<Value>),
    /// `~`
    Set(Vec<Value>),
    /// `%`
    Map(Vec<(Value, Value)>),
    /// `>`: a message that nobody asked for
    Push(Vec<Value>),
    /// `|`: what the server says about the value that follows
    Attributed(Vec<(Value, Value)>, Box<Value>),
}

impl Value {
    /// The text of a string-like reply.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Status(text) | Value::Bulk(text) | Value::Verbatim(_, text) => Some(text),
            Value::Double(text) | Value::BigNumber(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list-like reply.
    pub fn elements(&self) -> Option<&[Value]> {
        match self {
            Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => Some(elements),
            _ => None,
        }
    }
}

/// What the server sent is not RESP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError(String);

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protocol error: {}", self.0)
    }
}

impl std::error::Error for ProtocolError {}

fn broken<T>(text: impl Into<String>) -> Result<T, ProtocolError> {
    Err(ProtocolError(text.into()))
}

/// An aggregate that has begun.
#[derive(Debug)]
struct Frame {
    kind: u8,
    /// Values still to come; a pair counts as two.
    missing: u64,
    values: Vec<Value>,
}

/// One step of the stream.
enum Token {
    /// A whole value that is no aggregate.
    Value(Value),
    /// The head of an aggregate of so many values.
    Aggregate(u8, u64),
}

/// What [`Decoder::skip`] passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// A reply.
    Reply,
    /// An error reply and its text.
    Error(Vec<u8>),
    /// A push message: no reply to anything.
    Push,
}

/// A reply that is being skipped.
#[derive(Debug)]
struct Passing {
    what: Skipped,
    /// Values still to come.
    missing: u64,
    /// Bytes still to come of the bulk string under way, its line end included.
    body: usize,
}

/// An incremental decoder.
#[derive(Debug, Default)]
pub struct Decoder {
    buf: Vec<u8>,
    pos: usize,
    stack: Vec<Frame>,
    passing: Option<Passing>,
}

impl Decoder {
    /// Takes bytes from the server.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.pos > 0 && (self.pos == self.buf.len() || self.pos > 64 * 1024) {
            self.buf.drain(..self.pos);
            self.pos = 0;
        }
        self.buf.extend_from_slice(bytes);
    }

    /// Bytes that have come and are not decoded.
    pub fn pending(&self) -> usize {
        self.buf.len() - self.pos
    }

    /// Takes what is not decoded out of the decoder: the stream goes on as something else (an RDB file).
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buf.split_off(self.pos);
        self.buf.clear();
        self.pos = 0;
        rest
    }

    /// The next whole reply or push; `None` when more bytes are needed.
    ///
    /// # Errors
    /// The bytes are not RESP.
    pub fn next_value(&mut self) -> Result<Option<Value>, ProtocolError> {
        while let Some(token) = self.token()? {
            let mut done = match token {
                Token::Value(value) => value,
                Token::Aggregate(kind, 0) if kind != b'|' => assemble(kind, Vec::new()),
                Token::Aggregate(kind, missing) => {
                    if self.stack.len() == MAX_DEPTH {
                        return broken("the reply is nested too deeply");
                    }
                    let room = missing.min(FIRST_ROOM as u64) as usize;
                    self.stack.push(Frame {
                        kind,
                        missing,
                        values: Vec::with_capacity(room),
                    });
                    continue;
                }
            };
            // A value may complete the aggregate it is in, and that one the next.
            loop {
                let Some(frame) = self.stack.last_mut() else {
                    return Ok(Some(done));
                };
                frame.values.push(done);
                frame.missing -= 1;
                if frame.missing > 0 {
                    break;
                }
                let Some(frame) = self.stack.pop() else { break };
                done = assemble(frame.kind, frame.values);
            }
        }
        Ok(None)
    }

    /// Passes over the next whole reply or push of what was fed; `None` when more bytes are needed.
    ///
    /// # Errors
    /// The bytes are not RESP.
    pub fn skip(&mut self) -> Result<Option<Skipped>, ProtocolError> {
        let mut rest = &self.buf[self.pos..];
        let skipped = pass(&mut self.passing, &mut rest);
        self.pos = self.buf.len() - rest.len();
        skipped
    }

    /// The same for bytes that are not fed but lie in front: it takes the reply off `input`. With
    /// `None` all of `input` is taken.
    ///
    /// # Errors
    /// The bytes are not RESP.
    pub fn skip_in(&mut self, input: &mut &[u8]) -> Result<Option<Skipped>, ProtocolError> {
        while self.pending() > 0 {
            if let Some(skipped) = self.skip()? {
                return Ok(Some(skipped));
            }
            if input.is_empty() {
                return Ok(None);
            }
            // What is kept begins with a line that was cut off: this completes it.
            let end = input.iter().position(|&b| b == b'\n');
            let (line, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
            self.feed(line);
            *input = rest;
        }
        let skipped = pass(&mut self.passing, input)?;
        if skipped.is_none() && !input.is_empty() {
            self.feed(input);
            *input = &[];
        }
        Ok(skipped)
    }

    /// The next token, when all of it is here.
    fn token(&mut self) -> Result<Option<Token>, ProtocolError> {
        let start = self.pos;
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        let text = &self.buf[line.clone()];
        let value = match self.buf[start] {
            b'+' => Value::Status(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => match number(text) {
                Some(n) => Value::Int(n),
                None => return broken("an integer is not a number"),
            },
            b',' => Value::Double(text.to_vec()),
            b'(' => Value::BigNumber(text.to_vec()),
            b'_' => Value::Null,
            b'#' => match text {
                b"t" => Value::Bool(true),
                b"f" => Value::Bool(false),
                _ => return broken("a boolean is neither t nor f"),
            },
            mark @ (b'$' | b'=' | b'!') => {
                let len = self.length(&line, MAX_BULK)?;
                match self.bulk(mark, len)? {
                    Some(value) => value,
                    None => {
                        self.pos = start;
                        return Ok(None);
                    }
                }
            }
            mark @ (b'*' | b'~' | b'>' | b'%' | b'|') => {
                let len = self.length(&line, MAX_ELEMENTS)?;
                if len < 0 {
                    return Ok(Some(Token::Value(Value::Null)));
                }
                let values = match mark {
                    b'%' => 2 * len as u64,
                    // The value that the attributes are about belongs to them.
                    b'|' => 2 * len as u64 + 1,
                    _ => len as u64,
                };
                return Ok(Some(Token::Aggregate(mark, values)));
            }
            other => return unknown(other),
        };
        Ok(Some(Token::Value(value)))
    }

    /// A bulk string of `len` bytes, of which the header was read.
    fn bulk(&mut self, mark: u8, len: i64) -> Result<Option<Value>, ProtocolError> {
        if len < 0 {
            return Ok(Some(Value::Null));
        }
        let len = len as usize;
        if self.pending() < len + 2 {
            return Ok(None);
        }
        let text = &self.buf[self.pos..self.pos + len];
        let value = match mark {
            b'!' => Value::Error(text.to_vec()),
            b'=' => match text {
                [a, b, c, b':', rest @ ..] => Value::Verbatim([*a, *b, *c], rest.to_vec()),
                _ => return broken("a verbatim string has no format"),
            },
            _ => Value::Bulk(text.to_vec()),
        };
        self.pos += len + 2;
        Ok(Some(value))
    }

    /// The line at `pos` without its mark and its end, and passes it.
    fn line(&mut self) -> Result<Option<std::ops::Range<usize>>, ProtocolError> {
        let Some((len, next)) = line_at(&self.buf[self.pos..])? else {
            return Ok(None);
        };
        let start = self.pos + 1;
        self.pos += next;
        Ok(Some(start..start + len))
    }

    fn length(&self, line: &std::ops::Range<usize>, max: i64) -> Result<i64, ProtocolError> {
        length(&self.buf[line.clone()], max)
    }
}

/// Takes the next reply off `input`, of which `passing` may have begun. What is left of `input`
/// when there is none is a head that is cut off.
fn pass(
    passing: &mut Option<Passing>,
    input: &mut &[u8],
) -> Result<Option<Skipped>, ProtocolError> {
    loop {
        if let Some(under_way) = passing {
            let here = under_way.body.min(input.len());
            under_way.body -= here;
            *input = &input[here..];
            if under_way.body > 0 {
                return Ok(None);
            }
            if under_way.missing == 0 {
                return Ok(passing.take().map(|under_way| under_way.what));
            }
        }
        let Some(value) = head(input)? else {
            return Ok(None);
        };
        match passing {
            Some(under_way) => {
                under_way.missing = under_way.missing - 1 + value.missing;
                under_way.body = value.body;
            }
            None => *passing = Some(value),
        }
    }
}

/// Takes the head of a value off `input`: what it is, were it the outermost, and what it announces.
fn head(input: &mut &[u8]) -> Result<Option<Passing>, ProtocolError> {
    let Some((len, next)) = line_at(input)? else {
        return Ok(None);
    };
    let (mark, line) = (input[0], &input[1..=len]);
    let count = |max| Ok(length(line, max)?.max(0) as u64);
    let (what, missing, body) = match mark {
        b'+' | b':' | b',' | b'(' | b'#' | b'_' => (Skipped::Reply, 0, 0),
        b'-' => (Skipped::Error(line.to_vec()), 0, 0),
        b'$' | b'=' => match length(line, MAX_BULK)? {
            -1 => (Skipped::Reply, 0, 0),
            len => (Skipped::Reply, 0, len as usize + 2),
        },
        b'!' => {
            // Its text is wanted, so it has to be here as a whole.
            let len = count(MAX_BULK)? as usize;
            match input.get(next..next + len) {
                Some(text) if input.len() >= next + len + 2 => {
                    (Skipped::Error(text.to_vec()), 0, len + 2)
                }
                _ => return Ok(None),
            }
        }
        b'*' | b'~' => (Skipped::Reply, count(MAX_ELEMENTS)?, 0),
        b'>' => (Skipped::Push, count(MAX_ELEMENTS)?, 0),
        b'%' => (Skipped::Reply, 2 * count(MAX_ELEMENTS)?, 0),
        b'|' => (Skipped::Reply, 2 * count(MAX_ELEMENTS)? + 1, 0),
        other => return unknown(other),
    };
    *input = &input[next..];
    Ok(Some(Passing {
        what,
        missing,
        body,
    }))
}

/// The line that `bytes` begin with: its length without mark and end, and where the next begins.
fn line_at(bytes: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
    match bytes.iter().position(|&b| b == b'\n') {
        Some(0) => broken("an empty line"),
        Some(end) => {
            let has_return = end > 1 && bytes[end - 1] == b'\r';
            Ok(Some((end - 1 - usize::from(has_return), end + 1)))
        }
        None if bytes.len() > MAX_LINE => broken("a line has no end"),
        None => Ok(None),
    }
}

fn length(line: &[u8], max: i64) -> Result<i64, ProtocolError> {
    match number(line) {
        Some(n) if (-1..=max).contains(&n) => Ok(n),
        Some(n) => broken(format!("a length of {n} is out of bounds")),
        None => broken("a length is not a number"),
    }
}

fn unknown<T>(mark: u8) -> Result<T, ProtocolError> {
    broken(format!("got {:?} as reply type byte", mark as char))
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn pairs(values: Vec<Value>) -> Vec<(Value, Value)> {
    let mut pairs = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn assemble(kind: u8, mut values: Vec<Value>) -> Value {
    match kind {
        b'~' => Value::Set(values),
        b'>' => Value::Push(values),
        b'%' => Value::Map(pairs(values)),
        b'|' => {
            let about = values.pop().unwrap_or(Value::Null);
            Value::Attributed(pairs(values), Box::new(about))
        }
        _ => Value::Array(values),
    }
}

/// Appends a command to `out` as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(out: &mut Vec<u8>, args: &[A]) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Skipped, Value, encode};

    fn decode(input: &[u8], step: usize) -> Result<Vec<Value>, String> {
        let mut decoder = Decoder::default();
        let mut values = Vec::new();
        for piece in input.chunks(step) {
            decoder.feed(piece);
            while let Some(value) = decoder.next_value().map_err(|error| error.to_string())? {
                values.push(value);
            }
        }
        assert_eq!(decoder.pending(), 0);
        Ok(values)
    }

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn every_type_at_every_split() {
        let input = b"+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*0\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n_\r\n#t\r\n,3.14\r\n\
            (123\r\n=7\r\ntxt:abc\r\n!5\r\nERR x\r\n~1\r\n+a\r\n%1\r\n+k\r\n:2\r\n>2\r\n+p\r\n:3\r\n|1\r\n+k\r\n:9\r\n*1\r\n:1\r\n";
        let whole = decode(input, input.len()).expect("valid");
        assert_eq!(whole.len(), 18);
        assert_eq!(whole[3], bulk("a\r\n"));
        assert_eq!(
            whole[7],
            Value::Array(vec![Value::Int(1), Value::Array(vec![bulk("")])])
        );
        assert_eq!(whole[12], Value::Verbatim(*b"txt", b"abc".to_vec()));
        assert_eq!(
            whole[15],
            Value::Map(vec![(Value::Status(b"k".to_vec()), Value::Int(2))])
        );
        assert!(matches!(&whole[17], Value::Attributed(attributes, about)
            if attributes.len() == 1 && **about == Value::Array(vec![Value::Int(1)])));
        for step in 1..input.len() {
            assert_eq!(decode(input, step).expect("valid"), whole, "step {step}");
        }
    }

    #[test]
    fn skipping_counts_what_decoding_builds() {
        let input = b"*2\r\n$3\r\nabc\r\n*1\r\n:1\r\n-ERR no\r\n>2\r\n+p\r\n:3\r\n$2\r\nhi\r\n%1\r\n+k\r\n*0\r\n*0\r\n\
            $-1\r\n!7\r\nERR\r\nno\r\n|1\r\n+k\r\n$0\r\n\r\n:1\r\n";
        let wanted = [
            Skipped::Reply,
            Skipped::Error(b"ERR no".to_vec()),
            Skipped::Push,
            Skipped::Reply,
            Skipped::Reply,
            Skipped::Reply,
            Skipped::Reply,
            Skipped::Error(b"ERR\r\nno".to_vec()),
            Skipped::Reply,
        ];
        for step in 1..=input.len() {
            let (mut fed, mut passed) = (Decoder::default(), Decoder::default());
            let (mut from_fed, mut from_passed) = (Vec::new(), Vec::new());
            for mut piece in input.chunks(step) {
                fed.feed(piece);
                while let Some(skipped) = fed.skip().expect("valid") {
                    from_fed.push(skipped);
                }
                while let Some(skipped) = passed.skip_in(&mut piece).expect("valid") {
                    from_passed.push(skipped);
                }
                assert!(piece.is_empty());
            }
            assert_eq!(from_fed, wanted, "step {step}");
            assert_eq!(from_passed, wanted, "step {step}");
            assert_eq!(passed.pending(), 0);
        }
    }

    #[test]
    fn a_long_bulk_is_skipped_without_being_kept() {
        let mut decoder = Decoder::default();
        let mut piece = &b"$1000000\r\n"[..];
        assert_eq!(decoder.skip_in(&mut piece), Ok(None));
        for _ in 0..1000 {
            let mut piece = &[b'x'; 1000][..];
            assert_eq!(decoder.skip_in(&mut piece), Ok(None));
            assert_eq!(decoder.pending(), 0);
        }
        let mut piece = &b"\r\n+OK\r\n"[..];
        assert_eq!(decoder.skip_in(&mut piece), Ok(Some(Skipped::Reply)));
        assert_eq!(piece, b"+OK\r\n");
    }

    #[test]
    fn what_is_not_resp_is_refused_before_it_costs_memory() {
        for input in [
            &b"*2147483648\r\n"[..],
            b"$99999999999\r\n",
            b"*-2\r\n",
            b"?\r\n",
            b":x\r\n",
            b"#x\r\n",
            b"$x\r\n",
            b"=2\r\nab\r\n",
            b"\n",
        ] {
            assert!(
                decode(input, input.len()).is_err(),
                "{}",
                input.escape_ascii()
            );
        }
        let deep = b"*1\r\n".repeat(1000);
        assert!(decode(&deep, deep.len()).is_err());
        let mut decoder = Decoder::default();
        decoder.feed(b"*2147483647\r\n:1\r\n");
        assert_eq!(decoder.next_value(), Ok(None));
    }

    #[test]
    fn commands_are_arrays_of_bulks() {
        let mut out = Vec::new();
        encode(&mut out, &["SET", "k", "a b"]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na b\r\n");
    }
}
