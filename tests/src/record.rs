//! Records of what Redis replies: files of commands and replies, played again beside ours or to the real one.
//!
//! A line is a reply (`< `), an action or a comment. The action `> ` calls a command; other actions are defined by the test
//! that plays the record. Replies are shown with their types, on one line.

use std::fs;

use conn::resp::Value;
use words::{quoted, split};

use crate::client::{Client, Transport, show};
use crate::peer::{Peer, real_redis};
use crate::server::Server;

/// A reply with its types, on one line.
pub fn describe(value: &Value) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let list = |values: &[Value]| values.iter().map(describe).collect::<Vec<_>>().join(" ");
    match value {
        Value::Status(bytes) => format!("+{}", text(bytes)),
        Value::Error(bytes) => format!("-{}", text(bytes)),
        Value::Int(number) => format!(":{number}"),
        Value::Double(bytes) => format!(",{}", text(bytes)),
        Value::BigNumber(bytes) => format!("({}", text(bytes)),
        Value::Bool(value) => format!("#{value}"),
        Value::Bulk(bytes) => text(&quoted(bytes)),
        Value::Verbatim(format, bytes) => format!("={}:{}", text(format), text(&quoted(bytes))),
        Value::Null => "nil".to_owned(),
        Value::Array(values) => format!("[{}]", list(values)),
        Value::Set(values) => format!("~[{}]", list(values)),
        Value::Map(pairs) => {
            let pairs = pairs.iter();
            let pairs =
                pairs.map(|(key, value)| format!("{} => {}", describe(key), describe(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => show(other),
    }
}

/// The arguments that a line of a record has behind its mark.
pub fn arguments(line: &str) -> Vec<Vec<u8>> {
    split(line.as_bytes()).expect("balanced quotes")
}

/// A record with its replies replaced: `play` does what a line says and returns the replies.
fn played(record: &str, mut play: impl FnMut(&str) -> Vec<String>) -> String {
    let mut text = String::new();
    for line in record.lines().filter(|line| !line.starts_with("< ")) {
        text += &format!("{line}\n");
        for reply in play(line) {
            text += &format!("< {reply}\n");
        }
    }
    text
}

/// Plays the lines of a record to one server: it is given a line and returns the replies.
pub type Player<'a> = Box<dyn FnMut(&str) -> Vec<String> + 'a>;

/// Plays a record over each transport, and compares the replies with the recorded ones. `player` is given what connects to
/// the server.
///
/// With a real Redis at hand the record is compared with that first; the environment's `RECORD` has it written anew.
pub fn compare(file: &str, player: impl for<'a> Fn(&'a dyn Fn() -> Client) -> Player<'a>) {
    let path = crate::root().join(file);
    let mut record = fs::read_to_string(&path).expect("the record is there");
    if let Some(real) = real_redis() {
        let peer = Peer::start_program(&real, &["--enable-debug-command", "yes"]);
        let real = played(&record, player(&|| peer.connect()));
        if std::env::var_os("RECORD").is_some() {
            fs::write(&path, &real).expect("the record is writable");
            record = real;
        } else {
            assert_eq!(real, record, "the record is that of another version");
        }
    }
    for transport in Transport::ALL {
        let server = Server::start(&[]);
        let ours = played(&record, player(&|| server.client(transport)));
        for (ours, recorded) in ours.lines().zip(record.lines()) {
            assert_eq!(ours, recorded, "{transport:?}");
        }
        assert_eq!(ours.len(), record.len());
    }
}
