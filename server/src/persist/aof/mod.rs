//! The append-only file on disk.

pub mod check;
pub mod load;
pub mod manifest_file;
pub mod read;
pub mod scan;
