//! The loop itself: `EventLoop<S>`, and one turn of it.
//!
//! A turn (`process_events`) is: before-sleep hook, poll, after-sleep hook, file procs, timer
//! procs. The host `S` owns its loop and every proc takes `&mut S`, so a turn never holds a borrow
//! of the loop across a call: it copies a proc out, ends the borrow, and calls.
//!
//! # Invariants
//! 1. Nothing is borrowed while a proc runs. A proc may watch, forget and close any descriptor, add
//!    and remove timers, and run nested turns. A nested turn serves everything that is ready,
//!    including descriptors that the outer turn has listed and not served yet.
//! 2. In one turn the read proc of a descriptor runs before its write proc, each at most once. If
//!    both directions have the same proc it runs once, and asks `ready` what to do.
//! 3. With BARRIER the write proc runs first, then the read proc. The write proc never runs after
//!    the read proc in one turn, not even if the read proc has just set BARRIER.
//! 4. While a watched descriptor is ready no poll sleeps, but every turn polls, so a descriptor that
//!    is ready all the time does not starve the others.
//! 5. A turn does not allocate: its list comes from a stack of spare lists, which is as deep as turns
//!    were ever nested.
//! 6. The loop is `Send` and has no globals, so any thread can own one.

use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::time::{Duration, Instant};

use crate::file::{FileProc, Files, Fired, Mask};
use crate::poller::{Poller, Waker};
use crate::time::{TimeProc, TimerId, Timers};

/// The owner of a loop; its procs receive a `&mut` to it.
pub trait Host: Sized {
    /// The loop.
    fn el(&mut self) -> &mut EventLoop<Self>;
}

/// What one turn processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct What {
    /// File procs run. Edges are recorded either way.
    pub files: bool,
    /// Timer procs run, and the poll sleeps until the earliest deadline at most.
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
    /// Serves descriptors from inside a long command: no timers, no hooks, no sleep.
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

    /// Adds `mask` to what `fd` is watched for, with `proc` for those directions. There is one data
    /// word per descriptor, the last one given. An empty mask registers the descriptor, so that its
    /// readiness is recorded from now on, and watches for nothing.
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

    /// Watches `fd` for exactly `mask`, with the procs that were given to `add`. For descriptors
    /// whose both directions have a proc.
    pub fn set_mask(&mut self, fd: RawFd, mask: Mask) {
        self.files.set_mask(fd, mask);
    }

    /// Ends the registration of `fd`. Required before closing it: a forked child that holds the
    /// descriptor would keep it in the kernel's epoll set.
    pub fn forget(&mut self, fd: RawFd) {
        self.files.forget(&self.poller, fd);
    }

    /// What `fd` is watched for.
    pub fn mask(&self, fd: RawFd) -> Mask {
        self.files.mask(fd)
    }

    /// What `fd` is known to be ready for (READABLE, WRITABLE), whether watched for or not.
    pub fn ready(&self, fd: RawFd) -> Mask {
        self.files.ready(fd)
    }

    /// Takes the ready bits of `fd` out, for a user that is going to use the descriptor without this
    /// loop. Bits that are set from now on are new edges.
    pub fn take_ready(&mut self, fd: RawFd) -> Mask {
        self.files.take_ready(fd)
    }

    /// Adds ready bits from `take_ready` that were not used up.
    pub fn restore_ready(&mut self, fd: RawFd, mask: Mask) {
        self.files.restore_ready(fd, mask);
    }

    /// The user of `fd` met would-block in the directions of `mask`, end of file, or (unless
    /// `is_closing`) a short read. They are not ready again until the kernel reports it.
    pub fn drained(&mut self, fd: RawFd, mask: Mask) {
        self.files.drained(fd, mask);
    }

    /// The peer of `fd` has closed at least one direction, or `fd` is in error: a short read no
    /// longer means that nothing is left.
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

    /// Makes `run` return. No further proc is called.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Calls `proc` after `ms` milliseconds, and again if it answers `Next::In`.
    pub fn add_timer(&mut self, ms: u64, proc: TimeProc<S>, data: u64) -> TimerId {
        self.timers.add(Instant::now(), ms, proc, data)
    }

    /// Removes a timer; false if it is gone already.
    pub fn remove_timer(&mut self, id: TimerId) -> bool {
        self.timers.remove(id)
    }

    /// A handle with which other threads wake this loop.
    pub fn waker(&self) -> Waker {
        self.poller.waker()
    }

    /// All registered descriptors.
    pub fn registered(&self) -> impl Iterator<Item = RawFd> {
        self.files.registered()
    }

    /// Descriptors must be below this.
    pub fn setsize(&self) -> usize {
        self.files.setsize()
    }

    /// Changes the bound on descriptors; false, and no change, if one at or above it is registered.
    pub fn resize(&mut self, setsize: usize) -> bool {
        self.files.resize(setsize)
    }

    /// The number of the turn, nested ones included; it wraps. For budgets that are renewed with
    /// every turn.
    pub fn turn(&self) -> u32 {
        self.turn
    }

    /// How long the poll may sleep; `None` is without limit.
    fn patience(&mut self, what: What) -> Option<Duration> {
        if self.files.prune() || !what.wait || self.dont_wait {
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

    /// Begins a turn: its number and the list of descriptors that fire in it.
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

/// Runs turns until `stop` is called.
pub fn run<S: Host>(s: &mut S) {
    s.el().stopped = false;
    while !s.el().stopped {
        process_events(s, What::ALL);
    }
}

fn process_files<S: Host>(s: &mut S) -> usize {
    let (turn, list) = s.el().collect();
    let mut served = 0;
    for &fired in &list {
        if s.el().stopped {
            break;
        }
        served += usize::from(fire(s, fired, turn));
    }
    s.el().give_back(list);
    served
}

/// Calls the procs that are due for one descriptor; false if none was.
fn fire<S: Host>(s: &mut S, fired: Fired, turn: u32) -> bool {
    let barrier = s.el().mask(fired.fd).contains(Mask::BARRIER);
    let order = if barrier {
        [Mask::WRITABLE, Mask::READABLE]
    } else {
        [Mask::READABLE, Mask::WRITABLE]
    };
    let mut called: Option<FileProc<S>> = None;
    for direction in order {
        // Looked up again for each direction: the first proc may have closed the descriptor or
        // changed its interest.
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
    while !s.el().stopped
        && let Some((id, proc, data)) = s.el().timers.next_due(now, pass)
    {
        let next = proc(s, id, data);
        s.el().timers.reschedule(Instant::now(), id, next);
        served += 1;
    }
    served
}
