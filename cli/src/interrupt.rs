//! Ctrl-C, where it should end a loop and not the program.
//!
//! A handler of a signal may do next to nothing, so there is none: SIGINT is blocked in every thread, and one thread
//! waits for it. While nobody wants to catch it, it ends the program as it always did; else it is noted, and a byte in
//! a socket wakes whoever waits for descriptors.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::{SigSet, Signal};

/// Ctrl-C, watched.
pub struct Interrupts {
    shared: Arc<Shared>,
    wake: UnixStream,
}

#[derive(Default)]
struct Shared {
    catching: AtomicBool,
    pressed: AtomicBool,
}

impl Interrupts {
    /// Takes SIGINT over, for the rest of the program's life.
    ///
    /// # Errors
    /// The system has no descriptors or threads left.
    pub fn watch() -> io::Result<Self> {
        let (mut ring, wake) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        // Before the thread is made, which inherits the mask.
        signals.thread_block()?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new().spawn(move || {
            while signals.wait().is_ok() {
                if !theirs.catching.load(Ordering::SeqCst) {
                    process::exit(1);
                }
                theirs.pressed.store(true, Ordering::SeqCst);
                // A full socket wakes as well.
                let _ = ring.write(&[0]);
            }
        })?;
        Ok(Self { shared, wake })
    }

    /// The same where Ctrl-C is to end a loop; `None` when it goes on ending the program.
    pub fn for_loop() -> Option<Self> {
        let interrupts = Self::watch().ok()?;
        interrupts.catch(true);
        Some(interrupts)
    }

    /// From now on Ctrl-C is noted, or ends the program.
    pub fn catch(&self, catching: bool) {
        self.shared.catching.store(catching, Ordering::SeqCst);
    }

    /// Whether Ctrl-C was pressed and not taken yet.
    pub fn pressed(&self) -> bool {
        self.shared.pressed.load(Ordering::SeqCst)
    }

    /// Whether Ctrl-C was pressed since this was last asked.
    pub fn take(&self) -> bool {
        let mut buf = [0; 16];
        while matches!((&self.wake).read(&mut buf), Ok(n) if n > 0) {}
        self.shared.pressed.swap(false, Ordering::SeqCst)
    }
}

/// Readable when Ctrl-C was pressed and not taken.
impl AsFd for Interrupts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
