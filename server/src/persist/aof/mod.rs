//! The append-only file on disk.

pub mod load;
pub mod manifest_file;
pub mod read;
