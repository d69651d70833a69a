//! Replies of commands as values of Lua, and values of Lua as replies.
//!
//! | RESP | Lua |
//! |---|---|
//! | integer | number |
//! | bulk string | string |
//! | array | table |
//! | null of RESP2 | false |
//! | null of RESP3 | nil |
//! | boolean | boolean |
//! | status | `{ok = text}` |
//! | error | `{err = text}` |
//! | map, set | `{map = {…}}`, `{set = {element = true, …}}` |
//! | double, big number | `{double = number}`, `{big_number = text}` |
//! | verbatim string | `{verbatim_string = {string = text, format = text}}` |
//!
//! Tables get the size that they would grow to without a hint, as in Redis: the order of `pairs` and the length of an
//! array with nulls depend on it.
//!
//! The way back is the same, except for numbers (cut to integers), booleans (in RESP2: 1, and null for false) and nil (null).

use data::util::num::{parse_f64, parse_i64};
use lua::lists::grown_size;
use lua::stack::{Kind, Stack};
use words::until_nul;

use crate::script::error::{self, push_counted_fault, set_or_drop};
use crate::server::Server;
use crate::wire::fault::Fault;
use crate::wire::reply::{Mark, Reply, Resp};

/// Pushes the reply at the start of `bytes`, which is one of this server's own in a version of RESP; returns what follows it.
pub fn push_reply<'a>(stack: &mut Stack<'_>, bytes: &'a [u8], resp: Resp) -> &'a [u8] {
    if let Some((number, rest)) = short_integer(bytes) {
        stack.push_number(f64::from(number));
        return rest;
    }
    let (head, rest) = line(bytes);
    let Some((kind, text)) = head.split_first() else {
        stack.push_nil();
        return rest;
    };
    match kind {
        b':' => stack.push_number(parse_i64(text).unwrap_or(0) as f64),
        b'$' => return push_bulk(stack, text, rest),
        b'*' if text == b"-1" => stack.push_boolean(false),
        b'*' => return push_array(stack, length(text), rest, resp),
        b'+' => push_field(stack, b"ok", |stack| stack.push_bytes(text)),
        b'-' => push_counted_fault(stack, &error::fault_of(head)),
        b'%' => return push_map(stack, length(text), rest, resp),
        b'~' => return push_set(stack, length(text), rest, resp),
        b'#' => stack.push_boolean(text == b"t"),
        b',' => push_field(stack, b"double", |stack| {
            stack.push_number(parse_f64(text).unwrap_or(f64::NAN));
        }),
        b'(' => push_field(stack, b"big_number", |stack| stack.push_bytes(text)),
        b'=' => return push_verbatim(stack, length(text), rest),
        b'|' => return push_reply(stack, skip(length(text) * 2, rest), resp),
        _ => stack.push_nil(),
    }
    rest
}

/// The integer at the start if it is not negative and has few digits, and what follows it.
fn short_integer(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let text = bytes.strip_prefix(b":")?;
    let mut number = 0;
    for (at, &byte) in text.iter().enumerate().take(10) {
        match byte {
            b'0'..=b'9' if at < 9 => number = number * 10 + u32::from(byte - b'0'),
            b'\r' => return Some((number, text.get(at + 2..)?)),
            _ => return None,
        }
    }
    None
}

/// Bytes at the start of a line that are searched for its end one by one.
const NEAR: usize = 16;

/// The first line without its end, and what follows.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    // Most lines are short, and a loop is cheaper than a call.
    let (near, far) = bytes.split_at(bytes.len().min(NEAR));
    let end = match near.iter().position(|&byte| byte == b'\r') {
        None => memchr::memchr(b'\r', far).map(|end| end + near.len()),
        end => end,
    };
    match end {
        Some(end) => (&bytes[..end], bytes.get(end + 2..).unwrap_or_default()),
        None => (bytes, &[]),
    }
}

fn length(text: &[u8]) -> usize {
    parse_i64(text)
        .and_then(|len| usize::try_from(len).ok())
        .unwrap_or(0)
}

/// Replies behind others, which nobody wants.
fn skip(count: usize, mut bytes: &[u8]) -> &[u8] {
    for _ in 0..count {
        let (head, rest) = line(bytes);
        let (kind, text) = head.split_first().unwrap_or((&b'_', &[]));
        bytes = match kind {
            b'$' | b'=' if text != b"-1" => rest.get(length(text) + 2..).unwrap_or_default(),
            b'*' | b'~' if text != b"-1" => skip(length(text), rest),
            b'%' => skip(length(text) * 2, rest),
            _ => rest,
        };
    }
    bytes
}

/// Pushes a table with one field.
fn push_field(stack: &mut Stack<'_>, name: &[u8], value: impl FnOnce(&mut Stack<'_>)) {
    stack.push_table(0, 1);
    value(stack);
    stack.set_field(-2, name);
}

fn push_bulk<'a>(stack: &mut Stack<'_>, text: &[u8], rest: &'a [u8]) -> &'a [u8] {
    if text == b"-1" {
        stack.push_boolean(false);
        return rest;
    }
    let (bytes, rest) = rest.split_at(length(text).min(rest.len()));
    stack.push_bytes(bytes);
    rest.get(2..).unwrap_or_default()
}

fn push_array<'a>(stack: &mut Stack<'_>, len: usize, mut rest: &'a [u8], resp: Resp) -> &'a [u8] {
    // A null of RESP3 is nil, and no place of the table.
    let size = if resp == Resp::V2 { grown_size(len) } else { 0 };
    stack.push_table(size, 0);
    for position in 1..=len {
        rest = push_reply(stack, rest, resp);
        stack.set_at(-2, i32::try_from(position).unwrap_or(i32::MAX));
    }
    rest
}

fn push_map<'a>(stack: &mut Stack<'_>, len: usize, mut rest: &'a [u8], resp: Resp) -> &'a [u8] {
    stack.push_table(0, 0);
    stack.push_table(0, 0);
    for _ in 0..len {
        rest = push_reply(stack, rest, resp);
        rest = push_reply(stack, rest, resp);
        set_or_drop(stack);
    }
    stack.set_field(-2, b"map");
    rest
}

fn push_set<'a>(stack: &mut Stack<'_>, len: usize, mut rest: &'a [u8], resp: Resp) -> &'a [u8] {
    stack.push_table(0, 0);
    stack.push_table(0, 0);
    for _ in 0..len {
        rest = push_reply(stack, rest, resp);
        stack.push_boolean(true);
        set_or_drop(stack);
    }
    stack.set_field(-2, b"set");
    rest
}

fn push_verbatim<'a>(stack: &mut Stack<'_>, len: usize, rest: &'a [u8]) -> &'a [u8] {
    let (bytes, rest) = rest.split_at(len.min(rest.len()));
    let (format, text) = bytes.split_at(3.min(bytes.len()));
    push_field(stack, b"verbatim_string", |stack| {
        stack.push_table(0, 0);
        stack.push_bytes(text.get(1..).unwrap_or_default());
        stack.set_field(-2, b"string");
        stack.push_bytes(format);
        stack.set_field(-2, b"format");
    });
    rest.get(2..).unwrap_or_default()
}

/// Slots of the stack that a function of Redis may use, and those that it asks for to convert a value: nesting ends at the
/// same depth.
const MAX_SLOTS: usize = 8000;
const SLOTS_PER_VALUE: usize = 4;

/// Writes a value as a reply. Tables may be nested as deeply as the stack of Lua allows, so there is no recursion.
struct Writer<'a> {
    reply: &'a mut Reply,
    /// The protocol that the script has chosen.
    resp: Resp,
    /// Tables that are being written, the innermost last.
    tables: Vec<Table>,
    /// An error was written.
    failed: bool,
}

/// A table that is being written.
struct Table {
    kind: TableKind,
    /// Where its header belongs.
    mark: Mark,
    /// Elements or pairs so far.
    len: usize,
}

/// What a table is written as, and what is on the stack meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TableKind {
    /// The table.
    Array,
    /// The table, its field `set`, and a key.
    Set,
    /// The table, its field `map`, and a key.
    Map,
    /// The same, and the value of the key that is being written.
    MapWithValue,
}

/// A number without its fraction; what no integer can hold is the least one, as on x86.
fn integer(number: f64) -> i64 {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if (-BOUND..BOUND).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// Pushes a field of the table on top if it is of this type; whether it is.
fn has(stack: &mut Stack<'_>, name: &[u8], kind: Kind) -> bool {
    stack.get_field(-1, name);
    let has = stack.kind(-1) == kind;
    if !has {
        stack.pop(1);
    }
    has
}

/// Writes the value on top of the stack, and drops it; whether an error was written. `resp` is the protocol that the script
/// has chosen; the client's is that of the reply.
pub fn write_value(stack: &mut Stack<'_>, reply: &mut Reply, resp: Resp) -> bool {
    let mut writer = Writer {
        reply,
        resp,
        tables: Vec::new(),
        failed: false,
    };
    loop {
        writer.write(stack);
        if !writer.advance(stack) {
            return writer.failed;
        }
    }
}

impl Writer<'_> {
    /// Writes the value on top of the stack, and drops it; or begins a table, which stays.
    fn write(&mut self, stack: &mut Stack<'_>) {
        if stack.top() + SLOTS_PER_VALUE > MAX_SLOTS {
            self.refuse(stack, &Fault::new("ERR reached lua stack limit"), false);
            return stack.pop(1);
        }
        match stack.kind(-1) {
            Kind::String => self.reply.bulk(stack.bytes(-1).unwrap_or_default()),
            Kind::Number => {
                let number = stack.number(-1).unwrap_or(0.0);
                self.reply.int(integer(number));
            }
            Kind::Boolean if self.resp == Resp::V3 => self.reply.boolean(stack.truth(-1)),
            Kind::Boolean if stack.truth(-1) => self.reply.int(1),
            Kind::Table if self.write_special(stack) => {}
            Kind::Table => return self.begin(stack),
            _ => self.reply.null(),
        }
        stack.pop(1);
    }

    fn refuse(&mut self, stack: &mut Stack<'_>, fault: &Fault, is_counted: bool) {
        self.failed = true;
        if !is_counted && let Some(srv) = stack.host::<Server>() {
            srv.stats.count_error(fault.code());
        }
        self.reply.fault(fault);
    }

    /// Writes the table on top, which stays, if it stands for a single value; whether it does.
    fn write_special(&mut self, stack: &mut Stack<'_>) -> bool {
        if has(stack, error::ERR, Kind::String) {
            stack.pop(1);
            let information = error::information(stack);
            // Redis drops the ends of lines behind an error, and makes spaces of others.
            let mut message = information.message;
            let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
            let ends = message.iter().rev().take_while(|byte| is_line_end(byte));
            message.truncate(message.len() - ends.count());
            let fault = Fault::bytes(message);
            self.refuse(stack, &fault, information.is_counted);
            return true;
        }
        let reply = &mut *self.reply;
        if has(stack, b"ok", Kind::String) {
            let text = stack.bytes(-1).unwrap_or_default();
            reply.status_bytes(until_nul(text));
        } else if has(stack, b"double", Kind::Number) {
            reply.double(stack.number(-1).unwrap_or(0.0));
        } else if has(stack, b"big_number", Kind::String) {
            let digits = stack.bytes(-1).unwrap_or_default().iter();
            // No line end may get into the reply.
            let digits = digits.map(|&byte| {
                if matches!(byte, b'\r' | b'\n') {
                    b' '
                } else {
                    byte
                }
            });
            reply.big_number(&digits.collect::<Vec<u8>>());
        } else if !has(stack, b"verbatim_string", Kind::Table) {
            return false;
        } else if !self.write_verbatim(stack) {
            stack.pop(1);
            return false;
        }
        stack.pop(1);
        true
    }

    /// Writes the verbatim string on top, which stays; whether it is one.
    fn write_verbatim(&mut self, stack: &mut Stack<'_>) -> bool {
        if !has(stack, b"format", Kind::String) {
            return false;
        }
        stack.get_field(-2, b"string");
        let is_text = stack.kind(-1) == Kind::String;
        if is_text {
            let mut format = [b' '; 3];
            let given = until_nul(stack.bytes(-2).unwrap_or_default());
            let places = format.iter_mut().zip(given);
            places.for_each(|(place, byte)| *place = *byte);
            let text = stack.bytes(-1).unwrap_or_default();
            self.reply.verbatim(&format, text);
        }
        stack.pop(2);
        is_text
    }

    /// Begins the table on top.
    fn begin(&mut self, stack: &mut Stack<'_>) {
        let kind = if has(stack, b"map", Kind::Table) {
            TableKind::Map
        } else if has(stack, b"set", Kind::Table) {
            TableKind::Set
        } else {
            TableKind::Array
        };
        if kind != TableKind::Array {
            stack.push_nil();
        }
        self.tables.push(Table {
            kind,
            mark: self.reply.defer(),
            len: 0,
        });
    }

    /// Puts the next value to be written on top of the stack, and ends the tables that have no more; whether there is one.
    fn advance(&mut self, stack: &mut Stack<'_>) -> bool {
        while let Some(table) = self.tables.last_mut() {
            if table.next(stack) {
                return true;
            }
            let (mark, len) = (table.mark, table.len);
            match table.kind {
                TableKind::Array => self.reply.close_array(mark, len),
                TableKind::Set => self.reply.close_set(mark, len),
                TableKind::Map | TableKind::MapWithValue => self.reply.close_map(mark, len),
            }
            stack.pop(if table.kind == TableKind::Array { 1 } else { 2 });
            self.tables.pop();
        }
        false
    }
}

impl Table {
    /// Puts the next value on top of the stack; whether there is one.
    fn next(&mut self, stack: &mut Stack<'_>) -> bool {
        match self.kind {
            TableKind::Array => {
                let position = i32::try_from(self.len + 1).unwrap_or(i32::MAX);
                stack.get_at(-1, position);
                if stack.kind(-1) == Kind::Nil {
                    stack.pop(1);
                    return false;
                }
            }
            TableKind::MapWithValue => {
                self.kind = TableKind::Map;
                return true;
            }
            TableKind::Map => {
                if !stack.next(-2) {
                    return false;
                }
                stack.push_copy(-2);
                self.kind = TableKind::MapWithValue;
            }
            TableKind::Set => {
                if !stack.next(-2) {
                    return false;
                }
                stack.pop(1);
                stack.push_copy(-1);
            }
        }
        self.len += 1;
        true
    }
}
