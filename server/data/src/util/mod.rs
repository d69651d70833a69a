//! Utilities that are independent of keys and values.

pub mod bits;
pub mod crc;
pub mod geo;
pub mod glob;
pub mod grisu;
pub mod hash;
pub mod leading;
pub mod length;
pub mod longdouble;
pub mod lzf;
pub mod mem;
pub mod murmur;
pub mod num;
pub mod part;
pub mod rand;
pub mod sample;
pub mod sha;
