//! A value from JSON text.
//!
//! The text ends at its first NUL byte, as in C: there is one behind a string of Lua. Numbers have the grammar of
//! `strtod`, so `.5`, `+1`, `0x10` and `nan` are read unless the settings forbid it.

use crate::builder::{Builder, Fault};
use crate::function::Outcome;
use crate::json::Settings;
use crate::json::number::read_number;
use crate::limits::BYTES_PER_STEP;
use crate::stack::Stack;

/// `cjson.decode`.
pub(super) fn decode(stack: &mut Stack<'_>, settings: &mut Settings) -> Outcome {
    if stack.top() != 1 {
        return Err(stack.fail_argument(1, b"expected 1 argument"));
    }
    stack.check_bytes(1)?;
    stack.charge(stack.len(1) / BYTES_PER_STEP);
    let (mut out, text) = Builder::new(stack, 1);
    if text.len() > 2 && (text[0] == 0 || text[1] == 0) {
        let message = b"JSON parser does not support UTF-16 or UTF-32";
        return Err(stack.fail_here(message));
    }
    let mut decoder = Decoder {
        settings,
        text,
        at: 0,
        start: 0,
        unescaped: Vec::new(),
    };
    let Err(error) = decoder.run(&mut out) else {
        return Ok(1);
    };
    let message = decoder.message(&error);
    // The stack may be full.
    stack.set_top(0);
    Err(match error {
        Error::Lua(fault) => stack.fail(fault),
        _ => stack.fail_here(message.as_bytes()),
    })
}

/// The next part of the text.
#[derive(Clone, Copy)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// Between these positions.
    Text(usize, usize),
    /// In `unescaped`.
    Unescaped,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// What is wrong with it.
    Bad(&'static str),
}

impl Token {
    /// How an error names it.
    fn name(self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Text(..) | Token::Unescaped => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Bad(name) => name,
        }
    }
}

enum Error {
    /// What was expected, and what is there.
    Unexpected(&'static str, Token),
    /// Tables are nested too deeply, to this depth.
    Depth(usize),
    /// Not about the text.
    Lua(Fault),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::Lua(fault)
    }
}

struct Decoder<'call> {
    settings: &'call Settings,
    /// With a NUL byte at the end.
    text: &'call [u8],
    /// What is to be read next.
    at: usize,
    /// Where the last token starts, or what is wrong with it.
    start: usize,
    unescaped: Vec<u8>,
}

impl Decoder<'_> {
    fn run(&mut self, out: &mut Builder<'_, '_>) -> Result<(), Error> {
        let mut token = self.next();
        assert!(out.make_room(1), "room for a value beside one argument");
        loop {
            if let Some(inner) = self.value(out, token)? {
                token = inner;
                continue;
            }
            // A value is complete, and maybe the tables around it.
            loop {
                let Some(object) = out.keyed() else {
                    return match self.next() {
                        Token::End => Ok(()),
                        other => Err(Error::Unexpected("the end", other)),
                    };
                };
                if self.take(b',') {
                    break;
                }
                match (self.next(), object) {
                    (Token::Comma, _) => break,
                    (Token::ArrayEnd, false) | (Token::ObjectEnd, true) => out.end()?,
                    (other, false) => return Err(Error::Unexpected("comma or array end", other)),
                    (other, true) => return Err(Error::Unexpected("comma or object end", other)),
                }
            }
            token = self.next();
            if out.keyed() == Some(true) {
                token = self.key(out, token)?;
            }
        }
    }

    /// Takes a value; the first token within it, if it is a table that is not empty.
    fn value(&mut self, out: &mut Builder<'_, '_>, token: Token) -> Result<Option<Token>, Error> {
        match token {
            Token::Text(start, end) => out.string(&self.text[start..end])?,
            Token::Unescaped => out.string(&self.unescaped)?,
            Token::Number(number) => out.number(number)?,
            Token::Boolean(value) => out.boolean(value)?,
            Token::Null => out.null()?,
            Token::ArrayBegin | Token::ObjectBegin => {
                let object = matches!(token, Token::ObjectBegin);
                let depth = out.depth() + 1;
                // Room for a value, and for its key.
                let slots = if object { 3 } else { 2 };
                if depth > self.settings.decode_max_depth as usize || !out.make_room(slots) {
                    return Err(Error::Depth(depth));
                }
                out.begin(object);
                return match (self.next(), object) {
                    (Token::ArrayEnd, false) | (Token::ObjectEnd, true) => {
                        out.end()?;
                        Ok(None)
                    }
                    (token, false) => Ok(Some(token)),
                    (token, true) => self.key(out, token).map(Some),
                };
            }
            other => return Err(Error::Unexpected("value", other)),
        }
        Ok(None)
    }

    /// Takes a key; the first token of its value.
    fn key(&mut self, out: &mut Builder<'_, '_>, token: Token) -> Result<Token, Error> {
        match token {
            Token::Text(start, end) => out.string(&self.text[start..end])?,
            Token::Unescaped => out.string(&self.unescaped)?,
            other => return Err(Error::Unexpected("object key string", other)),
        }
        if self.take(b':') {
            return Ok(self.next());
        }
        match self.next() {
            Token::Colon => Ok(self.next()),
            other => Err(Error::Unexpected("colon", other)),
        }
    }

    /// Takes a byte if it comes next: the quick way past what is usually there.
    ///
    /// Not by adding the comparison's result to the position: inlined in release, rustc 1.95 then drops the comparison.
    fn take(&mut self, byte: u8) -> bool {
        if self.text[self.at] != byte {
            return false;
        }
        self.at += 1;
        true
    }

    /// The next token.
    fn next(&mut self) -> Token {
        let mut byte = self.text[self.at];
        while byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
            byte = self.text[self.at];
        }
        self.start = self.at;
        let token = match byte {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => return self.number(),
            0 => return Token::End,
            _ => return self.word(),
        };
        self.at += 1;
        token
    }

    /// A number whose first byte is a digit or a minus sign.
    fn number(&mut self) -> Token {
        if !self.settings.decode_invalid && is_invalid(&self.text[self.at..]) {
            return Token::Bad("invalid number");
        }
        self.any_number()
    }

    fn any_number(&mut self) -> Token {
        match read_number(&self.text[self.at..]) {
            Some((number, len)) => {
                self.at += len;
                Token::Number(number)
            }
            None => Token::Bad("invalid number"),
        }
    }

    /// A name, or a number that JSON does not have.
    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        for (name, token) in [
            ("true", Token::Boolean(true)),
            ("false", Token::Boolean(false)),
            ("null", Token::Null),
        ] {
            if rest.starts_with(name.as_bytes()) {
                self.at += name.len();
                return token;
            }
        }
        if self.settings.decode_invalid
            && matches!(rest[0], b'+' | b'i' | b'I' | b'n' | b'N')
            && is_invalid(rest)
        {
            return self.any_number();
        }
        Token::Bad("invalid token")
    }

    fn string(&mut self) -> Token {
        let start = self.at + 1;
        self.at = start + run_len(&self.text[start..]);
        if self.text[self.at] == b'"' {
            self.at += 1;
            return Token::Text(start, self.at - 1);
        }
        self.unescaped.clear();
        let mut start = start;
        loop {
            self.unescaped.extend_from_slice(&self.text[start..self.at]);
            match self.text[self.at] {
                b'"' => {
                    self.at += 1;
                    return Token::Unescaped;
                }
                b'\\' => {
                    if let Err(wrong) = self.escape() {
                        return self.bad_here(wrong);
                    }
                }
                _ => return self.bad_here("unexpected end of string"),
            }
            start = self.at;
            self.at += run_len(&self.text[start..]);
        }
    }

    fn bad_here(&mut self, wrong: &'static str) -> Token {
        self.start = self.at;
        Token::Bad(wrong)
    }

    /// Takes an escape.
    fn escape(&mut self) -> Result<(), &'static str> {
        let byte = match self.text[self.at + 1] {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 0x0c,
            b'r' => b'\r',
            b'u' => return self.unicode().ok_or("invalid unicode escape code"),
            _ => return Err("invalid escape code"),
        };
        self.unescaped.push(byte);
        self.at += 2;
        Ok(())
    }

    /// Takes a character by its code, or by those of two surrogates.
    fn unicode(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let first = hexadecimal(&rest[2..])?;
        let (code, len) = match first {
            0xd800..=0xdbff => {
                let low = rest.get(6..)?.strip_prefix(b"\\u").and_then(hexadecimal)?;
                if low & 0xfc00 != 0xdc00 {
                    return None;
                }
                ((first & 0x3ff) << 10 | low & 0x3ff, 12)
            }
            _ => (first, 6),
        };
        let code = if len == 12 { code + 0x10000 } else { code };
        let mut buffer = [0; 4];
        // No character has the code of a low surrogate.
        let text = char::from_u32(code)?.encode_utf8(&mut buffer);
        self.unescaped.extend_from_slice(text.as_bytes());
        self.at += len;
        Some(())
    }

    fn message(&self, error: &Error) -> String {
        match error {
            Error::Lua(fault) => String::from_utf8_lossy(fault).into_owned(),
            Error::Unexpected(expected, token) => format!(
                "Expected {expected} but found {} at character {}",
                token.name(),
                self.start + 1
            ),
            Error::Depth(depth) => format!(
                "Found too many nested data structures ({depth}) at character {}",
                self.at
            ),
        }
    }
}

/// Whether strict JSON has no such number.
fn is_invalid(text: &[u8]) -> bool {
    let text = match text[0] {
        b'+' => return true,
        b'-' => &text[1..],
        _ => text,
    };
    match text[0] {
        b'0' => matches!(text[1], b'x' | b'X' | b'0'..=b'9'),
        ..=b'9' => false,
        _ => text.get(..3).is_some_and(|name| {
            name.eq_ignore_ascii_case(b"inf") || name.eq_ignore_ascii_case(b"nan")
        }),
    }
}

/// The value of four hexadecimal digits.
fn hexadecimal(text: &[u8]) -> Option<u32> {
    let digits = text.first_chunk::<4>()?;
    digits.iter().try_fold(0, |code, &digit| {
        Some(code << 4 | char::from(digit).to_digit(16)?)
    })
}

/// How many bytes come before a quote, a backslash or a NUL byte; the text ends with one. As `plain_len` of `encode`.
fn run_len(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let equal = |word: u64, byte: u8| {
        let zero = word ^ (ONES * u64::from(byte));
        zero.wrapping_sub(ONES) & !zero
    };
    let mut len = 0;
    while let Some(chunk) = text[len..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let found = (equal(word, b'"') | equal(word, b'\\') | equal(word, 0)) & (ONES << 7);
        if found != 0 {
            return len + found.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    while !matches!(text[len], b'"' | b'\\' | 0) {
        len += 1;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_quotes_backslashes_and_nul() {
        for byte in 0..=255u8 {
            for before in 0..20 {
                let mut text = vec![b'x'; before];
                text.extend_from_slice(&[byte, 0x80, 0]);
                let special = matches!(byte, b'"' | b'\\' | 0);
                let expected = if special { before } else { before + 2 };
                assert_eq!(run_len(&text), expected, "{byte} at {before}");
            }
        }
    }
}
