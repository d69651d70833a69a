//! The options of HELLO and MIGRATE, which may contain a password.
//!
//! The command and the redaction of its secrets (`exec/redact`) read the options with the same parser, so that they
//! cannot disagree about which argument is the password.

use std::iter;

use crate::wire::argv::Argv;

/// An option of HELLO; places are indices of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloOption {
    /// AUTH; the user is at this place, the password behind it.
    Auth(usize),
    /// SETNAME; the name is at this place.
    SetName(usize),
    /// What is at this place is not an option, or lacks its values. Nothing follows.
    Unknown(usize),
}

/// The options of HELLO, from the argument `first` on.
pub fn hello(argv: &Argv, first: usize) -> impl Iterator<Item = HelloOption> {
    options(argv, first, |word, at, values| {
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        if is("auth") && values >= 2 {
            (HelloOption::Auth(at + 1), 3)
        } else if is("setname") && values >= 1 {
            (HelloOption::SetName(at + 1), 2)
        } else {
            (HelloOption::Unknown(at), 1 + values)
        }
    })
}

/// An option of MIGRATE; places are indices of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrateOption {
    /// COPY.
    Copy,
    /// REPLACE.
    Replace,
    /// AUTH; the password is at this place.
    Auth(usize),
    /// AUTH2; the user is at this place, the password behind it.
    Auth2(usize),
    /// KEYS; all arguments from this place on are keys. Nothing follows.
    Keys(usize),
    /// What is at this place is not an option, or lacks its values. Nothing follows.
    Unknown(usize),
}

/// Where the options of MIGRATE begin, behind host, port, key, database and timeout.
const MIGRATE_OPTIONS: usize = 6;

/// The options of MIGRATE.
pub fn migrate(argv: &Argv) -> impl Iterator<Item = MigrateOption> {
    options(argv, MIGRATE_OPTIONS, |word, at, values| {
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        if is("copy") {
            (MigrateOption::Copy, 1)
        } else if is("replace") {
            (MigrateOption::Replace, 1)
        } else if is("auth") && values >= 1 {
            (MigrateOption::Auth(at + 1), 2)
        } else if is("auth2") && values >= 2 {
            (MigrateOption::Auth2(at + 1), 3)
        } else if is("keys") {
            (MigrateOption::Keys(at + 1), 1 + values)
        } else {
            (MigrateOption::Unknown(at), 1 + values)
        }
    })
}

/// Options from the argument `first` on. `read` gets a word, its place and the number of arguments behind it; it returns the
/// option and the number of arguments that this takes.
fn options<O>(
    argv: &Argv,
    first: usize,
    read: impl Fn(&[u8], usize, usize) -> (O, usize),
) -> impl Iterator<Item = O> {
    let mut next = first;
    iter::from_fn(move || {
        let at = next;
        let values = argv.len().checked_sub(at + 1)?;
        let (option, taken) = read(&argv[at], at, values);
        next = at + taken;
        Some(option)
    })
}

#[cfg(test)]
mod tests {
    use super::{HelloOption, MigrateOption, hello, migrate};
    use crate::wire::argv::Argv;

    fn argv(request: &str) -> Argv {
        Argv::of(request.split(' ').map(str::as_bytes))
    }

    #[test]
    fn the_value_of_an_option_is_no_option() {
        use HelloOption::{Auth, SetName, Unknown};
        let cases: [(&str, &[HelloOption]); 8] = [
            ("hello", &[]),
            ("hello 3", &[]),
            ("hello 3 AUTH bob x", &[Auth(3)]),
            ("hello 3 setname auth auth bob x", &[SetName(3), Auth(5)]),
            (
                "hello 3 auth auth auth setname auth",
                &[Auth(3), SetName(6)],
            ),
            ("hello 3 auth bob", &[Unknown(2)]),
            ("hello 3 setname", &[Unknown(2)]),
            ("hello 3 x auth bob y", &[Unknown(2)]),
        ];
        for (request, expected) in cases {
            let found: Vec<_> = hello(&argv(request), 2).collect();
            assert_eq!(found, expected, "{request}");
        }
    }

    #[test]
    fn keys_of_migrate_are_no_options() {
        use MigrateOption::{Auth, Auth2, Copy, Keys, Replace, Unknown};
        let cases: [(&str, &[MigrateOption]); 6] = [
            ("migrate h 1 k 0 9", &[]),
            ("migrate h 1 k 0 9 copy REPLACE", &[Copy, Replace]),
            (
                "migrate h 1 k 0 9 auth auth2 auth2 a b",
                &[Auth(7), Auth2(9)],
            ),
            ("migrate h 1 k 0 9 keys auth x", &[Keys(7)]),
            ("migrate h 1 k 0 9 auth2 bob", &[Unknown(6)]),
            ("migrate h 1 k 0 9 copy x auth y", &[Copy, Unknown(7)]),
        ];
        for (request, expected) in cases {
            let found: Vec<_> = migrate(&argv(request)).collect();
            assert_eq!(found, expected, "{request}");
        }
    }
}
