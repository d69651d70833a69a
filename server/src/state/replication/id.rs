//! Replication ids: 40 random hexadecimal digits that name a history of writes.

use std::fmt;

/// Digits of an id.
pub const DIGITS: usize = 40;

/// A replication id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReplId([u8; DIGITS]);

impl ReplId {
    /// The id of no history (all zeros).
    pub const NONE: ReplId = ReplId([b'0'; DIGITS]);

    /// An id of random bytes.
    pub fn new(random: [u8; DIGITS / 2]) -> Self {
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(random) {
            pair[0] = hex(byte >> 4);
            pair[1] = hex(byte & 15);
        }
        ReplId(digits)
    }

    /// Parses an id; `None` unless it is 40 characters long.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(ReplId)
    }

    /// Its digits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn hex(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble)]
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::ReplId;

    #[test]
    fn an_id_is_forty_digits() {
        let id = ReplId::new([0xa5; 20]);
        assert_eq!(id.to_string(), "a5".repeat(20));
        assert_eq!(ReplId::parse(id.as_bytes()), Some(id));
        assert_eq!(ReplId::parse(b"a5"), None);
    }
}
