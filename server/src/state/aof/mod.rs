//! The append-only file: its files, the buffer, and how much has been written and synced.
//!
//! ```text
//! writes of a unit ──> buffer ──write, before sleep──> file ──fsync, on a thread──> disk
//! appended()                  written                        synced
//! ```
//!
//! Positions count the bytes appended since the server was started.
//!
//! # Invariants
//! 1. `synced <= requested <= written <= appended()`.
//! 2. No position ever decreases, whatever happens to the files, because replies wait for positions (`held`). When a file is
//!    given up, what was appended to it counts as written and synced ([`Aof::give_up`]), so nothing waits for it.

pub mod gather;
pub mod held;
pub mod manifest;
pub mod rewrite;
pub mod sync;

use std::fs::File;
use std::sync::Arc;

use ae::poller::Waker;

use crate::state::aof::gather::Gather;
use crate::state::aof::held::Held;
use crate::state::aof::manifest::Manifest;
use crate::state::aof::rewrite::Rewrites;
use crate::state::aof::sync::{Mark, Syncer};
use crate::sys::affinity::Processors;

/// Whether writes are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
    /// Enabled at run time: the first rewrite, which creates the base, is not complete yet. Writes go to a temporary file.
    WaitsForRewrite,
}

/// The append-only file.
pub struct Aof {
    /// Whether writes are appended.
    pub status: Status,
    /// The files that it consists of.
    pub manifest: Manifest,
    /// The incremental file that is appended to.
    pub file: Option<Arc<File>>,
    /// Commands that were not written to the file yet.
    pub buffer: Vec<u8>,
    /// The database that the file has selected; `None` makes the next write select one.
    pub selected: Option<usize>,
    /// The time of the latest annotation in the file, Unix seconds.
    pub annotated: i64,
    /// Size of all files, in bytes: `aof_current_size`.
    pub size: u64,
    /// Size of all files after the last rewrite, in bytes: `aof_base_size`.
    pub base_size: u64,
    /// Size of the incremental file, in bytes.
    pub file_size: u64,
    /// Bytes written to the file since start.
    pub written: u64,
    /// Bytes of these that an fsync was requested for.
    pub requested: u64,
    /// Bytes that are on the disk.
    pub synced: u64,
    /// The offset in the stream of writes up to which all is on the disk, while writes are appended: what WAITAOF and
    /// replicas' acknowledgements report.
    pub synced_offset: Option<u64>,
    /// The thread for fsyncs.
    pub syncer: Syncer,
    /// Output that waits for them.
    pub held: Held,
    /// Clients whose next writes an fsync waits for.
    pub gather: Gather,
    /// The offset up to which replicas may be sent the stream of writes.
    pub released_offset: u64,
    /// When the last fsync was requested, in milliseconds of monotonic time.
    pub fsync_ms: u64,
    /// Since when writes have been postponed because of a running fsync, in milliseconds of monotonic time.
    pub postponed_since_ms: Option<u64>,
    /// Writes that were no longer postponed although the fsync was still running: `aof_delayed_fsync`.
    pub delayed: u64,
    /// Why the last write failed.
    pub write_error: Option<String>,
    /// When a failed write was last logged, Unix seconds.
    pub write_error_logged: i64,
    /// Why the last fsync failed.
    pub sync_error: Option<String>,
    /// Rewrites.
    pub rewrites: Rewrites,
}

impl Aof {
    /// The state of a server that does not append; its fsync thread would run on these processors.
    pub fn new(waker: Waker, processors: Option<Processors>) -> Self {
        Aof {
            status: Status::Off,
            manifest: Manifest::default(),
            file: None,
            buffer: Vec::new(),
            selected: None,
            annotated: 0,
            size: 0,
            base_size: 0,
            file_size: 0,
            written: 0,
            requested: 0,
            synced: 0,
            synced_offset: None,
            syncer: Syncer::new(waker, processors),
            held: Held::default(),
            gather: Gather::default(),
            released_offset: 0,
            fsync_ms: 0,
            postponed_since_ms: None,
            delayed: 0,
            write_error: None,
            write_error_logged: 0,
            sync_error: None,
            rewrites: Rewrites::default(),
        }
    }

    /// Whether writes are appended, or will be once the first rewrite is complete.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.status != Status::Off
    }

    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes appended to the buffer since start.
    #[inline]
    pub fn appended(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// The file is no longer used: gives up what is in the buffer and what is not on the disk.
    pub fn give_up(&mut self) {
        self.written = self.appended();
        self.buffer = Vec::new();
        self.requested = self.written;
        self.synced = self.written;
        self.file_size = 0;
        self.postponed_since_ms = None;
    }

    /// What has been written so far, at an offset of the stream of writes.
    pub fn mark(&self, offset: u64) -> Mark {
        Mark {
            position: self.written,
            offset,
        }
    }

    /// Why what is written does not reach the disk.
    #[inline]
    pub fn failure(&self) -> Option<&String> {
        let error = self.write_error.as_ref();
        error.or(self.sync_error.as_ref()).filter(|_| self.is_on())
    }
}
