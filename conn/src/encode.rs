//! The elements of RESP, appended to a buffer: what requests, replies and messages are made of.

/// Maximum number of bytes that frame a bulk string.
pub const BULK_FRAME: usize = 1 + 20 + 2 + 2;

/// A line of a mark and a number: the length of an aggregate or of a bulk string, an integer.
#[inline]
pub fn header(mark: u8, n: i64, out: &mut Vec<u8>) {
    // Most counts and many lengths are written with one copy.
    match n {
        0..10 => out.extend_from_slice(&[mark, digit(n), b'\r', b'\n']),
        10..100 => {
            out.extend_from_slice(&[mark, digit(n / 10), digit(n % 10), b'\r', b'\n']);
        }
        n => {
            let mut digits = itoa::Buffer::new();
            out.push(mark);
            out.extend_from_slice(digits.format(n).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn digit(number: i64) -> u8 {
    b'0' + number as u8
}

/// A bulk string.
#[inline]
pub fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + BULK_FRAME);
    header(b'$', bytes.len() as i64, out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// The null of RESP3.
pub const NULL: &[u8] = b"_\r\n";
/// The null bulk string of RESP2.
pub const NULL_BULK: &[u8] = b"$-1\r\n";

#[cfg(test)]
mod tests {
    use super::{bulk, header};

    #[test]
    fn numbers_of_every_length() {
        for n in [0, 9, 10, 99, 100, 12_345, i64::MAX, -1, -10, i64::MIN] {
            let mut out = Vec::new();
            header(b':', n, &mut out);
            assert_eq!(out, format!(":{n}\r\n").into_bytes());
        }
        for len in [0, 9, 10, 99, 100, 70_000] {
            let (mut out, text) = (Vec::new(), "x".repeat(len));
            bulk(text.as_bytes(), &mut out);
            assert_eq!(out, format!("${len}\r\n{text}\r\n").into_bytes());
        }
    }
}
