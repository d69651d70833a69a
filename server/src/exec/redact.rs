//! Arguments that are secret: the slow log and MONITOR show `(redacted)` in their place.
//!
//! What Redis hides is hidden. A command that fails because its arguments are malformed may contain a password at any
//! place behind the fault, so there everything is hidden that could be one; Redis shows it.

use data::util::num::parse_i64;
use table::CmdId;
use table::{connection, generic, server as rows};

use crate::config::row::Flags;
use crate::config::table::find;
use crate::exec::options::{self, HelloOption, MigrateOption};
use crate::wire::argv::Argv;

/// What stands in place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

const AUTH: CmdId = table::id(&connection::AUTH);
const HELLO: CmdId = table::id(&connection::HELLO);
const MIGRATE: CmdId = table::id(&generic::MIGRATE);
const CONFIG_SET: CmdId = table::id(&rows::CONFIG_SET);
const ACL_SETUSER: CmdId = table::id(&rows::ACL_SETUSER);

/// The arguments of a command with its secrets replaced.
pub fn redacted(cmd: CmdId, argv: &Argv) -> Vec<&[u8]> {
    let mut args: Vec<&[u8]> = argv.iter().collect();
    match cmd {
        AUTH => hide(&mut args, 1, usize::MAX),
        HELLO => hide_hello(&mut args, argv),
        MIGRATE => hide_migrate(&mut args, argv),
        CONFIG_SET => hide_directives(&mut args, argv),
        ACL_SETUSER => hide(&mut args, 2, usize::MAX),
        _ => {}
    }
    args
}

fn hide_hello(args: &mut [&[u8]], argv: &Argv) {
    // Without a version the command fails, but may contain a password all the same.
    let has_version = argv.len() > 1 && parse_i64(&argv[1]).is_some();
    for option in options::hello(argv, if has_version { 2 } else { 1 }) {
        match option {
            HelloOption::Auth(at) => hide(args, at, 2),
            HelloOption::SetName(_) => {}
            HelloOption::Unknown(at) => hide(args, at + 1, usize::MAX),
        }
    }
}

fn hide_migrate(args: &mut [&[u8]], argv: &Argv) {
    for option in options::migrate(argv) {
        match option {
            MigrateOption::Auth(at) => hide(args, at, 1),
            MigrateOption::Auth2(at) => hide(args, at, 2),
            MigrateOption::Copy | MigrateOption::Replace | MigrateOption::Keys(_) => {}
            MigrateOption::Unknown(at) => hide(args, at + 1, usize::MAX),
        }
    }
}

/// Hides the values of sensitive directives. If the arguments are not pairs, a password with a space may have been
/// split.
fn hide_directives(args: &mut [&[u8]], argv: &Argv) {
    let are_pairs = argv.len().is_multiple_of(2);
    for at in (2..argv.len()).step_by(2) {
        let row = find(&argv[at]);
        if row.is_some_and(|named| named.row.flags.contains(Flags::SENSITIVE)) {
            hide(args, at + 1, if are_pairs { 1 } else { usize::MAX });
        }
    }
}

fn hide(args: &mut [&[u8]], from: usize, count: usize) {
    for arg in args.iter_mut().skip(from).take(count) {
        *arg = REDACTED;
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;
    use crate::wire::argv::Argv;

    #[test]
    fn secrets_are_replaced() {
        let cases = [
            ("auth secret", "auth (redacted)"),
            ("auth bob secret", "auth (redacted) (redacted)"),
            (
                "auth bob my secret",
                "auth (redacted) (redacted) (redacted)",
            ),
            (
                "hello 3 auth bob secret setname x",
                "hello 3 auth (redacted) (redacted) setname x",
            ),
            (
                "hello 3 setname auth auth bob secret",
                "hello 3 setname auth auth (redacted) (redacted)",
            ),
            (
                "hello 3 auth a b auth c d",
                "hello 3 auth (redacted) (redacted) auth (redacted) (redacted)",
            ),
            (
                "hello 9 auth bob secret",
                "hello 9 auth (redacted) (redacted)",
            ),
            ("hello auth bob secret", "hello auth (redacted) (redacted)"),
            (
                "hello 3 setnam x auth bob secret",
                "hello 3 setnam (redacted) (redacted) (redacted) (redacted)",
            ),
            ("hello 3 auth secret", "hello 3 auth (redacted)"),
            ("hello", "hello"),
            (
                "migrate h 1 k 0 10 AUTH secret",
                "migrate h 1 k 0 10 AUTH (redacted)",
            ),
            (
                "migrate h 1 k 0 10 auth2 bob secret",
                "migrate h 1 k 0 10 auth2 (redacted) (redacted)",
            ),
            (
                "migrate h 1 k 0 10 auth auth auth2 bob secret",
                "migrate h 1 k 0 10 auth (redacted) auth2 (redacted) (redacted)",
            ),
            (
                "migrate h 1 k 0 10 auth2 secret",
                "migrate h 1 k 0 10 auth2 (redacted)",
            ),
            (
                "migrate h 1 k 0 10 x auth secret",
                "migrate h 1 k 0 10 x (redacted) (redacted)",
            ),
            (
                "migrate h 1  0 10 keys auth b",
                "migrate h 1  0 10 keys auth b",
            ),
            ("migrate h 1 k 0 10 auth", "migrate h 1 k 0 10 auth"),
            (
                "config set timeout 1 requirepass x",
                "config set timeout 1 requirepass (redacted)",
            ),
            (
                "config set nonsense 1 MasterAuth x",
                "config set nonsense 1 MasterAuth (redacted)",
            ),
            (
                "config set tls-key-file-pass my secret",
                "config set tls-key-file-pass (redacted) (redacted)",
            ),
            ("config set requirepass", "config set requirepass"),
            ("acl setuser bob on", "acl setuser (redacted) (redacted)"),
            ("acl deluser bob", "acl deluser bob"),
            ("acl getuser bob", "acl getuser bob"),
            ("set auth secret", "set auth secret"),
        ];
        for (request, expected) in cases {
            let argv = Argv::of(request.split(' ').map(str::as_bytes));
            let name = table::lookup(&argv[0]).expect("a command");
            let sub = argv.iter().nth(1).and_then(|sub| table::sub(name, sub));
            let cmd = sub.unwrap_or(name);
            let shown = redacted(cmd, &argv).join(&b" "[..]);
            assert_eq!(String::from_utf8_lossy(&shown), expected);
        }
    }
}
