//! Splitting of lines into words, quoting, and texts that end at a NUL: configuration files, inline requests, and input and
//! output of redis-cli.
//!
//! Words are separated by whitespace. In `"double quotes"` whitespace is literal, `\n \r \t \b \a \xHH` are one byte,
//! and any other escaped byte is literal; in `'single quotes'` only `\'` is special. A closing quote must end its
//! word. A NUL ends the line.

/// Error: unbalanced quotes, or text directly after a closing quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbalanced;

/// A text up to its first NUL, which is as far as Redis reads or shows many texts.
pub fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The words of a line.
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let mut rest = until_nul(line);
    let mut words = Vec::new();
    loop {
        let blanks = rest.iter().take_while(|&&byte| is_space(byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, behind) = take_word(rest)?;
        words.push(word);
        rest = behind;
    }
}

/// The word that a quoted text stands for; `None` if it is not exactly one word.
pub fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut words = split(text).ok()?;
    if words.len() == 1 { words.pop() } else { None }
}

/// Appends `text` in double quotes with escapes, so that [`split`] reads it as one word and every byte is printable.
pub fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(&[
                    b'\\',
                    b'x',
                    DIGITS[usize::from(byte >> 4)],
                    DIGITS[usize::from(byte & 15)],
                ]);
            }
        }
    }
    out.push(b'"');
}

/// `text` in double quotes with escapes.
pub fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote(&mut out, text);
    out
}

/// Whether Redis quotes `text` where it writes words: it has whitespace, an unprintable byte, `\` or `"`. An empty text and
/// `'` are the caller's concern.
pub fn needs_quotes(text: &[u8]) -> bool {
    text.iter()
        .any(|byte| !matches!(byte, b'!'..=b'~') || matches!(byte, b'\\' | b'"'))
}

/// Reads the first word of a line. Returns it and the rest of the line.
fn take_word(line: &[u8]) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    let mut word = Vec::new();
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => break,
            b'"' | b'\'' => {
                let quoted = &line[at + 1..];
                let len = if byte == b'"' {
                    take_double(quoted, &mut word)?
                } else {
                    take_single(quoted, &mut word)?
                };
                at += 1 + len;
                return match line.get(at) {
                    Some(&next) if !is_space(next) => Err(Unbalanced),
                    _ => Ok((word, &line[at..])),
                };
            }
            _ => word.push(byte),
        }
        at += 1;
    }
    Ok((word, &line[at..]))
}

/// Reads up to the closing double quote. Returns the length including it.
fn take_double(text: &[u8], word: &mut Vec<u8>) -> Result<usize, Unbalanced> {
    let mut at = 0;
    loop {
        let (byte, len) = match &text[at..] {
            [b'"', ..] => return Ok(at + 1),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(*high) << 4 | hex_digit(*low), 4)
            }
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', b'b', ..] => (0x08, 2),
            [b'\\', b'a', ..] => (0x07, 2),
            [b'\\', escaped, ..] => (*escaped, 2),
            [byte, ..] => (*byte, 1),
            [] => return Err(Unbalanced),
        };
        word.push(byte);
        at += len;
    }
}

/// Reads up to the closing single quote. Returns the length including it.
fn take_single(text: &[u8], word: &mut Vec<u8>) -> Result<usize, Unbalanced> {
    let mut at = 0;
    loop {
        let (byte, len) = match &text[at..] {
            [b'\'', ..] => return Ok(at + 1),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [byte, ..] => (*byte, 1),
            [] => return Err(Unbalanced),
        };
        word.push(byte);
        at += len;
    }
}

fn hex_digit(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or(0) as u8
}

/// Whitespace as in C's `isspace`.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::{Unbalanced, needs_quotes, quoted, split, unquote};

    #[test]
    fn words() {
        let rows: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b" \t\r\n\x0b\x0c ", &[]),
            (b"set  foo bar\r\n", &[b"set", b"foo", b"bar"]),
            (br#"a "b c" 'd e'"#, &[b"a", b"b c", b"d e"]),
            (br#""" ''"#, &[b"", b""]),
            (br#""\x41\xfF\x4""#, &[b"A\xffx4"]),
            (br#""\n\r\t\b\a\q\\\"""#, &[b"\n\r\t\x08\x07q\\\""]),
            (br"'\n\'\\x'", &[br"\n'\\x"]),
            (br#"in"side quotes" x"#, &[b"inside quotes", b"x"]),
            (br"back\slash\x41", &[br"back\slash\x41"]),
            (b"a\x0bb", &[b"a\x0bb"]),
            (b"\"a\"\x0bb", &[b"a", b"b"]),
            (b"a b\0c d", &[b"a", b"b"]),
            (b"\xc3\xa9 \xff", &[b"\xc3\xa9", b"\xff"]),
        ];
        for (line, words) in rows {
            assert_eq!(
                split(line).as_deref(),
                Ok(&words.iter().map(|word| word.to_vec()).collect::<Vec<_>>()[..]),
                "{line:?}"
            );
        }
    }

    #[test]
    fn unbalanced() {
        let rows: [&[u8]; 8] = [
            b"\"", b"'", b"a \"b", b"'a\\'", b"\"a\\\"", b"\"a\"b", b"'a'b", b"\"a\0\"",
        ];
        for line in rows {
            assert_eq!(split(line), Err(Unbalanced), "{line:?}");
        }
    }

    #[test]
    fn one_word_is_unquoted_and_no_more() {
        assert_eq!(unquote(br#""\x41\x41""#), Some(b"AA".to_vec()));
        assert_eq!(unquote(b"plain"), Some(b"plain".to_vec()));
        for text in [r#""Unterminated"#, r#""arg1" "arg2""#, ""] {
            assert_eq!(unquote(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn quoting_reads_back() {
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(split(&quoted(&every)), Ok(vec![every]));
        assert_eq!(
            quoted(b"a\"\\\n\r\t\x07\x08\x00\x7f\xe9 z"),
            br#""a\"\\\n\r\t\a\b\x00\x7f\xe9 z""#
        );
        assert!(!needs_quotes(b"plain-word_1!~'"));
        assert!(!needs_quotes(b""));
        for text in [b" ".as_slice(), b"a\"", b"\\", b"\n", b"\x7f", b"\x80"] {
            assert!(needs_quotes(text), "{text:?}");
        }
    }
}
