//! The prompt.
//!
//! It survives the loss of the connection: the next command reconnects. While the session is subscribed, messages are
//! printed as they arrive, until a key is pressed.

use std::io::{IsTerminal, stdin};
use std::num::IntErrorKind;
use std::time::{Duration, Instant};

use conn::blocking::Failure;
use conn::resp::Value;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use words::split;

use crate::debugger::{Debugging, show_reply, split_eval};
use crate::editor::{Editor, has_colours, trouble};
use crate::format::Output;
use crate::history::is_sensitive;
use crate::interrupt::Interrupts;
use crate::issue::issue;
use crate::options::{Mode, Options};
use crate::out::{Exit, fail, print};
use crate::preferences::Preferences;
use crate::session::Session;
use crate::wait::{Event, for_reply_or_key};

const READING: &str = "Reading messages... (press Ctrl-C to quit or any key to type command)\r";
const ERASE_LINE: &str = "\x1b[K";
/// The duration of a command that takes longer is printed.
const SLOW: Duration = Duration::from_millis(500);

/// What follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Line,
    End,
    Restart,
}

/// How a prompt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The input has ended, or the user wants to leave.
    Quit,
    /// The script of the debugger is to be run again.
    Restart,
}

/// A prompt.
pub struct Repl<'a> {
    /// The session.
    pub session: &'a mut Session,
    options: &'a Options,
    editor: Editor,
    preferences: Preferences,
}

/// Reads commands and runs them until the input ends.
///
/// # Errors
/// The terminal cannot be used, or the connection was lost while messages were shown; a message was printed.
pub fn run(session: &mut Session, options: &Options) -> Result<(), Exit> {
    let mut repl = Repl::new(session, options)?;
    repl.session.interactive = true;
    // A failure was printed; the next command tries again.
    let _ = repl.session.connect();
    repl.run().map(|_| ())
}

impl<'a> Repl<'a> {
    /// A prompt on standard input.
    ///
    /// # Errors
    /// The terminal cannot be used; a message was printed.
    pub fn new(session: &'a mut Session, options: &'a Options) -> Result<Self, Exit> {
        // If this fails, Ctrl-C ends the program.
        session.interrupts = Interrupts::watch().ok();
        let preferences = if stdin().is_terminal() {
            Preferences::load()
        } else {
            Preferences { hints: false }
        };
        let editor = match Editor::new() {
            Ok(editor) => editor,
            Err(error) => return fail(format!("The terminal cannot be used: {}", trouble(&error))),
        };
        Ok(Repl {
            session,
            options,
            editor,
            preferences,
        })
    }

    /// Reads commands and runs them until the input ends.
    ///
    /// # Errors
    /// The connection was lost while messages were shown; a message was printed.
    pub fn run(&mut self) -> Result<Ending, Exit> {
        self.session.interactive = true;
        loop {
            let prompt = prompt(self.session);
            // The commands of the debugger are not those of the table.
            let is_debugged = self.session.debugging == Debugging::Active;
            self.editor
                .show_hints(self.preferences.hints && !is_debugged);
            let next = match self.editor.line(&prompt) {
                Some(line) => self.line(&line),
                // Ctrl-D while subscribed ends the subscription by a new connection.
                None if self.session.subscribed && self.session.connect().is_ok() => Next::Line,
                None => Next::End,
            };
            match next {
                Next::Line => {}
                Next::End => return Ok(Ending::Quit),
                Next::Restart => return Ok(Ending::Restart),
            }
            if self.session.subscribed {
                self.show_messages()?;
            }
        }
    }
}

impl Repl<'_> {
    fn line(&mut self, line: &[u8]) -> Next {
        let is_debugged = self.session.debugging == Debugging::Active;
        let code = is_debugged.then(|| split_eval(line)).flatten();
        let Some(words) = code.or_else(|| split(line).ok()) else {
            print("Invalid argument(s)\n");
            self.editor.remember(line);
            return Next::Line;
        };
        let Some(first) = words.first() else {
            return Next::Line;
        };
        let (repeat, command) = match repetition(first) {
            Repetition::Times(times) if words.len() > 1 => (times, &words[1..]),
            Repetition::Invalid if words.len() > 1 => {
                print("Invalid redis-cli repeat command option value.\n");
                return Next::Line;
            }
            _ => (1, &words[..]),
        };
        if !is_sensitive(command) {
            self.editor.remember(line);
        }
        match (first.to_ascii_lowercase().as_slice(), words.len()) {
            (b"quit" | b"exit", _) => return Next::End,
            ([b':', ..], _) => {
                if let Err(complaint) = self.preferences.set(&words) {
                    print(format!("{complaint}\n"));
                }
            }
            (b"restart", _) if matches!(self.options.mode, Mode::Debug { .. }) => {
                return Next::Restart;
            }
            (b"restart", _) => print("Use 'restart' only in Lua debugging mode.\n"),
            (b"connect", 3) => self.connect_to(&words[1], &words[2]),
            (b"clear", 1) => self.editor.clear_screen(),
            _ => self.issue(command, repeat),
        }
        Next::Line
    }

    fn issue(&mut self, command: &[Vec<u8>], repeat: i64) {
        let begun = Instant::now();
        // A failure was printed, and the prompt shows whether there is a connection.
        let _ = issue(self.session, command, repeat, self.options.interval);
        if self.session.debugging == Debugging::Ended {
            // It was printed.
            let _ = show_reply(self.session);
            let sync = matches!(self.options.mode, Mode::Debug { sync: true, .. });
            let fate = if sync {
                ""
            } else {
                " -- dataset changes rolled back"
            };
            print(format!("\n(Lua debugging session ended{fate})\n\n"));
            // If this fails, the next command says why.
            let _ = self.session.reconnect();
        }
        let took = begun.elapsed();
        if took >= SLOW && self.session.format.output == Output::Standard {
            print(format!("({:.2}s)\n", took.as_secs_f64()));
        }
    }

    fn connect_to(&mut self, host: &[u8], port: &[u8]) {
        let port = std::str::from_utf8(port)
            .ok()
            .and_then(|port| port.parse().ok());
        let Some(port) = port else {
            print("Invalid server port.\n");
            return;
        };
        let host = String::from_utf8_lossy(host).into_owned();
        self.session.move_to(host, port);
        // A failure was printed.
        let _ = self.session.connect();
    }

    /// Prints messages until a key is pressed or the subscription ends.
    fn show_messages(&mut self) -> Result<(), Exit> {
        let _quiet = QuietKeys::begin();
        if let Some(interrupts) = &self.session.interrupts {
            interrupts.catch(true);
        }
        let shown = self.show_messages_until_key();
        if let Some(interrupts) = &self.session.interrupts {
            interrupts.catch(false);
        }
        shown.or_else(|failure| fail(self.session.describe(&failure)))
    }

    fn show_messages_until_key(&mut self) -> Result<(), Failure> {
        let tells = self.options.to_terminal && self.session.format.output != Output::Raw;
        while self.session.subscribed {
            while let Some(message) = self.session.buffered()? {
                self.show(&message);
            }
            if tells && has_colours() {
                print(format!("\x1b[1;90m{READING}\x1b[0m"));
            } else if tells {
                print(READING);
            }
            let event = if self.editor.has_line() {
                Event::Key
            } else {
                for_reply_or_key(self.session)?
            };
            if tells {
                print(ERASE_LINE);
            }
            match event {
                Event::Server => {
                    if let Some(message) = self.session.receive_now()? {
                        self.show(&message);
                    }
                }
                Event::Key => return Ok(()),
                Event::Interrupt => {
                    self.session.subscribed = false;
                    return self.session.connect().map_err(|_| Failure::Closed);
                }
                Event::Nothing => {}
            }
        }
        Ok(())
    }

    fn show(&self, message: &Value) {
        print(self.session.format.reply(message, false));
    }
}

/// `127.0.0.1:6379[2](TX)> `
fn prompt(session: &Session) -> String {
    if !session.is_connected() {
        return "not connected> ".to_owned();
    }
    if session.has_debugger_prompt {
        return "lua debugger> ".to_owned();
    }
    let endpoint = &session.endpoint;
    let mut prompt = match &endpoint.socket {
        Some(path) => format!("redis {}", path.display()),
        None if endpoint.host.contains(':') => format!("[{}]:{}", endpoint.host, endpoint.port),
        None => format!("{}:{}", endpoint.host, endpoint.port),
    };
    if session.db != 0 {
        prompt.push_str(&format!("[{}]", session.db));
    }
    if session.transaction.is_some() {
        prompt.push_str("(TX)");
    }
    if session.subscribed {
        prompt.push_str("(subscribed mode)");
    }
    prompt.push_str("> ");
    prompt
}

/// How often to run the rest of a line, according to its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repetition {
    /// The word is not a number.
    Once,
    /// The word is a positive number.
    Times(i64),
    /// The word is a number, but not a positive one.
    Invalid,
}

fn repetition(word: &[u8]) -> Repetition {
    match std::str::from_utf8(word).map(str::parse::<i64>) {
        Ok(Ok(times)) if times > 0 => Repetition::Times(times),
        Ok(Ok(_)) => Repetition::Invalid,
        Ok(Err(error))
            if matches!(
                error.kind(),
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow
            ) =>
        {
            Repetition::Invalid
        }
        _ => Repetition::Once,
    }
}

/// Switches the terminal to unbuffered input without echo, until it is dropped.
struct QuietKeys(Termios);

impl QuietKeys {
    fn begin() -> Option<Self> {
        if !stdin().is_terminal() {
            return None;
        }
        let before = tcgetattr(stdin()).ok()?;
        let mut quiet = before.clone();
        quiet
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ICANON);
        tcsetattr(stdin(), SetArg::TCSANOW, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for QuietKeys {
    fn drop(&mut self) {
        // There is no other way to restore it.
        let _ = tcsetattr(stdin(), SetArg::TCSANOW, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Repetition, repetition};

    #[test]
    fn a_number_repeats() {
        let table = [
            ("3", Repetition::Times(3)),
            ("+3", Repetition::Times(3)),
            ("0", Repetition::Invalid),
            ("-1", Repetition::Invalid),
            ("99999999999999999999", Repetition::Invalid),
            ("3x", Repetition::Once),
            ("get", Repetition::Once),
            ("", Repetition::Once),
        ];
        for (word, expected) in table {
            assert_eq!(repetition(word.as_bytes()), expected, "{word}");
        }
    }
}
