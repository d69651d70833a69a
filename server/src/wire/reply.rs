//! The RESP writer: one method per reply type, RESP2 or RESP3 as the client negotiated.
//!
//! Types that RESP2 lacks are written as in Redis: a map as a flat array, a double as a bulk string, a boolean as 0 or
//! 1, a null as `$-1` or `*-1`.
//!
//! # Invariants
//! 1. No status or error line contains CR or LF, whatever text it was built from.
//! 2. Beyond `limit` bytes the output is dropped and `overflow` is set, so memory stays bounded while the command runs
//!    on.
//! 3. While a deferred length is open the tail is not turned into a chunk, so a mark remains valid.

use std::sync::Arc;

use conn::encode;
use data::ds::item::Item;
use data::util::num::{format_f64, format_f64_decimals};

use crate::wire::fault::Fault;
use crate::wire::output::{KEEP_TAIL, Output};

/// Shared values of this size and more are not copied into the output, in bytes.
const SHARE: usize = 16 * 1024;

/// RESP version of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Resp {
    /// Until HELLO 3.
    #[default]
    V2,
    /// After HELLO 3.
    V3,
}

impl Resp {
    /// The mark of a push message, which is an array in RESP2.
    pub fn push_mark(self) -> u8 {
        match self {
            Resp::V2 => b'*',
            Resp::V3 => b'>',
        }
    }

    /// A null, which is a null bulk string in RESP2.
    pub fn null(self) -> &'static [u8] {
        match self {
            Resp::V2 => encode::NULL_BULK,
            Resp::V3 => encode::NULL,
        }
    }
}

/// A position in the reply.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    chunks: usize,
    tail: usize,
}

/// The reply of the command being executed, appended to the client's pending output.
#[derive(Debug, Default)]
pub struct Reply {
    /// The output.
    pub out: Output,
    /// The client's protocol.
    pub resp: Resp,
    /// CLIENT REPLY OFF or SKIP: nothing is written.
    pub muted: bool,
    /// Output limit in bytes; 0 means no limit.
    pub limit: usize,
    /// The limit was exceeded: the client is to be closed.
    pub overflow: bool,
    /// The latest fault that was not written because the reply is muted.
    pub unheard: Option<Fault>,
    deferred: u32,
    /// `limit` was lowered for a deferred length.
    is_tightened: bool,
}

impl Reply {
    /// A writer that appends to `out`.
    pub fn behind(out: Output, resp: Resp, limit: usize) -> Self {
        Reply {
            out,
            resp,
            limit,
            ..Reply::default()
        }
    }

    /// Sets the output limit for the next command.
    #[inline]
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.is_tightened = false;
    }

    #[inline]
    fn raw(&mut self, bytes: &[u8]) {
        if self.muted || self.overflow {
            return;
        }
        self.out.tail.extend_from_slice(bytes);
        self.after_write();
    }

    /// After each element: turns a big tail into a chunk, and checks the limit.
    #[inline]
    fn after_write(&mut self) {
        if self.deferred == 0 {
            self.out.seal_if_big();
        }
        if self.limit != 0 {
            self.check_limit();
        }
    }

    #[inline(never)]
    fn check_limit(&mut self) {
        if self.out.len() > self.limit {
            self.out.clear();
            self.overflow = true;
        }
    }

    #[inline]
    fn header(&mut self, mark: u8, n: i64) {
        if self.muted || self.overflow {
            return;
        }
        encode::header(mark, n, &mut self.out.tail);
    }

    fn line(&mut self, mark: u8, text: &[u8]) {
        if self.muted || self.overflow {
            return;
        }
        // Newlines at the end of an error are not part of it.
        let ends = text.iter().rev().take_while(|byte| b"\r\n".contains(byte));
        let len = if mark == b'-' {
            text.len() - ends.count()
        } else {
            text.len()
        };
        let text = &text[..len];
        self.out.tail.push(mark);
        self.out.tail.extend(
            text.iter()
                .map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }),
        );
        self.out.tail.extend_from_slice(b"\r\n");
        self.after_write();
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A status line.
    pub fn status(&mut self, text: &str) {
        self.status_bytes(text.as_bytes());
    }

    /// A status line of any bytes.
    pub fn status_bytes(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }

    /// An error line.
    pub fn fault(&mut self, fault: &Fault) {
        if self.muted {
            self.unheard = Some(fault.clone());
        }
        self.line(b'-', &fault.0);
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, n: i64) {
        self.header(b':', n);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if self.muted || self.overflow {
            return;
        }
        encode::bulk(bytes, &mut self.out.tail);
        self.after_write();
    }

    /// A bulk string; a big one shares the value's buffer.
    pub fn bulk_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() < SHARE || self.muted || self.overflow || self.deferred > 0 {
            return self.bulk(bytes);
        }
        self.header(b'$', bytes.len() as i64);
        self.out.push_shared(Arc::clone(bytes));
        self.raw(b"\r\n");
    }

    /// The decimal digits of `n` as a bulk string.
    #[inline]
    pub fn bulk_int(&mut self, n: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(n).as_bytes());
    }

    /// An element of a value as a bulk string.
    #[inline]
    pub fn item(&mut self, item: Item<'_>) {
        match item {
            Item::Int(n) => self.bulk_int(n),
            Item::Bytes(bytes) => self.bulk(bytes),
        }
    }

    /// A null: `_`, or the null bulk of RESP2.
    #[inline]
    pub fn null(&mut self) {
        self.raw(self.resp.null());
    }

    /// A null where RESP2 has a null array.
    pub fn null_array(&mut self) {
        self.raw(if self.resp == Resp::V3 {
            b"_\r\n"
        } else {
            b"*-1\r\n"
        });
    }

    /// The head of an array of `n` elements.
    #[inline]
    pub fn array(&mut self, n: usize) {
        self.header(b'*', n as i64);
    }

    /// The head of a map of `n` pairs.
    pub fn map(&mut self, n: usize) {
        match self.resp {
            Resp::V3 => self.header(b'%', n as i64),
            Resp::V2 => self.header(b'*', 2 * n as i64),
        }
    }

    /// The head of a set of `n` elements.
    pub fn set(&mut self, n: usize) {
        self.header(if self.resp == Resp::V3 { b'~' } else { b'*' }, n as i64);
    }

    /// The head of a push message of `n` elements.
    pub fn push(&mut self, n: usize) {
        self.header(self.resp.push_mark(), n as i64);
    }

    /// The head of attributes of `n` pairs; RESP3 only.
    pub fn attribute(&mut self, n: usize) {
        debug_assert_eq!(self.resp, Resp::V3);
        self.header(b'|', n as i64);
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        match (self.resp, value) {
            (Resp::V3, true) => self.raw(b"#t\r\n"),
            (Resp::V3, false) => self.raw(b"#f\r\n"),
            (Resp::V2, value) => self.int(i64::from(value)),
        }
    }

    /// A double.
    pub fn double(&mut self, value: f64) {
        let text = format_f64(value);
        match self.resp {
            Resp::V3 => self.line(b',', &text),
            Resp::V2 => self.bulk(&text),
        }
    }

    /// A double with all its decimals up to the 17th.
    pub fn double_decimals(&mut self, value: f64) {
        let text = format_f64_decimals(value);
        match self.resp {
            Resp::V3 => self.line(b',', &text),
            Resp::V2 => self.bulk(&text),
        }
    }

    /// A number of any size, given as digits.
    pub fn big_number(&mut self, digits: &[u8]) {
        match self.resp {
            Resp::V3 => self.line(b'(', digits),
            Resp::V2 => self.bulk(digits),
        }
    }

    /// A string with a three-letter format.
    pub fn verbatim(&mut self, format: &[u8; 3], bytes: &[u8]) {
        match self.resp {
            Resp::V3 => {
                self.header(b'=', bytes.len() as i64 + 4);
                self.raw(format);
                self.raw(b":");
                self.raw(bytes);
                self.raw(b"\r\n");
            }
            Resp::V2 => self.bulk(bytes),
        }
    }

    /// A list of status lines, as HELP answers.
    pub fn help(&mut self, lines: &[&str]) {
        self.array(lines.len());
        for line in lines {
            self.status(line);
        }
    }

    /// The current position.
    pub fn mark(&self) -> Mark {
        Mark {
            chunks: self.out.chunks(),
            tail: self.out.tail_len(),
        }
    }

    /// Drops what was written since `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        self.deferred = 0;
        if !self.overflow {
            self.out.truncate(mark.chunks, mark.tail);
        }
    }

    /// Reserves the header of an aggregate whose length is not known yet.
    pub fn defer(&mut self) -> Mark {
        if self.limit != 0 && !self.is_tightened {
            // As in Redis, such a reply does not use the rest of the buffer whose bytes no limit counts.
            let rest = KEEP_TAIL.saturating_sub(self.out.len());
            self.limit = self.limit.saturating_sub(rest).max(1);
            self.is_tightened = true;
        }
        self.deferred += 1;
        self.mark()
    }

    /// Writes the header of an array of `n` elements at `mark`.
    pub fn close_array(&mut self, mark: Mark, n: usize) {
        self.close(mark, b'*', n);
    }

    /// Writes the header of a set of `n` elements at `mark`.
    pub fn close_set(&mut self, mark: Mark, n: usize) {
        self.close(mark, if self.resp == Resp::V3 { b'~' } else { b'*' }, n);
    }

    /// Writes the header of a map of `n` pairs at `mark`.
    pub fn close_map(&mut self, mark: Mark, n: usize) {
        match self.resp {
            Resp::V3 => self.close(mark, b'%', n),
            Resp::V2 => self.close(mark, b'*', 2 * n),
        }
    }

    fn close(&mut self, mark: Mark, kind: u8, n: usize) {
        self.deferred = self.deferred.saturating_sub(1);
        if self.muted || self.overflow {
            return;
        }
        let mut digits = itoa::Buffer::new();
        let head = [&[kind], digits.format(n).as_bytes(), b"\r\n"].concat();
        self.out.tail.splice(mark.tail..mark.tail, head);
        self.after_write();
    }
}

#[cfg(test)]
mod tests {
    use super::{Reply, Resp};
    use crate::wire::fault::Fault;

    fn written(resp: Resp, write: impl FnOnce(&mut Reply)) -> String {
        let mut reply = Reply {
            resp,
            ..Reply::default()
        };
        write(&mut reply);
        String::from_utf8(reply.out.tail).expect("text")
    }

    #[test]
    fn types_in_both_versions() {
        type Write = fn(&mut Reply);
        let table: [(Write, &str, &str); 8] = [
            (|r| r.null(), "$-1\r\n", "_\r\n"),
            (|r| r.null_array(), "*-1\r\n", "_\r\n"),
            (|r| r.map(2), "*4\r\n", "%2\r\n"),
            (|r| r.set(2), "*2\r\n", "~2\r\n"),
            (|r| r.boolean(true), ":1\r\n", "#t\r\n"),
            (|r| r.double(2.5), "$3\r\n2.5\r\n", ",2.5\r\n"),
            (
                |r| r.verbatim(b"txt", b"ab"),
                "$2\r\nab\r\n",
                "=6\r\ntxt:ab\r\n",
            ),
            (|r| r.bulk_int(-12), "$3\r\n-12\r\n", "$3\r\n-12\r\n"),
        ];
        for (write, v2, v3) in table {
            assert_eq!(written(Resp::V2, write), v2);
            assert_eq!(written(Resp::V3, write), v3);
        }
    }

    #[test]
    fn deferred_lengths_nest() {
        let text = written(Resp::V2, |r| {
            let outer = r.defer();
            r.int(1);
            let inner = r.defer();
            r.int(2);
            r.close_array(inner, 1);
            r.close_array(outer, 2);
        });
        assert_eq!(text, "*2\r\n:1\r\n*1\r\n:2\r\n");
    }

    #[test]
    fn no_line_holds_a_line_end() {
        let text = written(Resp::V2, |r| r.fault(&Fault::new("ERR a\r\n+OK\r\n")));
        assert_eq!(text, "-ERR a  +OK\r\n");
    }

    #[test]
    fn over_the_limit_all_is_dropped() {
        let mut reply = Reply {
            limit: 100,
            ..Reply::default()
        };
        for _ in 0..1000 {
            reply.bulk(b"0123456789");
        }
        assert!(reply.overflow);
        assert!(reply.out.is_empty());
    }
}
