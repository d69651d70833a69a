//! The log of a server under test, read from a pipe.
//!
//! A thread reads the pipe, so that the server never waits for a reader. Whoever looks at the log reads first what is still
//! in the pipe: what the server wrote before it replied is there when the reply is.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::process::ChildStdout;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::wait::{PATIENCE, wait_for_input};

/// The line behind the last one of a server that has ended.
pub const END: &str = "(end of log)";

/// A log that is being captured.
pub struct Log {
    captured: Mutex<Captured>,
    changed: Condvar,
}

/// What was read so far.
struct Captured {
    pipe: ChildStdout,
    /// Bytes of a line whose end has not been read.
    rest: Vec<u8>,
    lines: Vec<String>,
    ended: bool,
}

impl Captured {
    /// Reads what is in the pipe.
    fn drain(&mut self) {
        let mut buffer = [0; 16 << 10];
        while !self.ended {
            match self.pipe.read(&mut buffer) {
                Ok(0) => self.end(),
                Ok(count) => self.add(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.end(),
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.lines
                .push(String::from_utf8_lossy(&line[..end]).into_owned());
        }
    }

    fn end(&mut self) {
        self.lines.push(END.to_owned());
        self.ended = true;
    }
}

impl Log {
    /// Starts to capture what is written to a pipe.
    ///
    /// # Panics
    /// If the pipe cannot be made non-blocking.
    pub fn capture(pipe: ChildStdout) -> Arc<Log> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a pipe");
        let fd = pipe.as_raw_fd();
        let log = Arc::new(Log {
            captured: Mutex::new(Captured {
                pipe,
                rest: Vec::new(),
                lines: Vec::new(),
                ended: false,
            }),
            changed: Condvar::new(),
        });
        let shared = Arc::clone(&log);
        thread::spawn(move || shared.follow(fd));
        log
    }

    /// Reads until the server has ended.
    fn follow(&self, fd: RawFd) {
        loop {
            wait_for_input(fd);
            if self.lock().ended {
                return;
            }
        }
    }

    /// What was captured, up to now. A test that panics while it holds the lock poisons it; the lines are still valid.
    fn lock(&self) -> MutexGuard<'_, Captured> {
        let mut captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner);
        captured.drain();
        self.changed.notify_all();
        captured
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// Waits for a line with one of these texts, and returns it.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn wait_for(&self, texts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut captured = self.lock();
        loop {
            let mut lines = captured.lines.iter();
            if let Some(line) = lines.find(|line| texts.iter().any(|text| line.contains(text))) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no line with {texts:?} in the log:\n{}",
                captured.lines.join("\n")
            );
            let waited = self.changed.wait_timeout(captured, left);
            captured = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
