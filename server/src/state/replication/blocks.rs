//! A byte queue in blocks with any number of readers.
//!
//! Bytes are appended at one end and dropped at the other. A reader is only a position, so readers cost nothing; the
//! positions that are still needed decide what is dropped. Bytes never move once they are written.
//!
//! # Invariants
//! 1. Positions count all bytes ever appended; block `i` covers `start .. start + bytes.len()`, and the next block
//!    begins where it ends.
//! 2. No block is empty.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Size of a block unless a limit is smaller, in bytes.
pub const BLOCK: usize = 16 * 1024;

struct Block {
    start: u64,
    bytes: Vec<u8>,
}

impl Block {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// The queue.
#[derive(Default)]
pub struct Blocks {
    blocks: VecDeque<Block>,
    end: u64,
    allocated: usize,
}

impl Blocks {
    /// An empty queue whose first byte will have this position.
    pub fn at(position: u64) -> Self {
        Blocks {
            end: position,
            ..Blocks::default()
        }
    }

    /// Drops all bytes; the next one will have this position.
    pub fn skip_to(&mut self, position: u64) {
        if self.blocks.is_empty() {
            self.end = position;
        } else {
            *self = Blocks::at(position);
        }
    }

    /// Position of the first byte.
    pub fn start(&self) -> u64 {
        self.blocks.front().map_or(self.end, |block| block.start)
    }

    /// Position behind the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.end - self.start()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        self.allocated + self.blocks.capacity() * size_of::<Block>()
    }

    /// Heap bytes beyond those of a backlog of `len` bytes.
    pub fn beyond(&self, len: usize) -> usize {
        let overhead = (len / BLOCK + 1) * size_of::<Block>();
        self.memory().saturating_sub(len.saturating_add(overhead))
    }

    /// Appends bytes. A new block has room for [`BLOCK`] bytes, or for all of these if they are more and `most` allows
    /// that. Returns whether a block was added.
    pub fn append(&mut self, mut bytes: &[u8], most: usize) -> bool {
        let blocks = self.blocks.len();
        while !bytes.is_empty() {
            let free = self
                .blocks
                .back()
                .map_or(0, |block| block.bytes.capacity() - block.bytes.len());
            if free == 0 {
                let size = bytes.len().max(BLOCK).min(most.max(BLOCK));
                self.blocks.push_back(Block {
                    start: self.end,
                    bytes: Vec::with_capacity(size),
                });
                self.allocated += size;
                continue;
            }
            let (now, later) = bytes.split_at(free.min(bytes.len()));
            if let Some(block) = self.blocks.back_mut() {
                block.bytes.extend_from_slice(now);
            }
            self.end += now.len() as u64;
            bytes = later;
        }
        self.blocks.len() > blocks
    }

    /// The bytes from `position` up to `end`, in as many parts as `slices` holds; returns their number.
    pub fn slices<'a>(&'a self, position: u64, end: u64, slices: &mut [IoSlice<'a>]) -> usize {
        let first = self.blocks.partition_point(|block| block.end() <= position);
        let mut count = 0;
        for (slot, block) in slices.iter_mut().zip(self.blocks.range(first..)) {
            if block.start >= end {
                break;
            }
            let from = position.saturating_sub(block.start) as usize;
            let to = (end.min(block.end()) - block.start) as usize;
            *slot = IoSlice::new(&block.bytes[from..to]);
            count += 1;
        }
        count
    }

    /// Drops the first block if it lies before `position` as a whole; whether it did.
    pub fn drop_first_before(&mut self, position: u64) -> bool {
        let over = self
            .blocks
            .front()
            .is_some_and(|block| block.end() <= position);
        if over && let Some(block) = self.blocks.pop_front() {
            self.allocated -= block.bytes.capacity();
        }
        over
    }

    /// Removes the bytes from `position` on.
    pub fn truncate(&mut self, position: u64) {
        while let Some(block) = self.blocks.back_mut() {
            if block.start < position {
                block.bytes.truncate((position - block.start) as usize);
                break;
            }
            self.allocated -= block.bytes.capacity();
            self.blocks.pop_back();
        }
        self.end = self.end.min(position);
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::{BLOCK, Blocks};

    fn read(blocks: &Blocks, from: u64, end: u64) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let count = blocks.slices(from, end, &mut slices);
        let bytes = slices[..count].iter().flat_map(|slice| slice.iter());
        bytes.copied().collect()
    }

    #[test]
    fn what_is_written_is_read_from_anywhere() {
        let text: Vec<u8> = (0..BLOCK * 3 + 7).map(|i| (i % 251) as u8).collect();
        for step in [1000, BLOCK, BLOCK * 2 + 1] {
            let mut blocks = Blocks::at(100);
            for part in text.chunks(step) {
                blocks.append(part, BLOCK);
            }
            assert_eq!((blocks.start(), blocks.len()), (100, text.len() as u64));
            for from in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, text.len()] {
                let position = 100 + from as u64;
                assert_eq!(read(&blocks, position, blocks.end()), &text[from..]);
                assert_eq!(read(&blocks, position, position), b"");
            }
            assert_eq!(read(&blocks, 101, 100 + 20), &text[1..20]);
        }
    }

    #[test]
    fn both_ends_give_way() {
        let mut blocks = Blocks::at(0);
        blocks.append(&[b'x'; BLOCK * 3], BLOCK);
        assert!(!blocks.drop_first_before(BLOCK as u64 - 1));
        assert!(blocks.drop_first_before(BLOCK as u64));
        assert_eq!(blocks.start(), BLOCK as u64);
        blocks.truncate(BLOCK as u64 + 5);
        assert_eq!((blocks.len(), blocks.end()), (5, BLOCK as u64 + 5));
        blocks.append(b"abc", BLOCK);
        assert_eq!(read(&blocks, BLOCK as u64 + 4, blocks.end()), b"xabc");
        blocks.truncate(0);
        assert!(blocks.is_empty());
        assert_eq!(blocks.allocated, 0);
    }

    #[test]
    fn a_big_write_gets_a_block_within_the_limit() {
        let mut blocks = Blocks::at(0);
        blocks.append(&[0; BLOCK * 4], BLOCK * 2);
        assert_eq!(blocks.blocks.len(), 2);
    }
}
