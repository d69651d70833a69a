//! Deleting files without blocking the loop.

use std::fs::{self, File};
use std::path::Path;

use crate::state::background::Background;

/// Deletes a file, if it exists. The background thread closes it: the system frees the blocks of a file when its last
/// handle is closed, and for a big file that takes long.
pub fn unlink(background: &Background, path: &Path) {
    let file = File::open(path);
    let _ = fs::remove_file(path);
    if let Ok(file) = file {
        background.free(Box::new(file), 0);
    }
}
