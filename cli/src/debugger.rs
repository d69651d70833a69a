//! The Lua debugger: `--ldb`, `--ldb-sync-mode`, and SCRIPT DEBUG at the prompt.
//!
//! ```text
//! SCRIPT DEBUG ──> EVAL ──arrays of status lines──> Active ──`<endsession>`──> Ended ──the reply of EVAL──> Off
//! ```
//!
//! While a session is active, every reply is an array of lines, which are coloured by their kind, and what is typed is sent
//! to the server unchanged: `help` is its help, and the code behind `eval` is one word. The server closes the connection
//! behind the reply of EVAL.

use std::path::Path;

use conn::resp::Value;

use crate::editor::has_colours;
use crate::format::Output;
use crate::issue::issue;
use crate::oneshot::script;
use crate::options::Options;
use crate::out::{Exit, fail, print};
use crate::repl::{Ending, Repl};
use crate::session::Session;

const BANNER: &str = "\
Lua debugging session started, please use:
quit    -- End the session.
restart -- Restart the script in debug mode again.
help    -- Show Lua script debugging commands.

";
const END: &[u8] = b"<endsession>";

/// The state of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Debugging {
    /// There is none.
    #[default]
    Off,
    /// The next EVAL begins one.
    Requested,
    /// The script runs.
    Active,
    /// It has ended, and the reply of EVAL follows.
    Ended,
}

/// Debugs the script in a file, until the user quits.
///
/// # Errors
/// It could not be read or run, or the terminal cannot be used; a message was printed.
pub fn run(session: &mut Session, options: &Options, path: &Path, sync: bool) -> Result<(), Exit> {
    session.connect_or_exit()?;
    let mut repl = Repl::new(session, options)?;
    loop {
        print(BANNER);
        let session = &mut *repl.session;
        let argv = script(options, path)?;
        // The server refuses EVAL if it refuses this.
        if let Err(failure) = session.call(&["SCRIPT", "DEBUG", if sync { "sync" } else { "yes" }])
        {
            return fail(session.describe(&failure));
        }
        session.debugging = Debugging::Active;
        session.format.output = Output::Raw;
        let issued = issue(session, &argv, options.repeat, options.interval);
        if session.debugging == Debugging::Ended {
            print("Eval debugging session can't start:\n");
            return show_reply(session).and(issued);
        }
        issued?;
        session.has_debugger_prompt = true;
        if repl.run()? == Ending::Quit {
            return Ok(());
        }
        repl.session.connect_or_exit()?;
        print("\n");
    }
}

/// Prints the reply of EVAL after the end of its session. The server closes the connection behind it.
///
/// # Errors
/// In a session that is not interactive: what `-e` makes of an error reply.
pub fn show_reply(session: &mut Session) -> Result<(), Exit> {
    let reply = session.receive();
    session.lose();
    match reply {
        Ok(Value::Error(text)) if session.exit_on_error && !session.interactive => fail(text),
        Ok(reply) => {
            print(session.format.reply(&reply, false));
            Ok(())
        }
        // The connection was closed first.
        Err(_) => Ok(()),
    }
}

/// Notes what a command that is about to be sent does to the debugger.
pub fn note(session: &mut Session, argv: &[Vec<u8>]) {
    let is = |at: usize, word: &str| argv[at].eq_ignore_ascii_case(word.as_bytes());
    if session.debugging == Debugging::Active {
        return;
    }
    if argv.len() == 3 && is(0, "script") && is(1, "debug") {
        session.debugging = if is(2, "yes") || is(2, "sync") {
            Debugging::Requested
        } else {
            Debugging::Off
        };
    } else if session.debugging == Debugging::Requested && is(0, "eval") {
        session.debugging = Debugging::Active;
        session.format.output = Output::Raw;
    }
}

/// The text of a reply while a session is active; its end is noted.
pub fn text(session: &mut Session, reply: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let lines = match reply {
        Value::Array(lines) => lines.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut format = session.format.clone();
    format.reply_delimiter.clear();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(&session.format.element_delimiter);
        }
        match line {
            Value::Status(text) if session.debugging != Debugging::Active => {
                out.extend_from_slice(text);
            }
            Value::Status(text) if text.starts_with(END) => {
                session.debugging = Debugging::Ended;
                session.has_debugger_prompt = false;
                session.format.output = Output::Standard;
            }
            Value::Status(text) => coloured(&mut out, text, has_colours()),
            other => out.extend_from_slice(&format.reply(other, false)),
        }
    }
    out.extend_from_slice(&session.format.reply_delimiter);
    out
}

/// The words of a line typed while a session is active: the code behind `eval` is one of them.
pub fn split_eval(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    [b"eval ".as_slice(), b"e "].iter().find_map(|word| {
        let code = line.strip_prefix(*word)?;
        let name = word.trim_ascii_end();
        Some(vec![name.to_vec(), code.to_vec()])
    })
}

/// Colours, by the mark that a line carries; of several, the last one in this list counts.
const COLOURS: [(&[u8], &str); 7] = [
    (b"<debug>", "1;37"),
    (b"<redis>", "0;32"),
    (b"<reply>", "0;36"),
    (b"<error>", "0;31"),
    (b"<hint>", "1;37"),
    (b"<value>", "0;35"),
    (b"<retval>", "0;35"),
];

/// Appends a line in the colour of its kind: what it tells, or which line of the source it is.
fn coloured(out: &mut Vec<u8>, line: &[u8], has_colours: bool) {
    if !has_colours {
        return out.extend_from_slice(line);
    }
    let has = |mark: &[u8]| line.windows(mark.len()).any(|part| part == mark);
    let marked = COLOURS.iter().rev().find(|(mark, _)| has(mark));
    let colour = match line {
        [_, b'>', _, b'0'..=b'9', _, ..] => "0;33",
        [_, _, b'#', b'0'..=b'9', _, ..] => "1;37",
        _ => marked.map_or("0;37", |(_, colour)| colour),
    };
    out.extend_from_slice(format!("\x1b[{colour};49m").as_bytes());
    out.extend_from_slice(line);
    out.extend_from_slice(b"\x1b[0m");
}

#[cfg(test)]
mod tests {
    use super::{coloured, split_eval};

    #[test]
    fn lines_are_coloured_by_their_kind() {
        for (line, colour) in [
            ("* Stopped at 1, stop reason = step over", "0;37"),
            ("-> 1   return 1", "0;33"),
            ("->#1   return 1", "0;33"),
            ("  #1   return 1", "1;37"),
            ("   1   return 1", "0;37"),
            ("<redis> set a b", "0;32"),
            ("<reply> \"+OK\"", "0;36"),
            ("<value> \"<error>\"", "0;35"),
            ("<error> no", "0;31"),
            ("<debug> line 1: 2", "1;37"),
            ("", "0;37"),
        ] {
            let mut out = Vec::new();
            coloured(&mut out, line.as_bytes(), true);
            let expected = format!("\x1b[{colour};49m{line}\x1b[0m");
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn code_is_one_word() {
        for (line, code) in [
            ("e 'a b", Some("'a b")),
            ("eval 1 + 1", Some("1 + 1")),
            ("eval", None),
            ("evaluate x", None),
            ("E 1", None),
        ] {
            let words = split_eval(line.as_bytes());
            let expected = code.map(|code| code.as_bytes().to_vec());
            assert_eq!(words.map(|words| words[1].clone()), expected, "{line}");
        }
    }
}
