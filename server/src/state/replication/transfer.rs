//! A diskless transfer: what a child writes into a pipe, on its way to the replicas that wait for it.
//!
//! The bytes go through a ring that all replicas read, each at its own pace. While the ring is full nothing is read from
//! the pipe, and so the child waits; the loop never does.

use std::io::PipeReader;

use crate::state::replication::blocks::Blocks;

/// Bytes that the fastest replica may be ahead of the slowest.
pub const RING: u64 = 32 * 1024 * 1024;

/// Transfers that may be under way: one that is being written, and those of which slow replicas have yet to be sent the
/// rest.
pub const MOST: usize = 4;

/// A transfer.
pub struct DisklessTransfer {
    /// Its number; replicas know theirs.
    pub number: u64,
    /// Where the child writes; `None` when all was read.
    pub pipe: Option<PipeReader>,
    /// What was read and some replica was not sent yet.
    pub ring: Blocks,
    /// The pipe is not being read, since the ring is full.
    pub is_full: bool,
    /// The child has ended well.
    pub is_good: bool,
}

impl DisklessTransfer {
    /// Of a child that writes into the other end of `pipe`.
    pub fn new(number: u64, pipe: PipeReader) -> Self {
        DisklessTransfer {
            number,
            pipe: Some(pipe),
            ring: Blocks::at(0),
            is_full: false,
            is_good: false,
        }
    }

    /// Whether a child is writing it, or what that wrote is not all read.
    pub fn is_open(&self) -> bool {
        !self.is_good || self.pipe.is_some()
    }

    /// Whether a replica that was sent everything up to `position` has it all.
    pub fn is_complete_at(&self, position: u64) -> bool {
        !self.is_open() && position == self.ring.end()
    }
}
