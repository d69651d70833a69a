//! The slow log: the latest commands that took longer than `slowlog-log-slower-than`.

use std::collections::VecDeque;

/// Arguments that an entry keeps; the last one then says how many more there were.
const MAX_ARGS: usize = 32;
/// Bytes of an argument that an entry keeps.
const MAX_ARG: usize = 128;

/// One slow command.
#[derive(Debug)]
pub struct Entry {
    /// Its number; numbers only rise, also over SLOWLOG RESET.
    pub id: u64,
    /// When it was executed, Unix seconds.
    pub time: i64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Its arguments, trimmed.
    pub args: Vec<Vec<u8>>,
    /// The client's address.
    pub peer: String,
    /// The client's name.
    pub name: Vec<u8>,
}

/// The entries, latest first.
#[derive(Debug, Default)]
pub struct SlowLog {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl SlowLog {
    /// Adds the entry that `make` returns for its number.
    pub fn add(&mut self, make: impl FnOnce(u64) -> Entry) {
        self.entries.push_front(make(self.next_id));
        self.next_id += 1;
    }

    /// Drops the oldest entries beyond a number.
    #[inline]
    pub fn trim(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    /// The entries, latest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Drops all entries.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

/// The arguments of a command as an entry keeps them.
pub fn trimmed<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let count = args.len();
    let kept = if count > MAX_ARGS {
        MAX_ARGS - 1
    } else {
        count
    };
    let mut trimmed: Vec<Vec<u8>> = args.take(kept).map(trimmed_arg).collect();
    if kept < count {
        trimmed.push(format!("... ({} more arguments)", count - kept).into_bytes());
    }
    trimmed
}

fn trimmed_arg(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= MAX_ARG {
        return arg.to_vec();
    }
    let mut kept = arg[..MAX_ARG].to_vec();
    kept.extend_from_slice(format!("... ({} more bytes)", arg.len() - MAX_ARG).as_bytes());
    kept
}

#[cfg(test)]
mod tests {
    use super::trimmed;

    #[test]
    fn long_requests_are_trimmed() {
        let numbers: Vec<String> = (0..34).map(|n| n.to_string()).collect();
        let cases = [
            (32, "31"),
            (33, "... (2 more arguments)"),
            (34, "... (3 more arguments)"),
        ];
        for (count, last) in cases {
            let args = trimmed(numbers[..count].iter().map(String::as_bytes));
            assert_eq!(args.len(), 32);
            assert_eq!(args[31], last.as_bytes());
        }
        for (len, more) in [(128, ""), (129, "... (1 more bytes)")] {
            let arg = vec![b'a'; len];
            let kept = &trimmed([arg.as_slice()].into_iter())[0];
            assert_eq!(&kept[128..], more.as_bytes());
        }
    }
}
