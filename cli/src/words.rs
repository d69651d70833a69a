//! Splitting lines into words, and quoting: for the prompt, `--quoted-input` and the output of binary strings.
//!
//! Words are separated by white space. In double quotes `\n \r \t \b \a \xHH` stand for one byte and any other escaped
//! byte for itself; in single quotes only `\'` is special. A word must end after a closing quote.

/// The words of a line; `None` if its quotes are unbalanced.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let end = line.iter().position(|&byte| byte == 0);
    let mut rest = &line[..end.unwrap_or(line.len())];
    let mut words = Vec::new();
    loop {
        let blanks = rest.iter().take_while(|&&byte| is_space(byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Some(words);
        }
        words.push(take_word(&mut rest)?);
    }
}

/// The word that a quoted text stands for; `None` if it is not exactly one word.
pub fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut words = split(text)?;
    if words.len() == 1 { words.pop() } else { None }
}

/// Appends `text` in double quotes with escapes, so that [`split`] restores it.
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
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// `text` in double quotes, as text.
pub fn quoted(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote(&mut out, text);
    // The output of `quote` is ASCII.
    String::from_utf8_lossy(&out).into_owned()
}

fn take_word(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut word = Vec::new();
    loop {
        match **rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some(word),
            [mark @ (b'"' | b'\''), ..] => {
                *rest = &rest[1..];
                take_quoted(rest, mark, &mut word)?;
                let ends = rest.first().is_none_or(|&next| is_space(next));
                return ends.then_some(word);
            }
            [byte, ..] => {
                word.push(byte);
                *rest = &rest[1..];
            }
        }
    }
}

/// Consumes everything up to and including the closing quote.
fn take_quoted(rest: &mut &[u8], mark: u8, word: &mut Vec<u8>) -> Option<()> {
    loop {
        let (byte, len) = match **rest {
            [] => return None,
            [byte, ..] if byte == mark => {
                *rest = &rest[1..];
                return Some(());
            }
            [b'\\', b'\'', ..] if mark == b'\'' => (b'\'', 2),
            [b'\\', b'x', high, low, ..] if mark == b'"' => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'x', 2),
            },
            [b'\\', escaped, ..] if mark == b'"' => (unescaped(escaped), 2),
            [byte, ..] => (byte, 1),
        };
        word.push(byte);
        *rest = &rest[len..];
    }
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// White space as in C's `isspace`.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::{quote, quoted, split, unquote};

    #[test]
    fn lines_become_words() {
        let table: [(&str, Option<&[&[u8]]>); 15] = [
            ("", Some(&[])),
            ("  get\tkey \r\n", Some(&[b"get", b"key"])),
            (r#"set k "a b""#, Some(&[b"set", b"k", b"a b"])),
            (r#""\x00\x41\xzz\n\q""#, Some(&[b"\0Axzz\nq"])),
            (r#""tab\tbell\aback\b""#, Some(&[b"tab\tbell\x07back\x08"])),
            (r"'it\'s \n'", Some(&[br"it's \n"])),
            (r#"key"" bar"#, Some(&[b"key", b"bar"])),
            (r#""""#, Some(&[b""])),
            (r#"a"b c" d"#, Some(&[b"ab c", b"d"])),
            (r#""a"b"#, None),
            ("''x", None),
            (r#"get "open"#, None),
            ("'open", None),
            (r#""ends with\"#, None),
            ("cut\0off", Some(&[b"cut"])),
        ];
        for (line, expected) in table {
            let words = split(line.as_bytes());
            let words: Option<Vec<&[u8]>> = words
                .as_ref()
                .map(|words| words.iter().map(Vec::as_slice).collect());
            assert_eq!(words.as_deref(), expected, "{line:?}");
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
    fn quoting_is_read_back() {
        let every: Vec<u8> = (1..=255).collect();
        let mut line = Vec::new();
        quote(&mut line, &every);
        assert_eq!(split(&line), Some(vec![every]));
        assert_eq!(quoted(b"a\"\\\x7f\xf0\x07"), r#""a\"\\\x7f\xf0\a""#);
    }
}
