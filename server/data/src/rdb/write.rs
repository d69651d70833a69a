//! Encodes the format's numbers and strings; the counterpart of [`crate::rdb::cursor`].

use crate::util::lzf;
use crate::util::num::parse_i64;

/// Strings of at least this many bytes are compressed.
const COMPRESS_FROM: usize = 21;

/// Appends a length.
pub fn length(out: &mut Vec<u8>, length: u64) {
    match length {
        0..0x40 => out.push(length as u8),
        0x40..0x4000 => out.extend_from_slice(&(length as u16 | 0x4000).to_be_bytes()),
        0x4000..=0xffff_ffff => {
            out.push(0x80);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// Appends an integer as a string: in a special form if it fits 32 bits, else as its digits.
pub fn integer(out: &mut Vec<u8>, number: i64) {
    if let Ok(number) = i8::try_from(number) {
        out.push(0xc0);
        out.push(number.to_le_bytes()[0]);
    } else if let Ok(number) = i16::try_from(number) {
        out.push(0xc1);
        out.extend_from_slice(&number.to_le_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(0xc2);
        out.extend_from_slice(&number.to_le_bytes());
    } else {
        plain(out, number.to_string().as_bytes());
    }
}

/// Appends a string as it is.
pub fn plain(out: &mut Vec<u8>, text: &[u8]) {
    length(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Appends a string in its shortest form: as an integer, compressed if `compress`, or as it is.
pub fn text(out: &mut Vec<u8>, text: &[u8], compress: bool) {
    if text.len() <= 11
        && let Some(number) = parse_i64(text).filter(|&number| i32::try_from(number).is_ok())
    {
        return integer(out, number);
    }
    if compress
        && text.len() >= COMPRESS_FROM
        && let Some(packed) = lzf::compress(text)
    {
        out.push(0xc3);
        length(out, packed.len() as u64);
        length(out, text.len() as u64);
        out.extend_from_slice(&packed);
        return;
    }
    plain(out, text);
}

#[cfg(test)]
mod tests {
    use super::{integer, length, text};
    use crate::rdb::cursor::{Cursor, Length};

    #[test]
    fn round_trips() {
        for number in [
            0,
            63,
            64,
            16_383,
            16_384,
            u32::MAX.into(),
            1 << 32,
            u64::MAX,
        ] {
            let mut out = Vec::new();
            length(&mut out, number);
            assert_eq!(Cursor::new(&out).any_length(), Ok(Length::Plain(number)));
        }
        for number in [0, -1, 127, 128, -32_768, 32_768, 1 << 31, i64::MIN] {
            let mut out = Vec::new();
            integer(&mut out, number);
            let digits = number.to_string();
            assert_eq!(Cursor::new(&out).text().as_deref(), Ok(digits.as_bytes()));
        }
        let long = vec![b'a'; 1000];
        for (string, compress) in [
            (&b""[..], true),
            (b"0123", true),
            (&long, true),
            (&long, false),
        ] {
            let mut out = Vec::new();
            text(&mut out, string, compress);
            assert_eq!(Cursor::new(&out).text().as_deref(), Ok(string));
            assert!(!compress || string.len() < 100 || out.len() < 100);
        }
    }
}
