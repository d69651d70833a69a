//! The loop itself: `EventLoop<S>`, and one turn of it.
//!
//! A turn (`process_events`) is: before-sleep hook, poll, after-sleep hook, file procs, timer
//! procs. The host `S` owns its loop and every proc takes `&mut S`, so a turn borrows the loop for
//! an instant at a time: it copies a proc out, lets go, and calls.
//!
//! Invariants:
//! 1. Nothing is borrowed while a proc runs. A proc may watch, forget and close any descriptor, add
//!    and remove timers, and run nested turns. A nested turn sees everything that is ready, also
//!    what the outer one has listed and not yet served.
//! 2. In one turn an fd's read proc runs before its write proc, each at most once. If both
//!    directions have the same proc it runs once, and asks `ready` what there is to do.
//! 3. With BARRIER the write proc goes first, then the read proc, and never the write proc after
//!    the read proc, not even when the read proc has only just asked for it.
//! 4. While anything of interest is ready, no poll sleeps; yet every turn polls, so that what is
//!    ready all the time starves nobody.
//! 5. A turn allocates nothing: its list is taken from a stack of spare ones, as deep as turns were
//!    ever nested.
//! 6. The loop is `Send` and has no globals, so that another thread can own one.

use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::time::{Duration, Instant};

use crate::file::{FileProc, Files, Fired, Mask};
use crate::poller::{Poller, Waker};
use crate::time::{TimeProc, TimerId, Timers};

/// Who owns a loop, and is handed to its procs.
pub trait Host: Sized {
    /// The loop.
    fn el(&mut self) -> &mut EventLoop<Self>;
}

/// What one turn attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct What {
    /// File procs run. What became ready is remembered either way.
    pub files: bool,
    /// Timer procs run, and the poll sleeps no longer than until the soonest deadline.
    pub timers: bool,
    /// The before-sleep and after-sleep hooks run.
    pub hooks: bool,
    /// The poll may sleep.
    pub wait: bool,
}

impl What {
    /// A turn of the main loop.
    pub const ALL: Self = Self {
        files: true,
        timers: true,
        hooks: true,
        wait: true,
    };
    /// A glance at the descriptors from inside a long command: no timers, no hooks, no sleep.
    pub const FILES_ONLY: Self = Self {
        files: true,
        timers: false,
        hooks: false,
        wait: false,
    };
}

/// A hook before or after the poll.
pub type Hook<S> = fn(&mut S);

/// An event loop whose procs take `&mut S`.
pub struct EventLoop<S> {
    poller: Poller,
    files: Files<S>,
    timers: Timers<S>,
    before_sleep: Option<Hook<S>>,
    after_sleep: Option<Hook<S>>,
    dont_wait: bool,
    stopped: bool,
    turn: u32,
    spare: Vec<Vec<Fired>>,
}

impl<S> EventLoop<S> {
    /// A loop for descriptors below `setsize`.
    ///
    /// # Errors
    /// The kernel refuses an epoll instance or an eventfd.
    pub fn new(setsize: usize) -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            files: Files::new(setsize),
            timers: Timers::new(),
            before_sleep: None,
            after_sleep: None,
            dont_wait: false,
            stopped: false,
            turn: 0,
            spare: Vec::new(),
        })
    }

    /// Watches `fd` for `mask` as well, with `proc` for those directions. The data word is one for
    /// the descriptor: the last one given. An empty mask registers the descriptor, so that its
    /// readiness is known from now on, and watches for nothing.
    ///
    /// # Errors
    /// `ERANGE` beyond the set size; `EPERM` for what cannot be polled (a regular file); `EBADF`,
    /// `ENOMEM`, `ENOSPC` from the kernel.
    pub fn add(&mut self, fd: RawFd, mask: Mask, proc: FileProc<S>, data: u64) -> io::Result<()> {
        self.files.add(&self.poller, fd, mask, proc, data)
    }

    /// No longer watches `fd` for `mask`. It stays registered: `forget` it before closing it.
    pub fn remove(&mut self, fd: RawFd, mask: Mask) {
        self.files.remove(fd, mask);
    }

    /// Watches `fd` for exactly `mask`, with the procs that it has. For one who gave both
    /// directions a proc once.
    pub fn set_mask(&mut self, fd: RawFd, mask: Mask) {
        self.files.set_mask(fd, mask);
    }

    /// Ends the registration of `fd`. Always before closing it: a forked child that holds it would
    /// keep it alive in the kernel's set.
    pub fn forget(&mut self, fd: RawFd) {
        self.files.forget(&self.poller, fd);
    }

    /// What `fd` is watched for.
    pub fn mask(&self, fd: RawFd) -> Mask {
        self.files.mask(fd)
    }

    /// What `fd` is ready for, as far as is known: READABLE, WRITABLE, whether watched for or not.
    pub fn ready(&self, fd: RawFd) -> Mask {
        self.files.ready(fd)
    }

    /// The user of `fd` met would-block in the directions of `mask`, end of file, or (unless
    /// `is_closing`) a short read. They are not ready again until the kernel says so.
    pub fn drained(&mut self, fd: RawFd, mask: Mask) {
        self.files.drained(fd, mask);
    }

    /// The peer of `fd` has closed, or it is in error: a short read no longer means that nothing is
    /// left.
    pub fn is_closing(&self, fd: RawFd) -> bool {
        self.files.is_closing(fd)
    }

    /// Sets the hook that runs before every poll.
    pub fn set_before_sleep(&mut self, hook: Hook<S>) {
        self.before_sleep = Some(hook);
    }

    /// Sets the hook that runs after every poll.
    pub fn set_after_sleep(&mut self, hook: Hook<S>) {
        self.after_sleep = Some(hook);
    }

    /// Whether polls return at once, until set otherwise.
    pub fn set_dont_wait(&mut self, dont_wait: bool) {
        self.dont_wait = dont_wait;
    }

    /// Makes `run` return at the end of this turn.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Calls `proc` once `ms` milliseconds are over, and again if it says so.
    pub fn add_timer(&mut self, ms: u64, proc: TimeProc<S>, data: u64) -> TimerId {
        self.timers.add(Instant::now(), ms, proc, data)
    }

    /// Removes a timer; false if it is gone already.
    pub fn remove_timer(&mut self, id: TimerId) -> bool {
        self.timers.remove(id)
    }

    /// A handle by which other threads wake this loop.
    pub fn waker(&self) -> Waker {
        self.poller.waker()
    }

    /// All descriptors that were added and not forgotten.
    pub fn registered(&self) -> impl Iterator<Item = RawFd> {
        self.files.registered()
    }

    /// The bound on descriptors.
    pub fn setsize(&self) -> usize {
        self.files.setsize()
    }

    /// Changes the bound on descriptors; false, and no change, if one beyond it is watched.
    pub fn resize(&mut self, setsize: usize) -> bool {
        self.files.resize(setsize)
    }

    /// The number of the turn, nested ones included; it wraps. For budgets that begin anew with
    /// every turn.
    pub fn turn(&self) -> u32 {
        self.turn
    }

    /// How long the poll may sleep; `None` is for ever.
    fn patience(&mut self, what: What) -> Option<Duration> {
        if self.files.settle() || !what.wait || self.dont_wait {
            return Some(Duration::ZERO);
        }
        if what.timers {
            self.timers.soonest(Instant::now())
        } else {
            None
        }
    }

    fn poll(&mut self, what: What) {
        let patience = self.patience(what);
        let files = &mut self.files;
        self.poller.wait(patience, |edge| files.notice(&edge));
    }

    /// Begins a turn: its number and the list of what fires in it.
    fn collect(&mut self) -> (u32, Vec<Fired>) {
        self.turn = self.turn.wrapping_add(1);
        let mut list = self.spare.pop().unwrap_or_default();
        self.files.collect(self.turn, &mut list);
        (self.turn, list)
    }

    fn give_back(&mut self, mut list: Vec<Fired>) {
        list.clear();
        self.spare.push(list);
    }
}

/// One turn. Returns how many file and timer events it served.
pub fn process_events<S: Host>(s: &mut S, what: What) -> usize {
    if !what.files && !what.timers {
        return 0;
    }
    if what.hooks
        && let Some(hook) = s.el().before_sleep
    {
        hook(s);
    }
    s.el().poll(what);
    if what.hooks
        && let Some(hook) = s.el().after_sleep
    {
        hook(s);
    }
    let mut served = 0;
    if what.files {
        served += process_files(s);
    }
    if what.timers {
        served += process_timers(s);
    }
    served
}

/// Turns until someone says `stop`.
pub fn run<S: Host>(s: &mut S) {
    s.el().stopped = false;
    while !s.el().stopped {
        process_events(s, What::ALL);
    }
}

fn process_files<S: Host>(s: &mut S) -> usize {
    let (turn, list) = s.el().collect();
    let served = list.iter().filter(|&&fired| fire(s, fired, turn)).count();
    s.el().give_back(list);
    served
}

/// Calls what is due for one descriptor; false if nothing was.
fn fire<S: Host>(s: &mut S, fired: Fired, turn: u32) -> bool {
    let barrier = s.el().mask(fired.fd).contains(Mask::BARRIER);
    let order = if barrier {
        [Mask::WRITABLE, Mask::READABLE]
    } else {
        [Mask::READABLE, Mask::WRITABLE]
    };
    let mut called: Option<FileProc<S>> = None;
    for direction in order {
        // Looked up afresh for each direction: the first proc may have closed the descriptor, or
        // changed what it is watched for.
        let Some((proc, data)) = s.el().files.due(fired, turn, direction) else {
            continue;
        };
        if let Some(first) = called {
            let barred =
                direction == Mask::WRITABLE && s.el().mask(fired.fd).contains(Mask::BARRIER);
            if barred || ptr::fn_addr_eq(first, proc) {
                continue;
            }
        }
        proc(s, fired.fd, data);
        called = Some(proc);
    }
    called.is_some()
}

fn process_timers<S: Host>(s: &mut S) -> usize {
    let now = Instant::now();
    let pass = s.el().timers.begin();
    let mut served = 0;
    while let Some((id, proc, data)) = s.el().timers.next_due(now, pass) {
        let next = proc(s, id, data);
        s.el().timers.settle(Instant::now(), id, next);
        served += 1;
    }
    served
}
