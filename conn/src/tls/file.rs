//! Files that a context is loaded from, and the sentences for what is wrong with them.

use std::fs;
use std::path::PathBuf;

use openssl::error::ErrorStack;

use crate::error::{ConnError, Step};

/// The content of a file.
pub(super) fn read(file: &str) -> Result<Vec<u8>, ConnError> {
    fs::read(file).map_err(|error| ConnError::io(Step::Load, &error).with_peer(&file))
}

/// A failure whose cause is known here.
pub(super) fn refusal(what: &str, why: &str) -> ConnError {
    ConnError::new(Step::Load, why).with_peer(&what)
}

/// A failure in OpenSSL's words.
pub(super) fn failure(what: &str, stack: &ErrorStack) -> ConnError {
    let reason = stack
        .errors()
        .first()
        .and_then(openssl::error::Error::reason)
        .unwrap_or("OpenSSL gives no reason");
    ConnError::new(Step::Load, reason).with_peer(&what)
}

/// The paths of the files in a directory. To read anything else, such as a pipe, might never end.
pub(super) fn entries(dir: Option<&str>) -> Vec<PathBuf> {
    let listing = dir.and_then(|dir| fs::read_dir(dir).ok());
    let entries = listing.into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.is_file()).collect()
}
