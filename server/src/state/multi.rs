//! MULTI: the commands that a client has queued, until EXEC or DISCARD.
//!
//! A queued command takes little more than its bytes, since a client may queue millions of them. Commands follow each
//! other in blocks, and none is split:
//!
//! | size | content |
//! |---|---|
//! | 2 | id of the command, little-endian |
//! | 1, 3, 5 or 9 | number of arguments, encoded as in `data/util/length.rs` |
//! | likewise, for each argument | length |
//! | | the bytes of the argument, unless it is big: then it is the next one of the shared buffers |

use std::sync::Arc;

use data::util::length;
use table::CmdId;
use table::words::Flags;

use crate::wire::argv::{Argv, BIG_ARG};

/// A block of this size is full, in bytes.
const BLOCK: usize = 64 * 1024;

/// Queued commands in the order they came.
#[derive(Debug, Default)]
pub struct Queue {
    blocks: Vec<Vec<u8>>,
    /// Big arguments, in order.
    big: Vec<Arc<Vec<u8>>>,
    big_bytes: usize,
    full_bytes: usize,
    len: usize,
}

impl Queue {
    /// Number of commands.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes: `multi-mem` of CLIENT LIST.
    pub fn memory(&self) -> usize {
        let last = self.blocks.last().map_or(0, Vec::capacity);
        self.full_bytes
            + last
            + self.blocks.capacity() * size_of::<Vec<u8>>()
            + self.big_bytes
            + self.big.capacity() * size_of::<Arc<Vec<u8>>>()
    }

    /// Reads the commands in order.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            blocks: self.blocks.iter(),
            rest: &[],
            big: self.big.iter(),
        }
    }

    fn push(&mut self, cmd: CmdId, argv: &Argv) {
        let inline = |arg: &&[u8]| arg.len() < BIG_ARG;
        let lengths: usize = argv.iter().map(|arg| length::width(arg.len())).sum();
        let texts: usize = argv.iter().filter(inline).map(<[u8]>::len).sum();
        let block = self.block(size_of::<u16>() + length::width(argv.len()) + lengths + texts);
        block.extend_from_slice(&(cmd.index() as u16).to_le_bytes());
        push_length(block, argv.len());
        for arg in argv.iter() {
            push_length(block, arg.len());
            if inline(&arg) {
                block.extend_from_slice(arg);
            }
        }
        for at in 0..argv.len() {
            if !inline(&&argv[at]) {
                let shared = argv.shared(at).map(Arc::clone);
                self.big
                    .push(shared.unwrap_or_else(|| Arc::new(argv[at].to_vec())));
                self.big_bytes += argv[at].len();
            }
        }
        self.len += 1;
    }

    /// A block with room for `needed` bytes.
    fn block(&mut self, needed: usize) -> &mut Vec<u8> {
        let last = self.blocks.last().map_or(BLOCK, Vec::len);
        if last + needed > BLOCK {
            self.full_bytes += self.blocks.last().map_or(0, Vec::capacity);
            self.blocks.push(Vec::new());
        }
        let last = self.blocks.len() - 1;
        let block = &mut self.blocks[last];
        if block.capacity() - block.len() < needed {
            block.reserve_exact(needed.max(block.len() / 4));
        }
        block
    }
}

fn push_length(block: &mut Vec<u8>, len: usize) {
    block.extend_from_slice(&length::encode(len)[..length::width(len)]);
}

/// Reads queued commands in order.
pub struct Reader<'a> {
    blocks: std::slice::Iter<'a, Vec<u8>>,
    rest: &'a [u8],
    big: std::slice::Iter<'a, Arc<Vec<u8>>>,
}

impl Reader<'_> {
    /// Puts the arguments of the next command into `argv`, in place of what it holds.
    pub fn next_into(&mut self, argv: &mut Argv) -> Option<CmdId> {
        if self.rest.is_empty() {
            self.rest = self.blocks.next()?;
        }
        let id = self.take(size_of::<u16>());
        let id = usize::from(id[0]) | usize::from(id[1]) << 8;
        argv.clear();
        for _ in 0..self.length() {
            match self.length() {
                len @ ..BIG_ARG => argv.push(self.take(len)),
                _ => argv.push_shared(self.big.next().expect("a buffer per big argument")),
            }
        }
        Some(CmdId::from_index(id))
    }

    fn length(&mut self) -> usize {
        let first = self.take(1)[0];
        match length::following(first) {
            0 => usize::from(first),
            more => length::decode(self.take(more)),
        }
    }

    fn take(&mut self, len: usize) -> &[u8] {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }
}

/// The flags of all queued commands, so that EXEC is judged without a walk over the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Flags that at least one command has.
    pub any: Flags,
    /// Flags that at least one command lacks.
    pub lacking: Flags,
}

/// A transaction that is being put together.
#[derive(Debug)]
pub struct Multi {
    /// Commands in the order they came.
    pub queue: Queue,
    /// What is known of all of them.
    pub summary: Summary,
    /// A command was refused: EXEC will be, too.
    pub aborted: bool,
}

impl Default for Multi {
    fn default() -> Self {
        Multi {
            queue: Queue::default(),
            summary: Summary {
                any: Flags::empty(),
                lacking: Flags::empty(),
            },
            aborted: false,
        }
    }
}

impl Multi {
    /// Queues a command. `flags` are its effective ones: those of a script are what the script declares.
    pub fn push(&mut self, cmd: CmdId, flags: Flags, argv: &Argv) {
        self.summary.any |= flags;
        self.summary.lacking |= !flags;
        self.queue.push(cmd, argv);
    }
}

#[cfg(test)]
mod tests {
    use data::util::rand::Rng;
    use table::words::Flags;
    use table::{CmdId, connection, string};

    use super::{BLOCK, Multi};
    use crate::wire::argv::{Argv, BIG_ARG};

    const PING: CmdId = table::id(&connection::PING);
    const SET: CmdId = table::id(&string::SET);

    fn read_all(multi: &Multi) -> Vec<(CmdId, Vec<Vec<u8>>)> {
        let mut reader = multi.queue.reader();
        let mut argv = Argv::default();
        let mut all = Vec::new();
        while let Some(cmd) = reader.next_into(&mut argv) {
            all.push((cmd, argv.iter().map(<[u8]>::to_vec).collect()));
        }
        all
    }

    #[test]
    fn commands_are_read_as_they_were_queued() {
        let mut rng = Rng::new(5);
        let mut multi = Multi::default();
        let mut expected = Vec::new();
        for _ in 0..2000 {
            let args: Vec<Vec<u8>> = (0..1 + rng.below(400))
                .map(|_| match rng.below(1000) {
                    0 => vec![b'x'; BIG_ARG - 1 + rng.below(3) as usize],
                    1 => vec![b'y'; 60_000],
                    n => vec![b'z'; n as usize / 3],
                })
                .collect();
            let argv = Argv::of(args.iter().map(Vec::as_slice));
            let cmd = if rng.below(2) == 0 { PING } else { SET };
            multi.push(cmd, Flags::empty(), &argv);
            expected.push((cmd, args));
        }
        assert_eq!(multi.queue.len(), expected.len());
        assert_eq!(read_all(&multi), expected);
        let bytes: usize = expected
            .iter()
            .flat_map(|(_, args)| args)
            .map(Vec::len)
            .sum();
        let memory = multi.queue.memory();
        assert!(
            (bytes..bytes + bytes / 8).contains(&memory),
            "{bytes}: {memory}"
        );
    }

    #[test]
    fn the_summary_is_of_effective_flags() {
        let mut multi = Multi::default();
        multi.push(SET, Flags::STALE, &Argv::of([b"SET".as_slice()]));
        assert_eq!(multi.summary.any, Flags::STALE);
        assert!(multi.summary.lacking.contains(Flags::WRITE));
        assert!(!multi.summary.lacking.contains(Flags::STALE));
    }

    #[test]
    fn a_big_argument_is_shared() {
        let argv = Argv::of([b"SET".as_slice(), b"k", &vec![b'v'; BIG_ARG]]);
        let mut multi = Multi::default();
        multi.push(SET, Flags::empty(), &argv);
        let mut read = Argv::default();
        multi.queue.reader().next_into(&mut read);
        let (ours, theirs) = (read.shared(2).expect("big"), argv.shared(2).expect("big"));
        assert!(std::sync::Arc::ptr_eq(ours, theirs));
    }

    #[test]
    fn a_small_command_takes_few_bytes() {
        // 29 in Redis: 24 for the command, with some of these to spare, 8 per argument, and the text.
        for (count, most) in [(10, 20), (100, 20), (10_000, 12), (1_000_000, 10)] {
            let mut multi = Multi::default();
            for _ in 0..count {
                multi.push(PING, Flags::empty(), &Argv::of([b"PING".as_slice()]));
            }
            let each = multi.queue.memory() / count;
            assert!(each <= most, "{count}: {each}");
        }
        let mut multi = Multi::default();
        multi.push(
            PING,
            Flags::empty(),
            &Argv::of([vec![b'x'; BIG_ARG - 1].as_slice()]),
        );
        assert!(multi.queue.memory() < BLOCK);
    }
}
