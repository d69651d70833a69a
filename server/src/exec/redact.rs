//! Arguments that are secret: the slow log and MONITOR show `(redacted)` in their place.

use table::CmdId;
use table::{connection, generic, server as rows};

use crate::config::row::Flags;
use crate::config::table::find;
use crate::wire::argv::Argv;

/// What stands in place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

const AUTH: CmdId = table::id(&connection::AUTH);
const HELLO: CmdId = table::id(&connection::HELLO);
const MIGRATE: CmdId = table::id(&generic::MIGRATE);
const CONFIG_SET: CmdId = table::id(&rows::CONFIG_SET);
/// Commands that name users and rules from their third argument on.
const USERS: [CmdId; 3] = [
    table::id(&rows::ACL_SETUSER),
    table::id(&rows::ACL_DELUSER),
    table::id(&rows::ACL_GETUSER),
];

/// The arguments of a command with its secrets replaced.
pub fn redacted(cmd: CmdId, argv: &Argv) -> Vec<&[u8]> {
    let mut args: Vec<&[u8]> = argv.iter().collect();
    let is = |at: usize, word: &str| argv[at].eq_ignore_ascii_case(word.as_bytes());
    match cmd {
        AUTH => hide(&mut args, 1, 2),
        HELLO => {
            // HELLO version AUTH user password …
            if let Some(at) = (2..argv.len()).find(|&at| is(at, "auth")) {
                hide(&mut args, at + 1, 2);
            }
        }
        MIGRATE => {
            let options = 6..argv.len();
            let keys = options.clone().find(|&at| is(at, "keys"));
            for at in options.start..keys.unwrap_or(options.end) {
                if is(at, "auth") {
                    hide(&mut args, at + 1, 1);
                    break;
                } else if is(at, "auth2") {
                    hide(&mut args, at + 1, 2);
                    break;
                }
            }
        }
        CONFIG_SET => {
            for at in (2..argv.len()).step_by(2) {
                let row = find(&argv[at]);
                if row.is_some_and(|named| named.row.flags.contains(Flags::SENSITIVE)) {
                    hide(&mut args, at + 1, 1);
                }
            }
        }
        _ if USERS.contains(&cmd) => hide(&mut args, 2, usize::MAX),
        _ => {}
    }
    args
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
                "hello 3 auth bob secret setname x",
                "hello 3 auth (redacted) (redacted) setname x",
            ),
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
                "migrate h 1  0 10 keys auth b",
                "migrate h 1  0 10 keys auth b",
            ),
            ("migrate h 1 k 0 10 auth", "migrate h 1 k 0 10 auth"),
            (
                "config set timeout 1 requirepass x",
                "config set timeout 1 requirepass (redacted)",
            ),
            ("config set requirepass", "config set requirepass"),
            ("acl setuser bob on", "acl setuser (redacted) (redacted)"),
            ("acl deluser bob", "acl deluser (redacted)"),
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
