//! Encoding of lengths in entries and records: 0 to 252 are one byte; 253, 254 and 255 are followed by 2, 4 or 8 bytes
//! of a little-endian number.

/// Maximum size of an encoded length.
pub const MAX_WIDTH: usize = 9;

/// Size of the encoding of `len`.
#[inline]
pub const fn width(len: usize) -> usize {
    match len {
        0..=252 => 1,
        253..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// The encoding of a length; only the first [`width`] bytes are significant.
#[inline]
pub fn encode(len: usize) -> [u8; MAX_WIDTH] {
    let mut coded = [0; MAX_WIDTH];
    coded[0] = match width(len) {
        1 => return [len as u8, 0, 0, 0, 0, 0, 0, 0, 0],
        3 => 253,
        5 => 254,
        _ => 255,
    };
    coded[1..].copy_from_slice(&(len as u64).to_le_bytes());
    coded
}

/// Number of bytes after the first byte of an encoded length.
#[inline(always)]
pub const fn following(first: u8) -> usize {
    match first {
        253 => 2,
        254 => 4,
        255 => 8,
        _ => 0,
    }
}

/// Decodes the bytes after the first one.
#[inline]
pub fn decode(following: &[u8]) -> usize {
    let mut whole = [0; 8];
    whole[..following.len()].copy_from_slice(following);
    u64::from_le_bytes(whole) as usize
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, following, width};

    #[test]
    fn lengths_round_trip() {
        for len in [
            0,
            1,
            252,
            253,
            0xffff,
            0x1_0000,
            0xffff_ffff,
            0x1_0000_0000,
            usize::MAX,
        ] {
            let coded = encode(len);
            assert_eq!(1 + following(coded[0]), width(len), "{len}");
            let read = match following(coded[0]) {
                0 => usize::from(coded[0]),
                more => decode(&coded[1..=more]),
            };
            assert_eq!(read, len);
        }
    }
}
