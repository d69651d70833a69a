//! The elements of RESP, appended to a buffer: what requests, replies and messages are made of.

/// Maximum number of bytes that frame a bulk string.
pub const BULK_FRAME: usize = 1 + 20 + 2 + 2;
/// Maximum length of a bulk string that is copied in pieces of a fixed size.
const SHORT: usize = 31;
/// What such a bulk string takes at most.
const FRAMED: usize = SHORT_LINE + SHORT + 2;
/// Length of the longest line that is written without formatting: a mark, two digits and the line end.
const SHORT_LINE: usize = 5;

/// A line of a mark and a number: the length of an aggregate or of a bulk string, an integer.
#[inline]
pub fn header(mark: u8, n: i64, out: &mut Vec<u8>) {
    // Most counts and many lengths are written with one copy.
    if let 0..100 = n {
        let (line, len) = short_line(mark, n as u8);
        out.extend_from_slice(&line[..len]);
        return;
    }
    let mut digits = itoa::Buffer::new();
    out.push(mark);
    out.extend_from_slice(digits.format(n).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The line of a mark and a number below 100, and its length.
#[inline(always)]
fn short_line(mark: u8, n: u8) -> ([u8; SHORT_LINE], usize) {
    if n < 10 {
        ([mark, b'0' + n, b'\r', b'\n', 0], 4)
    } else {
        ([mark, b'0' + n / 10, b'0' + n % 10, b'\r', b'\n'], 5)
    }
}

/// A bulk string.
#[inline]
pub fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.len() <= SHORT {
        short_bulk(bytes, out);
    } else {
        long_bulk(bytes, out);
    }
}

#[inline(never)]
fn long_bulk(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + BULK_FRAME);
    header(b'$', bytes.len() as i64, out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// A bulk string of up to `SHORT` bytes. Copies of a fixed size need no call of `memcpy`, so more than is needed is
/// appended and cut off again.
#[inline]
fn short_bulk(bytes: &[u8], out: &mut Vec<u8>) {
    let (start, len) = (out.len(), bytes.len());
    out.extend_from_slice(&[0; FRAMED]);
    let Some(frame) = out[start..].first_chunk_mut::<FRAMED>() else {
        return;
    };
    let (line, head) = short_line(b'$', len as u8);
    frame[..SHORT_LINE].copy_from_slice(&line);
    copy_short(bytes, &mut frame[head..]);
    frame[head + len..][..2].copy_from_slice(b"\r\n");
    out.truncate(start + head + len + 2);
}

/// Copies up to `SHORT` bytes as two pieces of a fixed size, which may overlap.
#[inline]
fn copy_short(from: &[u8], to: &mut [u8]) {
    match from.len() {
        16.. => copy_ends::<16>(from, to),
        8.. => copy_ends::<8>(from, to),
        4.. => copy_ends::<4>(from, to),
        2.. => copy_ends::<2>(from, to),
        _ => copy_ends::<1>(from, to),
    }
}

#[inline]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) {
    if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
        to[..N].copy_from_slice(first);
        to[from.len() - N..][..N].copy_from_slice(last);
    }
}

/// The beginning of an array of `n` elements, which are to follow.
pub fn array(n: usize, out: &mut Vec<u8>) {
    header(b'*', n as i64, out);
}

/// A request: an array of bulk strings.
pub fn request<A: AsRef<[u8]>>(args: impl ExactSizeIterator<Item = A>, out: &mut Vec<u8>) {
    array(args.len(), out);
    for arg in args {
        bulk(arg.as_ref(), out);
    }
}

/// The null of RESP3.
pub const NULL: &[u8] = b"_\r\n";
/// The null bulk string of RESP2.
pub const NULL_BULK: &[u8] = b"$-1\r\n";

#[cfg(test)]
mod tests {
    use super::{bulk, header, request};

    #[test]
    fn numbers_of_every_length() {
        for n in [0, 9, 10, 99, 100, 12_345, i64::MAX, -1, -10, i64::MIN] {
            let mut out = Vec::new();
            header(b':', n, &mut out);
            assert_eq!(out, format!(":{n}\r\n").into_bytes());
        }
    }

    #[test]
    fn a_request_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        request(["GET", ""].iter(), &mut out);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
    }

    #[test]
    fn bulk_strings_of_every_length() {
        let text: String = ('\0'..'\u{80}').cycle().take(70_000).collect();
        for len in (0..=100).chain([70_000]) {
            let mut out = b"before".to_vec();
            bulk(&text.as_bytes()[..len], &mut out);
            let wanted = format!("before${len}\r\n{}\r\n", &text[..len]);
            assert_eq!(out, wanted.into_bytes());
        }
    }
}
