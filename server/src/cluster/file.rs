//! nodes.conf: one process at a time may use it, and a crash leaves either the old content or the new.
//!
//! The lock (flock) belongs to an inode, and each save replaces the file by a new one. So the new file is locked before it gets
//! the name, and whoever has waited for the lock of the old one sees that the name has moved on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::sys::directory;
use crate::sys::host::reason;

/// Opens, creates and locks the file. Returns the lock and the content.
///
/// # Errors
/// A sentence: it cannot be read, or another node uses it.
pub fn open(path: &Path) -> Result<(File, Vec<u8>), String> {
    let shown = path.display();
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| {
                format!(
                    "Can't open {shown} in order to acquire a lock: {}",
                    reason(&error)
                )
            })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(format!(
                    "Sorry, the cluster configuration file {shown} is already used by a different Redis Cluster node. \
                     Please make sure that different nodes use different cluster configuration files."
                ));
            }
            Err(fs::TryLockError::Error(error)) => {
                return Err(format!("Impossible to lock {shown}: {}", reason(&error)));
            }
        }
        if !is_named(&file, path) {
            continue;
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text)
            .map_err(|error| format!("Loading the cluster node config: {}", reason(&error)))?;
        return Ok((file, text));
    }
}

/// Whether the path still leads to this file.
fn is_named(file: &File, path: &Path) -> bool {
    let same = |file: fs::Metadata, named: fs::Metadata| {
        (file.dev(), file.ino()) == (named.dev(), named.ino())
    };
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(named)) => same(file, named),
        _ => false,
    }
}

/// Replaces the file; returns the lock of the new one. With `fsync` it is on the disk then, name included.
///
/// # Errors
/// It cannot be written; the old file stays.
pub fn save(path: &Path, text: &[u8], fsync: bool) -> io::Result<File> {
    let temp = temporary(path);
    let written = write(&temp, text, fsync).and_then(|file| {
        fs::rename(&temp, path)?;
        if fsync {
            directory::sync(directory::parent(path))?;
        }
        Ok(file)
    });
    if written.is_err() {
        // It may have been renamed already, or never created.
        let _ = fs::remove_file(&temp);
    }
    written
}

fn write(temp: &Path, text: &[u8], fsync: bool) -> io::Result<File> {
    let mut file = File::create(temp)?;
    file.try_lock()?;
    file.write_all(text)?;
    if fsync {
        file.sync_all()?;
    }
    Ok(file)
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{open, save};

    #[test]
    fn the_lock_moves_with_the_name() {
        let directory = std::env::temp_dir().join(format!("nodes-conf-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a folder");
        let path: PathBuf = directory.join("nodes.conf");
        let (first, text) = open(&path).expect("a new file");
        assert_eq!(text, b"");
        let refused = open(&path).expect_err("locked");
        assert!(refused.contains("already used"), "{refused}");
        let second = save(&path, b"abc", true).expect("saved");
        drop(first);
        let refused = open(&path).expect_err("locked");
        assert!(refused.contains("already used"), "{refused}");
        drop(second);
        let (_lock, text) = open(&path).expect("free");
        assert_eq!(text, b"abc");
        std::fs::remove_dir_all(&directory).expect("removed");
    }
}
