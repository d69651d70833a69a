//! Requests that this server writes, for replicas, files and its primary.

use conn::encode::{bulk, header};

/// Appends a request to `out`.
pub fn encode<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    array(args.len(), out);
    for arg in args {
        bulk(arg, out);
    }
}

/// Appends the beginning of a request of `n` arguments, which are to follow.
pub fn array(n: usize, out: &mut Vec<u8>) {
    header(b'*', n as i64, out);
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
