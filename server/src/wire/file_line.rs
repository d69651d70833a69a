//! Lines of an append-only file: annotations, and lengths as Redis reads them there.
//!
//! A line ends with a line feed, and the number that it begins with counts, read as C's `strtol` reads it. So a file whose
//! carriage returns were damaged or removed is read, or refused, and is not taken for one that lacks its end, which would
//! be cut off.

use data::util::leading::leading_i64;

/// Maximum length of a line with its line feed, in bytes.
const MAX_LINE: usize = 1023;

/// A line that is too long.
pub(super) struct TooLong;

/// Length of the line that `rest` begins with; `None` while it is incomplete.
///
/// # Errors
/// It is too long.
#[cold]
pub(super) fn file_line(rest: &[u8]) -> Result<Option<usize>, TooLong> {
    let window = &rest[..rest.len().min(MAX_LINE)];
    match memchr::memchr(b'\n', window) {
        Some(end) => Ok(Some(end + 1)),
        None if window.len() == MAX_LINE => Err(TooLong),
        None => Ok(None),
    }
}

/// The number behind the first byte of the line that `rest` begins with, 0 without digits, and the length of the line. `None`
/// while the line is incomplete. The number of arguments is cut to 32 bits, as in Redis.
///
/// # Errors
/// It is too long.
#[cold]
pub(super) fn file_number(rest: &[u8]) -> Result<Option<(i64, usize)>, TooLong> {
    let Some(len) = file_line(rest)? else {
        return Ok(None);
    };
    let (number, _) = leading_i64(&rest[1..len.max(1)]);
    let number = match rest[0] {
        b'*' => i64::from(number as i32),
        _ => number,
    };
    Ok(Some((number, len)))
}

#[cfg(test)]
mod tests {
    use super::MAX_LINE;
    use crate::wire::request::{Origin, Parsed, Request, RequestLimits};

    const LIMITS: RequestLimits = RequestLimits {
        max_bulk: i64::MAX / 2,
        unauthenticated: false,
        origin: Origin::File,
    };

    /// The number of commands before the end (`Ok`) or the first error, and whether something is left.
    fn read(text: &str) -> (Result<usize, usize>, bool) {
        let mut request = Request::default();
        let bytes = text.as_bytes();
        let (mut at, mut commands) = (0, 0);
        loop {
            match request.parse(LIMITS) {
                Ok(Parsed::Command) => commands += 1,
                Ok(Parsed::Nothing) => {}
                Ok(Parsed::Incomplete) if at == bytes.len() => {
                    return (Ok(commands), request.is_incomplete());
                }
                Ok(Parsed::Incomplete) => {
                    let space = request.space();
                    let n = space.len().min(bytes.len() - at);
                    space[..n].copy_from_slice(&bytes[at..at + n]);
                    request.filled(n);
                    at += n;
                }
                Err(_) => return (Err(commands), true),
            }
        }
    }

    #[test]
    fn a_file_has_commands_and_annotations() {
        let ping = "*1\r\n$4\r\nPING\r\n";
        let longest = format!("#{}\n", "x".repeat(MAX_LINE - 2));
        let rows = [
            (ping.to_owned(), Ok(1), false),
            (format!("#TS:1\r\n{ping}#x\n#\n{ping}#cut"), Ok(2), true),
            (format!("{longest}{ping}{longest}"), Ok(1), false),
            (format!("{ping}#{longest}"), Err(1), true),
            (format!("{ping}PING\r\n"), Err(1), true),
            (format!("{ping}\r\n{ping}"), Err(1), true),
            (format!("{ping}*0\r\n{ping}"), Err(1), true),
            (format!("{ping}*-1\r\n{ping}"), Err(1), true),
            (format!("{ping}*1\n$4\nPING\r\n{ping}"), Ok(3), false),
            (format!("{ping}*1x\r\n$4y\nPINGab{ping}"), Ok(3), false),
            (format!("{ping}*x\r\n{ping}"), Err(1), true),
            (format!("{ping}*+01\r\r\n$ +04\r\nPING{ping}"), Err(2), true),
            (
                format!("{ping}* +01\r\r\n$\t04 \r\nPING\r\n{ping}"),
                Ok(3),
                false,
            ),
            (format!("{ping}*1\r\r$4\r\nPING\r\n{ping}"), Err(1), true),
            (format!("{ping}*1\r\n$4\r\rPING\r\n{ping}"), Err(2), true),
            (
                format!("{ping}*2\r\n$4\r\nPING\r\n$x\r\n\r\n{ping}"),
                Ok(3),
                false,
            ),
            (
                format!("{ping}*4294967297\r\n$4\r\nPING\r\n{ping}"),
                Ok(3),
                false,
            ),
            (
                format!("{ping}*18446744073709551617\r\n$4\r\nPING\r\n"),
                Err(1),
                true,
            ),
            (format!("{ping}*1\r\n$-1\r\nPING\r\n"), Err(1), true),
            (format!("{ping}*1{}\n", "x".repeat(1100)), Err(1), true),
            (ping.repeat(2).replace('\r', ""), Err(1), true),
        ];
        for (text, expected, is_left) in rows {
            assert_eq!(read(&text), (expected, is_left), "{text}");
        }
    }
}
