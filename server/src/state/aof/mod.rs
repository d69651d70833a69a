//! The append-only file: state without file access.

pub mod manifest;

use crate::state::aof::manifest::Manifest;

/// The append-only file.
#[derive(Debug, Default)]
pub struct Aof {
    /// The files that it consists of.
    pub manifest: Manifest,
    /// Size of all files, in bytes: `aof_current_size`.
    pub size: u64,
    /// Size of all files after the last rewrite, in bytes: `aof_base_size`.
    pub base_size: u64,
}
