//! Checksums: CRC-64 with the polynomial of RDB files, and CRC-16 with the cluster key slots derived from it.

use crc_fast::{CrcAlgorithm, Digest};

/// Number of cluster key slots.
pub const SLOTS: u16 = 16_384;

/// Continues the CRC-64 `crc` over `data`; the initial value is 0. The polynomial is Jones's, reflected, with no final
/// inversion, as in RDB files and DUMP payloads.
pub fn crc64(crc: u64, data: &[u8]) -> u64 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, crc);
    digest.update(data);
    digest.finalize()
}

/// The CRC-16 of `data` in the XMODEM variant: polynomial 0x1021, initial value 0, not reflected.
pub fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0, |crc, &byte| {
        (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

/// The cluster slot of `key`: the CRC-16 of its hash tag, or of the whole key if it has none.
///
/// The tag is the text between the first `{` and the first `}` after it, unless it is empty.
/// See <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags>.
pub fn key_slot(key: &[u8]) -> u16 {
    let tag = memchr::memchr(b'{', key).and_then(|open| {
        let inside = &key[open + 1..];
        memchr::memchr(b'}', inside)
            .filter(|&len| len > 0)
            .map(|len| &inside[..len])
    });
    crc16(tag.unwrap_or(key)) & (SLOTS - 1)
}

const CRC16: [u16; 256] = crc16_table();

const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{crc16, crc64, key_slot};

    #[test]
    fn check_values() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(0, b""), 0);
    }

    #[test]
    fn crc64_may_be_taken_in_pieces() {
        let data: Vec<u8> = (0..5000).map(|i| (i * 31 % 251) as u8).collect();
        let whole = crc64(0, &data);
        for cut in [0, 1, 7, 8, 15, 16, 255, 256, 257, 1024, 4999, 5000] {
            assert_eq!(crc64(crc64(0, &data[..cut]), &data[cut..]), whole, "{cut}");
        }
    }

    #[test]
    fn slots_follow_the_hash_tag() {
        // The first rows are results of CLUSTER KEYSLOT.
        assert_eq!(key_slot(b"somekey"), 11_058);
        assert_eq!(key_slot(b"foo{hash_tag}"), 2515);
        assert_eq!(
            key_slot(b"{user1000}.following"),
            key_slot(b"{user1000}.followers")
        );
        assert_eq!(key_slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") & 16_383);
        assert_eq!(key_slot(b"foo{{bar}}zap"), key_slot(b"{bar"));
        assert_eq!(key_slot(b"foo{bar}{zap}"), key_slot(b"bar"));
        assert_eq!(key_slot(b"foo{bar"), crc16(b"foo{bar") & 16_383);
        assert_eq!(key_slot(b""), 0);
    }
}
