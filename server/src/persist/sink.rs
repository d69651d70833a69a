//! A file that the data set is written to: a buffer, the checksum, and fsyncs on the way.

use std::fs::File;
use std::io::{self, Write};

use data::util::crc::crc64;

/// Approximate size of the buffer, in bytes.
const CHUNK: usize = 64 * 1024;
/// Bytes between two fsyncs.
const SYNC_STEP: u64 = 4 * 1024 * 1024;

/// A data set being written: the buffer and its destination.
pub struct FileOutput {
    /// Bytes that are not written yet.
    pub buf: Vec<u8>,
    /// Where they go.
    pub sink: Sink,
}

/// The destination.
pub struct Sink {
    /// The file.
    pub file: File,
    /// Checksum of the bytes, if wanted.
    pub checksum: Option<u64>,
    /// Syncs the bytes to the disk step by step, so that the disk is not busy with all of them at the end.
    pub syncs_in_steps: bool,
    unsynced: u64,
    /// The first failure, until it is taken; meanwhile nothing is written.
    failure: Option<io::Error>,
}

impl FileOutput {
    /// An empty buffer in front of a file.
    pub fn new(file: File) -> Self {
        FileOutput {
            buf: Vec::with_capacity(CHUNK * 2),
            sink: Sink {
                file,
                checksum: None,
                syncs_in_steps: false,
                unsynced: 0,
                failure: None,
            },
        }
    }

    /// Writes the buffer if it is full.
    ///
    /// # Errors
    /// Those of the file, at this or at an earlier write.
    pub fn drain_if_full(&mut self) -> io::Result<()> {
        if self.buf.len() >= CHUNK {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the buffer.
    ///
    /// # Errors
    /// Those of the file, at this or at an earlier write.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.empty(&mut self.buf);
        self.sink.take_failure()
    }
}

impl Sink {
    /// Writes the buffer, unless a write has failed before.
    pub fn empty(&mut self, buf: &mut Vec<u8>) {
        if self.failure.is_none() {
            self.failure = self.write(buf).err();
        }
        buf.clear();
        // The buffer of one huge element must not be kept.
        buf.shrink_to(CHUNK * 2);
    }

    /// Whether all writes have succeeded since this was asked last.
    ///
    /// # Errors
    /// The first failure.
    pub fn take_failure(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(sum) = &mut self.checksum {
            *sum = crc64(*sum, bytes);
        }
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len() as u64;
        if self.syncs_in_steps && self.unsynced >= SYNC_STEP {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }
}
