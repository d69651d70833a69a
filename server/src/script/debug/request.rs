//! What the client of the debugger sends: commands as arrays of bulk strings, as any client of Redis.
//!
//! The parser is as lenient as that of Redis: bytes before the first `*` are skipped, and a number ends where its digits
//! end. An argument is neither empty nor longer than 1024 bytes.

/// The most arguments, and the most bytes of one.
const MOST: usize = 1024;

/// The bytes are not a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// The arguments of a request; `None` if it is not complete.
///
/// # Errors
/// The bytes are not a request.
pub fn parse(input: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Malformed> {
    if input.is_empty() {
        return Ok(None);
    }
    let start = input.iter().position(|byte| *byte == b'*');
    let start = start.ok_or(Malformed)?;
    let Some((count, mut rest)) = take_number(&input[start + 1..])? else {
        return Ok(None);
    };
    let mut argv = Vec::new();
    while argv.len() < count {
        let Some(after) = rest.strip_prefix(b"$") else {
            return if rest.is_empty() {
                Ok(None)
            } else {
                Err(Malformed)
            };
        };
        let Some((len, after)) = take_number(after)? else {
            return Ok(None);
        };
        if after.len() < len + 2 {
            return Ok(None);
        }
        argv.push(after[..len].to_vec());
        rest = after[len..].strip_prefix(b"\r\n").ok_or(Malformed)?;
    }
    Ok(Some(argv))
}

/// Takes a number between 1 and [`MOST`] and the end of its line; `None` if the line is not complete.
fn take_number(text: &[u8]) -> Result<Option<(usize, &[u8])>, Malformed> {
    let Some(end) = text.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    match usize::try_from(leading_number(&text[..end])) {
        Ok(number @ 1..=MOST) => Ok(Some((number, &text[end + 2..]))),
        _ => Err(Malformed),
    }
}

/// The number at the beginning of a text; 0 if there is none.
pub fn leading_number(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0i32, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(sign * i32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::{Malformed, leading_number, parse};

    #[test]
    fn requests_are_parsed() {
        let whole = b"*2\r\n$5\r\nbreak\r\n$2\r\n-1\r\n";
        let argv = vec![b"break".to_vec(), b"-1".to_vec()];
        assert_eq!(parse(whole), Ok(Some(argv.clone())));
        for len in 0..whole.len() {
            assert_eq!(parse(&whole[..len]), Ok(None), "{len}");
        }
        // What comes before and behind it is of no concern.
        let framed = [b"xx", whole.as_slice(), b"junk"].concat();
        assert_eq!(parse(&framed), Ok(Some(argv)));
        for bad in [
            "x",
            "*0\r\n",
            "*-1\r\n",
            "*1025\r\n",
            "*x\r\n",
            "*1\r\nx",
            "*1\r\n$0\r\n\r\n",
            "*1\r\n$1025\r\n",
            "*1\r\n$1\r\nabc",
            "*99999999999999999999\r\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn numbers_end_where_their_digits_end() {
        for (text, number) in [
            ("", 0),
            ("12", 12),
            (" -7x", -7),
            ("+3", 3),
            ("x1", 0),
            ("99999999999", i32::MAX),
            ("-99999999999", i32::MIN),
        ] {
            assert_eq!(leading_number(text.as_bytes()), number, "{text}");
        }
    }
}
