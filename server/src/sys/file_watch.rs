//! Tells when files have changed, from a thread of its own.
//!
//! The thread waits for inotify, which sees changes in the folders of the files, and compares what the system says of the files
//! themselves. What inotify does not report (a network file system, a file written by another name) is found by the same
//! comparison, which is made every few seconds anyway. Symbolic links are followed, and the folders of the links are watched as
//! well, so a folder that is swapped by a link is noticed.
//!
//! # Invariants
//! 1. A change is reported when the folders have been quiet for a moment, so that files written one after the other are
//!    usually complete; or after a second, whatever happens there.
//! 2. A change while the last one is being dealt with is not lost: the comparison follows.
//! 3. Dropping the handle ends the thread, which is not waited for.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::{self, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::sys::memory;

/// The period of the comparison without an event.
const PERIOD: Duration = Duration::from_secs(5);
/// How long the folders must be quiet after an event, and how long that is waited for.
const QUIET: Duration = Duration::from_millis(100);
const UNREST: Duration = Duration::from_secs(1);

/// What the system says of one file: device, inode, size, and the times of the last change of content and inode.
type Mark = (u64, u64, u64, (i64, i64), (i64, i64));

/// The state of a set of files; differs from another one if a file has changed. The default is that of no files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(Vec<(PathBuf, Option<Mark>)>);

impl Snapshot {
    /// The state of these files now; of a folder the state of the files in it.
    pub fn of(paths: &[PathBuf]) -> Self {
        let mut marks = Vec::new();
        for path in paths {
            let found = fs::metadata(path).ok();
            if found.as_ref().is_some_and(Metadata::is_dir) {
                let entries = fs::read_dir(path).into_iter().flatten().flatten();
                let files: BTreeSet<PathBuf> = entries.map(|entry| entry.path()).collect();
                marks.extend(files.into_iter().map(|file| {
                    let mark = fs::metadata(&file).ok().as_ref().map(mark);
                    (file, mark)
                }));
            }
            marks.push((path.clone(), found.as_ref().map(mark)));
        }
        Snapshot(marks)
    }
}

fn mark(found: &Metadata) -> Mark {
    (
        found.dev(),
        found.ino(),
        found.size(),
        (found.mtime(), found.mtime_nsec()),
        (found.ctime(), found.ctime_nsec()),
    )
}

/// The thread, which lives as long as this.
#[derive(Debug)]
pub struct FileWatch {
    stop: PipeWriter,
}

impl FileWatch {
    /// Starts a thread that calls `on_change` after each change of these files and folders since `seen`, with their present
    /// state, and again after each period for as long as it returns false: what failed for a reason that passes (a date
    /// in the future, too many open files) shows no other change.
    ///
    /// # Errors
    /// The system has no descriptor or thread left.
    pub fn start(
        paths: Vec<PathBuf>,
        mut seen: Snapshot,
        mut on_change: impl FnMut(&Snapshot) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (stopped, stop) = io::pipe()?;
        thread::Builder::new()
            .name("file_watch".into())
            .spawn(move || {
                let mut folders = Folders::watch(&paths);
                let mut is_done = true;
                loop {
                    let now = Snapshot::of(&paths);
                    if now != seen || !is_done {
                        seen = now;
                        is_done = on_change(&seen);
                        memory::fold();
                        // Links may lead elsewhere now.
                        folders = Folders::watch(&paths);
                        if is_done || Snapshot::of(&paths) != seen {
                            continue;
                        }
                    }
                    folders = folders.or_else(|| Folders::watch(&paths));
                    if !wait(stopped.as_fd(), folders.as_ref()) {
                        return;
                    }
                }
            })?;
        Ok(FileWatch { stop })
    }
}

impl Drop for FileWatch {
    /// Ends the thread. A child of this process may have the descriptor as well, so closing it would not be enough.
    fn drop(&mut self) {
        // A thread that has ended already reads no more.
        let _ = self.stop.write(&[0]);
    }
}

/// The folders that inotify watches; `None` if the system has no watch left, or no such folder is there.
struct Folders(Inotify);

impl Folders {
    fn watch(paths: &[PathBuf]) -> Option<Self> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Inotify::init(flags).ok()?;
        let events = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_ONLYDIR;
        for folder in folders_of(paths) {
            // A folder that cannot be watched is left to the comparison.
            let _ = inotify.add_watch(&folder, events);
        }
        Some(Folders(inotify))
    }

    /// Takes the events that are there.
    fn take(&self) {
        while self.0.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

/// The folders in which a change can concern one of these files: those of the files, of what they lead to, and of links
/// on the way.
fn folders_of(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for path in paths {
        let real = fs::canonicalize(path).ok();
        for file in [Some(path), real.as_ref()].into_iter().flatten() {
            let folder = if file.is_dir() {
                Some(file.as_path())
            } else {
                file.parent()
            };
            folders.extend(folder.map(Path::to_path_buf));
        }
        let links = path.ancestors().filter(|part| part.is_symlink());
        folders.extend(links.filter_map(Path::parent).map(Path::to_path_buf));
    }
    // A name without a folder is in the working directory.
    if folders.remove(Path::new("")) {
        folders.insert(PathBuf::from("."));
    }
    folders
}

/// Waits for an event and for the quiet after it, or for the end of the period; false if the handle was dropped.
fn wait(stopped: BorrowedFd<'_>, folders: Option<&Folders>) -> bool {
    let mut until: Option<Instant> = None;
    loop {
        let patience = until.map_or(PERIOD, |until| {
            QUIET.min(until.saturating_duration_since(Instant::now()))
        });
        let mut polled = vec![PollFd::new(stopped, PollFlags::POLLIN)];
        polled.extend(
            folders.map(|Folders(inotify)| PollFd::new(inotify.as_fd(), PollFlags::POLLIN)),
        );
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        match poll(&mut polled, patience) {
            Ok(0) => return true,
            Ok(_) if polled[0].any() == Some(true) => return false,
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(_) => return false,
        }
        if let Some(folders) = folders {
            folders.take();
        }
        until.get_or_insert_with(|| Instant::now() + UNREST);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};
    use std::{env, fs, process};

    use super::{FileWatch, Snapshot, folders_of};

    /// A folder for one test, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("file-watch-{name}-{}", process::id()));
            fs::create_dir_all(&path).expect("the folder for temporary files is writable");
            Folder(fs::canonicalize(path).expect("it is there"))
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).expect("writable");
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_snapshot_differs_after_each_kind_of_change() {
        let folder = Folder::new("snapshot");
        let inner = folder.0.join("inner");
        fs::create_dir(&inner).expect("writable");
        let (file, other) = (folder.write("a", "1"), folder.write("b", "1"));
        let link = folder.0.join("link");
        symlink(&file, &link).expect("writable");
        let paths = [link.clone(), inner.clone(), folder.0.join("absent")];
        let swap = |to: &Path| {
            fs::remove_file(&link)
                .and_then(|()| symlink(to, &link))
                .expect("writable");
        };
        let changes: [(&str, &dyn Fn()); 5] = [
            ("content", &|| drop(folder.write("a", "22"))),
            ("swapped link", &|| swap(&other)),
            ("file in a folder", &|| drop(folder.write("inner/x", "1"))),
            ("removed there", &|| {
                fs::remove_file(inner.join("x")).expect("removed");
            }),
            ("created", &|| drop(folder.write("absent", "1"))),
        ];
        let mut before = Snapshot::of(&paths);
        assert_eq!(Snapshot::of(&paths), before);
        for (what, change) in changes {
            change();
            let after = Snapshot::of(&paths);
            assert_ne!(after, before, "{what}");
            before = after;
        }
    }

    #[test]
    fn the_thread_ends_with_the_handle_even_if_a_child_has_a_copy() {
        let folder = Folder::new("end");
        let paths = vec![folder.write("a", "1")];
        let (sender, loads) = crossbeam_channel::unbounded::<()>();
        let seen = Snapshot::of(&paths);
        let watch =
            FileWatch::start(paths, seen, move |_| sender.send(()).is_ok()).expect("a thread");
        let copy = watch.stop.try_clone().expect("a descriptor");
        drop(watch);
        let patience = std::time::Duration::from_secs(20);
        let ended = loads.recv_timeout(patience);
        assert_eq!(
            ended,
            Err(crossbeam_channel::RecvTimeoutError::Disconnected)
        );
        drop(copy);
    }

    #[test]
    fn folders_of_links_are_watched() {
        let folder = Folder::new("folders");
        for name in ["v1", "mount"] {
            fs::create_dir(folder.0.join(name)).expect("writable");
        }
        folder.write("v1/tls.crt", "1");
        let data = folder.0.join("mount/..data");
        symlink("../v1", &data).expect("writable");
        symlink("..data/tls.crt", folder.0.join("mount/tls.crt")).expect("writable");
        let by_file = folders_of(&[folder.0.join("mount/tls.crt")]);
        let by_folder = folders_of(&[data.join("tls.crt"), data.clone()]);
        for found in [by_file, by_folder] {
            assert!(found.contains(&folder.0.join("mount")), "{found:?}");
            assert!(found.contains(&folder.0.join("v1")), "{found:?}");
        }
        assert!(folders_of(&[PathBuf::from("tls.crt")]).contains(Path::new(".")));
    }
}
