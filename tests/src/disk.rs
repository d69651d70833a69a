//! A disk that a test controls: it can be slow, fail, and forget what was not forced to it.
//!
//! The library `disk` is loaded into the server and does what the control files of its folder say (see there).

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::server::temp_dir;

/// A disk.
pub struct Disk {
    data: TempDir,
    control: TempDir,
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk {
    /// An empty disk.
    pub fn new() -> Self {
        Disk {
            data: temp_dir(),
            control: temp_dir(),
        }
    }

    /// The folder of the server's files.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The environment that puts a process on this disk.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("LD_PRELOAD", crate::binary("libdisk.so")),
            ("DISK_CONTROL", self.control.path().to_owned()),
        ]
    }

    /// Sets a control file: `hold-fsync`, `fail-write`, `room` and so on.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn set(&self, name: &str, value: impl ToString) {
        // The server must not read a half-written file.
        let temp = self.control.path().join("new");
        fs::write(&temp, value.to_string()).expect("the folder is writable");
        fs::rename(&temp, self.control.path().join(name)).expect("the folder is writable");
    }

    /// Removes a control file.
    pub fn clear(&self, name: &str) {
        let _ = fs::remove_file(self.control.path().join(name));
    }

    /// The content of a file of data, or nothing.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.data().join(name)).unwrap_or_default()
    }
}
