//! A diskless transfer: the snapshot that a child writes into a pipe, proxied to replicas.
//!
//! The bytes go through a ring that every replica reads at its own pace. While the ring is full the pipe is not read,
//! so the child blocks; the loop never does.

use std::io::PipeReader;

use crate::state::replication::blocks::Blocks;

/// Capacity of the ring: how far the fastest replica may be ahead of the slowest, in bytes.
pub const RING: u64 = 32 * 1024 * 1024;

/// Maximum number of transfers: one that is being written, and completed ones that slow replicas are still reading.
pub const MAX_TRANSFERS: usize = 4;

/// A diskless transfer.
pub struct DisklessTransfer {
    /// Its number, by which replicas refer to it.
    pub number: u64,
    /// The read end of the child's pipe; `None` when it was read to the end.
    pub pipe: Option<PipeReader>,
    /// What was read from the pipe and some replica was not sent yet.
    pub ring: Blocks,
    /// The ring is full, so the pipe is not being read.
    pub is_full: bool,
    /// The child has succeeded.
    pub is_good: bool,
}

impl DisklessTransfer {
    /// A transfer from the child that writes into `pipe`.
    pub fn new(number: u64, pipe: PipeReader) -> Self {
        DisklessTransfer {
            number,
            pipe: Some(pipe),
            ring: Blocks::at(0),
            is_full: false,
            is_good: false,
        }
    }

    /// Whether the child is still writing, or its output was not read to the end.
    pub fn is_open(&self) -> bool {
        !self.is_good || self.pipe.is_some()
    }

    /// Whether a replica at this position has received everything.
    pub fn is_complete_at(&self, position: u64) -> bool {
        !self.is_open() && position == self.ring.end()
    }
}
