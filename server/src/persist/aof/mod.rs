//! The append-only file on disk.

use std::path::{Path, PathBuf};

use crate::server::Server;

pub mod base;
pub mod check;
pub mod commands;
pub mod flush;
pub mod gather;
pub mod load;
pub mod manifest_file;
pub mod read;
pub mod rewrite;
pub mod scan;
pub mod switch;

/// The path of one of the append-only files.
pub fn path(srv: &Server, name: &str) -> PathBuf {
    Path::new(&srv.config.appenddirname).join(name)
}

/// Size of a file in bytes; 0 if it is not there.
pub fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
