//! Ctrl-C where it should end a loop instead of the program.
//!
//! There is no signal handler, which could do almost nothing safely: SIGINT is blocked in every thread, and one thread
//! waits for it. While it is not being caught, it ends the program as usual. Otherwise it is recorded, and a byte in a
//! socket wakes the thread that polls descriptors.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::{SigSet, Signal};

/// Watches for Ctrl-C.
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
    /// Takes over SIGINT until the program ends.
    ///
    /// # Errors
    /// The system has no descriptors or threads left.
    pub fn watch() -> io::Result<Self> {
        let (mut ring, wake) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        // Before the thread is created, which inherits the mask.
        signals.thread_block()?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new().spawn(move || {
            while signals.wait().is_ok() {
                if !theirs.catching.load(Ordering::SeqCst) {
                    process::exit(1);
                }
                theirs.pressed.store(true, Ordering::SeqCst);
                // A full socket wakes the reader as well.
                let _ = ring.write(&[0]);
            }
        })?;
        Ok(Self { shared, wake })
    }

    /// A watcher that catches Ctrl-C at once; `None` when it still ends the program.
    pub fn for_loop() -> Option<Self> {
        let interrupts = Self::watch().ok()?;
        interrupts.catch(true);
        Some(interrupts)
    }

    /// Has Ctrl-C recorded, or end the program.
    pub fn catch(&self, catching: bool) {
        self.shared.catching.store(catching, Ordering::SeqCst);
    }

    /// Whether Ctrl-C was pressed since the last `take`.
    pub fn pressed(&self) -> bool {
        self.shared.pressed.load(Ordering::SeqCst)
    }

    /// Whether Ctrl-C was pressed since the last call, and resets that.
    pub fn take(&self) -> bool {
        let mut buf = [0; 16];
        while matches!((&self.wake).read(&mut buf), Ok(n) if n > 0) {}
        self.shared.pressed.swap(false, Ordering::SeqCst)
    }
}

/// Readable once Ctrl-C was pressed, until `take`.
impl AsFd for Interrupts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
