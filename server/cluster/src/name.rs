//! Names of nodes and of shards: 40 bytes of `0-9` and `a-z`.
//!
//! A name that Redis generates is hexadecimal; a name that is read is accepted if Redis accepts it.

use std::fmt;

use data::util::rand::Rng;

/// Length of a name in bytes.
pub const NAME_LEN: usize = 40;

/// Name of a node or of a shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name([u8; NAME_LEN]);

impl Name {
    /// The name that a text is, if it is one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let name = <[u8; NAME_LEN]>::try_from(text).ok()?;
        let valid = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        name.iter().all(valid).then_some(Name(name))
    }

    /// A random name.
    pub fn random(rng: &mut Rng) -> Self {
        let mut name = [0; NAME_LEN];
        for part in name.chunks_mut(16) {
            let bits = rng.next_u64();
            for (at, digit) in part.iter_mut().enumerate() {
                *digit = b"0123456789abcdef"[(bits >> (at * 4) & 15) as usize];
            }
        }
        Name(name)
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8; NAME_LEN] {
        &self.0
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str()[..8])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{NAME_LEN, Name};
    use data::util::rand::Rng;

    #[test]
    fn only_forty_lower_case_letters_and_digits_are_a_name() {
        let good = [b'z'; NAME_LEN];
        assert_eq!(Name::parse(&good).unwrap().as_str(), "z".repeat(NAME_LEN));
        for bad in [&[b'a'; 39][..], &[b'a'; 41], &[b'A'; 40], &[0; 40], b""] {
            assert_eq!(Name::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_random_name_is_hexadecimal_and_depends_on_the_seed() {
        let names: Vec<Name> = (0..50)
            .map(|seed| Name::random(&mut Rng::new(seed)))
            .collect();
        for (at, name) in names.iter().enumerate() {
            assert!(name.as_bytes().iter().all(u8::is_ascii_hexdigit));
            assert_eq!(Name::parse(name.as_bytes()), Some(*name));
            assert!(!names[..at].contains(name));
        }
    }
}
