//! SHA-1 (script names, digests of datasets) and SHA-256 (passwords), and bytes as lowercase hexadecimal text.

use sha1::{Digest, Sha1};
use sha2::Sha256;

/// The SHA-1 of `data`: 20 bytes.
pub fn sha1(data: &[u8]) -> [u8; 20] {
    Sha1::digest(data).into()
}

/// The SHA-1 of `data` as 40 hexadecimal digits.
pub fn sha1_hex(data: &[u8]) -> [u8; 40] {
    hex(&sha1(data))
}

/// The SHA-256 of `data`: 32 bytes.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// `bytes` as hexadecimal digits, of which there must be twice as many.
pub fn hex<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; N];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{hex, sha1_hex, sha256};

    #[test]
    fn known_digests() {
        // FIPS 180-2, appendices A and B.
        assert_eq!(
            &sha1_hex(b"abc"),
            b"a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(&sha1_hex(b""), b"da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(
            &hex(&sha256(b"abc")),
            b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
