//! The input of the prompt: a terminal with editing, history, hints and completion, or a pipe.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::env;
use std::io::{self, ErrorKind, IsTerminal, stdin};

use conn::error::system_reason;
use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Cmd, ColorMode, CompletionType, Config, Context, Helper, KeyEvent, Movement};

use crate::docs::{entries, groups};
use crate::hints::hint;
use crate::history::History;
use crate::out::{complain, print};

const GREY: &str = "\x1b[90m";
const RESET: &str = "\x1b[0m";

/// A source of lines.
pub enum Editor {
    /// A terminal.
    Terminal(Box<Terminal>),
    /// Anything else.
    Pipe(Pipe),
}

impl Editor {
    /// An editor for standard input.
    ///
    /// # Errors
    /// The terminal cannot be configured.
    pub fn new() -> Result<Self, ReadlineError> {
        if stdin().is_terminal() {
            Ok(Self::Terminal(Box::new(Terminal::new()?)))
        } else {
            Ok(Self::Pipe(Pipe::default()))
        }
    }

    /// The next line; `None` at the end of the input or after Ctrl-C.
    pub fn line(&mut self, prompt: &str) -> Option<Vec<u8>> {
        match self {
            Self::Terminal(terminal) => terminal.line(prompt).map(String::into_bytes),
            Self::Pipe(pipe) => pipe.line(),
        }
    }

    /// Whether input is buffered here, which polling standard input does not show.
    pub fn has_line(&self) -> bool {
        match self {
            Self::Terminal(_) => false,
            Self::Pipe(pipe) => !pipe.buffer.is_empty(),
        }
    }

    /// Turns hints on or off.
    pub fn show_hints(&mut self, hints: bool) {
        if let Self::Terminal(terminal) = self
            && let Some(assistant) = terminal.editor.helper_mut()
        {
            assistant.hints = hints;
        }
    }

    /// Adds a line to the history, if there is one.
    pub fn remember(&mut self, line: &[u8]) {
        if let Self::Terminal(terminal) = self {
            terminal.remember(&String::from_utf8_lossy(line));
        }
    }

    /// Clears the screen, as `clear` asks for.
    pub fn clear_screen(&mut self) {
        match self {
            // A failure leaves the screen as it is.
            Self::Terminal(terminal) => drop(terminal.editor.clear_screen()),
            Self::Pipe(_) => print("\x1b[H\x1b[2J"),
        }
    }
}

const NOT_UTF8: &str = r#"The line is not UTF-8 and was not run; write other bytes as "\xff"."#;

/// Lines from a terminal.
pub struct Terminal {
    editor: rustyline::Editor<Assistant, MemHistory>,
    history: History,
}

impl Terminal {
    fn new() -> Result<Self, ReadlineError> {
        let config = Config::builder()
            .completion_type(CompletionType::Circular)
            // Pasted lines are commands, one by one.
            .bracketed_paste(false)
            .build();
        let mut editor = rustyline::Editor::with_history(config, MemHistory::new())?;
        editor.set_helper(Some(Assistant::new()));
        // By default, what is right of the cursor stays.
        let erase = Cmd::Kill(Movement::WholeLine);
        editor.bind_sequence(KeyEvent::ctrl('u'), erase);
        let history = History::load();
        for line in history.lines() {
            editor.add_history_entry(line)?;
        }
        Ok(Self { editor, history })
    }

    fn line(&mut self, prompt: &str) -> Option<String> {
        loop {
            self.measure(prompt);
            match self.editor.readline(prompt) {
                Ok(line) => return Some(line),
                Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                    complain(NOT_UTF8);
                }
                Err(_) => return None,
            }
        }
    }

    /// Notes how much of a row the prompt leaves: the size of the terminal may have changed.
    fn measure(&mut self, prompt: &str) {
        let columns = self.editor.dimensions().map(|(columns, _)| columns);
        if let Some(assistant) = self.editor.helper_mut() {
            assistant.room = columns.map_or(usize::MAX, |columns| {
                usize::from(columns).saturating_sub(prompt.len())
            });
        }
    }

    fn remember(&mut self, line: &str) {
        if self.history.add(line) {
            // If this fails, the line is only in the file.
            let _ = self.editor.add_history_entry(line);
        }
    }
}

/// Lines from a pipe or a file. Unlike with the buffered reader of std, it is known whether input is buffered, which
/// has to be checked before standard input is polled.
#[derive(Default)]
pub struct Pipe {
    buffer: VecDeque<u8>,
}

impl Pipe {
    fn line(&mut self) -> Option<Vec<u8>> {
        let mut searched = 0;
        loop {
            let mut rest = self.buffer.range(searched..);
            if let Some(at) = rest.position(|&byte| byte == b'\n') {
                let end = searched + at;
                let line = self.buffer.drain(..=end).take(end).collect();
                return Some(line);
            }
            searched = self.buffer.len();
            if !self.fill() {
                let rest = Vec::from(std::mem::take(&mut self.buffer));
                return (!rest.is_empty()).then_some(rest);
            }
        }
    }

    /// Reads what is available; false at the end.
    fn fill(&mut self) -> bool {
        let mut buf = [0; 16 * 1024];
        loop {
            match read_unbuffered(&mut buf) {
                Ok(0) => return false,
                Ok(n) => {
                    self.buffer.extend(&buf[..n]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}

/// Reads from standard input, bypassing the buffer of std.
fn read_unbuffered(buf: &mut [u8]) -> io::Result<usize> {
    nix::unistd::read(stdin(), buf).map_err(Into::into)
}

/// Reads a password from a terminal without showing it, or the first line of a pipe.
pub fn ask_password(prompt: &str) -> Option<Vec<u8>> {
    if !stdin().is_terminal() {
        return Pipe::default().line();
    }
    let mut editor =
        rustyline::Editor::<Mask, MemHistory>::with_history(Config::default(), MemHistory::new())
            .ok()?;
    editor.set_helper(Some(Mask));
    editor.set_color_mode(ColorMode::Forced);
    editor.readline(prompt).ok().map(String::into_bytes)
}

/// Why a terminal cannot be used.
pub fn trouble(error: &ReadlineError) -> String {
    match error {
        ReadlineError::Io(error) => system_reason(error),
        ReadlineError::Errno(errno) => errno.desc().to_owned(),
        other => other.to_string(),
    }
}

/// Whether the terminal supports colours.
pub fn has_colours() -> bool {
    env::var("TERM").is_ok_and(|term| term.contains("xterm"))
}

/// Hints and completion.
struct Assistant {
    hints: bool,
    /// Columns for the line and the hint.
    room: usize,
    commands: Vec<String>,
    topics: Vec<String>,
}

impl Assistant {
    fn new() -> Self {
        let commands: Vec<String> = entries().into_iter().map(|entry| entry.name).collect();
        let groups = groups().into_iter().map(|group| format!("@{group}"));
        Self {
            hints: true,
            room: usize::MAX,
            topics: groups.chain(commands.iter().cloned()).collect(),
            commands,
        }
    }
}

/// The text shown after the line. It describes arguments, so it is not offered as a completion.
struct Shown(String);

impl Hint for Shown {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Helper for Assistant {}

impl Validator for Assistant {}

impl Hinter for Assistant {
    type Hint = Shown;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Shown> {
        if !self.hints || pos < line.len() {
            return None;
        }
        let text = hint(line.as_bytes()).filter(|text| !text.is_empty())?;
        let gap = if line.ends_with(char::is_whitespace) {
            ""
        } else {
            " "
        };
        // Behind the last column the editor begins another row. A character may have two columns, but not more of them than
        // bytes.
        let room = self.room.saturating_sub(line.len() + 1);
        let shown: String = format!("{gap}{text}").chars().take(room).collect();
        (!shown.is_empty()).then_some(Shown(shown))
    }
}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("{GREY}{hint}{RESET}"))
    }
}

impl Completer for Assistant {
    type Candidate = String;

    /// The commands that begin with the line; after `help`, groups as well.
    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> Result<(usize, Vec<String>), ReadlineError> {
        let typed = &line[..pos];
        let (start, names) = completion_of(typed, &self.commands, &self.topics);
        let wanted = &typed.as_bytes()[start..];
        let fits = |name: &&String| {
            name.as_bytes()
                .get(..wanted.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(wanted))
        };
        Ok((start, names.iter().filter(fits).cloned().collect()))
    }
}

/// Where the name to complete begins, and the candidates.
fn completion_of<'a>(
    typed: &str,
    commands: &'a [String],
    topics: &'a [String],
) -> (usize, &'a [String]) {
    match typed.get(..5) {
        Some(word) if word.eq_ignore_ascii_case("help ") => {
            let topic = typed[5..].trim_start();
            (typed.len() - topic.len(), topics)
        }
        _ => (0, commands),
    }
}

/// Shows asterisks instead of the input.
struct Mask;

impl Helper for Mask {}

impl Validator for Mask {}

impl Hinter for Mask {
    type Hint = String;
}

impl Completer for Mask {
    type Candidate = String;
}

impl Highlighter for Mask {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned("*".repeat(line.chars().count()))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}
