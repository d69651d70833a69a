//! The arguments of one command.
//!
//! Small arguments are ranges of one buffer (the client's query buffer or a copy), so a command costs no allocation
//! per argument. A big argument has a buffer of its own, which a command may keep without copying it.
//!
//! # Invariants
//! 1. Ranges are relative to `base`, so dropping what lies before it moves no range.
//! 2. `args_bytes` is the sum of the lengths of `args`.

use std::ops::{Index, Range};
use std::sync::Arc;

/// An argument of this size gets a buffer of its own, in bytes.
pub const BIG_ARG: usize = 32 * 1024;

/// Arguments for which memory is kept when they are released.
const MANY_ARGS: usize = 1024;

/// One argument: a range of the buffer, or a buffer of its own.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    Inline(Range<u32>),
    Big(Arc<Vec<u8>>),
}

/// The arguments of one command, name first.
#[derive(Clone, Debug, Default)]
pub struct Argv {
    pub(super) buf: Vec<u8>,
    pub(super) base: usize,
    /// Arguments of this command and of those parsed ahead.
    pub(super) args: Vec<Arg>,
    /// Which of `args` are this command's.
    pub(super) window: Range<usize>,
    /// Bytes of all of `args` together.
    pub(super) args_bytes: usize,
}

impl Argv {
    /// Number of arguments, the name included.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Whether there is no argument at all.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// The arguments in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        (0..self.len()).map(|i| &self[i])
    }

    /// The request as it was received, if those bytes are what [`conn::encode::request`] would make of the arguments:
    /// not for inline requests, big arguments, and requests that were put together here.
    pub fn encoded(&self) -> Option<&[u8]> {
        let mut end = None;
        let mut start = 0;
        for i in 0..self.len() {
            let Arg::Inline(range) = self.arg(i) else {
                return None;
            };
            let at = self.base + range.start as usize;
            let header = header_len(range.len());
            let header_at = at.checked_sub(header)?;
            if !is_header(&self.buf[header_at..at], b'$', range.len()) {
                return None;
            }
            match end {
                Some(end) if header_at != end => return None,
                Some(_) => {}
                None => {
                    start = header_at.checked_sub(header_len(self.len()))?;
                    if !is_header(&self.buf[start..header_at], b'*', self.len()) {
                        return None;
                    }
                }
            }
            let newline = at + range.len();
            if self.buf.get(newline..newline + 2) != Some(b"\r\n") {
                return None;
            }
            end = Some(newline + 2);
        }
        Some(&self.buf[start..end?])
    }

    /// The buffer of a big argument, to be shared instead of copied.
    pub fn shared(&self, i: usize) -> Option<&Arc<Vec<u8>>> {
        match self.arg(i) {
            Arg::Big(bytes) => Some(bytes),
            Arg::Inline(_) => None,
        }
    }

    /// Arguments in a buffer of their own.
    pub fn of<'a>(args: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut argv = Argv::default();
        for arg in args {
            argv.push(arg);
        }
        argv
    }

    /// A copy in a buffer of exactly the needed size; big arguments are shared.
    pub fn detached(&self) -> Self {
        let mut copy = Argv::default();
        copy.buf.reserve_exact(self.inline_bytes());
        copy.args.reserve_exact(self.len());
        for i in 0..self.len() {
            match self.arg(i) {
                Arg::Inline(_) => copy.push(&self[i]),
                big => copy.push_arg(big.clone(), self[i].len()),
            }
        }
        copy.window = 0..copy.args.len();
        copy
    }

    /// A copy with the arguments at some places replaced, each place given once.
    pub fn replacing(&self, replaced: &[(usize, Vec<u8>)]) -> Self {
        let added: usize = replaced.iter().map(|(_, other)| other.len()).sum();
        let mut copy = Argv::default();
        copy.buf.reserve_exact(self.inline_bytes() + added);
        copy.args.reserve_exact(self.len());
        for i in 0..self.len() {
            let other = replaced.iter().find(|(place, _)| *place == i);
            match (other, self.arg(i)) {
                (Some((_, other)), _) => copy.push(other),
                (None, Arg::Inline(_)) => copy.push(&self[i]),
                (None, big) => copy.push_arg(big.clone(), self[i].len()),
            }
        }
        copy.window = 0..copy.args.len();
        copy
    }

    /// Becomes a copy of other arguments in the memory that it has; big arguments are shared.
    pub fn copy_from(&mut self, other: &Argv) {
        self.clear();
        let args = &other.args[other.window.clone()];
        let inline = || {
            args.iter().filter_map(|arg| match arg {
                Arg::Inline(range) => Some(range),
                Arg::Big(_) => None,
            })
        };
        // They follow each other in the buffer.
        let start = inline().next().map_or(0, |range| range.start);
        let end = inline().next_back().map_or(0, |range| range.end);
        let bytes = other.base + start as usize..other.base + end as usize;
        self.buf.extend_from_slice(&other.buf[bytes]);
        for arg in args {
            let len = other.text(arg).len();
            let copy = match arg {
                Arg::Inline(range) => Arg::Inline(range.start - start..range.end - start),
                Arg::Big(bytes) => Arg::Big(Arc::clone(bytes)),
            };
            self.push_arg(copy, len);
        }
        self.window.end = self.args.len();
    }

    /// Appends an argument: to the buffer, or, if it is big or the buffer is full, in a buffer of its own.
    pub fn push(&mut self, arg: &[u8]) {
        let start = self.buf.len();
        let place = (u32::try_from(start), u32::try_from(start + arg.len()));
        match place {
            (Ok(start), Ok(end)) if arg.len() < BIG_ARG => {
                self.buf.extend_from_slice(arg);
                self.push_arg(Arg::Inline(start..end), arg.len());
            }
            _ => self.push_arg(Arg::Big(Arc::new(arg.to_vec())), arg.len()),
        }
        self.window.end = self.args.len();
    }

    /// Appends a big argument without copying it.
    pub fn push_shared(&mut self, arg: &Arc<Vec<u8>>) {
        self.push_arg(Arg::Big(Arc::clone(arg)), arg.len());
        self.window.end = self.args.len();
    }

    /// Removes all arguments and keeps the memory.
    pub fn clear(&mut self) {
        self.buf.clear();
        self.base = 0;
        self.args.clear();
        self.window = 0..0;
        self.args_bytes = 0;
    }

    /// Removes all arguments, and keeps their memory unless it is more than a few common commands need.
    #[inline]
    pub fn release(&mut self) {
        if self.buf.capacity() > BIG_ARG || self.args.capacity() > MANY_ARGS {
            *self = Argv::default();
        } else {
            self.clear();
        }
    }

    #[inline]
    pub(super) fn push_arg(&mut self, arg: Arg, len: usize) {
        self.args_bytes += len;
        self.args.push(arg);
    }

    fn inline_bytes(&self) -> usize {
        (0..self.len())
            .filter(|&i| matches!(self.arg(i), Arg::Inline(_)))
            .map(|i| self[i].len())
            .sum()
    }

    /// Bytes of all arguments together.
    pub fn bytes(&self) -> usize {
        self.iter().map(<[u8]>::len).sum()
    }

    #[inline]
    fn arg(&self, i: usize) -> &Arg {
        &self.args[self.window.clone()][i]
    }

    /// The bytes of any parsed argument.
    #[inline]
    pub(super) fn text<'a>(&'a self, arg: &'a Arg) -> &'a [u8] {
        match arg {
            Arg::Inline(range) => {
                &self.buf[self.base + range.start as usize..self.base + range.end as usize]
            }
            Arg::Big(bytes) => bytes,
        }
    }
}

/// Length of a mark, a number, and the end of the line.
#[inline]
fn header_len(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 4
}

/// Whether these bytes, of the right length, are a mark, a number, and the end of the line.
#[inline]
fn is_header(bytes: &[u8], mark: u8, mut number: usize) -> bool {
    let [first, digits @ .., b'\r', b'\n'] = bytes else {
        return false;
    };
    let are_digits = digits.iter().rev().all(|&digit| {
        let is_next = usize::from(digit) == usize::from(b'0') + number % 10;
        number /= 10;
        is_next
    });
    *first == mark && are_digits
}

impl Index<usize> for Argv {
    type Output = [u8];

    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.text(self.arg(i))
    }
}

#[cfg(test)]
mod tests {
    use super::{Argv, BIG_ARG};

    #[test]
    fn a_copy_has_the_arguments_of_its_own_command_only() {
        let big = vec![b'b'; BIG_ARG];
        let all: [&[u8]; 6] = [b"before", b"get", b"", &big, b"key", b"behind"];
        let mut argv = Argv::of(all);
        for (window, bytes) in [
            (0..6, 18 + BIG_ARG),
            (1..5, 6 + BIG_ARG),
            (3..4, BIG_ARG),
            (2..2, 0),
        ] {
            argv.window = window.clone();
            let mut copy = Argv::of([b"old".as_slice(); 3]);
            copy.copy_from(&argv);
            assert!(
                copy.iter().eq(all[window.clone()].iter().copied()),
                "{window:?}"
            );
            assert_eq!(
                (copy.bytes(), copy.args_bytes),
                (bytes, bytes),
                "{window:?}"
            );
        }
    }
}
