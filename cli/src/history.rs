//! The history of the prompt: a file of plain lines, shared with Redis's own redis-cli.
//!
//! Only the owner may read the file, also one that was readable by others before, and a line that holds a password is
//! never written to it. The file is replaced in one step, so that no other prompt finds it half-written.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

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
        // Without a file the history still serves this session.
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
        write(path, text.as_bytes())
    }
}

/// Replaces a file by one that only its owner may read.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    // A link to a file elsewhere stays a link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_special = fs::metadata(&target).is_ok_and(|old| !old.is_file());
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if is_special {
        return options.open(&target)?.write_all(text);
    }
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}", process::id()));
    let temporary = Path::new(&name);
    let written = options
        .create(true)
        .truncate(true)
        .open(temporary)
        .and_then(|mut file| {
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(text)
        })
        .and_then(|()| fs::rename(temporary, &target));
    if written.is_err() {
        // It may never have been created.
        let _ = fs::remove_file(temporary);
    }
    written
}

/// Whether a command holds a password or an equivalent secret.
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
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::{is_sensitive, write};

    #[test]
    fn the_file_is_its_owners_alone() {
        let dir = std::env::temp_dir().join(format!("redis-history-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        let path = dir.join("history");
        let mode = || fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        write(&path, b"one\n").expect("to write");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a mode");
        let link = dir.join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        write(&link, b"two\n").expect("to write");
        assert_eq!(mode(), 0o600);
        assert!(link.is_symlink());
        assert_eq!(fs::read(&path).expect("to read"), b"two\n");
        assert_eq!(fs::read_dir(&dir).expect("to list").count(), 2);
        write(std::path::Path::new("/dev/null"), b"x").expect("no file to replace");
        assert!(write(&dir.join("none/history"), b"x").is_err());
        fs::remove_dir_all(&dir).expect("to tidy up");
    }

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
