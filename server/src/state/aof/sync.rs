//! The fsync thread of the append-only file.
//!
//! The loop hands over a file and a mark: everything up to the mark has been written to it. The thread calls fsync and
//! reports that the mark is reached. Requests that arrive meanwhile are merged, so one fsync covers them all, and it starts
//! as soon as the previous one has ended, without waiting for the loop. A request may ask to be put off for a moment
//! (`gather`); what is written until then is merged into it.
//!
//! ```text
//! loop:    write a  write b  write c        d
//! thread:  fsync a ──────────> fsync b, c ──────> fsync d …
//! ```

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ae::poller::Waker;

use crate::sys::affinity::{self, Processors};
use crate::sys::clock;

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Bytes appended to the append-only file since the server was started.
    pub position: u64,
    /// The offset in the stream of writes, for WAITAOF.
    pub offset: u64,
}

/// A requested fsync.
struct Request {
    file: Arc<File>,
    mark: Mark,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    /// The thread has nothing to do and must be woken.
    is_idle: bool,
    /// The loop waits until the thread has nothing to do.
    is_awaited: bool,
    /// Until when the next fsync is put off, in microseconds of monotonic time, unless more must be done.
    put_off_until: Option<u64>,
    /// The mark of the running fsync.
    running: Option<Mark>,
    /// The latest mark that was reached.
    reached: Option<Mark>,
    /// Why the last fsync failed; `None` if it succeeded.
    failure: Option<Arc<io::Error>>,
    /// A failure that the loop has not seen yet. A later fsync that succeeds does not cover what this one has lost.
    unseen: Option<Arc<io::Error>>,
    /// The longest fsync since the loop last looked, in microseconds.
    longest_us: u64,
}

/// What the thread has completed.
pub struct Progress {
    /// The latest mark that was reached.
    pub reached: Option<Mark>,
    /// Why the last fsync has failed, if it did.
    pub failure: Option<Arc<io::Error>>,
    /// Why an fsync since the last call has failed, if one did.
    pub new_failure: Option<Arc<io::Error>>,
    /// The longest fsync since the last call, in microseconds.
    pub longest_us: u64,
}

impl State {
    fn pending(&self) -> usize {
        self.requests.len() + usize::from(self.running.is_some())
    }

    /// How much longer the next fsync is put off.
    fn time_left(&mut self) -> Option<Duration> {
        let until = self.put_off_until?;
        let left = until.saturating_sub(clock::monotonic_us());
        if left == 0 || self.requests.len() != 1 {
            self.put_off_until = None;
            return None;
        }
        Some(Duration::from_micros(left))
    }

    fn complete(&mut self, mark: Mark, synced: io::Result<()>) {
        match synced {
            Ok(()) => {
                self.reached = Some(mark);
                self.failure = None;
            }
            Err(error) => {
                let error = Arc::new(error);
                self.failure = Some(Arc::clone(&error));
                self.unseen = Some(error);
            }
        }
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// The state. A panic aborts the process, so the lock is never poisoned.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handle to the thread, which is started by the first request.
pub struct Syncer {
    shared: Arc<Shared>,
    waker: Waker,
    /// Those that the thread runs on.
    processors: Option<Processors>,
    is_started: bool,
    /// What [`Syncer::is_busy`] returns.
    is_busy: bool,
    /// The latest request was put off, and may be still.
    may_be_put_off: bool,
    /// Requests have been made since [`Syncer::progress`] last found all of them completed.
    has_news: bool,
}

impl Syncer {
    /// A thread that wakes the loop when it has reached a mark, and that runs on these processors.
    pub fn new(waker: Waker, processors: Option<Processors>) -> Self {
        Syncer {
            shared: Arc::default(),
            waker,
            processors,
            is_started: false,
            is_busy: false,
            may_be_put_off: false,
            has_news: false,
        }
    }

    /// Requests an fsync of a file; `mark` is how much has been written to it. It begins at once, or is put off `until`
    /// then, in microseconds of monotonic time.
    pub fn request(&mut self, file: &Arc<File>, mark: Mark, until: Option<u64>) {
        self.has_news = true;
        let request = Request {
            file: Arc::clone(file),
            mark,
        };
        if !self.start() {
            // The system cannot create a thread, so the loop does the work.
            let synced = request.file.sync_data();
            self.shared.state().complete(mark, synced);
            let _ = self.waker.wake();
            return;
        }
        self.is_busy = true;
        self.may_be_put_off = until.is_some();
        let mut state = self.shared.state();
        let was_put_off = state.put_off_until.is_some();
        state.put_off_until = until;
        match state.requests.back_mut() {
            Some(last) if Arc::ptr_eq(&last.file, file) => last.mark = mark,
            _ => state.requests.push_back(request),
        }
        let must_wake = std::mem::take(&mut state.is_idle) || (was_put_off && until.is_none());
        // The thread needs the lock as soon as it wakes.
        drop(state);
        if must_wake {
            self.shared.changed.notify_all();
        }
    }

    /// Whether the next fsync is put off and has not begun.
    pub fn is_put_off(&mut self) -> bool {
        self.may_be_put_off = self.may_be_put_off && self.shared.state().put_off_until.is_some();
        self.may_be_put_off
    }

    /// Puts off an fsync that is put off until another time; `None` begins it.
    pub fn put_off(&mut self, until: Option<u64>) {
        if !self.is_put_off() {
            return;
        }
        let mut state = self.shared.state();
        // The thread may have begun it just now.
        if state.put_off_until.is_some() {
            state.put_off_until = until;
            drop(state);
            if until.is_none() {
                self.shared.changed.notify_all();
            }
        }
    }

    /// What the thread has completed; `None` if nothing can have changed since the last call. Called once per turn of the
    /// loop: the thread needs the lock, too.
    pub fn progress(&mut self) -> Option<Progress> {
        if !self.has_news {
            return None;
        }
        let mut state = self.shared.state();
        self.is_busy = state.pending() > 0;
        self.has_news = self.is_busy;
        Some(Progress {
            reached: state.reached,
            failure: state.failure.clone(),
            new_failure: state.unseen.take(),
            longest_us: std::mem::take(&mut state.longest_us),
        })
    }

    /// Forgets failures: the file was opened anew.
    pub fn forget_failure(&self) {
        let mut state = self.shared.state();
        state.failure = None;
        state.unseen = None;
    }

    /// Waits until all requests are completed, and forgets their marks: they belong to a file that is no longer used, and
    /// their offsets may belong to another history.
    pub fn start_anew(&mut self) {
        self.drain();
        self.shared.state().reached = None;
    }

    /// Whether there were uncompleted requests when the loop last looked. Their completion wakes the loop.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Requests that are not completed yet: `aof_pending_bio_fsync`.
    pub fn pending(&self) -> usize {
        self.shared.state().pending()
    }

    /// Waits until all requests are completed.
    pub fn drain(&mut self) {
        self.is_busy = false;
        let mut state = self.shared.state();
        if state.put_off_until.take().is_some() {
            self.shared.changed.notify_all();
        }
        while state.pending() > 0 {
            state.is_awaited = true;
            state = self
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Starts the thread; whether there is one.
    fn start(&mut self) -> bool {
        if !self.is_started {
            let (shared, waker) = (Arc::clone(&self.shared), self.waker.clone());
            let processors = self.processors;
            let thread = thread::Builder::new()
                .name("bio_aof".into())
                .spawn(move || {
                    affinity::bind(processors);
                    work(&shared, &waker);
                });
            self.is_started = thread.is_ok();
        }
        self.is_started
    }
}

fn work(shared: &Shared, waker: &Waker) {
    let mut state = shared.state();
    loop {
        if let Some(left) = state.time_left() {
            let woken = shared.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        let Some(request) = state.requests.pop_front() else {
            state.is_idle = true;
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        state.running = Some(request.mark);
        drop(state);
        let began_us = clock::monotonic_us();
        let synced = request.file.sync_data();
        let spent_us = clock::monotonic_us() - began_us;
        // The last handle may be this one, and closing a file can take long.
        drop(request.file);
        state = shared.state();
        state.running = None;
        state.longest_us = state.longest_us.max(spent_us);
        state.complete(request.mark, synced);
        if std::mem::take(&mut state.is_awaited) {
            shared.changed.notify_all();
        }
        // The loop needs the lock as soon as it wakes.
        drop(state);
        // A wake that is lost delays replies until cron; the eventfd cannot fail while the loop exists.
        let _ = waker.wake();
        state = shared.state();
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Mark, State};

    #[test]
    fn a_failure_is_reported_although_the_next_fsync_succeeds() {
        let mut state = State::default();
        state.complete(Mark::default(), Err(io::ErrorKind::Other.into()));
        state.complete(Mark::default(), Ok(()));
        assert!(state.failure.is_none());
        assert!(state.unseen.is_some());
    }
}
