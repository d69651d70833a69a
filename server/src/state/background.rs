//! The background thread that frees big values, closes files and syncs them to the disk, so that the loop does not.
//!
//! Jobs are sent through a channel. Their number is counted for INFO and for callers that wait for the thread.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;

use crossbeam_channel::{Sender, unbounded};

use crate::sys::affinity::{self, Processors};
use crate::sys::memory;

/// A job: its destructor does the work.
pub type Garbage = Box<dyn Send>;

/// Outcome of an fsync on the thread; `None` while it is running.
pub type SyncOutcome = Arc<OnceLock<io::Result<()>>>;

/// A file whose destructor syncs it to the disk.
struct SyncJob {
    file: File,
    outcome: SyncOutcome,
}

impl Drop for SyncJob {
    fn drop(&mut self) {
        let _ = self.outcome.set(self.file.sync_all());
    }
}

/// An evicted value; its memory is counted until it is freed.
struct Evicted {
    value: Option<Garbage>,
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Drop for Evicted {
    fn drop(&mut self) {
        drop(self.value.take());
        memory::fold();
        self.total.fetch_sub(self.bytes, Relaxed);
    }
}

/// Handle to the thread.
pub struct Background {
    jobs: Option<Sender<(Garbage, u64)>>,
    pending: Arc<AtomicU64>,
    freed: Arc<AtomicU64>,
    evicted_bytes: Arc<AtomicUsize>,
}

impl Background {
    /// Starts the thread, which runs on these processors.
    pub fn start(processors: Option<Processors>) -> Self {
        let (jobs, inbox) = unbounded::<(Garbage, u64)>();
        let (pending, freed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (pending_there, freed_there) = (Arc::clone(&pending), Arc::clone(&freed));
        let thread = thread::Builder::new()
            .name("bio_lazy_free".into())
            .spawn(move || {
                affinity::bind(processors);
                for (garbage, objects) in inbox {
                    drop(garbage);
                    memory::fold();
                    pending_there.fetch_sub(objects, Relaxed);
                    freed_there.fetch_add(objects, Relaxed);
                }
            });
        Background {
            jobs: thread.is_ok().then_some(jobs),
            pending,
            freed,
            evicted_bytes: Arc::default(),
        }
    }

    /// Frees `garbage`, counted as `objects`, on the thread, or here if the thread could not be started.
    pub fn free(&self, garbage: Garbage, objects: u64) {
        self.pending.fetch_add(objects, Relaxed);
        match &self.jobs {
            Some(jobs) => drop(jobs.send((garbage, objects))),
            None => {
                drop(garbage);
                self.pending.fetch_sub(objects, Relaxed);
            }
        }
    }

    /// In a child process: the thread does not exist, and its channel is not touched, so all is freed by the caller.
    pub fn forget_thread(&mut self) {
        std::mem::forget(self.jobs.take());
    }

    /// Frees an evicted value of about `bytes` bytes.
    pub fn free_evicted(&self, value: Garbage, bytes: usize) {
        self.evicted_bytes.fetch_add(bytes, Relaxed);
        let evicted = Evicted {
            value: Some(value),
            bytes,
            total: Arc::clone(&self.evicted_bytes),
        };
        self.free(Box::new(evicted), 1);
    }

    /// Bytes of evicted values that were not freed yet.
    pub fn evicted_bytes(&self) -> usize {
        self.evicted_bytes.load(Relaxed)
    }

    /// Syncs what was written to a file to the disk, on the thread.
    pub fn sync(&self, file: File) -> SyncOutcome {
        let outcome = SyncOutcome::default();
        let job = SyncJob {
            file,
            outcome: Arc::clone(&outcome),
        };
        self.free(Box::new(job), 0);
        outcome
    }

    /// Objects not freed yet: `lazyfree_pending_objects`.
    pub fn pending(&self) -> u64 {
        self.pending.load(Relaxed)
    }

    /// Objects freed since start or reset: `lazyfreed_objects`.
    pub fn freed(&self) -> u64 {
        self.freed.load(Relaxed)
    }

    /// Resets the number of freed objects.
    pub fn reset_freed(&self) {
        self.freed.store(0, Relaxed);
    }
}
