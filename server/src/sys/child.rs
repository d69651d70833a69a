//! Child processes: the fork, what a child is from then on, and how it ends.
//!
//! Threads do not live on in a child, and locks they held stay locked. So a child only computes and writes: it touches no
//! channel, no TLS and no loop, and leaves by [`exit`], which runs nobody's destructor.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::fs;
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, RawFd};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Exit code of a child that was told to end; nothing is wrong then.
const KILLED_QUIETLY: i32 = 255;

/// On which side of a fork the caller is.
pub enum Fork {
    /// It is the child.
    Child,
    /// It is the parent of this process.
    Parent(i32),
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Because [`kill_quietly`] asked it to.
    Quietly,
}

/// Forks.
///
/// # Errors
/// The system has no room for another process.
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

/// Makes the calling process a child: SIGUSR1 ends it, and descriptors that are its parent's business are closed. A
/// connection that the parent closes would stay open else for as long as the child lives.
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

/// Ends the calling process at once.
pub fn exit(code: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(code) }
}

/// Asks a child to end; [`reap`] will tell.
pub fn kill_quietly(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGUSR1);
}

/// How a child ended, once it has.
pub fn reap(pid: i32) -> Option<Ended> {
    match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(_, KILLED_QUIETLY)) => Some(Ended::Quietly),
        Ok(WaitStatus::Exited(_, code)) => Some(Ended::Exit(code)),
        Ok(WaitStatus::Signaled(_, Signal::SIGUSR1, _)) => Some(Ended::Quietly),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(Ended::Signal(signal as i32)),
        Ok(_) | Err(nix::errno::Errno::EINTR) => None,
        // It is nobody's child any more: whatever it did, it is not known to have succeeded.
        Err(_) => Some(Ended::Exit(1)),
    }
}

/// Makes reads from a pipe answer "would block" when it is empty.
pub fn set_nonblocking(pipe: &PipeReader) {
    // SAFETY: the descriptor is open; the call takes plain numbers.
    unsafe {
        let flags = libc::fcntl(pipe.as_raw_fd(), libc::F_GETFL);
        libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
}

/// Bytes of memory that this process has for itself, since it or its parent wrote to them after the fork; 0 when the
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
        match fork().expect("a process more") {
            Fork::Child => exit(3),
            Fork::Parent(pid) => assert_eq!(wait(pid), Ended::Exit(3)),
        }
        match fork().expect("a process more") {
            Fork::Child => loop {
                std::hint::spin_loop();
            },
            Fork::Parent(pid) => {
                kill_quietly(pid);
                assert_eq!(wait(pid), Ended::Quietly);
            }
        }
        assert!(private_dirty() > 0);
    }
}
