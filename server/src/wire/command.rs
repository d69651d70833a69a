//! Requests that this server writes, for replicas, files and its primary, and the parts of which messages consist.

/// Appends a request to `out`.
pub fn encode<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    array(args.len(), out);
    for arg in args {
        bulk(arg, out);
    }
}

/// Appends the beginning of a request of `n` arguments, which are to follow.
pub fn array(n: usize, out: &mut Vec<u8>) {
    header(b'*', n, out);
}

/// Appends an argument.
pub fn bulk(arg: &[u8], out: &mut Vec<u8>) {
    header(b'$', arg.len(), out);
    out.extend_from_slice(arg);
    out.extend_from_slice(b"\r\n");
}

/// Appends a line of a mark and a number: the length of an aggregate or a bulk, an integer.
#[inline]
pub fn header(mark: u8, n: usize, out: &mut Vec<u8>) {
    if n < 10 {
        // Most counts and many lengths: one copy.
        out.extend_from_slice(&[mark, b'0' + n as u8, b'\r', b'\n']);
        return;
    }
    let mut digits = itoa::Buffer::new();
    out.push(mark);
    out.extend_from_slice(digits.format(n).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn a_request_is_an_array_of_bulks() {
        let mut out = Vec::new();
        encode([b"GET".as_slice(), b""].into_iter(), &mut out);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
        out.clear();
        encode(
            [b"0123456789".as_slice(), b"012345678"].into_iter(),
            &mut out,
        );
        assert_eq!(out, b"*2\r\n$10\r\n0123456789\r\n$9\r\n012345678\r\n");
    }
}
