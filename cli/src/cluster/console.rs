//! What the cluster manager prints, in the colour of its kind, and what it asks the user.

use std::io::{BufRead, stdin};

use crate::editor::has_colours;
use crate::out::{Exit, fail, print};

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A step that begins.
    Step,
    /// A step that succeeded.
    Good,
    /// Something to look at.
    Warning,
    /// Something that failed.
    Failure,
}

/// Prints a message as it is, line ends included.
pub fn say(kind: Kind, text: &str) {
    if !has_colours() {
        return print(text);
    }
    let colour = match kind {
        Kind::Step => "29;1m",
        Kind::Good => "32;1m",
        Kind::Warning => "33;1m",
        Kind::Failure => "31;1m",
    };
    print(format!("\x1b[{colour}{text}\x1b[0m"));
}

/// Prints a step that begins.
pub fn step(text: impl AsRef<str>) {
    say(Kind::Step, &format!("{}\n", text.as_ref()));
}

/// Prints a step that succeeded.
pub fn good(text: impl AsRef<str>) {
    say(Kind::Good, &format!("{}\n", text.as_ref()));
}

/// Prints a warning.
pub fn warn(text: impl AsRef<str>) {
    say(Kind::Warning, &format!("{}\n", text.as_ref()));
}

/// Prints a failure.
pub fn bad(text: impl AsRef<str>) {
    say(Kind::Failure, &format!("{}\n", text.as_ref()));
}

/// Prints a failure and fails.
///
/// # Errors
/// Always: `return give_up(…)`.
pub fn give_up<T>(text: impl AsRef<str>) -> Result<T, Exit> {
    bad(text);
    Err(Exit(1))
}

/// Prints a question and returns the answer without its line end; `None` at the end of the input.
pub fn ask(question: &str) -> Option<String> {
    print(question);
    let mut line = Vec::new();
    match stdin().lock().read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => {
            let line = String::from_utf8_lossy(&line);
            Some(line.trim_end_matches(['\n', '\r']).to_owned())
        }
    }
}

/// As [`ask`], for an answer that is needed.
///
/// # Errors
/// The input has ended; a message was printed.
pub fn demand(question: &str) -> Result<String, Exit> {
    match ask(question) {
        Some(answer) => Ok(answer),
        None => {
            print("\n");
            fail("*** The input ended before this question was answered, operation aborted.")
        }
    }
}

/// Asks for a confirmation.
pub fn confirm(question: &str) -> bool {
    ask(&format!("{question} (type 'yes' to accept): ")).as_deref() == Some("yes")
}
