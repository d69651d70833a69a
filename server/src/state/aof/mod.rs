//! The append-only file: state without file access.

pub mod manifest;

use crate::state::aof::manifest::Manifest;

/// The append-only file.
#[derive(Debug, Default)]
pub struct Aof {
    /// The files it consists of.
    pub manifest: Manifest,
}
