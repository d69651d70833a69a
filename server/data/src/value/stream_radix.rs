//! Number of nodes of the radix tree in which Redis stores a stream, which XINFO reports.
//!
//! The keys are ids of 16 bytes, big-endian. A node of that tree is a leaf, a branching point, or a run of one or more
//! bytes between two of these; the byte at which keys diverge belongs to the branching point.

use crate::value::stream_id::StreamId;
use crate::value::stream_log::Log;

const KEY_BYTES: usize = size_of::<StreamId>();

impl Log {
    /// Number of nodes of Redis's radix tree.
    pub fn radix_nodes(&self) -> usize {
        let mut keys = self.nodes().map(|(id, _)| id.to_be_bytes());
        let Some(mut key) = keys.next() else {
            return 1;
        };
        let mut count = 0;
        // Depths of the branching points on the path to the last key, in ascending order.
        let mut parted: Vec<usize> = Vec::new();
        let mut before = None;
        loop {
            let next = keys.next();
            let common = next.map(|next| common_bytes(&key, &next));
            count += 1 + run(before.max(common), KEY_BYTES);
            while parted.last().copied() > common {
                let depth = parted.pop().unwrap_or(0);
                count += 1 + run(parted.last().copied().max(common), depth);
            }
            let Some(next) = next else {
                return count;
            };
            if parted.last().copied() < common {
                parted.extend(common);
            }
            (key, before) = (next, common);
        }
    }
}

fn common_bytes(a: &[u8; KEY_BYTES], b: &[u8; KEY_BYTES]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Number of runs (0 or 1) between a branching point and the one above it, which consumes one byte itself.
fn run(above: Option<usize>, depth: usize) -> usize {
    usize::from(depth > above.map_or(0, |above| above + 1))
}

#[cfg(test)]
mod tests {
    use crate::value::stream_id::StreamId;
    use crate::value::stream_log::Log;
    use crate::value::stream_node::StreamLimits;

    #[test]
    fn node_count_equals_redis() {
        // (ids, nodes), as XINFO of Redis 7.2.6 reports with one entry per node.
        let table: [(&[(u64, u64)], usize); 5] = [
            (&[], 1),
            (&[(1, 0)], 2),
            (&[(1, 0), (1, 1)], 4),
            (&[(1, 0), (2, 0)], 6),
            (&[(1, 0), (1, 1), (256, 0)], 8),
        ];
        for (ids, nodes) in table {
            let mut log = Log::default();
            let limits = StreamLimits {
                max_bytes: 0,
                max_entries: 1,
            };
            for &(ms, seq) in ids {
                let pairs = [(b"f".as_slice(), b"v".as_slice())];
                assert!(log.append(StreamId::new(ms, seq), pairs.into_iter(), &limits));
            }
            assert_eq!(log.radix_nodes(), nodes, "{ids:?}");
        }
    }
}
