//! Preferences: `:set` at the prompt, and the same lines in `~/.redisclirc`.

use std::env;
use std::fs;
use std::path::PathBuf;

use words::split;

use crate::out::print;

const FILE_VARIABLE: &str = "REDISCLI_RCFILE";
const FILE_NAME: &str = ".redisclirc";

/// Preferences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// Show the arguments of a command while it is typed.
    pub hints: bool,
}

impl Preferences {
    /// Loads the user's file; without one, the defaults.
    pub fn load() -> Self {
        let mut preferences = Self { hints: true };
        let text = dot_file(FILE_VARIABLE, FILE_NAME).and_then(|path| fs::read(path).ok());
        for line in text.unwrap_or_default().split(|&byte| byte == b'\n') {
            let words = split(line).unwrap_or_default();
            if let Err(complaint) = preferences.set(&words) {
                print(format!("{FILE_NAME}: {complaint}\n"));
            }
        }
        preferences
    }

    /// Applies a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn set(&mut self, words: &[Vec<u8>]) -> Result<(), String> {
        let [command, rest @ ..] = words else {
            return Ok(());
        };
        let what = match rest {
            [what, ..] if command.eq_ignore_ascii_case(b":set") => what,
            _ => {
                let command = String::from_utf8_lossy(command);
                return Err(format!("unknown redis-cli internal command '{command}'"));
            }
        };
        match what.to_ascii_lowercase().as_slice() {
            b"hints" => self.hints = true,
            b"nohints" => self.hints = false,
            _ => {
                let what = String::from_utf8_lossy(what);
                return Err(format!("unknown redis-cli preference '{what}'"));
            }
        }
        Ok(())
    }
}

/// The path of a dot file: the value of the variable, or that name in the home directory. `/dev/null` stands for no file.
pub fn dot_file(variable: &str, name: &str) -> Option<PathBuf> {
    let set = |variable| env::var_os(variable).filter(|value| !value.is_empty());
    match set(variable) {
        Some(path) if path == "/dev/null" => None,
        Some(path) => Some(path.into()),
        None => set("HOME").map(|home| PathBuf::from(home).join(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::Preferences;

    #[test]
    fn lines_are_done_or_refused() {
        let table = [
            (":set nohints", Ok(()), false),
            (":SET NoHints", Ok(()), false),
            (":set hints", Ok(()), true),
            ("", Ok(()), true),
            (
                ":set colour",
                Err("unknown redis-cli preference 'colour'"),
                true,
            ),
            (
                ":set",
                Err("unknown redis-cli internal command ':set'"),
                true,
            ),
            (
                ":unset hints",
                Err("unknown redis-cli internal command ':unset'"),
                true,
            ),
        ];
        for (line, expected, hints) in table {
            let mut preferences = Preferences { hints: true };
            let words: Vec<Vec<u8>> = line
                .split_whitespace()
                .map(|word| word.as_bytes().to_vec())
                .collect();
            assert_eq!(
                preferences.set(&words),
                expected.map_err(str::to_owned),
                "{line}"
            );
            assert_eq!(preferences.hints, hints, "{line}");
        }
    }
}
