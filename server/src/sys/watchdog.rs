//! The software watchdog: a timer that cron keeps postponing. If the event loop does not return in time, the timer
//! fires and logs the command being executed and the stack of the main thread; the process then goes on.
//!
//! # Invariants
//! 1. The handler neither allocates nor locks: what it interrupts may be the allocator, or the log.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io::Write;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering::Relaxed};

use table::CmdId;

use crate::sys::log;

/// Descriptor of the log at the time when the watchdog was set, since the handler cannot open it. -1 if not set.
static LOG: AtomicI32 = AtomicI32::new(-1);
/// The timer, created by the first setting.
static TIMER: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Index of the command being executed plus one; 0 for none.
static COMMAND: AtomicUsize = AtomicUsize::new(0);

/// Says which command is being executed.
#[inline]
pub fn executing(cmd: Option<CmdId>) {
    COMMAND.store(cmd.map_or(0, |cmd| cmd.index() + 1), Relaxed);
}

/// Makes the watchdog fire this many milliseconds after the latest [`postpone`]; 0 stops it. Must be called on the
/// thread that it watches.
pub fn set(period_ms: i64) {
    if period_ms == 0 {
        return postpone(0);
    }
    let old = LOG.swap(log::descriptor(), Relaxed);
    if old == -1 && !install() {
        return LOG.store(-1, Relaxed);
    }
    if old > 1 {
        // SAFETY: a descriptor of this file's own.
        unsafe { libc::close(old) };
    }
    postpone(period_ms);
}

/// Installs the handler and creates the timer; whether that succeeded.
fn install() -> bool {
    let mut frame = ptr::null_mut();
    let mut timer = ptr::null_mut();
    // SAFETY: there is room for the one frame that is asked for (the first call loads a library, which allocates, so it is
    // made here); structures of zeros are valid; the handler keeps invariant 1.
    unsafe {
        libc::backtrace(&raw mut frame, 1);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_alarm as extern "C" fn(c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut());
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGALRM;
        event.sigev_notify_thread_id = libc::gettid();
        if libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) != 0 {
            return false;
        }
    }
    TIMER.store(timer, Relaxed);
    true
}

/// Restarts the timer.
pub fn postpone(period_ms: i64) {
    if LOG.load(Relaxed) == -1 {
        return;
    }
    // SAFETY: structures of zeros are valid, and the timer was made.
    unsafe {
        let mut time: libc::itimerspec = std::mem::zeroed();
        time.it_value.tv_sec = period_ms / 1000;
        time.it_value.tv_nsec = period_ms % 1000 * 1_000_000;
        libc::timer_settime(TIMER.load(Relaxed), 0, &raw const time, ptr::null_mut());
    }
}

/// Writes Redis's log lines.
extern "C" fn on_alarm(_signal: c_int) {
    let fd = LOG.load(Relaxed);
    let mut frames = [ptr::null_mut(); 100];
    // SAFETY: the arrays bound what is written and read; what was interrupted finds its errno as it was.
    unsafe {
        let errno = *libc::__errno_location();
        say(fd, "--- WATCHDOG TIMER EXPIRED ---");
        if let Some(index) = COMMAND.load(Relaxed).checked_sub(1) {
            say_command(fd, CmdId::from_index(index));
        }
        say(fd, "------ STACK TRACE ------");
        let count = libc::backtrace(frames.as_mut_ptr(), frames.len() as c_int);
        libc::backtrace_symbols_fd(frames.as_ptr(), count, fd);
        say(fd, "--------\n");
        *libc::__errno_location() = errno;
    }
}

/// Names the command as Redis names its procedure, which is what operators look for in a report: `configSetCommand`.
fn say_command(fd: c_int, cmd: CmdId) {
    let mut name = [0; 64];
    let mut rest = name.as_mut_slice();
    let words = table::full_name(cmd).split(['|', '-', '_']);
    for (at, word) in words.enumerate() {
        let (first, others) = word.split_at(1);
        let first = first.as_bytes()[0];
        let first = if at == 0 {
            first
        } else {
            first.to_ascii_uppercase()
        };
        let _ = write!(rest, "{}{others}", char::from(first));
    }
    let _ = write!(rest, "Command");
    let left = rest.len();
    let len = name.len() - left;
    say(fd, std::str::from_utf8(&name[..len]).unwrap_or_default());
}

/// A log line with its time in seconds since 1970, since a signal handler cannot format local time.
fn say(fd: c_int, text: &str) {
    let mut line = [0; 128];
    let mut rest = line.as_mut_slice();
    // SAFETY: neither call can fail, or touches memory.
    let (pid, now) = unsafe { (libc::getpid(), libc::time(ptr::null_mut())) };
    let _ = writeln!(rest, "{pid}:signal-handler ({now}) \n{text}");
    let left = rest.len();
    // SAFETY: the slice is valid for its length.
    unsafe { libc::write(fd, line.as_ptr().cast(), line.len() - left) };
}
