//! What was typed before: a file of plain lines, that of Redis's own redis-cli.
//!
//! The file is for its owner alone, and what holds a password never gets into it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::preferences::dot_file;

const FILE_VARIABLE: &str = "REDISCLI_HISTFILE";
const FILE_NAME: &str = ".rediscli_history";
/// Lines that are kept.
const LINES: usize = 1000;

/// The lines and their file.
pub struct History {
    path: Option<PathBuf>,
    lines: Vec<String>,
}

impl History {
    /// The lines of the user's file, oldest first.
    pub fn load() -> Self {
        let path = dot_file(FILE_VARIABLE, FILE_NAME);
        let text = path.as_ref().and_then(|path| fs::read(path).ok());
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        let mut history = Self {
            path,
            lines: text.lines().map(str::to_owned).collect(),
        };
        history.trim();
        history
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Adds a line and writes the file; false if it is the last line once more.
    pub fn add(&mut self, line: &str) -> bool {
        if self.lines.last().is_some_and(|last| last == line) {
            return false;
        }
        self.lines.push(line.to_owned());
        self.trim();
        // A history that cannot be written is still one for this session.
        let _ = self.save();
        true
    }

    fn trim(&mut self) {
        let excess = self.lines.len().saturating_sub(LINES);
        self.lines.drain(..excess);
    }

    fn save(&self) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let mut text = self.lines.join("\n");
        text.push('\n');
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(path)?.write_all(text.as_bytes())
    }
}

/// Whether a command holds a password, or what opens a door just as well.
pub fn is_sensitive(argv: &[Vec<u8>]) -> bool {
    let words: Vec<Vec<u8>> = argv.iter().map(|word| word.to_ascii_lowercase()).collect();
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    match words.as_slice() {
        [b"auth", ..] | [b"acl", b"setuser", ..] => true,
        [b"config", b"set", pairs @ ..] => pairs.iter().step_by(2).any(|name| is_secret(name)),
        // HELLO version [AUTH user password] [SETNAME name]
        [b"hello", _, options @ ..] => options.windows(3).any(|window| window[0] == b"auth"),
        // MIGRATE host port key db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key …]
        [b"migrate", _, _, _, _, _, options @ ..] => options
            .iter()
            .take_while(|&&word| word != b"keys")
            .any(|&word| word == b"auth" || word == b"auth2"),
        _ => false,
    }
}

fn is_secret(directive: &[u8]) -> bool {
    matches!(
        directive,
        b"masterauth"
            | b"masteruser"
            | b"requirepass"
            | b"primaryauth"
            | b"primaryuser"
            | b"tls-key-file-pass"
            | b"tls-client-key-file-pass"
    )
}

#[cfg(test)]
mod tests {
    use super::is_sensitive;

    #[test]
    fn what_holds_a_password_is_known() {
        let table = [
            ("AUTH secret", true),
            ("acl SetUser u >secret", true),
            ("acl list", false),
            ("config set requirepass x", true),
            ("config set maxmemory 1 masterauth x", true),
            ("config set tls-key-file-pass x", true),
            ("config set maxmemory requirepass", false),
            ("config get requirepass", false),
            ("hello 3", false),
            ("hello 3 auth u p", true),
            ("hello 3 setname me auth u p", true),
            ("hello 3 setname auth", false),
            ("migrate h 1 k 0 10 auth p", true),
            ("migrate h 1 k 0 10 copy auth2 u p", true),
            ("migrate h 1 k 0 10 keys auth", false),
            ("migrate h 1 auth 0 10", false),
            ("get auth", false),
            ("", false),
        ];
        for (line, expected) in table {
            let argv: Vec<Vec<u8>> = line
                .split_whitespace()
                .map(|word| word.as_bytes().to_vec())
                .collect();
            assert_eq!(is_sensitive(&argv), expected, "{line}");
        }
    }
}
