//! Moving bytes through one connection, without a loop.
//!
//! A call takes the transport, what is known of the socket's readiness, and the connection's budget.
//! It answers how many bytes were moved (`Io`) and in which directions the socket is drained. It
//! touches neither the event loop nor other connections, so any thread that owns the transport can
//! make it. The caller applies the answer: `Conns` for the connections of its loop, `Lent` for one
//! that was lent to another thread.
//!
//! # Invariants
//! 1. Per turn a connection reads at most `READ_BUDGET` and writes at most `WRITE_BUDGET` bytes of
//!    application data, whatever its peer sends or takes. Beyond that the answer is would-block
//!    without `drained`, so the loop calls again in its next turn. Once all connections together have
//!    written `WRITE_BUDGET` bytes in a turn, each further one writes at most `WRITE_SHARE`, so that
//!    many bulk readers do not stretch the turn for everybody else.
//! 2. A read that stops without data while the transport has more input (records without application
//!    data, see `tls::stream`) uses up the budget of its turn.

use std::io::IoSlice;

use ae::file::Mask;
use nix::errno::Errno;

use crate::error::{ConnError, Step};
use crate::stream::{Io, Stream, receive, transmit, transmit_vectored};
use crate::tls::bio::Pool;
use crate::tls::stream::TlsStream;

/// Bytes that one connection may read per turn.
pub const READ_BUDGET: usize = 1024 * 1024;

/// Bytes that one connection may write per turn; encrypting them takes half a millisecond.
pub const WRITE_BUDGET: usize = 1024 * 1024;

/// Bytes that one connection may write in a turn in which others have written `WRITE_BUDGET` already.
pub const WRITE_SHARE: usize = 64 * 1024;

/// What is known about a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    pub(crate) ready: Mask,
    /// The peer has closed, so a short read does not mean that the socket is drained.
    pub(crate) is_closing: bool,
}

/// What one call came to.
pub(crate) struct Moved {
    pub(crate) io: Io,
    /// Directions in which the socket has nothing, or no room, until it is reported ready again.
    pub(crate) drained: Mask,
}

impl Moved {
    fn nothing(io: Io) -> Self {
        Self {
            io,
            drained: Mask::empty(),
        }
    }
}

/// Bytes that one connection has moved in its present turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    turn: u32,
    read: u32,
    written: u32,
    /// It writes at most `WRITE_SHARE`.
    shares: bool,
}

impl Budget {
    /// Renews the budget if `turn` differs from that of the previous call; `busy` is what all connections
    /// have written.
    pub(crate) fn begin(&mut self, turn: u32, busy: Busy) {
        if self.turn != turn {
            *self = Self {
                turn,
                shares: busy.is_busy(turn),
                ..Self::default()
            };
        }
    }

    /// Bytes written in the present turn.
    pub(crate) fn written(self) -> u32 {
        self.written
    }

    fn left_to_read(self) -> usize {
        READ_BUDGET.saturating_sub(self.read as usize)
    }

    fn left_to_write(self) -> usize {
        let most = if self.shares {
            WRITE_SHARE
        } else {
            WRITE_BUDGET
        };
        most.saturating_sub(self.written as usize)
    }
}

/// Bytes that all connections of a loop have written in its present turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Busy {
    turn: u32,
    written: usize,
}

impl Busy {
    /// Adds what one call has written.
    pub(crate) fn add(&mut self, turn: u32, written: u32) {
        let before = if self.turn == turn { self.written } else { 0 };
        self.turn = turn;
        self.written = before.saturating_add(written as usize);
    }

    fn is_busy(self, turn: u32) -> bool {
        self.turn == turn && self.written >= WRITE_BUDGET
    }
}

/// Reads into `buf`.
pub(crate) fn read(
    stream: &mut Stream,
    pool: &mut Pool,
    readiness: Readiness,
    budget: &mut Budget,
    buf: &mut [u8],
) -> Moved {
    let len = buf.len().min(budget.left_to_read());
    if len == 0 && !buf.is_empty() {
        return Moved::nothing(Io::WouldBlock);
    }
    let buf = &mut buf[..len];
    let moved = match stream {
        Stream::Tls(tls) => read_tls(tls, pool, readiness, budget, buf),
        Stream::Lent(_) | Stream::Unstarted(..) => Moved::nothing(Io::WouldBlock),
        Stream::Tcp(_) | Stream::Unix(_) => read_plain(stream, readiness, buf),
    };
    if let Io::Done(n) = moved.io {
        // At most the budget, which fits.
        budget.read += n as u32;
    }
    moved
}

fn read_tls(
    tls: &mut TlsStream,
    pool: &mut Pool,
    Readiness { ready, is_closing }: Readiness,
    budget: &mut Budget,
    buf: &mut [u8],
) -> Moved {
    tls.set_readiness(ready.contains(Mask::READABLE), is_closing);
    let io = tls.read(pool, buf);
    let mut drained = Mask::empty();
    drained.set(Mask::READABLE, tls.is_drained());
    if matches!(io, Io::WouldBlock) && (drained.is_empty() || tls.is_pending()) {
        budget.read = READ_BUDGET as u32;
    }
    Moved { io, drained }
}

fn read_plain(stream: &Stream, readiness: Readiness, buf: &mut [u8]) -> Moved {
    let received = receive(stream.fd(), buf);
    let is_drained = match received {
        // Less than asked for means that nothing is left, unless a FIN may be behind it.
        Ok(Some(n)) => n == 0 || (n < buf.len() && !readiness.is_closing),
        Ok(None) => true,
        Err(_) => false,
    };
    let mut drained = Mask::empty();
    drained.set(Mask::READABLE, is_drained && !buf.is_empty());
    let io = match received {
        Ok(Some(0)) if !buf.is_empty() => Io::Eof,
        Ok(Some(n)) => Io::Done(n),
        Ok(None) => Io::WouldBlock,
        Err(errno) => Io::Failed(ConnError::io(Step::Read, &errno.into())),
    };
    Moved { io, drained }
}

/// Writes `data`: to a plain socket what it has room for, to TLS what it collects.
pub(crate) fn write(
    stream: &mut Stream,
    pool: &mut Pool,
    readiness: Readiness,
    budget: &mut Budget,
    data: &[u8],
) -> Moved {
    let len = data.len().min(budget.left_to_write());
    if len == 0 && !data.is_empty() || is_blocked(stream, readiness) {
        return Moved::nothing(Io::WouldBlock);
    }
    let data = &data[..len];
    let io = match stream {
        Stream::Tls(tls) => tls.write(pool, data),
        _ => sent(transmit(stream.fd(), data)),
    };
    finish_write(stream, budget, len, io)
}

/// Writes several pieces, to a plain socket in one system call.
pub(crate) fn write_vectored(
    stream: &mut Stream,
    pool: &mut Pool,
    readiness: Readiness,
    budget: &mut Budget,
    pieces: &[IoSlice<'_>],
) -> Moved {
    let left = budget.left_to_write();
    let (mut len, mut count) = (0, 0);
    for piece in pieces {
        if len + piece.len() > left {
            break;
        }
        len += piece.len();
        count += 1;
    }
    if len == 0
        && let Some(first) = pieces[count..].first()
    {
        // It is longer than the budget.
        return write(stream, pool, readiness, budget, first);
    }
    if is_blocked(stream, readiness) {
        return Moved::nothing(Io::WouldBlock);
    }
    let pieces = &pieces[..count];
    let io = match stream {
        Stream::Tls(tls) => tls.write_vectored(pool, pieces),
        _ => sent(transmit_vectored(stream.fd(), pieces)),
    };
    finish_write(stream, budget, len, io)
}

/// Sends the ciphertext that was collected; a plain socket has none.
pub(crate) fn flush(stream: &mut Stream, pool: &mut Pool, readiness: Readiness) -> Moved {
    if is_blocked(stream, readiness) {
        return Moved::nothing(Io::WouldBlock);
    }
    let Stream::Tls(tls) = stream else {
        return Moved::nothing(Io::Done(0));
    };
    let io = tls.flush(pool);
    let mut drained = Mask::empty();
    drained.set(Mask::WRITABLE, tls.is_stalled());
    Moved { io, drained }
}

/// True if nothing can be written now: the connection is lent, its handshake has not begun, or an
/// earlier send filled the socket.
fn is_blocked(stream: &Stream, readiness: Readiness) -> bool {
    match stream {
        Stream::Tls(tls) => tls.is_stalled() && !readiness.ready.contains(Mask::WRITABLE),
        Stream::Lent(_) | Stream::Unstarted(..) => true,
        Stream::Tcp(_) | Stream::Unix(_) => false,
    }
}

/// Charges the budget, and finds out whether the socket is full; `wanted` bytes were offered.
fn finish_write(stream: &Stream, budget: &mut Budget, wanted: usize, io: Io) -> Moved {
    if let Io::Done(n) = io {
        // At most the budget, which fits.
        budget.written += n as u32;
    }
    let is_full = match (stream.tls(), &io) {
        (Some(tls), _) => tls.is_stalled(),
        (None, Io::Done(n)) => *n < wanted,
        (None, io) => matches!(io, Io::WouldBlock),
    };
    let mut drained = Mask::empty();
    drained.set(Mask::WRITABLE, is_full);
    Moved { io, drained }
}

fn sent(result: Result<Option<usize>, Errno>) -> Io {
    match result {
        Ok(Some(n)) => Io::Done(n),
        Ok(None) => Io::WouldBlock,
        Err(errno) => Io::Failed(ConnError::io(Step::Write, &errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    const READY: Readiness = Readiness {
        ready: Mask::READABLE.union(Mask::WRITABLE),
        is_closing: false,
    };

    fn pair() -> (Stream, Stream) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        for socket in [&ours, &theirs] {
            socket.set_nonblocking(true).expect("non-blocking");
        }
        (Stream::Unix(ours), Stream::Unix(theirs))
    }

    fn done(moved: &Moved) -> usize {
        match moved.io {
            Io::Done(n) => n,
            ref other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_budget_is_renewed_by_the_next_turn() {
        let (mut ours, mut theirs) = pair();
        let (mut pool, mut budget) = (Pool::new(), Budget::default());
        budget.begin(7, Busy::default());
        budget.written = WRITE_BUDGET as u32 - 3;
        budget.read = READ_BUDGET as u32 - 2;
        let moved = write(&mut ours, &mut pool, READY, &mut budget, b"hello");
        assert_eq!(done(&moved), 3);
        assert!(moved.drained.is_empty(), "the socket has room");
        for turn in [7, 7] {
            budget.begin(turn, Busy::default());
            let moved = write(&mut ours, &mut pool, READY, &mut budget, b"lo");
            assert!(matches!(moved.io, Io::WouldBlock) && moved.drained.is_empty());
        }
        budget.begin(8, Busy::default());
        let moved = write(&mut ours, &mut pool, READY, &mut budget, b"lo");
        assert_eq!(done(&moved), 2);
        let mut fresh = Budget::default();
        fresh.begin(1, Busy::default());
        fresh.read = READ_BUDGET as u32 - 2;
        let mut buf = [0; 16];
        let moved = read(&mut theirs, &mut pool, READY, &mut fresh, &mut buf);
        assert_eq!((done(&moved), moved.drained), (2, Mask::empty()));
        let moved = read(&mut theirs, &mut pool, READY, &mut fresh, &mut buf);
        assert!(matches!(moved.io, Io::WouldBlock) && moved.drained.is_empty());
        fresh.begin(2, Busy::default());
        let moved = read(&mut theirs, &mut pool, READY, &mut fresh, &mut buf);
        assert_eq!((done(&moved), moved.drained), (3, Mask::READABLE));
    }

    #[test]
    fn what_all_have_written_bounds_what_a_further_one_writes() {
        let full = WRITE_BUDGET as u32;
        let turn = 7;
        let cases = [
            (vec![], WRITE_BUDGET),
            (vec![(7, full - 1)], WRITE_BUDGET),
            (vec![(7, full)], WRITE_SHARE),
            (vec![(7, full - 1), (7, 1)], WRITE_SHARE),
            (vec![(6, full)], WRITE_BUDGET),
            (vec![(6, full), (7, 1)], WRITE_BUDGET),
        ];
        for (writes, expected) in cases {
            let (mut busy, mut budget) = (Busy::default(), Budget::default());
            for &(turn, written) in &writes {
                busy.add(turn, written);
            }
            budget.begin(turn, busy);
            assert_eq!(budget.left_to_write(), expected, "{writes:?}");
            // What is written later in the turn takes nothing from it.
            busy.add(turn, full);
            budget.begin(turn, busy);
            assert_eq!(budget.left_to_write(), expected, "{writes:?}");
        }
    }

    #[test]
    fn pieces_are_cut_where_the_budget_ends() {
        let (mut pool, left) = (Pool::new(), 10);
        let cases: [(&[&[u8]], usize); 5] = [
            (&[b"12345", b"12345", b"1"], 10),
            (&[b"1234", b"12345678"], 4),
            (&[b"", b"123456789012"], 10),
            (&[b"", b""], 0),
            (&[], 0),
        ];
        for (pieces, expected) in cases {
            let (mut ours, _theirs) = pair();
            let mut budget = Budget {
                written: (WRITE_BUDGET - left) as u32,
                ..Budget::default()
            };
            let pieces: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let moved = write_vectored(&mut ours, &mut pool, READY, &mut budget, &pieces);
            assert_eq!(done(&moved), expected, "{pieces:?}");
        }
    }
}
