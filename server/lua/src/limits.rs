//! What a library call may use.

/// The most bytes that a call may produce, whatever the limit of the interpreter is.
pub(crate) const MOST: usize = 512 << 20;

/// How many bytes a library reads or writes in about the time of an instruction.
pub(crate) const BYTES_PER_STEP: usize = 4;

/// The error of Lua for a lack of memory.
pub(crate) const NO_MEMORY: &[u8] = b"not enough memory";

/// The most values that a table may have: beyond it Lua raises an error, which the interface of Rust does not allow.
pub(crate) const MOST_VALUES: usize = 1 << 26;
