//! The text of an ACL file: a line for each user, `user NAME RULE…`.
//!
//! Words are separated by single spaces and never quoted. There are no comments, since ACL SAVE replaces the file. All
//! errors of a file are reported together, in Redis's words.

use crate::state::acl::arguments::merged;
use crate::state::acl::rule::{RuleError, has_spaces};
use crate::state::acl::user::{Style, User};

/// What follows the errors of a file.
const NO_CHANGE: &str =
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";

/// The users that a file defines. `path` is its name in errors; `all_channels` is `acl-pubsub-default`.
///
/// # Errors
/// All that is wrong with the file, on one line.
pub fn parse(text: &[u8], path: &str, all_channels: bool) -> Result<Vec<User>, String> {
    let mut reader = Reader {
        path,
        all_channels,
        users: Vec::new(),
        names: std::collections::HashSet::new(),
        errors: String::new(),
    };
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = trim(line, b" \t\r\n");
        if !line.is_empty() {
            reader.line(index + 1, line);
        }
    }
    if reader.errors.is_empty() {
        Ok(reader.users)
    } else {
        Err(reader.errors + NO_CHANGE)
    }
}

/// The text of a file with these users.
pub fn text<'a>(users: impl Iterator<Item = &'a User>) -> Vec<u8> {
    let mut text = Vec::new();
    for user in users {
        text.extend_from_slice(&user.line(Style::AclFile));
        text.push(b'\n');
    }
    text
}

struct Reader<'p> {
    path: &'p str,
    all_channels: bool,
    users: Vec<User>,
    names: std::collections::HashSet<Vec<u8>>,
    errors: String,
}

impl Reader<'_> {
    fn line(&mut self, number: usize, line: &[u8]) {
        let path = self.path;
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let [b"user", name, rules @ ..] = words.as_slice() else {
            self.errors += &format!(
                "{path}:{number} should start with user keyword followed by the username. "
            );
            return;
        };
        let shown = String::from_utf8_lossy(name);
        if has_spaces(name) {
            self.errors +=
                &format!("'{path}:{number}: username '{shown}' contains invalid characters. ");
            return;
        }
        if !self.names.insert(name.to_vec()) {
            self.errors += &format!("WARNING: Duplicate user '{shown}' found on line {number}. ");
            return;
        }
        match merged(rules.iter().copied()) {
            Ok(rules) => self.rules(number, User::new(name, self.all_channels), &rules),
            Err(_) => {
                self.errors +=
                    &format!("{path}:{number}: Unmatched parenthesis in selector definition.");
            }
        }
    }

    /// Unknown commands are all reported. Of other errors only the first one is, since it may have caused the others;
    /// it is reported without the rule, which may be a password.
    fn rules(&mut self, number: usize, mut user: User, rules: &[impl AsRef<[u8]>]) {
        let path = self.path;
        let mut has_failed = false;
        for rule in rules {
            let rule = trim(rule.as_ref(), b"\t\r\n");
            match user.apply(rule, self.all_channels) {
                Ok(()) => {}
                Err(error @ RuleError::Unknown) => {
                    self.errors += &format!(
                        "{path}:{number}: Error in applying operation '{}': {}. ",
                        String::from_utf8_lossy(rule),
                        error.text()
                    );
                }
                Err(error) if !has_failed => {
                    has_failed = true;
                    self.errors += &format!("{path}:{number}: {}. ", error.text());
                }
                Err(_) => {}
            }
        }
        user.finish();
        self.users.push(user);
    }
}

fn trim<'a>(mut text: &'a [u8], blanks: &[u8]) -> &'a [u8] {
    while let [first, rest @ ..] = text
        && blanks.contains(first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && blanks.contains(last)
    {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{NO_CHANGE, parse, text};

    #[test]
    fn what_is_written_is_read() {
        let file = "user alice on nopass sanitize-payload ~a* &* +@all\n\
                    user bob off sanitize-payload ~qu\"ote resetchannels -@all +get (%R~x resetchannels -@all +get)\n\
                    user default on nopass sanitize-payload ~* &* +@all\n";
        let users = parse(file.as_bytes(), "f", false).expect("a good file");
        assert_eq!(text(users.iter()), file.as_bytes());
        let spaced = " \tuser  on\t nopass \r\n\n   \nuser b (+get\t ~a )";
        let users = parse(spaced.as_bytes(), "f", true).expect("a good file");
        assert_eq!(
            text(users.iter()),
            b"user  on nopass sanitize-payload &* -@all\nuser b off sanitize-payload &* -@all (~a &* -@all +get)\n"
        );
        assert!(parse(b"", "f", false).is_ok_and(|users| users.is_empty()));
    }

    #[test]
    fn all_errors_are_reported() {
        let rows = [
            (
                "# comment",
                "f:1 should start with user keyword followed by the username. ",
            ),
            (
                "USER a",
                "f:1 should start with user keyword followed by the username. ",
            ),
            (
                "user",
                "f:1 should start with user keyword followed by the username. ",
            ),
            (
                "user a\tb on",
                "'f:1: username 'a\tb' contains invalid characters. ",
            ),
            (
                "user a\nuser a",
                "WARNING: Duplicate user 'a' found on line 2. ",
            ),
            (
                "\nuser a (+get",
                "f:2: Unmatched parenthesis in selector definition.",
            ),
            ("user a nope >x #y", "f:1: Syntax error. "),
            (
                "user a +nope on -@nope",
                "f:1: Error in applying operation '+nope': Unknown command or category name in ACL. \
                 f:1: Error in applying operation '-@nope': Unknown command or category name in ACL. ",
            ),
            (
                "user a #secret",
                "f:1: The password hash must be exactly 64 characters and contain only lowercase \
              hexadecimal characters. ",
            ),
        ];
        for (file, expected) in rows {
            let errors = parse(file.as_bytes(), "f", false).err();
            assert_eq!(errors, Some(format!("{expected}{NO_CHANGE}")), "{file}");
        }
    }
}
