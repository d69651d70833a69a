//! Values of Lua and replies of commands as the debugger shows them.

use data::util::num::{format_f64_general, parse_i64};
use lua::stack::{Kind, Stack};
use words::quote;

/// How deep tables in tables are shown.
const MOST_DEPTH: usize = 10;

/// Appends the value on top of the stack. It may stop where more than `most` bytes are there, which are cut anyway.
pub fn value(stack: &mut Stack<'_>, out: &mut Vec<u8>, most: usize) {
    value_at(stack, out, 0, most);
}

fn value_at(stack: &mut Stack<'_>, out: &mut Vec<u8>, depth: usize, most: usize) {
    if depth == MOST_DEPTH {
        out.extend_from_slice(b"<max recursion level reached! Nested table?>");
        return;
    }
    match stack.kind(-1) {
        Kind::String => quote(out, stack.bytes(-1).unwrap_or_default()),
        Kind::Boolean if stack.truth(-1) => out.extend_from_slice(b"true"),
        Kind::Boolean => out.extend_from_slice(b"false"),
        Kind::Number => {
            let number = stack.number(-1).unwrap_or(0.0);
            if number.is_nan() && number.is_sign_negative() {
                out.push(b'-');
            }
            out.extend_from_slice(&format_f64_general(number, 6));
        }
        Kind::None | Kind::Nil => out.extend_from_slice(b"nil"),
        Kind::Table => table(stack, out, depth + 1, most),
        Kind::Function => address(stack, out, "function"),
        Kind::Userdata => address(stack, out, "userdata"),
        Kind::Thread => address(stack, out, "thread"),
        Kind::Light => address(stack, out, "light-userdata"),
    }
}

/// Appends the table on top of the stack: its values if its keys count from 1 in the order of the table, or its keys and
/// values.
fn table(stack: &mut Stack<'_>, out: &mut Vec<u8>, depth: usize, most: usize) {
    let is_list = is_list(stack);
    out.push(b'{');
    let mut is_first = true;
    stack.push_nil();
    while stack.next(-2) {
        if out.len() > most {
            stack.pop(2);
            break;
        }
        if !std::mem::take(&mut is_first) {
            out.extend_from_slice(b"; ");
        }
        if !is_list {
            out.push(b'[');
            stack.push_copy(-2);
            value_at(stack, out, depth, most);
            stack.pop(1);
            out.extend_from_slice(b"]=");
        }
        value_at(stack, out, depth, most);
        stack.pop(1);
    }
    out.push(b'}');
}

/// Whether the keys of the table on top of the stack are 1, 2, … in the order of the table.
fn is_list(stack: &mut Stack<'_>) -> bool {
    let mut expected = 1.0;
    stack.push_nil();
    while stack.next(-2) {
        if stack.kind(-2) != Kind::Number || stack.number(-2) != Some(expected) {
            stack.pop(2);
            return false;
        }
        expected += 1.0;
        stack.pop(1);
    }
    true
}

fn address(stack: &mut Stack<'_>, out: &mut Vec<u8>, kind: &str) {
    out.extend_from_slice(format!("\"{kind}@{:#x}\"", stack.identity(-1)).as_bytes());
}

/// Appends a reply of RESP2 or RESP3.
pub fn reply(out: &mut Vec<u8>, bytes: &[u8]) {
    reply_part(out, bytes);
}

/// Appends the first reply of `bytes`; returns what follows it.
fn reply_part<'a>(out: &mut Vec<u8>, bytes: &'a [u8]) -> &'a [u8] {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n");
    let Some((end, kind)) = end.zip(bytes.first()) else {
        return &[];
    };
    let (line, rest) = (&bytes[1..end], &bytes[end + 2..]);
    let number = parse_i64(line);
    let count = number.and_then(|count| usize::try_from(count).ok());
    match (kind, count) {
        (b':', _) => out.extend_from_slice(line),
        (b'+' | b'-', _) => quote(out, &bytes[..end]),
        (b'$' | b'*', None) => out.extend_from_slice(b"NULL"),
        (b'$', Some(len)) => {
            let len = len.min(rest.len());
            quote(out, &rest[..len]);
            return rest.get(len + 2..).unwrap_or(&[]);
        }
        (b'*', Some(count)) => return reply_list(out, rest, count, ("[", "]"), false),
        (b'~', Some(count)) => return reply_list(out, rest, count, ("~(", ")"), false),
        (b'%', Some(count)) => return reply_list(out, rest, count, ("{", "}"), true),
        (b'_', _) => out.extend_from_slice(b"(null)"),
        (b'#', _) if line == b"t" => out.extend_from_slice(b"#true"),
        (b'#', _) => out.extend_from_slice(b"#false"),
        (b',', _) => {
            out.extend_from_slice(b"(double) ");
            out.extend_from_slice(line);
        }
        (b'=', Some(len)) => return rest.get(len.saturating_add(2)..).unwrap_or(&[]),
        // As in Redis, big numbers and verbatim texts are not shown.
        _ => {}
    }
    rest
}

fn reply_list<'a>(
    out: &mut Vec<u8>,
    mut rest: &'a [u8],
    count: usize,
    (open, close): (&str, &str),
    is_map: bool,
) -> &'a [u8] {
    out.extend_from_slice(open.as_bytes());
    for at in 0..count {
        if at > 0 {
            out.push(b',');
        }
        rest = reply_part(out, rest);
        if is_map {
            out.extend_from_slice(b" => ");
            rest = reply_part(out, rest);
        }
    }
    out.extend_from_slice(close.as_bytes());
    rest
}

#[cfg(test)]
mod tests {
    use super::reply;

    #[test]
    fn replies_are_shown() {
        for (bytes, shown) in [
            (":-7\r\n", "-7"),
            ("+OK\r\n", "\"+OK\""),
            ("-ERR no\r\n", "\"-ERR no\""),
            ("$3\r\na\"b\r\n", "\"a\\\"b\""),
            ("$0\r\n\r\n", "\"\""),
            ("$-1\r\n", "NULL"),
            ("*-1\r\n", "NULL"),
            ("*0\r\n", "[]"),
            ("*3\r\n:1\r\n*1\r\n$1\r\nx\r\n$-1\r\n", "[1,[\"x\"],NULL]"),
            ("~2\r\n:1\r\n:2\r\n", "~(1,2)"),
            ("%1\r\n+a\r\n,1.5\r\n", "{\"+a\" => (double) 1.5}"),
            ("*3\r\n_\r\n#t\r\n#f\r\n", "[(null),#true,#false]"),
            ("*2\r\n=7\r\ntxt:abc\r\n:1\r\n", "[,1]"),
            // What a server never sends.
            ("*2\r\n", "[,]"),
            ("$9\r\nab\r\n", "\"ab\\r\\n\""),
            ("", ""),
        ] {
            let mut out = Vec::new();
            reply(&mut out, bytes.as_bytes());
            assert_eq!(String::from_utf8_lossy(&out), shown, "{bytes:?}");
        }
    }
}
