//! Hash slots: which of the 16,384 slots of a Redis Cluster a key belongs to. Shared by the server, redis-cli and
//! redis-benchmark.
//!
//! See <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model>.

/// Number of hash slots.
pub const SLOTS: u16 = 16_384;

/// The CRC-16 of `data` in the XMODEM variant: polynomial 0x1021, initial value 0, not reflected.
pub fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0, |crc, &byte| {
        (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

/// The slot of `key`: the CRC-16 of its hash tag, or of the whole key if it has none.
///
/// The tag is the text between the first `{` and the first `}` after it, unless it is empty.
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
    use super::{crc16, key_slot};

    #[test]
    fn check_value() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn slots_follow_the_hash_tag() {
        // Numbers are results of CLUSTER KEYSLOT.
        let table: [(&[u8], u16); 10] = [
            (b"somekey", 11_058),
            (b"foo", 12_182),
            (b"", 0),
            (b"foo{hash_tag}", 2515),
            (b"{user1000}.following", key_slot(b"user1000")),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", key_slot(b"{bar")),
            (b"foo{bar}{zap}", key_slot(b"bar")),
            (b"foo{bar", 15_278),
            (b"}foo{bar}", key_slot(b"bar")),
        ];
        for (key, slot) in table {
            assert_eq!(key_slot(key), slot, "{}", key.escape_ascii());
        }
    }
}
