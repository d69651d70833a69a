//! The id of a stream entry: a time in milliseconds and a sequence number.
//!
//! | form | bytes |
//! |---|---|
//! | text | `ms-seq` in decimal digits |
//! | in an RDB file | both as 64 bits, big-endian, so that bytes order like ids |

/// Buffer for the text of an id.
pub type IdRoom = [u8; 2 * MAX_U64_DIGITS + 1];

const MAX_U64_DIGITS: usize = 20;

/// The id of an entry, ordered by time and then by sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds, of Unix time unless the client chose otherwise.
    pub ms: u64,
    /// Sequence number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The maximum id.
    pub const MAX: StreamId = StreamId {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// An id from its two parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The next id; `None` for the maximum.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId::new(self.ms.checked_add(1)?, 0)),
        }
    }

    /// The previous id; `None` for the minimum.
    pub fn prev(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId::new(self.ms.checked_sub(1)?, u64::MAX)),
        }
    }

    /// The text `ms-seq`.
    #[inline]
    pub fn text(self, room: &mut IdRoom) -> &[u8] {
        let mut digits = itoa::Buffer::new();
        let ms = digits.format(self.ms).as_bytes();
        let dash = ms.len();
        room[..dash].copy_from_slice(ms);
        room[dash] = b'-';
        let seq = digits.format(self.seq).as_bytes();
        let end = dash + 1 + seq.len();
        room[dash + 1..end].copy_from_slice(seq);
        &room[..end]
    }

    /// The 16 bytes of the RDB format.
    pub fn to_be_bytes(self) -> [u8; 16] {
        let both = u128::from(self.ms) << 64 | u128::from(self.seq);
        both.to_be_bytes()
    }

    /// Inverse of [`StreamId::to_be_bytes`].
    pub fn from_be_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        StreamId::new((both >> 64) as u64, both as u64)
    }

    /// The difference of both parts from those of `from`, as nodes store it.
    pub(crate) fn distance(self, from: StreamId) -> (i64, i64) {
        (
            self.ms.wrapping_sub(from.ms) as i64,
            self.seq.wrapping_sub(from.seq) as i64,
        )
    }

    /// The id with a difference from this one.
    pub(crate) fn at_distance(self, (ms, seq): (i64, i64)) -> StreamId {
        StreamId::new(
            self.ms.wrapping_add(ms as u64),
            self.seq.wrapping_add(seq as u64),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{IdRoom, StreamId};

    #[test]
    fn neighbours_and_texts() {
        let top = u64::MAX;
        let table = [
            (StreamId::MIN, Some((0, 1)), None, "0-0"),
            (StreamId::new(1, 0), Some((1, 1)), Some((0, top)), "1-0"),
            (
                StreamId::new(7, top),
                Some((8, 0)),
                Some((7, top - 1)),
                "7-18446744073709551615",
            ),
            (
                StreamId::MAX,
                None,
                Some((top, top - 1)),
                "18446744073709551615-18446744073709551615",
            ),
        ];
        for (id, next, prev, text) in table {
            let id_of = |parts: Option<(u64, u64)>| parts.map(|(ms, seq)| StreamId::new(ms, seq));
            assert_eq!((id.next(), id.prev()), (id_of(next), id_of(prev)));
            let mut room: IdRoom = [0; 41];
            assert_eq!(id.text(&mut room), text.as_bytes());
            assert_eq!(StreamId::from_be_bytes(id.to_be_bytes()), id);
            let other = StreamId::new(5, 9);
            assert_eq!(other.at_distance(id.distance(other)), id);
        }
    }
}
