//! The headers of a request's array and bulks, as nearly all clients send them: complete and with a short number.
//!
//! Whatever else arrives is left to `wire/request`, which knows all forms and their errors.

/// The largest number that [`short_number`] understands.
pub const MAX_SHORT: i64 = 9999;

/// The number of the header that begins with `mark` at a place, and where the next line begins. `None` says nothing: only
/// complete headers with up to four digits are understood, as nearly all are.
#[inline]
pub fn short_number(bytes: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    let digit = |byte: u8| usize::from(byte.wrapping_sub(b'0'));
    let header = bytes.get(at..)?;
    let (&first, rest) = header.split_first()?;
    let (&lead, mut rest) = rest.split_first()?;
    let mut number = digit(lead);
    if first != mark || number > 9 {
        return None;
    }
    let mut digits = 1;
    loop {
        let (&byte, behind) = rest.split_first()?;
        if byte == b'\r' {
            break;
        }
        // Without leading zeros.
        if digit(byte) > 9 || digits == 4 || number == 0 {
            return None;
        }
        number = number * 10 + digit(byte);
        digits += 1;
        rest = behind;
    }
    (rest.len() >= 2).then_some((number, at + digits + 3))
}

#[cfg(test)]
mod tests {
    use super::short_number;

    type Found = Option<(usize, usize)>;

    #[test]
    fn short_numbers_are_canonical() {
        let cases: [(&[u8], Found); 14] = [
            (b"$0\r\n", Some((0, 4))),
            (b"$9\r\nx", Some((9, 4))),
            (b"$10\r\n$", Some((10, 5))),
            (b"$907\r\n", Some((907, 6))),
            (b"$9999\r\n", Some((9999, 7))),
            (b"$10000\r\n", None),
            (b"", None),
            (b"$", None),
            (b"$1", None),
            (b"$1\r", None),
            (b"$00\r\n", None),
            (b"$01\r\n", None),
            (b"$-1\r\n", None),
            (b"*1\r\n", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(short_number(bytes, 0, b'$'), expected, "{bytes:?}");
            let behind = [b"x", bytes].concat();
            let expected = expected.map(|(number, at)| (number, at + 1));
            assert_eq!(short_number(&behind, 1, b'$'), expected, "{bytes:?}");
        }
    }
}
