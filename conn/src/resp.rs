//! RESP2 and RESP3 as a client sees them: commands are encoded, replies are decoded.
//!
//! The decoder is incremental: it takes bytes in pieces of any size and keeps its position, also
//! inside an aggregate, a bulk string or a line. No byte is searched or copied twice because a piece
//! ended early, so the cost of a reply is linear in its size even if it arrives byte by byte. A
//! program that only counts replies (a benchmark) skips them without building values, directly in
//! the buffer that it has read into; only the head of a value that the end of that buffer cuts off
//! is copied.
//!
//! # Invariants
//! 1. A length that the server announces allocates nothing by itself: an aggregate grows as its
//!    elements arrive. Lengths and nesting are bounded.
//! 2. Between calls, `stack` holds the aggregates that have begun and lack elements, outermost first.
//! 3. `buf[pos..pos + scanned]` holds no line feed. `body` is a bulk string whose header has been
//!    consumed.
//! 4. After an error the rest of the stream cannot be interpreted: the connection has to be closed.

use std::fmt;

/// Depth of nested aggregates at most.
const MAX_DEPTH: usize = 128;
/// Elements of one aggregate at most.
const MAX_ELEMENTS: i64 = (1 << 31) - 1;
/// Bytes of one bulk string at most.
const MAX_BULK: i64 = 1 << 33;
/// Bytes of a line at most.
const MAX_LINE: usize = 64 * 1024 * 1024;
/// Bytes of a double at most.
const MAX_DOUBLE: usize = 325;
/// Elements that are allocated for before the first has arrived.
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
    /// `>`: an out-of-band message
    Push(Vec<Value>),
    /// `|`: attributes, and the value that they describe
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

/// The bytes received are not RESP.
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
    /// Values that are missing; a pair counts as two.
    missing: u64,
    values: Vec<Value>,
}

/// What a step of the decoder has found.
enum Token {
    /// A complete value that is not an aggregate.
    Value(Value),
    /// The head of an aggregate of this many values.
    Aggregate(u8, u64),
}

/// A bulk string whose header has been consumed.
#[derive(Clone, Copy, Debug)]
struct Body {
    mark: u8,
    len: usize,
}

/// What [`Decoder::skip`] passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// A reply.
    Reply,
    /// An error reply and its text.
    Error(Vec<u8>),
    /// A push message, which is not a reply.
    Push,
}

/// A reply that is being skipped.
#[derive(Debug)]
struct Passing {
    what: Skipped,
    /// Values that are missing.
    missing: u64,
    /// Bytes of the current bulk string that are missing, its line end included.
    body: usize,
    /// How many of these are the text of an error, to be kept.
    kept: usize,
}

/// An incremental decoder.
#[derive(Debug, Default)]
pub struct Decoder {
    buf: Vec<u8>,
    pos: usize,
    scanned: usize,
    body: Option<Body>,
    stack: Vec<Frame>,
    passing: Option<Passing>,
}

impl Decoder {
    /// Takes bytes from the server.
    pub fn feed(&mut self, bytes: &[u8]) {
        // Moving fewer bytes than were consumed keeps the cost of it linear.
        if self.pos > 0 && self.pos >= self.buf.len() / 2 {
            self.buf.drain(..self.pos);
            self.pos = 0;
        }
        self.buf.extend_from_slice(bytes);
    }

    /// Bytes that were fed and are not decoded.
    pub fn pending(&self) -> usize {
        self.buf.len() - self.pos
    }

    /// Takes what is not decoded out of the decoder: what follows is not RESP (an RDB file).
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buf.split_off(self.pos);
        self.buf.clear();
        (self.pos, self.scanned, self.body) = (0, 0, None);
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
            // A value may complete the aggregate around it, and that one the next outer one.
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

    /// Skips the next whole reply or push of what was fed; `None` when more bytes are needed.
    ///
    /// # Errors
    /// The bytes are not RESP.
    pub fn skip(&mut self) -> Result<Option<Skipped>, ProtocolError> {
        let mut rest = &self.buf[self.pos..];
        let skipped = pass(&mut self.passing, &mut self.scanned, &mut rest);
        self.pos = self.buf.len() - rest.len();
        skipped
    }

    /// The same for bytes that have not been fed: it removes the reply from the front of `input`.
    /// When it returns `None`, all of `input` has been consumed.
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
            // What was kept is a line that was cut off, which this completes.
            let end = input.iter().position(|&b| b == b'\n');
            let (line, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
            self.feed(line);
            *input = rest;
        }
        let skipped = pass(&mut self.passing, &mut self.scanned, input)?;
        if skipped.is_none() && !input.is_empty() {
            self.feed(input);
            *input = &[];
        }
        Ok(skipped)
    }

    /// The next token, once it is complete.
    fn token(&mut self) -> Result<Option<Token>, ProtocolError> {
        if let Some(body) = self.body {
            return Ok(self.bulk(body)?.map(Token::Value));
        }
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
                None => return broken("Bad integer value"),
            },
            b',' if text.len() > MAX_DOUBLE => return broken("Double value is too large"),
            b',' if is_double(text) => Value::Double(text.to_vec()),
            b',' => return broken("Bad double value"),
            // Not checked: a script can return any text as one.
            b'(' => Value::BigNumber(text.to_vec()),
            b'_' if text.is_empty() => Value::Null,
            b'_' => return broken("Bad nil value"),
            b'#' => match text {
                b"t" | b"T" => Value::Bool(true),
                b"f" | b"F" => Value::Bool(false),
                _ => return broken("Bad bool value"),
            },
            mark @ (b'$' | b'=' | b'!') => match self.length(&line, MAX_BULK)? {
                -1 => Value::Null,
                len => {
                    let body = Body {
                        mark,
                        len: len as usize,
                    };
                    self.body = Some(body);
                    return Ok(self.bulk(body)?.map(Token::Value));
                }
            },
            mark @ (b'*' | b'~' | b'>' | b'%' | b'|') => {
                let len = self.length(&line, MAX_ELEMENTS)?;
                if len < 0 {
                    return Ok(Some(Token::Value(Value::Null)));
                }
                let values = match mark {
                    b'%' => 2 * len as u64,
                    // The value that the attributes describe is counted with them.
                    b'|' => 2 * len as u64 + 1,
                    _ => len as u64,
                };
                return Ok(Some(Token::Aggregate(mark, values)));
            }
            other => return unknown(other),
        };
        Ok(Some(Token::Value(value)))
    }

    /// The bulk string whose header was consumed, once it is complete.
    fn bulk(&mut self, Body { mark, len }: Body) -> Result<Option<Value>, ProtocolError> {
        if self.pending() < len + 2 {
            return Ok(None);
        }
        self.body = None;
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

    /// Consumes the line at `pos`: where it is, without its first byte and its end.
    fn line(&mut self) -> Result<Option<std::ops::Range<usize>>, ProtocolError> {
        let Some((len, next)) = line_at(&self.buf[self.pos..], &mut self.scanned)? else {
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

/// Removes the next reply from `input`; `passing` is one that has begun. When it is not complete,
/// what is left of `input` is a head that is cut off, of which `scanned` bytes hold no line feed.
fn pass(
    passing: &mut Option<Passing>,
    scanned: &mut usize,
    input: &mut &[u8],
) -> Result<Option<Skipped>, ProtocolError> {
    loop {
        if let Some(under_way) = passing {
            let here = under_way.body.min(input.len());
            if let Skipped::Error(text) = &mut under_way.what {
                let kept = under_way.kept.min(here);
                text.extend_from_slice(&input[..kept]);
                under_way.kept -= kept;
            }
            under_way.body -= here;
            *input = &input[here..];
            if under_way.body > 0 {
                return Ok(None);
            }
            if under_way.missing == 0 {
                return Ok(passing.take().map(|under_way| under_way.what));
            }
        }
        let Some(value) = head(input, scanned)? else {
            return Ok(None);
        };
        match passing {
            Some(under_way) => {
                let Some(missing) = (under_way.missing - 1).checked_add(value.missing) else {
                    return broken("the reply has too many elements");
                };
                (under_way.missing, under_way.body) = (missing, value.body);
            }
            None => *passing = Some(value),
        }
    }
}

/// Removes the head of a value from `input`: what it is, if it is the outermost one, and what it
/// announces.
fn head(input: &mut &[u8], scanned: &mut usize) -> Result<Option<Passing>, ProtocolError> {
    let Some((len, next)) = line_at(input, scanned)? else {
        return Ok(None);
    };
    let (mark, line) = (input[0], &input[1..=len]);
    let count = |max| Ok(length(line, max)?.max(0) as u64);
    let mut kept = 0;
    let (what, missing, body) = match mark {
        b'+' | b':' | b',' | b'(' | b'#' | b'_' => (Skipped::Reply, 0, 0),
        b'-' => (Skipped::Error(line.to_vec()), 0, 0),
        b'$' | b'=' => match length(line, MAX_BULK)? {
            -1 => (Skipped::Reply, 0, 0),
            len => (Skipped::Reply, 0, len as usize + 2),
        },
        // Its text is added as it arrives.
        b'!' => {
            let len = count(MAX_BULK)? as usize;
            kept = len.min(MAX_LINE);
            (Skipped::Error(Vec::new()), 0, len + 2)
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
        kept,
    }))
}

/// The line that `bytes` begin with: its length without first byte and end, and where the next one
/// begins. The first `scanned` bytes are known to hold no line feed.
fn line_at(bytes: &[u8], scanned: &mut usize) -> Result<Option<(usize, usize)>, ProtocolError> {
    let Some(found) = bytes[*scanned..].iter().position(|&b| b == b'\n') else {
        *scanned = bytes.len();
        if bytes.len() > MAX_LINE {
            return broken("a line has no end");
        }
        return Ok(None);
    };
    let end = *scanned + found;
    *scanned = 0;
    if end == 0 {
        return broken("an empty line");
    }
    let has_return = end > 1 && bytes[end - 1] == b'\r';
    Ok(Some((end - 1 - usize::from(has_return), end + 1)))
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

/// Whether a text is a finite number, an infinity without a plus, or not a number.
fn is_double(text: &[u8]) -> bool {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    if ["inf", "-inf", "nan", "-nan"].into_iter().any(is) {
        return true;
    }
    let number = std::str::from_utf8(text).map(str::parse::<f64>);
    matches!(number, Ok(Ok(number)) if number.is_finite())
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

#[cfg(test)]
mod tests {
    use super::{Decoder, Skipped, Value};
    use crate::encode::request;

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

    /// A line, a bulk string, a nested reply: at a byte per piece no byte is looked at twice.
    #[test]
    fn a_reply_byte_by_byte_costs_what_it_is_long() {
        const LONG: usize = 2_000_000;
        let long = "x".repeat(LONG);
        let replies = [
            format!("+{long}\r\n"),
            format!("*1\r\n-{long}\r\n"),
            format!("${LONG}\r\n{long}\r\n"),
            format!("!{LONG}\r\n{long}\r\n"),
            format!("*2\r\n*1\r\n${LONG}\r\n{long}\r\n:1\r\n"),
        ];
        for reply in replies {
            let begun = std::time::Instant::now();
            let (mut decoder, mut values) = (Decoder::default(), 0);
            let (mut fed, mut skipped) = (Decoder::default(), 0);
            let (mut given, mut passed) = (Decoder::default(), 0);
            for byte in reply.as_bytes().chunks(1) {
                decoder.feed(byte);
                values += usize::from(decoder.next_value().expect("RESP").is_some());
                fed.feed(byte);
                skipped += usize::from(fed.skip().expect("RESP").is_some());
                let mut piece = byte;
                passed += usize::from(given.skip_in(&mut piece).expect("RESP").is_some());
            }
            assert_eq!((values, skipped, passed), (1, 1, 1), "{}", &reply[..4]);
            // Quadratic, the line alone is a trillion steps: minutes on any machine.
            assert!(begun.elapsed().as_secs() < 60, "{}", &reply[..4]);
        }
    }

    #[test]
    fn nesting_is_bounded_and_skipping_needs_no_stack() {
        for (depth, is_good) in [(128, true), (129, false)] {
            let nested = ["*1\r\n".repeat(depth).as_bytes(), b":1\r\n"].concat();
            assert_eq!(decode(&nested, 7).is_ok(), is_good, "{depth}");
        }
        let mut decoder = Decoder::default();
        let deep = ["*1\r\n".repeat(100_000).as_bytes(), b":1\r\n"].concat();
        let mut input = deep.as_slice();
        assert_eq!(decoder.skip_in(&mut input), Ok(Some(Skipped::Reply)));
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
    fn values_of_resp3_have_the_form_of_their_type() {
        let long = format!(",{}1", "0".repeat(325));
        let broken = [
            (",", "Bad double value"),
            (",abc", "Bad double value"),
            (",1.0e", "Bad double value"),
            (",1e999", "Bad double value"),
            (",Infinity", "Bad double value"),
            (",+inf", "Bad double value"),
            (",1 ", "Bad double value"),
            (",\u{e9}", "Bad double value"),
            (&long, "Double value is too large"),
            ("_x", "Bad nil value"),
            ("#x", "Bad bool value"),
            ("#", "Bad bool value"),
            (":x", "Bad integer value"),
        ];
        for (line, reason) in broken {
            let input = format!("*1\r\n{line}\r\n");
            let expected = format!("Protocol error: {reason}");
            assert_eq!(decode(input.as_bytes(), 3), Err(expected), "{line}");
        }
        for line in [
            ",0", ",-0", ",10", ",1e5", ",1.50", ",.5", ",INF", ",-inf", ",NaN", ",-nan", "_",
            "(12", "(text", "#T", "#f",
        ] {
            let input = format!("{line}\r\n");
            assert!(decode(input.as_bytes(), 2).is_ok(), "{line}");
        }
    }

    #[test]
    fn commands_are_arrays_of_bulks() {
        let mut out = Vec::new();
        request(["SET", "k", "a b"].iter(), &mut out);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na b\r\n");
    }
}
