//! A host for the tests of the loop: it writes down what its procs did, in order.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use ae::event_loop::{EventLoop, Host, What, process_events};
use ae::file::Mask;

/// A glance: whatever is ready now, timers that are due, no sleep.
pub const GLANCE: What = What {
    files: true,
    timers: true,
    hooks: true,
    wait: false,
};

pub struct World {
    pub el: EventLoop<World>,
    pub log: Vec<String>,
    /// Descriptors that procs read from, by data word.
    pub files: HashMap<u64, OwnedFd>,
    /// How many bytes a read proc asks for.
    pub chunk: usize,
}

impl Host for World {
    fn el(&mut self) -> &mut EventLoop<World> {
        &mut self.el
    }
}

impl World {
    pub fn new() -> Self {
        let el = EventLoop::new(1024).expect("a loop");
        Self {
            el,
            log: Vec::new(),
            files: HashMap::new(),
            chunk: 1024,
        }
    }

    /// Keeps `fd` as `word` and watches it.
    pub fn watch(
        &mut self,
        word: u64,
        fd: OwnedFd,
        mask: Mask,
        proc: ae::file::FileProc<Self>,
    ) -> RawFd {
        let raw = fd.as_raw_fd();
        self.el
            .add(raw, mask, proc, word)
            .expect("a descriptor that can be polled");
        self.files.insert(word, fd);
        raw
    }

    /// One turn without sleep; what the procs wrote down in it.
    pub fn glance(&mut self) -> Vec<String> {
        process_events(self, GLANCE);
        std::mem::take(&mut self.log)
    }
}

pub fn pair() -> (OwnedFd, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    ours.set_nonblocking(true).expect("non-blocking");
    (ours.into(), theirs)
}

/// Reads once, keeps to the contract of `drained`, and writes down `word:bytes`, `word:eof` or
/// `word:again`.
pub fn read_once(world: &mut World, fd: RawFd, word: u64) {
    let mut file = std::fs::File::from(world.files[&word].try_clone().expect("a second handle"));
    let mut buf = vec![0; world.chunk];
    match file.read(&mut buf) {
        Ok(0) => {
            world.el.drained(fd, Mask::READABLE);
            world.log.push(format!("{word}:eof"));
        }
        Ok(n) => {
            if n < buf.len() && !world.el.is_closing(fd) {
                world.el.drained(fd, Mask::READABLE);
            }
            world.log.push(format!("{word}:{n}"));
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            world.el.drained(fd, Mask::READABLE);
            world.log.push(format!("{word}:again"));
        }
    }
}

/// Writes down that the read direction fired, and leaves it ready.
pub fn note_read(world: &mut World, _fd: RawFd, word: u64) {
    world.log.push(format!("r{word}"));
}

/// Writes down that the write direction fired.
pub fn note_write(world: &mut World, _fd: RawFd, word: u64) {
    world.log.push(format!("w{word}"));
}
