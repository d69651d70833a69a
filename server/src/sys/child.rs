//! Child processes: fork, what a child may do, and how it ends.
//!
//! The threads of the parent do not exist in a child, and locks that they held stay locked. A child therefore only
//! computes and writes: it touches no channel and no event loop, and exits by [`exit`], which runs no destructors. The
//! only TLS object that a child may touch is that of a connection which its parent has given up (`script::debug`): the one
//! other thread that uses OpenSSL, which loads certificates, is held during that fork (`state::tls::hold_loads`), so none of
//! OpenSSL's locks is held in the child.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::fs;
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Exit code of a child that was asked to end, which is not an error.
const KILLED_QUIETLY: i32 = 255;

/// The side of a fork that the caller is on.
pub enum Fork {
    /// The caller is the child.
    Child,
    /// The caller is the parent of this process.
    Parent(i32),
}

/// How a child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    /// Because [`kill_quietly`] asked it to, which is not a failure.
    pub const QUIETLY: Ended = Ended::Signal(Signal::SIGUSR1 as i32);
}

/// Forks.
///
/// # Errors
/// The system cannot create another process.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the child keeps to what the header of this file says. The allocator's own locks are taken and released
    // around the fork by handlers that it registers.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

extern "C" fn on_quiet_end(_signal: c_int) {
    // SAFETY: _exit is async-signal-safe.
    unsafe { libc::_exit(KILLED_QUIETLY) };
}

/// Sets up a child: SIGUSR1 ends it, and descriptors that only concern the parent are closed. A connection that the
/// parent closes would otherwise stay open as long as the child lives.
pub fn become_child(parents: impl Iterator<Item = RawFd>) {
    let end = SigAction::new(
        SigHandler::Handler(on_quiet_end),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler only exits; the descriptors have owners whose destructors never run in this process.
    unsafe {
        let _ = sigaction(Signal::SIGUSR1, &end);
        for fd in parents {
            libc::close(fd);
        }
    }
}

/// In a child: SIGTERM and SIGINT, which may be meant for the whole group of processes, are left to the parent.
pub fn ignore_end_signals() {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        // SAFETY: SIG_IGN runs no code.
        let _ = unsafe { sigaction(signal, &ignore) };
    }
}

/// In a child that only works for one peer: ends the process this long after the peer has closed the connection, unless
/// it ends earlier.
pub fn exit_after_hangup(fd: RawFd, delay: Duration) {
    // Without the thread the child goes on until its work is done.
    let _ = thread::Builder::new().spawn(move || {
        let mut polled = libc::pollfd {
            fd,
            events: libc::POLLRDHUP,
            revents: 0,
        };
        // SAFETY: one descriptor, which stays open as long as the process lives.
        while unsafe { libc::poll(&raw mut polled, 1, -1) } < 1 {}
        thread::sleep(delay);
        exit(0);
    });
}

/// Ends the calling process at once.
pub fn exit(code: i32) -> ! {
    // SAFETY: `_exit` runs no destructors or handlers and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Asks a child to end; [`reap`] reports that it has.
pub fn kill_quietly(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGUSR1);
}

/// Ends a child that may ignore other signals.
pub fn kill_hard(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// Waits until a child has ended.
pub fn wait(pid: i32) {
    while waitpid(Pid::from_raw(pid), None) == Err(nix::errno::Errno::EINTR) {}
}

/// How a child has ended; `None` while it runs.
pub fn reap(pid: i32) -> Option<Ended> {
    match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(_, KILLED_QUIETLY)) => Some(Ended::QUIETLY),
        Ok(WaitStatus::Exited(_, code)) => Some(Ended::Exit(code)),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(Ended::Signal(signal as i32)),
        Ok(_) | Err(nix::errno::Errno::EINTR) => None,
        // Another waiter has reaped it, so nothing is known of its success.
        Err(_) => Some(Ended::Exit(1)),
    }
}

/// Makes a pipe non-blocking.
pub fn set_nonblocking(pipe: &PipeReader) {
    // SAFETY: the descriptor is open; the call takes plain numbers.
    unsafe {
        let flags = libc::fcntl(pipe.as_raw_fd(), libc::F_GETFL);
        libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
}

/// Memory that this process has for itself because it or its parent wrote to a page after the fork, in bytes; 0 if the
/// system does not tell.
pub fn private_dirty() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup")
        .or_else(|_| fs::read_to_string("/proc/self/smaps"))
        .unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix("Private_Dirty:"))
        .filter_map(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .sum::<u64>()
        * 1024
}

#[cfg(test)]
mod tests {
    use super::{Ended, Fork, exit, fork, kill_quietly, private_dirty, reap};

    fn wait(pid: i32) -> Ended {
        loop {
            if let Some(ended) = reap(pid) {
                return ended;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_child_ends_by_its_code_or_quietly() {
        match fork().expect("another process") {
            Fork::Child => exit(3),
            Fork::Parent(pid) => assert_eq!(wait(pid), Ended::Exit(3)),
        }
        match fork().expect("another process") {
            Fork::Child => loop {
                std::hint::spin_loop();
            },
            Fork::Parent(pid) => {
                kill_quietly(pid);
                assert_eq!(wait(pid), Ended::QUIETLY);
            }
        }
        assert!(private_dirty() > 0);
    }
}
