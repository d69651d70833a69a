//! Shortest digits of doubles.

/// Most bytes.
pub const MAX_LEN: usize = 32;

/// Appends.
pub fn push_f64(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(format!("{number}").as_bytes());
}
