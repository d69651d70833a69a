//! Files that a context is loaded from, and the sentences for what is wrong with them.
//!
//! # Invariants
//! 1. Every file is read here, once per load, and parsed from memory: a file that is replaced during a load is used as a whole
//!    or not at all.
//! 2. A read ends: a pipe may hold it up for [`PATIENCE`], and a device or file without end for [`MOST`] bytes. CONFIG SET
//!    reads on the thread of the loop.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use openssl::error::{Error, ErrorStack};
use openssl::x509::X509;

use crate::error::{ConnError, Step};

/// The longest file that is read, in bytes. Revocation lists of large authorities have tens of megabytes.
const MOST: usize = 256 << 20;

/// How long the writer of a pipe may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The end of the line before a certificate.
const CERTIFICATE: &[u8] = b"CERTIFICATE-----";

/// The content of a file.
pub(super) fn read(file: impl AsRef<Path>) -> Result<Vec<u8>, ConnError> {
    let file = file.as_ref();
    content(file, MOST, PATIENCE)
        .map_err(|error| ConnError::io(Step::Load, &error).with_peer(&file.display()))
}

/// The certificates of a file in PEM form, of which there is at least one.
pub(super) fn certificates(file: &str, pem: &[u8]) -> Result<Vec<X509>, ConnError> {
    match X509::stack_from_pem(pem) {
        Ok(certs) if !certs.is_empty() => Ok(certs),
        Err(_)
            if pem
                .windows(CERTIFICATE.len())
                .any(|text| text == CERTIFICATE) =>
        {
            Err(refusal(
                file,
                "a certificate in PEM form that cannot be read",
            ))
        }
        _ => Err(refusal(file, "no certificate in PEM form")),
    }
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
        .and_then(Error::reason)
        .unwrap_or("OpenSSL gives no reason");
    ConnError::new(Step::Load, reason).with_peer(&what)
}

/// The paths of all that is in a directory, sorted.
pub(super) fn entries(dir: &str) -> Result<Vec<PathBuf>, ConnError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path()));
        paths.collect()
    };
    let mut paths = list().map_err(|error| ConnError::io(Step::Load, &error).with_peer(&dir))?;
    paths.sort();
    Ok(paths)
}

/// Reads a file of at most `most` bytes, which may be a pipe.
fn content(path: &Path, most: usize, patience: Duration) -> io::Result<Vec<u8>> {
    // Without the flag, opening a pipe would wait for somebody who writes to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let (mut content, since) = (Vec::new(), Instant::now());
    loop {
        let room = (most + 1).saturating_sub(content.len());
        // What was read before a failure is kept.
        match (&file).take(room as u64).read_to_end(&mut content) {
            Ok(_) if content.len() > most => return Err(ErrorKind::FileTooLarge.into()),
            Ok(_) => return Ok(content),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait(&file, patience.saturating_sub(since.elapsed()))?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Waits until a pipe has input or has ended.
fn wait(file: &File, patience: Duration) -> io::Result<()> {
    let mut polled = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
    match poll(&mut polled, timeout) {
        Ok(0) => Err(ErrorKind::TimedOut.into()),
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::{ErrorKind, Write};
    use std::os::unix::fs::{OpenOptionsExt, symlink};
    use std::path::Path;
    use std::time::Duration;
    use std::{env, process};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::content;

    #[test]
    fn every_read_ends() {
        let folder = env::temp_dir().join(format!("tls-files-{}", process::id()));
        fs::create_dir_all(&folder).expect("a writable folder");
        let path = |name: &str| folder.join(name);
        fs::write(path("full"), [b'x'; 100]).expect("writable");
        fs::write(path("over"), [b'x'; 101]).expect("writable");
        for name in ["unwritten", "silent", "written"] {
            mkfifo(&path(name), Mode::S_IRWXU).expect("a pipe");
        }
        symlink("loop", path("loop")).expect("a link");
        // Open for both, so that there is no wait for the other side.
        let ends = ["silent", "written"].map(|name| {
            let flags = libc::O_NONBLOCK;
            let mut options = OpenOptions::new();
            let end = options.read(true).write(true).custom_flags(flags);
            end.open(path(name)).expect("a pipe")
        });
        (&ends[1]).write_all(b"half").expect("room in the pipe");
        let read = |path: &Path| {
            let read = content(path, 100, Duration::from_millis(20));
            read.map(|bytes| bytes.len()).map_err(|error| error.kind())
        };
        for (name, expected) in [
            ("full", Ok(100)),
            ("over", Err(ErrorKind::FileTooLarge)),
            ("absent", Err(ErrorKind::NotFound)),
            ("", Err(ErrorKind::IsADirectory)),
            ("/dev/zero", Err(ErrorKind::FileTooLarge)),
            ("/dev/null", Ok(0)),
            ("unwritten", Ok(0)),
            // Its writer is there and writes nothing more.
            ("silent", Err(ErrorKind::TimedOut)),
            ("written", Err(ErrorKind::TimedOut)),
        ] {
            assert_eq!(read(&path(name)), expected, "{name}");
        }
        // The kind of this failure is not stable in std.
        assert!(read(&path("loop")).is_err());
        fs::remove_dir_all(&folder).expect("removed");
    }
}
