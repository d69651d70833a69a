//! A disk that a test controls: it can be slow, fail, and forget what was not synced to it.
//!
//! The library `disk` is loaded into the server and does what the control files of its folder say (see there).

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::server::temp_dir;
use crate::wait::until;

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

    /// Sets a control file: `hold-fsync`, `fail-write`, `room` and so on; the value matters to some of them.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn set(&self, name: &str, value: u64) {
        self.write(name, &value.to_string());
    }

    /// As [`Disk::set`], for `fail-OP`: only the next `times` operations fail.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn set_times(&self, name: &str, value: u64, times: u64) {
        self.write(name, &format!("{value} {times}"));
    }

    fn write(&self, name: &str, text: &str) {
        // The server must not read a half-written file.
        let temp = self.control.path().join("new");
        fs::write(&temp, text).expect("the folder is writable");
        fs::rename(&temp, self.control.path().join(name)).expect("the folder is writable");
    }

    /// Removes a control file.
    pub fn clear(&self, name: &str) {
        let _ = fs::remove_file(self.control.path().join(name));
    }

    /// Leaves what a crash of the machine leaves. Bytes that were not synced to the disk are cut off. Of the names that
    /// were changed since their folder was synced, the latest changes are undone: `keeps` decides for each, from the
    /// latest on, whether it and all before it are kept.
    ///
    /// # Panics
    /// If a file cannot be changed.
    pub fn crash(&self, keeps: &mut dyn FnMut() -> bool) {
        let journal = self.control.path().join("journal");
        let text = fs::read_to_string(&journal).unwrap_or_default();
        let events: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        let mut unsynced: Vec<&[&str]> = Vec::new();
        let mut sizes: HashMap<u64, u64> = HashMap::new();
        for event in &events {
            match event.as_slice() {
                ["size", inode, size] => {
                    let number = |text: &str| text.parse().expect("a number");
                    sizes.insert(number(inode), number(size));
                }
                ["folder", path] => unsynced.retain(|event| !is_in(event, Path::new(path))),
                event => unsynced.push(event),
            }
        }
        while let Some(event) = unsynced.pop() {
            if keeps() {
                break;
            }
            undo(event);
        }
        cut(self.data(), &sizes, keeps);
        fs::remove_file(&journal).unwrap_or_default();
        self.note_as_synced();
    }

    /// Everything that is there now survives the next crash.
    fn note_as_synced(&self) {
        let mut lines = String::new();
        each_file(self.data(), &mut |path| {
            let file = fs::metadata(path).expect("it is there");
            lines += &format!("size\t{}\t{}\n", file.ino(), file.len());
        });
        fs::write(self.control.path().join("journal"), lines).expect("the folder is writable");
    }

    /// The content of a file of data, or nothing.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.data().join(name)).unwrap_or_default()
    }

    /// How many fsyncs of files of data have ended since the last crash.
    pub fn fsyncs(&self) -> usize {
        let journal = self.control.path().join("journal");
        let text = fs::read_to_string(journal).unwrap_or_default();
        text.lines().filter(|line| line.starts_with("size")).count()
    }

    /// Waits until a text has been written to a file of data, though perhaps not synced to the disk.
    ///
    /// # Panics
    /// If it is not in time.
    pub fn wait_until_written(&self, name: &str, text: &str) {
        until("a write to a file", || {
            String::from_utf8_lossy(&self.read(name))
                .contains(text)
                .then_some(())
        });
    }
}

/// Whether an event changes a name in a folder.
fn is_in(event: &[&str], folder: &Path) -> bool {
    let name = match event {
        ["rename", _, to, _] => to,
        [_, name, ..] => name,
        _ => return false,
    };
    Path::new(name).parent() == Some(folder)
}

fn undo(event: &[&str]) {
    match event {
        ["create", path] => drop(fs::remove_file(path)),
        ["rename", from, to, backup] => {
            let _ = fs::rename(to, from);
            restore(backup, to);
        }
        ["unlink", path, backup] => restore(backup, path),
        other => panic!("unknown event {other:?}"),
    }
}

fn restore(backup: &str, path: &str) {
    if backup != "-" {
        fs::rename(backup, path).expect("the backup is on the same file system");
    }
}

/// Cuts files to what was synced to the disk. Of some (`keeps`) a part of the rest is kept: the disk may have been
/// writing.
fn cut(folder: &Path, sizes: &HashMap<u64, u64>, keeps: &mut dyn FnMut() -> bool) {
    each_file(folder, &mut |path| {
        let Ok(file) = fs::File::options().write(true).open(path) else {
            return;
        };
        let metadata = file.metadata().expect("it is open");
        let synced = sizes.get(&metadata.ino()).copied().unwrap_or(0);
        let synced = synced.min(metadata.len());
        let rest = metadata.len() - synced;
        let kept = if keeps() { rest / 2 } else { 0 };
        file.set_len(synced + kept).expect("it is writable");
    });
}

/// Visits the files in a folder and its subfolders.
fn each_file(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => each_file(&path, visit),
            Ok(kind) if kind.is_file() => visit(&path),
            _ => {}
        }
    }
}
