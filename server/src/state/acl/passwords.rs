//! The passwords of a user, as SHA-256 digests.
//!
//! # Invariants
//! 1. No digest is listed twice.
//! 2. `index` is empty or has every digest. It exists only while rules are applied ([`Passwords::finish`] drops it).

use std::collections::HashSet;

use data::util::sha::sha256;

/// From this number of passwords on, duplicates are found by an index.
const INDEXED: usize = 64;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// A list of passwords in the order in which they were added.
#[derive(Debug, Default)]
pub struct Passwords {
    digests: Vec<Digest>,
    index: HashSet<Digest>,
}

impl Clone for Passwords {
    fn clone(&self) -> Self {
        Passwords {
            digests: self.digests.clone(),
            index: HashSet::new(),
        }
    }
}

impl Passwords {
    /// Adds a digest, unless it is there.
    pub fn add(&mut self, digest: Digest) {
        if self.has(&digest) {
            return;
        }
        if !self.index.is_empty() {
            self.index.insert(digest);
        }
        self.digests.push(digest);
    }

    /// Removes a digest; false if it is not there.
    pub fn remove(&mut self, digest: &Digest) -> bool {
        let place = self.digests.iter().position(|known| known == digest);
        if let Some(place) = place {
            self.digests.remove(place);
            self.index.remove(digest);
        }
        place.is_some()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Passwords::default();
    }

    /// Gives back the memory that only adding needs.
    pub fn finish(&mut self) {
        self.index = HashSet::new();
    }

    /// The digests.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        self.digests.iter()
    }

    /// Whether a password is the right one. Neither the time taken nor the number of digests compared depends on how
    /// much of a digest is equal.
    pub fn accept(&self, password: &[u8]) -> bool {
        let given = sha256(password);
        let mut accepted = false;
        for digest in &self.digests {
            let differing = digest
                .iter()
                .zip(&given)
                .fold(0, |all, (a, b)| all | (a ^ b));
            accepted |= std::hint::black_box(differing) == 0;
        }
        accepted
    }

    fn has(&mut self, digest: &Digest) -> bool {
        if self.digests.len() < INDEXED {
            return self.digests.contains(digest);
        }
        if self.index.is_empty() {
            self.index = self.digests.iter().copied().collect();
        }
        self.index.contains(digest)
    }
}

/// The digest that 64 lowercase hexadecimal digits stand for.
pub fn digest_of_hex(text: &[u8]) -> Option<Digest> {
    let (pairs, rest) = text.as_chunks::<2>();
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok().filter(|_| rest.is_empty())?;
    let mut digest = [0; 32];
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(digest)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use data::util::sha::{hex, sha256};

    use super::{INDEXED, Passwords, digest_of_hex};

    #[test]
    fn passwords_are_added_once_accepted_and_removed() {
        for count in [1, INDEXED, 3 * INDEXED] {
            let mut passwords = Passwords::default();
            let words: Vec<String> = (0..count).map(|n| format!("secret {n}")).collect();
            for word in words.iter().chain(&words) {
                passwords.add(sha256(word.as_bytes()));
            }
            let digests: Vec<_> = passwords.iter().copied().collect();
            let expected: Vec<_> = words.iter().map(|word| sha256(word.as_bytes())).collect();
            assert_eq!(digests, expected);
            passwords.finish();
            for word in &words {
                assert!(passwords.accept(word.as_bytes()));
                assert!(passwords.clone().remove(&sha256(word.as_bytes())));
            }
            assert!(!passwords.accept(b"") && !passwords.accept(b"secret"));
            assert!(!passwords.remove(&sha256(b"secret")));
            passwords.clear();
            assert!(!passwords.accept(b"secret 0"));
        }
    }

    #[test]
    fn only_lowercase_digits_of_the_right_number_are_a_digest() {
        let digest = sha256(b"x");
        let text: [u8; 64] = hex(&digest);
        assert_eq!(digest_of_hex(&text), Some(digest));
        assert_eq!(digest_of_hex(&text.to_ascii_uppercase()), None);
        assert_eq!(digest_of_hex(&text[1..]), None);
        assert_eq!(digest_of_hex(&[&text[..], b"0"].concat()), None);
        assert_eq!(digest_of_hex(&[&text[..63], b"g"].concat()), None);
        assert_eq!(digest_of_hex(b""), None);
    }
}
