//! A list of glob patterns, for the keys or the channels that a selector admits.
//!
//! All texts are in one buffer, so that a pattern costs its length and 12 bytes, and a copy of the list two
//! allocations. Each pattern is classified when it is added: most are a literal, or a literal and a star, and need no
//! glob matcher; and most others begin with a literal, by whose first byte alone nearly all names are told apart.
//!
//! # Invariants
//! 1. No two patterns have the same text.
//! 2. `index` is empty or has every pattern. It exists only while rules are applied ([`Patterns::finish`] drops it).

use std::collections::HashMap;

use bitflags::bitflags;
use data::util::glob::matches;

use crate::state::acl::rule::RuleError;

/// From this number of patterns on, duplicates are found by an index.
const INDEXED: usize = 64;

bitflags! {
    /// The kinds of access that a key pattern admits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u8 {
        /// `%R`.
        const READ = 1;
        /// `%W`.
        const WRITE = 1 << 1;
    }
}

/// How a pattern is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It is a literal.
    Literal,
    /// Its head, the literal that it begins with, is followed by stars only.
    Prefix,
    /// It needs the glob matcher.
    Glob,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    start: u32,
    len: u32,
    access: Access,
    kind: Kind,
    /// Length of the literal that it begins with, as far as it is counted.
    head: u8,
    /// The first byte, if `head` is not 0.
    first: u8,
}

/// A list of patterns in the order in which they were added.
#[derive(Debug, Default)]
pub struct Patterns {
    text: Vec<u8>,
    items: Vec<Item>,
    index: HashMap<Box<[u8]>, u32>,
}

impl Clone for Patterns {
    fn clone(&self) -> Self {
        Patterns {
            text: self.text.clone(),
            items: self.items.clone(),
            index: HashMap::new(),
        }
    }
}

impl Patterns {
    /// Adds a pattern; the access of one that is known already is extended.
    ///
    /// # Errors
    /// The list has reached 4 GiB.
    pub fn add(&mut self, pattern: &[u8], access: Access) -> Result<(), RuleError> {
        if let Some(at) = self.find(pattern) {
            self.items[at].access |= access;
            return Ok(());
        }
        let end = self.text.len() + pattern.len();
        let (Ok(start), Ok(_)) = (u32::try_from(self.text.len()), u32::try_from(end)) else {
            return Err(RuleError::TooLong);
        };
        if !self.index.is_empty() {
            self.index.insert(pattern.into(), self.items.len() as u32);
        }
        self.text.extend_from_slice(pattern);
        let (kind, head) = classify(pattern);
        self.items.push(Item {
            start,
            len: pattern.len() as u32,
            access,
            kind,
            head,
            first: pattern.first().copied().unwrap_or(0),
        });
        Ok(())
    }

    /// Removes all patterns.
    pub fn clear(&mut self) {
        *self = Patterns::default();
    }

    /// Gives back the memory that only adding needs.
    pub fn finish(&mut self) {
        self.index = HashMap::new();
        self.text.shrink_to_fit();
        self.items.shrink_to_fit();
    }

    /// The patterns and the access that each admits.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Access)> {
        self.items.iter().map(|item| (self.text(item), item.access))
    }

    /// Whether a pattern admits all of this access to a key, or a channel.
    #[inline]
    pub fn admits(&self, name: &[u8], access: Access) -> bool {
        let first = name.first().copied();
        self.items.iter().any(|item| {
            (item.head == 0 || Some(item.first) == first)
                && item.access.contains(access)
                && fits(item, self.text(item), name)
        })
    }

    /// Whether the list has this pattern itself.
    pub fn has(&self, pattern: &[u8]) -> bool {
        self.items.iter().any(|item| self.text(item) == pattern)
    }

    /// Whether a pattern that matches everything admits all of this access.
    pub fn admits_everything(&self, access: Access) -> bool {
        self.items
            .iter()
            .any(|item| item.access.contains(access) && self.text(item) == b"*")
    }

    /// Memory in bytes.
    pub fn memory(&self) -> usize {
        self.text.capacity() + self.items.capacity() * size_of::<Item>()
    }

    fn find(&mut self, pattern: &[u8]) -> Option<usize> {
        if self.items.len() < INDEXED {
            return self
                .items
                .iter()
                .position(|item| self.text(item) == pattern);
        }
        if self.index.is_empty() {
            let texts = self.items.iter().map(|item| self.text(item).into());
            self.index = texts.zip(0..).collect();
        }
        self.index.get(pattern).map(|&at| at as usize)
    }

    #[inline]
    fn text(&self, item: &Item) -> &[u8] {
        &self.text[item.start as usize..][..item.len as usize]
    }
}

/// How a pattern is matched, and the length of its head.
fn classify(pattern: &[u8]) -> (Kind, u8) {
    let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
    let literal = pattern.iter().position(is_special);
    let head = literal.unwrap_or(pattern.len());
    let rest = &pattern[head..];
    match u8::try_from(head) {
        _ if rest.is_empty() => (Kind::Literal, u8::try_from(head).unwrap_or(u8::MAX)),
        Ok(head) if rest.iter().all(|&byte| byte == b'*') => (Kind::Prefix, head),
        head => (Kind::Glob, head.unwrap_or(u8::MAX)),
    }
}

/// As [`matches`] answers; the empty name matches only the empty pattern.
#[inline]
fn fits(item: &Item, pattern: &[u8], name: &[u8]) -> bool {
    let has_head = || name.starts_with(&pattern[..usize::from(item.head)]);
    match item.kind {
        Kind::Literal => pattern == name,
        Kind::Prefix => !name.is_empty() && has_head(),
        Kind::Glob => has_head() && matches(pattern, name, false),
    }
}

#[cfg(test)]
mod tests {
    use data::util::glob::matches;
    use data::util::rand::Rng;

    use super::{Access, INDEXED, Patterns};

    fn listed(patterns: &Patterns) -> Vec<(Vec<u8>, Access)> {
        let pairs = patterns
            .iter()
            .map(|(text, access)| (text.to_vec(), access));
        pairs.collect()
    }

    #[test]
    fn a_pattern_is_listed_once_with_all_its_access() {
        for count in [2, INDEXED - 1, INDEXED, 3 * INDEXED] {
            let mut patterns = Patterns::default();
            let names: Vec<String> = (0..count).map(|n| format!("key:{n}:*")).collect();
            for access in [Access::READ, Access::WRITE] {
                for name in &names {
                    patterns.add(name.as_bytes(), access).expect("room");
                }
            }
            let expected: Vec<_> = names
                .iter()
                .map(|name| (name.as_bytes().to_vec(), Access::all()))
                .collect();
            assert_eq!(listed(&patterns), expected);
            patterns.finish();
            patterns.add(b"key:0:*", Access::READ).expect("room");
            assert_eq!(listed(&patterns.clone()), expected);
            assert!(patterns.memory() >= count * 18);
            patterns.clear();
            assert!(listed(&patterns).is_empty());
        }
    }

    #[test]
    fn every_kind_of_pattern_matches_as_a_glob() {
        let mut rng = Rng::new(3);
        let mut any = |alphabet: &[u8], max: u64| -> Vec<u8> {
            (0..rng.below(max))
                .map(|_| alphabet[rng.below(alphabet.len() as u64) as usize])
                .collect()
        };
        let mut admitted = 0;
        for _ in 0..200_000 {
            let (pattern, name) = (any(b"aaabb:**?[]\\", 7), any(b"aab:*", 6));
            let mut patterns = Patterns::default();
            patterns.add(&pattern, Access::READ).expect("room");
            let expected = matches(&pattern, &name, false);
            let context = (
                pattern.escape_ascii().to_string(),
                name.escape_ascii().to_string(),
            );
            assert_eq!(
                patterns.admits(&name, Access::READ),
                expected,
                "{context:?}"
            );
            assert_eq!(
                patterns.admits(&name, Access::empty()),
                expected,
                "{context:?}"
            );
            assert!(!patterns.admits(&name, Access::all()), "{context:?}");
            admitted += u32::from(expected);
        }
        assert!(admitted > 1000, "{admitted}");
        assert_eq!(size_of::<super::Item>(), 12);
        for len in [254, 255, 256, 300] {
            let long = [&b"a".repeat(len)[..], b"*"].concat();
            let mut patterns = Patterns::default();
            patterns.add(&long, Access::READ).expect("room");
            patterns.add(&b"b".repeat(len), Access::READ).expect("room");
            assert!(patterns.admits(&b"a".repeat(len), Access::READ), "{len}");
            assert!(
                patterns.admits(&b"a".repeat(len + 1), Access::READ),
                "{len}"
            );
            assert!(
                !patterns.admits(&b"a".repeat(len - 1), Access::READ),
                "{len}"
            );
            assert!(patterns.admits(&b"b".repeat(len), Access::READ), "{len}");
            assert!(
                !patterns.admits(&b"b".repeat(len + 1), Access::READ),
                "{len}"
            );
        }
        let mut patterns = Patterns::default();
        patterns.add(&[b'*'; 300], Access::READ).expect("room");
        assert!(patterns.admits(b"a", Access::READ) && !patterns.admits(b"", Access::READ));
        assert!(!patterns.admits_everything(Access::READ));
        patterns.add(b"*", Access::READ).expect("room");
        assert!(patterns.admits_everything(Access::READ));
        assert!(!patterns.admits_everything(Access::WRITE));
        assert!(patterns.has(b"*") && !patterns.has(b"a"));
    }
}
