//! mio's `Poll` behind four verbs: add, remove, wait, and a waker for other threads.
//!
//! Every descriptor is registered once, for both directions, edge-triggered (mio has no other mode).
//! This file knows nothing of interest: it reports what became ready, and `file` records it.
//!
//! # Invariants
//! 1. A token is the descriptor in its low 32 bits and the generation of its registration in its
//!    high 32. `file` compares generations, because a descriptor that was closed without `remove`
//!    stays in epoll for as long as a forked child holds it.
//! 2. Errors and hang-ups count for both directions: mio reports a pipe whose other end was closed
//!    as closed, but neither readable nor writable, and a proc that waits for either must run.
//! 3. A signal is not an error: `wait` returns without events.
//! 4. A forked child shares the epoll instance and must not call anything here: `remove` would take
//!    away the parent's registration.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::file::Mask;

/// Events taken from the kernel by one wait. The rest is delivered in the next turn; the kernel
/// rotates its list, so no descriptor starves.
const EVENTS_PER_WAIT: usize = 1024;

/// Differs from every descriptor's token: a descriptor is not negative.
const WAKER: Token = Token(usize::MAX);

const _: () = assert!(
    usize::BITS == 64,
    "a token holds a descriptor and a generation"
);

/// Wakes a loop from any thread: its next poll, or the one it sleeps in, returns at once.
///
/// The thread puts the work elsewhere (usually into a channel) and the loop looks there in its
/// hooks. Any number of wakes before a poll count as one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Makes the loop's next poll return at once.
    ///
    /// # Errors
    /// Those of the write to its eventfd; none is known to happen while the loop exists.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

/// One descriptor became ready.
pub(crate) struct Edge {
    pub(crate) fd: RawFd,
    pub(crate) generation: u32,
    /// READABLE, WRITABLE or both.
    pub(crate) ready: Mask,
    /// The peer has closed at least one direction, or the descriptor is in error.
    pub(crate) closing: bool,
}

pub(crate) struct Poller {
    poll: Poll,
    events: Events,
    waker: Waker,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker(Arc::new(mio::Waker::new(poll.registry(), WAKER)?));
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_WAIT),
            waker,
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    pub(crate) fn add(&self, fd: RawFd, generation: u32) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), token(fd, generation), interest)
    }

    pub(crate) fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&fd))
    }

    /// Sleeps until something is ready or `timeout` has passed (`None`: without limit), and reports
    /// each edge.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, mut report: impl FnMut(Edge)) {
        if let Err(error) = self.poll.poll(&mut self.events, timeout) {
            assert!(
                error.kind() == io::ErrorKind::Interrupted,
                "polling for events: {error}"
            );
            return;
        }
        for event in &self.events {
            if event.token() != WAKER {
                report(edge(event));
            }
        }
    }
}

fn token(fd: RawFd, generation: u32) -> Token {
    // `fd` is not negative: it was used as an index (`file::register`).
    Token(fd as u32 as usize | (generation as usize) << 32)
}

fn edge(event: &Event) -> Edge {
    let Token(word) = event.token();
    let broken = event.is_error() || (event.is_read_closed() && event.is_write_closed());
    let closing = broken || event.is_read_closed() || event.is_write_closed();
    let mut ready = Mask::empty();
    if broken || event.is_readable() || event.is_read_closed() {
        ready |= Mask::READABLE;
    }
    if broken || event.is_writable() || event.is_write_closed() {
        ready |= Mask::WRITABLE;
    }
    Edge {
        fd: word as u32 as RawFd,
        generation: (word >> 32) as u32,
        ready,
        closing,
    }
}
