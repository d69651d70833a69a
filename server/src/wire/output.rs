//! Output of a client: a growing buffer, and big values that are shared rather than copied.
//!
//! ```text
//! front: chunk, chunk, … (whole, immutable)   then   tail: the buffer being written
//! ```
//!
//! # Invariants
//! 1. `len` is the number of bytes not yet sent, over all parts.
//! 2. `sent` counts the bytes of the first part that were sent; a part is removed when all of it was sent, so a slow
//!    reader causes no moving of bytes.
//! 3. The first `released` bytes may be sent. The `held` bytes behind them wait for writes to reach the disk and are
//!    known to `state::aof::held`; the rest was produced since the output was last looked at.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

/// A tail of this size becomes a chunk, in bytes.
const CHUNK: usize = 64 * 1024;
/// The capacity of an empty tail that is kept for the next reply, in bytes.
pub const KEEP_TAIL: usize = 16 * 1024;

#[derive(Debug)]
enum Chunk {
    Owned(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Owned(bytes) => bytes,
            Chunk::Shared(bytes) => bytes,
        }
    }
}

/// The output of one client.
#[derive(Debug, Default)]
pub struct Output {
    front: VecDeque<Chunk>,
    /// The buffer being written; the reply writer appends to it directly.
    pub tail: Vec<u8>,
    front_bytes: usize,
    sent: usize,
    released: usize,
    held: usize,
}

impl Output {
    /// Bytes not yet sent.
    #[inline]
    pub fn len(&self) -> usize {
        self.front_bytes + self.tail.len() - self.sent
    }

    /// Whether all is sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in the tail: `obl` of CLIENT LIST.
    pub fn tail_len(&self) -> usize {
        self.tail.len()
    }

    /// Number of chunks in front of the tail: `oll` of CLIENT LIST.
    pub fn chunks(&self) -> usize {
        self.front.len()
    }

    /// Heap bytes behind the chunks: `omem` of CLIENT LIST.
    pub fn chunk_bytes(&self) -> usize {
        self.front_bytes + self.front.len() * size_of::<Chunk>()
    }

    /// Heap bytes beyond those of a reply buffer of `size` bytes.
    pub fn memory_beyond(&self, size: usize) -> usize {
        self.chunk_bytes() + self.tail.capacity().saturating_sub(size)
    }

    /// Appends a value without copying it.
    pub fn push_shared(&mut self, bytes: Arc<Vec<u8>>) {
        self.seal();
        self.front_bytes += bytes.len();
        self.front.push_back(Chunk::Shared(bytes));
    }

    /// Appends a copy of a short message. For a slow reader many of them add up: a full buffer becomes a chunk, and the next
    /// one gets its final size at once.
    pub fn push_short(&mut self, message: &[u8]) {
        if self.tail.len() + message.len() > KEEP_TAIL {
            self.seal();
            self.tail.reserve_exact(KEEP_TAIL);
        }
        self.tail.extend_from_slice(message);
    }

    /// Turns a big tail into a chunk. The reply writer calls this when no deferred length is open.
    #[inline]
    pub fn seal_if_big(&mut self) {
        if self.tail.len() >= CHUNK {
            self.seal();
        }
    }

    #[inline(never)]
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.front_bytes += self.tail.len();
            self.front
                .push_back(Chunk::Owned(std::mem::take(&mut self.tail)));
        }
    }

    /// Appends all of `other`.
    pub fn append(&mut self, mut other: Output) {
        debug_assert_eq!(other.sent, 0, "only unsent output is appended");
        if other.front.is_empty() {
            self.tail.extend_from_slice(&other.tail);
            self.seal_if_big();
        } else {
            self.seal();
            self.front_bytes += other.front_bytes;
            self.front.append(&mut other.front);
            self.tail = other.tail;
        }
    }

    /// Bytes that may be sent.
    #[inline]
    pub fn released(&self) -> usize {
        self.released
    }

    /// Bytes that wait for writes to reach the disk.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Allows all of it to be sent.
    #[inline]
    pub fn release_all(&mut self) {
        self.released = self.len();
        self.held = 0;
    }

    /// Holds what was produced since the last call; returns its size.
    pub fn hold(&mut self) -> usize {
        let new = self.len().saturating_sub(self.released + self.held);
        self.held += new;
        new
    }

    /// Allows the first `n` held bytes to be sent.
    pub fn release(&mut self, n: usize) {
        let n = n.min(self.held);
        self.held -= n;
        self.released += n;
    }

    /// The first bytes to send that are in one piece; empty when there are none.
    pub fn first_released(&self) -> &[u8] {
        let first = self.first();
        &first[..first.len().min(self.released)]
    }

    /// The first bytes; empty when there are none.
    pub fn first(&self) -> &[u8] {
        match self.front.front() {
            Some(chunk) => &chunk.bytes()[self.sent..],
            None => &self.tail[self.sent..],
        }
    }

    /// Removes the first `n` bytes, which were sent (at most what [`Output::first`] returned).
    pub fn advance(&mut self, n: usize) {
        self.sent += n;
        self.released = self.released.saturating_sub(n);
        if let Some(chunk) = self.front.front() {
            if self.sent == chunk.bytes().len() {
                self.front_bytes -= self.sent;
                self.sent = 0;
                self.front.pop_front();
            }
        } else if self.sent == self.tail.len() {
            self.sent = 0;
            self.tail.clear();
            if self.tail.capacity() > KEEP_TAIL {
                self.tail = Vec::new();
            }
        }
    }

    /// The first parts that may be sent, as many as `slices` holds; returns their number.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self
            .front
            .iter()
            .map(Chunk::bytes)
            .chain([self.tail.as_slice()]);
        let mut skip = self.sent;
        let mut left = self.released;
        let mut count = 0;
        for (slot, part) in slices.iter_mut().zip(parts) {
            let part = &part[skip..];
            let part = &part[..part.len().min(left)];
            *slot = IoSlice::new(part);
            skip = 0;
            left -= part.len();
            count += 1;
            if left == 0 {
                break;
            }
        }
        count
    }

    /// Removes the first `n` bytes, which were sent, over any number of parts.
    pub fn advance_many(&mut self, mut n: usize) {
        while n > 0 {
            let step = n.min(self.first().len());
            self.advance(step);
            n -= step;
        }
    }

    /// Drops everything: the client is over its limit or gone.
    pub fn clear(&mut self) {
        *self = Output::default();
    }

    /// All of it as one buffer.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut parts = self.front.into_iter();
        let Some(first) = parts.next() else {
            return self.tail;
        };
        let mut all = first.bytes()[self.sent..].to_vec();
        parts.for_each(|part| all.extend_from_slice(part.bytes()));
        all.extend_from_slice(&self.tail);
        all
    }

    /// Truncates to `mark` bytes of tail and `chunks` chunks (a fault after a partial reply).
    pub fn truncate(&mut self, chunks: usize, mark: usize) {
        while self.front.len() > chunks {
            match self.front.pop_back() {
                Some(Chunk::Owned(bytes)) if self.front.len() == chunks => {
                    self.front_bytes -= bytes.len();
                    self.tail = bytes;
                }
                Some(chunk) => self.front_bytes -= chunk.bytes().len(),
                None => break,
            }
        }
        self.tail.truncate(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::Output;
    use std::sync::Arc;

    fn drain(output: &mut Output, step: usize) -> Vec<u8> {
        let mut got = Vec::new();
        while !output.is_empty() {
            let n = output.first().len().min(step);
            got.extend_from_slice(&output.first()[..n]);
            output.advance(n);
        }
        got
    }

    #[test]
    fn order_is_kept_across_parts() {
        for step in [1, 3, 1000] {
            let mut output = Output::default();
            output.tail.extend_from_slice(b"ab");
            output.push_shared(Arc::new(b"cdef".to_vec()));
            output.tail.extend_from_slice(b"gh");
            let mut more = Output::default();
            more.push_shared(Arc::new(b"ij".to_vec()));
            more.tail.push(b'k');
            output.append(more);
            assert_eq!(output.len(), 11);
            assert_eq!(drain(&mut output, step), b"abcdefghijk");
            assert_eq!((output.chunks(), output.len()), (0, 0));
        }
    }

    #[test]
    fn only_released_bytes_are_offered() {
        let mut output = Output::default();
        output.tail.extend_from_slice(b"old");
        output.release_all();
        output.push_shared(Arc::new(b"shared".to_vec()));
        output.tail.extend_from_slice(b"new");
        assert_eq!((output.hold(), output.hold()), (9, 0));
        assert_eq!(output.first_released(), b"old");
        output.advance_many(3);
        assert_eq!((output.released(), output.len()), (0, 9));
        output.release(8);
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let count = output.slices(&mut slices);
        let offered: Vec<u8> = slices[..count]
            .iter()
            .flat_map(|part| part.to_vec())
            .collect();
        assert_eq!(offered, b"sharedne");
        output.advance_many(8);
        assert_eq!((output.released(), output.len()), (0, 1));
    }

    #[test]
    fn truncation_reopens_the_tail() {
        let mut output = Output::default();
        output.tail.extend_from_slice(b"kept");
        let (chunks, mark) = (output.chunks(), output.tail_len());
        output.tail.extend_from_slice(b"partial");
        output.push_shared(Arc::new(vec![b'x'; 10]));
        output.tail.extend_from_slice(b"more");
        output.truncate(chunks, mark);
        assert_eq!(drain(&mut output, 100), b"kept");
    }
}
