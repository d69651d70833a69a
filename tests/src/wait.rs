//! Waiting for a condition.

use std::os::fd::{BorrowedFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The timeout of every wait in the tests. It ends only what would never end, so it is long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether there is something to read at this moment. What a server on this machine has sent is there at once.
///
/// # Panics
/// If the descriptor is not that of a socket or pipe.
pub fn has_input(fd: RawFd) -> bool {
    poll_input(fd, PollTimeout::ZERO)
}

/// Waits until there is something to read, or the other end is closed.
///
/// # Panics
/// If the descriptor is not that of a socket or pipe.
pub fn wait_for_input(fd: RawFd) {
    poll_input(fd, PollTimeout::NONE);
}

#[allow(unsafe_code)]
fn poll_input(fd: RawFd, timeout: PollTimeout) -> bool {
    // SAFETY: callers own the descriptor and keep it open during the call.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let mut polled = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut polled, timeout).expect("it is a socket or pipe") > 0
}

/// Polls until `ask` returns a value.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        thread::yield_now();
    }
}
