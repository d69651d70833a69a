//! Looking for the first error in the commands of an append-only file, for `redis-check-aof`.
//!
//! The texts and offsets are those of Redis 7.2.6, down to how it reads lines: the length of a line is limited, and
//! what is behind a NUL in it is not seen.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use data::util::leading::{checked_i64, leading_i64};
use words::until_nul;

/// Maximum length of a line in front of a command, in bytes.
const MAX_NOTE: u64 = 1023;
/// Maximum length of a line with a length, in bytes.
const MAX_LENGTH: u64 = 127;
/// What begins an annotation with a time.
const TIMESTAMP: &[u8] = b"#TS:";

/// How the scan of a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All is valid up to this offset, which is the end or where the first error is.
    ValidUpTo(u64),
    /// At this offset what is later than the wanted time begins.
    Later(u64),
    /// An annotation has no valid time.
    BadTimestamp,
}

/// A scan; line numbers count on from file to file.
pub struct Scan {
    /// Number of the line.
    pub line: u64,
    /// Unix time in seconds; what is later is looked for.
    until: Option<i64>,
    /// Where the last length, string or annotation began.
    began: u64,
    /// The last error.
    error: Option<Vec<u8>>,
    /// Commands of MULTI that EXEC has not ended.
    multi: i64,
}

/// A file with a position.
struct Text {
    inner: BufReader<File>,
    at: u64,
    size: u64,
    /// The end was read.
    at_end: bool,
}

impl Text {
    /// Reads a line of at most `max` bytes; `None` at the end of the file.
    fn line(&mut self, max: u64) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.inner.by_ref().take(max).read_until(b'\n', &mut line)?;
        self.at += line.len() as u64;
        self.at_end |= line.last() != Some(&b'\n') && (line.len() as u64) < max;
        Ok((!line.is_empty()).then_some(line))
    }

    fn back(&mut self, by: usize) -> io::Result<()> {
        self.at -= by as u64;
        self.at_end = false;
        self.inner.seek_relative(-(by as i64))
    }
}

impl Scan {
    /// A scan that looks for errors, and for what is later than a time.
    pub fn new(until: Option<i64>) -> Self {
        Scan {
            line: 1,
            until,
            began: 0,
            error: None,
            multi: 0,
        }
    }

    /// Scans the commands of a file, from an offset on. Errors are written to `out`; as in Redis, some contain the name of the
    /// file, and some its path.
    ///
    /// # Errors
    /// The file cannot be read, or `out` not be written to.
    pub fn file(
        &mut self,
        file: File,
        start: u64,
        (name, path): (&str, &str),
        out: &mut dyn Write,
    ) -> io::Result<Found> {
        let size = file.metadata()?.len();
        let mut inner = BufReader::with_capacity(1 << 16, file);
        inner.seek(SeekFrom::Start(start))?;
        let mut text = Text {
            inner,
            at: start,
            size,
            at_end: false,
        };
        self.multi = 0;
        let mut valid = start;
        loop {
            if self.multi == 0 {
                valid = text.at;
            }
            let Some(line) = text.line(MAX_NOTE)? else {
                break;
            };
            let seen = until_nul(&line).len();
            match line[0] {
                b'#' => {
                    self.began = text.at - seen as u64;
                    match self.until.map(|until| is_later(&line, until)) {
                        None | Some(Some(false)) => {}
                        Some(Some(true)) => return Ok(Found::Later(self.began)),
                        Some(None) => return Ok(Found::BadTimestamp),
                    }
                }
                b'*' => {
                    text.back(seen)?;
                    if !self.command(&mut text, path)? {
                        break;
                    }
                }
                _ => {
                    writeln!(out, "AOF {name} format error")?;
                    break;
                }
            }
        }
        if text.at_end && self.multi != 0 && self.error.is_none() {
            self.fail("Reached EOF before reading EXEC for MULTI");
        }
        if let Some(error) = self.error.take() {
            out.write_all(&error)?;
            writeln!(out)?;
        }
        Ok(Found::ValidUpTo(valid))
    }

    fn fail(&mut self, text: &str) {
        self.fail_with(text.as_bytes());
    }

    fn fail_with(&mut self, text: &[u8]) {
        let place = format!("0x{:>16x}: ", self.began);
        self.error = Some([place.as_bytes(), until_nul(text)].concat());
    }

    /// Reads a command; whether it is valid.
    fn command(&mut self, text: &mut Text, path: &str) -> io::Result<bool> {
        let Some(count) = self.length(text, b'*')? else {
            return Ok(false);
        };
        for number in 0..count {
            let Some(string) = self.string(text)? else {
                return Ok(false);
            };
            if number > 0 {
                continue;
            }
            let word = until_nul(&string);
            if word.eq_ignore_ascii_case(b"multi") {
                self.multi += 1;
                if self.multi > 1 {
                    self.fail(&format!("Unexpected MULTI in AOF {path}"));
                    return Ok(false);
                }
            } else if word.eq_ignore_ascii_case(b"exec") {
                self.multi -= 1;
                if self.multi != 0 {
                    self.fail(&format!("Unexpected EXEC in AOF {path}"));
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Reads a line with a length; `None` if there is none.
    fn length(&mut self, text: &mut Text, prefix: u8) -> io::Result<Option<i64>> {
        self.began = text.at;
        let Some(line) = text.line(MAX_LENGTH)? else {
            return Ok(None);
        };
        if line[0] != prefix {
            let text = format!("Expected prefix '{}', got: '", char::from(prefix));
            self.fail_with(&[text.as_bytes(), &[line[0]], b"'"].concat());
            return Ok(None);
        }
        let (number, digits) = leading_i64(&line[1..]);
        let byte = |at: usize| line.get(1 + digits + at).copied().unwrap_or(0);
        let next = [byte(0), byte(1)];
        Ok(self.is_newline(next).then_some(number))
    }

    /// Counts the end of a line; whether it is one. In the error the bytes are signed, as in Redis.
    fn is_newline(&mut self, bytes: [u8; 2]) -> bool {
        if bytes != *b"\r\n" {
            let [first, second] = bytes.map(|byte| i32::from(byte.cast_signed()));
            self.fail(&format!("Expected \\r\\n, got: {first:02x}{second:02x}"));
            return false;
        }
        self.line += 1;
        true
    }

    /// Reads a string behind its length; `None` if it is not complete.
    fn string(&mut self, text: &mut Text) -> io::Result<Option<Vec<u8>>> {
        let Some(len) = self.length(text, b'$')? else {
            return Ok(None);
        };
        let wanted = u64::try_from(len)
            .ok()
            .filter(|&len| len <= i64::MAX as u64 - 2);
        let Some(wanted) = wanted else {
            self.fail(&format!(
                "Expected to read string of {len} bytes, which is not in the suitable range"
            ));
            return Ok(None);
        };
        let wanted = wanted + 2;
        self.began = text.at;
        let left = text.size.saturating_sub(text.at);
        if wanted > left {
            text.at_end = true;
            self.fail(&format!(
                "Expected to read {wanted} bytes, got {left} bytes"
            ));
            return Ok(None);
        }
        let mut string = vec![0; wanted as usize];
        text.inner.read_exact(&mut string)?;
        text.at += wanted;
        let end = string.len() - 2;
        let newline = [string[end], string[end + 1]];
        string.truncate(end);
        Ok(self.is_newline(newline).then_some(string))
    }
}

/// Whether an annotation has a time after `until`; `None` if it should have one and has none.
fn is_later(line: &[u8], until: i64) -> Option<bool> {
    let Some(time) = until_nul(line).strip_prefix(TIMESTAMP) else {
        return Some(false);
    };
    let (time, len) = checked_i64(time)?;
    let ends = line.get(TIMESTAMP.len() + len) == Some(&b'\r');
    ends.then_some(time > until)
}

#[cfg(test)]
mod tests {
    use super::is_later;

    #[test]
    fn annotations_tell_the_time() {
        let rows: &[(&[u8], Option<bool>)] = &[
            (b"#TS:5\r\n", Some(false)),
            (b"#TS:6\r\n", Some(true)),
            (b"#TS:6\n", None),
            (b"#TS:6", None),
            (b"#TS:x\r\n", None),
            (b"#TS:\r\n", Some(false)),
            (b"#ts:9\r\n", Some(false)),
            (b"#foo\r\n", Some(false)),
        ];
        for (line, later) in rows {
            assert_eq!(is_later(line, 5), *later, "{line:?}");
        }
    }
}
