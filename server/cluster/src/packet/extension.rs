//! Extensions of PING, PONG and MEET: what the sender announces about itself, and whom it forgot.
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 4 | length with this head, a multiple of 8 |
//! | 4 | 2 | type |
//! | 6 | 2 | zeros |
//! | 8 | | content, padded with zeros |
//!
//! | type | content |
//! |---|---|
//! | 0, 1 | name of the host, name for humans: text that ends with a 0 |
//! | 2 | name of a forgotten node, seconds for which it is not added again (8 bytes) |
//! | 3 | name of the shard |

use crate::name::{NAME_LEN, Name};
use crate::node::{is_hostname, is_human_name};
use crate::packet::header::{name_at, u16_at, u32_at, u64_at};

const HEAD_LEN: usize = 8;

/// An extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension<'a> {
    /// Name of the sender's host.
    Hostname(&'a str),
    /// Its name for humans; empty if it is not one that can be kept.
    HumanName(&'a str),
    /// A node that is not to be added again for some seconds.
    Forgotten {
        /// Its name.
        name: Name,
        /// How long.
        ttl_s: u64,
    },
    /// The sender's shard.
    Shard(Name),
    /// A type that is unknown.
    Unknown(u16),
}

/// Why an extension cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Its length is not a multiple of 8.
    Padding(u32),
    /// It is longer than what is left of the packet, or too short for its content.
    Length,
    /// A name or text is invalid, or the text has no end.
    Content,
}

impl<'a> Extension<'a> {
    /// Reads the extension at the beginning of `bytes`, and gives the bytes behind it.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Broken> {
        if bytes.len() < HEAD_LEN {
            return Err(Broken::Length);
        }
        let len = u32_at(bytes, 0);
        if !len.is_multiple_of(8) {
            return Err(Broken::Padding(len));
        }
        let len = usize::try_from(len).map_err(|_| Broken::Length)?;
        if len < HEAD_LEN || len > bytes.len() {
            return Err(Broken::Length);
        }
        let (own, rest) = bytes.split_at(len);
        let content = &own[HEAD_LEN..];
        let extension = match u16_at(own, 4) {
            0 => {
                let text = text(content)?;
                let valid = is_hostname(text.as_bytes());
                Extension::Hostname(valid.then_some(text).ok_or(Broken::Content)?)
            }
            1 => {
                let text = text(content)?;
                let valid = is_human_name(text.as_bytes());
                Extension::HumanName(if valid { text } else { "" })
            }
            2 if content.len() >= NAME_LEN + 8 => Extension::Forgotten {
                name: name_at(content, 0).ok_or(Broken::Content)?,
                ttl_s: u64_at(content, NAME_LEN),
            },
            3 if content.len() >= NAME_LEN => {
                Extension::Shard(name_at(content, 0).ok_or(Broken::Content)?)
            }
            2 | 3 => return Err(Broken::Length),
            kind => Extension::Unknown(kind),
        };
        Ok((extension, rest))
    }

    /// Appends the extension; one of an unknown type without content.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_LEN]);
        let kind: u16 = match self {
            Extension::Hostname(text) | Extension::HumanName(text) => {
                out.extend_from_slice(text.as_bytes());
                out.push(0);
                u16::from(matches!(self, Extension::HumanName(_)))
            }
            Extension::Forgotten { name, ttl_s } => {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(&ttl_s.to_be_bytes());
                2
            }
            Extension::Shard(name) => {
                out.extend_from_slice(name.as_bytes());
                3
            }
            Extension::Unknown(kind) => *kind,
        };
        let len = (out.len() - start).next_multiple_of(8);
        out.resize(start + len, 0);
        out[start..start + 4].copy_from_slice(&(len as u32).to_be_bytes());
        out[start + 4..start + 6].copy_from_slice(&kind.to_be_bytes());
    }
}

/// The text before the first 0.
fn text(content: &[u8]) -> Result<&str, Broken> {
    let end = content.iter().position(|byte| *byte == 0);
    let end = end.ok_or(Broken::Content)?;
    std::str::from_utf8(&content[..end]).or(Ok(""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Broken, Extension};
    use crate::name::Name;

    fn name(byte: u8) -> Name {
        Name::parse(&[byte; 40]).unwrap()
    }

    #[test]
    fn extensions_are_read_as_written() {
        let rows = [
            (Extension::Hostname("host.example.com"), 32),
            (Extension::Hostname("seven77"), 16),
            (Extension::Hostname("eight888"), 24),
            (Extension::HumanName("node-1"), 16),
            (
                Extension::Forgotten {
                    name: name(b'a'),
                    ttl_s: 60,
                },
                56,
            ),
            (Extension::Shard(name(b'b')), 48),
        ];
        for (extension, len) in rows {
            let mut bytes = Vec::new();
            extension.write(&mut bytes);
            assert_eq!(bytes.len(), len, "{extension:?}");
            bytes.extend_from_slice(b"rest");
            assert_eq!(Extension::read(&bytes), Ok((extension, &b"rest"[..])));
        }
    }

    #[test]
    fn lies_are_refused() {
        let extension = |len: u32, kind: u16, content: &[u8]| {
            let mut bytes = len.to_be_bytes().to_vec();
            bytes.extend_from_slice(&kind.to_be_bytes());
            bytes.extend_from_slice(&[0, 0]);
            bytes.extend_from_slice(content);
            bytes
        };
        let rows = [
            (vec![], Broken::Length),
            (extension(0, 0, &[0; 8]), Broken::Length),
            (extension(15, 0, &[0; 8]), Broken::Padding(15)),
            (extension(24, 0, &[0; 8]), Broken::Length),
            (extension(u32::MAX - 7, 0, &[0; 8]), Broken::Length),
            // 65552 is 16 in the 16 bits that Redis compares.
            (extension(65_552, 0, &[0; 8]), Broken::Length),
            (extension(16, 0, b"hostname"), Broken::Content),
            (extension(16, 1, b"nodename"), Broken::Content),
            (extension(16, 0, b"a\nb\0\0\0\0\0"), Broken::Content),
            (extension(16, 2, &[b'a'; 8]), Broken::Length),
            (extension(48, 2, &[b'a'; 40]), Broken::Length),
            (extension(16, 3, &[b'a'; 8]), Broken::Length),
            (extension(48, 3, &[b'A'; 40]), Broken::Content),
        ];
        for (bytes, error) in rows {
            assert_eq!(Extension::read(&bytes), Err(error), "{bytes:?}");
        }
        let odd = extension(16, 1, b"a b\0\0\0\0\0");
        assert_eq!(Extension::read(&odd).unwrap().0, Extension::HumanName(""));
        let new = extension(16, 9, b"whatever");
        assert_eq!(Extension::read(&new).unwrap().0, Extension::Unknown(9));
    }
}
