//! Directories: making the names in them durable.
//!
//! A new name of a file, or a rename, survives a crash of the machine only after its directory was synced to the disk.

use std::fs::File;
use std::io;
use std::path::Path;

/// The directory that holds a file or directory.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Syncs the names in a directory to the disk.
///
/// # Errors
/// It cannot be opened or synced.
pub fn sync(directory: &Path) -> io::Result<()> {
    open(directory)?.sync_all()
}

/// Opens a directory, to be synced to the disk by another thread.
///
/// # Errors
/// It cannot be opened.
pub fn open(directory: &Path) -> io::Result<File> {
    File::open(directory)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::parent;

    #[test]
    fn a_plain_name_is_in_the_working_directory() {
        for (path, expected) in [
            ("a", "."),
            ("./a", "."),
            ("a/b", "a"),
            ("/a", "/"),
            ("/", "."),
        ] {
            assert_eq!(parent(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
