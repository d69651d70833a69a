//! Users and what they may do: ACL, AUTH, refusals, the log of refusals, users in files.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::client::{Client, Transport, show};
use tests::pair::{change_role, port, wait_for_link};
use tests::server::{Server, temp_dir};
use tests::wait::until;

/// Executes commands and compares the replies.
fn check(client: &mut Client, table: &[(&str, &str)]) {
    for (command, reply) in table {
        assert_eq!(client.text(command), *reply, "{command}");
    }
}

fn no_command(user: &str, command: &str) -> String {
    format!("-NOPERM User {user} has no permissions to run the '{command}' command")
}

const NO_KEY: &str = "-NOPERM No permissions to access a key";
const BAD_NAME: &str = "-ERR Client names cannot contain spaces, newlines or special characters.";
const WRONG_PASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.";

#[test]
fn clients_authenticate_as_users() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        check(
            &mut client,
            &[
                ("ACL WHOAMI", "default"),
                ("ACL SETUSER u >p1 >p2 +@all ~*", "OK"),
                ("AUTH u p1", WRONG_PASS),
                ("ACL SETUSER u on", "OK"),
                ("AUTH u p3", WRONG_PASS),
                ("AUTH nobody p1", WRONG_PASS),
                ("AUTH u p2", "OK"),
                ("ACL WHOAMI", "u"),
                ("CLIENT KILL USER nobody", "-ERR No such user 'nobody'"),
                ("RESET", "RESET"),
                ("ACL WHOAMI", "default"),
                ("AUTH a b c", "-ERR syntax error"),
                ("ACL SETUSER u <p2", "OK"),
                ("AUTH u p2", WRONG_PASS),
                ("AUTH u p1", "OK"),
                ("HELLO 2 AUTH u wrong SETNAME n", WRONG_PASS),
                ("CLIENT GETNAME", "nil"),
                ("AUTH default any", "OK"),
                // The name is checked before the password.
                ("HELLO 2 AUTH u p1 SETNAME ä", BAD_NAME),
                ("HELLO 2 SETNAME ä AUTH u", BAD_NAME),
                ("ACL WHOAMI", "default"),
            ],
        );
        assert!(
            client
                .text("HELLO 3 AUTH default x AUTH u p1 SETNAME n")
                .contains("proto=3")
        );
        assert_eq!(client.text("ACL WHOAMI"), "u");
        let list = client.text("CLIENT INFO");
        assert!(
            list.contains(" user=u ") && list.contains(" name=n "),
            "{list}"
        );
        assert_eq!(admin.text("CLIENT KILL USER u"), "1");
        assert!(client.try_read().is_none());
        check(
            &mut admin,
            &[
                ("CLIENT KILL USER u", "0"),
                ("ACL DELUSER u nobody", "1"),
                ("ACL USERS", "[default]"),
                (
                    "ACL DELUSER default",
                    "-ERR The 'default' user cannot be removed",
                ),
            ],
        );
    }
}

#[test]
fn what_a_user_lacks_is_refused_and_logged() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        check(
            &mut admin,
            &[
                ("ACL LOG RESET", "OK"),
                (
                    "ACL SETUSER u reset on nopass +get +set +mget +multi +exec +client ~a* %R~r*",
                    "OK",
                ),
                ("ACL SETUSER u -client|kill", "OK"),
            ],
        );
        assert_eq!(client.text("AUTH u x"), "OK");
        for (command, expected) in [
            ("SET a1 1", "OK".to_owned()),
            ("GET r1", "nil".to_owned()),
            ("SET r1 1", NO_KEY.to_owned()),
            ("MGET a1 a2 b", NO_KEY.to_owned()),
            ("DEL a1", no_command("u", "del")),
            ("client kill 1:1", no_command("u", "client|kill")),
            ("CLIENT GETNAME", "nil".to_owned()),
            ("MULTI", "OK".to_owned()),
            ("GET b", NO_KEY.to_owned()),
            ("SET a1 2", "QUEUED".to_owned()),
            (
                "EXEC",
                "-EXECABORT Transaction discarded because of previous errors.".to_owned(),
            ),
            ("GET a1", "1".to_owned()),
            ("AUTH u2 secret", WRONG_PASS.to_owned()),
        ] {
            assert_eq!(client.text(command), expected, "{command}");
        }
        let log = admin.text("ACL LOG");
        for part in [
            "count 1 reason auth context toplevel object AUTH username u2 age-seconds",
            "count 1 reason key context multi object b username u age-seconds",
            "count 1 reason command context toplevel object client|kill username u age-seconds",
            "count 1 reason command context toplevel object del username u age-seconds",
            "count 1 reason key context toplevel object b username u age-seconds",
            "count 1 reason key context toplevel object r1 username u age-seconds",
        ] {
            assert!(log.contains(part), "{part}: {log}");
        }
        assert!(
            log.contains(" cmd=client|kill user=u ") && !log.contains("secret"),
            "{log}"
        );
        assert!(
            log.find("reason auth") < log.find("object b"),
            "newest first: {log}"
        );
        assert_eq!(client.text("GET r1"), "nil");
        assert_eq!(client.text("DEL a1"), no_command("u", "del"));
        assert!(
            admin
                .text("ACL LOG 1")
                .contains("count 2 reason command context toplevel object del")
        );
        check(
            &mut admin,
            &[
                ("ACL LOG -1", "[]"),
                ("ACL LOG x", "-ERR value is not an integer or out of range"),
                ("CONFIG SET acllog-max-len 2", "OK"),
                ("AUTH x x", WRONG_PASS),
            ],
        );
        assert_eq!(admin.text("ACL LOG 100").matches("entry-id").count(), 2);
        assert_eq!(admin.text("CONFIG SET acllog-max-len 128"), "OK");
    }
    let mut admin = server.client(Transport::Tcp);
    for (field, count) in [("auth", "6"), ("cmd", "9"), ("key", "9"), ("channel", "0")] {
        assert_eq!(
            admin.info(&format!("acl_access_denied_{field}")),
            count,
            "{field}"
        );
    }
}

#[test]
fn exec_checks_the_rights_of_that_moment() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        assert_eq!(admin.text("ACL SETUSER u reset on nopass +@all ~*"), "OK");
        check(
            &mut client,
            &[
                ("AUTH u x", "OK"),
                ("MULTI", "OK"),
                ("SET a 1", "QUEUED"),
                ("SET b 1", "QUEUED"),
                ("INCR a", "QUEUED"),
            ],
        );
        assert_eq!(admin.text("ACL SETUSER u -incr resetkeys ~a"), "OK");
        let changed = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
                       This command is no longer allowed for the following reason:";
        assert_eq!(
            client.text("EXEC"),
            format!(
                "[OK {changed} no permission to touch the specified keys {changed} no permission to execute the command or subcommand]"
            )
        );
        assert!(
            admin
                .text("ACL LOG 1")
                .contains("reason command context multi object incr")
        );
        // The client is shown as it is inside its transaction.
        let shown = admin.text("ACL LOG");
        assert!(
            shown.contains(" flags=x") && shown.contains(" multi=3 "),
            "{shown}"
        );
    }
}

#[test]
fn blocked_clients_lose_their_rights() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(transport);
        let (mut client, mut deleted) = (server.client(transport), server.client(transport));
        assert_eq!(admin.text("FLUSHALL"), "OK");
        for (name, client) in [("u", &mut client), ("v", &mut deleted)] {
            assert_eq!(
                admin.text(&format!("ACL SETUSER {name} reset on nopass +@all ~*")),
                "OK"
            );
            assert_eq!(client.text(&format!("AUTH {name} x")), "OK");
            client.raw().write(&["BLPOP", "l", "0"]).expect("connected");
        }
        admin.wait_for_blocked(2);
        assert_eq!(admin.text("ACL DELUSER v"), "1");
        assert!(deleted.try_read().is_none());
        assert_eq!(admin.text("ACL SETUSER u -blpop"), "OK");
        assert_eq!(admin.text("LPUSH l 1"), "1");
        assert_eq!(show(&client.read()), no_command("u", "blpop"));
        assert_eq!(admin.text("LRANGE l 0 -1"), "[1]");
        assert_eq!(client.text("LPOP l"), "1");
    }
}

#[test]
fn setuser_applies_all_rules_or_none() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let user = "user u on sanitize-payload #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 %R~foo \
                    resetchannels &ch -@all +get (~x resetchannels -@all +set)";
        check(
            &mut client,
            &[
                ("ACL SETUSER u reset on >x +get %R~foo &ch (+set ~x )", "OK"),
                (
                    "ACL SETUSER u -get >y nope",
                    "-ERR Error in ACL SETUSER modifier 'nope': Syntax error",
                ),
                (
                    "ACL SETUSER u +nope",
                    "-ERR Error in ACL SETUSER modifier '+nope': Unknown command or category name in ACL",
                ),
                (
                    "ACL SETUSER u off (+get (+set",
                    "-ERR Unmatched parenthesis in acl selector starting at '(+get'.",
                ),
                (
                    "ACL SETUSER u allkeys ~y",
                    "-ERR Error in ACL SETUSER modifier '~y': Adding a pattern after the * pattern (or the 'allkeys' flag) is \
                     not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns",
                ),
                (
                    "ACL SETUSER u <y",
                    "-ERR Error in ACL SETUSER modifier '<y': The password you are trying to remove from the user does not \
                     exist",
                ),
                (
                    "ACL SETUSER new +get nope",
                    "-ERR Error in ACL SETUSER modifier 'nope': Syntax error",
                ),
                ("ACL GETUSER new", "nil"),
                (
                    "ACL LIST",
                    &format!("[user default on nopass sanitize-payload ~* &* +@all {user}]"),
                ),
            ],
        );
        assert_eq!(
            show(&client.call(&["ACL", "SETUSER", "a b", "on"])),
            "-ERR Usernames can't contain spaces or null characters"
        );
        assert!(!server.log().contains(">x"));
    }
}

#[test]
fn sort_needs_all_keys_for_by_and_get() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        let denied = |option| {
            format!("-ERR {option} option of SORT denied due to insufficient ACL permissions.")
        };
        admin.text("FLUSHALL");
        admin.text("RPUSH l 2 1");
        admin.text("ACL SETUSER u reset on nopass +sort +sort_ro ~l");
        assert_eq!(client.text("AUTH u x"), "OK");
        for command in ["SORT", "SORT_RO"] {
            for (options, expected) in [
                ("", "[1 2]".to_owned()),
                ("BY w*", denied("BY")),
                ("BY nosort", "[2 1]".to_owned()),
                ("GET #", denied("GET")),
                ("BY nosort GET w*", denied("GET")),
            ] {
                let line = format!("{command} l {options}");
                assert_eq!(client.text(line.trim_end()), expected, "{line}");
            }
        }
        assert_eq!(admin.text("ACL SETUSER u %R~*"), "OK");
        assert_eq!(client.text("SORT_RO l BY w* GET #"), "[1 2]");
        assert_eq!(client.text("SORT m BY w*"), "[]");
        assert_eq!(client.text("SORT l STORE m"), NO_KEY);
    }
}

#[test]
fn the_password_of_the_default_user_is_requirepass() {
    let server = Server::start(&["--requirepass", "old"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        check(
            &mut client,
            &[
                ("ACL WHOAMI", "-NOAUTH Authentication required."),
                ("AUTH new", WRONG_PASS),
                ("AUTH old", "OK"),
                ("CONFIG SET requirepass new", "OK"),
                ("AUTH old", WRONG_PASS),
                ("AUTH default new", "OK"),
                ("ACL SETUSER default >more", "OK"),
                ("AUTH more", "OK"),
                ("CONFIG GET requirepass", "[requirepass new]"),
                ("CONFIG SET requirepass old", "OK"),
                ("AUTH more", WRONG_PASS),
                ("ACL SETUSER default off", "OK"),
                ("AUTH old", WRONG_PASS),
                ("ACL WHOAMI", "default"),
            ],
        );
        let mut other = server.client(transport);
        check(
            &mut other,
            &[
                ("AUTH old", WRONG_PASS),
                ("PING", "-NOAUTH Authentication required."),
            ],
        );
        assert!(
            other
                .text("HELLO 3")
                .starts_with("-NOAUTH HELLO must be called")
        );
        check(
            &mut client,
            &[
                ("ACL SETUSER default nopass", "OK"),
                ("ACL SETUSER default on", "OK"),
            ],
        );
        assert_eq!(other.text("PING"), "PONG");
        check(
            &mut client,
            &[
                ("CONFIG GET requirepass", "[requirepass old]"),
                ("CONFIG SET requirepass x", "OK"),
                ("CONFIG SET requirepass old", "OK"),
            ],
        );
    }
}

#[test]
fn users_are_kept_in_the_acl_file() {
    let dir = temp_dir();
    let path = dir.path().join("users.acl");
    let text = "user alice on nopass sanitize-payload ~* resetchannels +@all\n\
                user bob off sanitize-payload resetchannels -@all (~a \"~qu\\\"ote\" resetchannels -@all +get)\n\
                user default on nopass sanitize-payload ~* &* +@all\n";
    fs::write(&path, text).expect("a file");
    let name = path.display().to_string();
    let server = Server::start(&["--aclfile", &name]);
    for transport in Transport::ALL {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        assert_eq!(client.text("AUTH alice x"), "OK");
        assert_eq!(admin.text("ACL SAVE"), "OK");
        assert_eq!(fs::read_to_string(&path).expect("a file"), text);
        assert_eq!(admin.text("ACL SETUSER carol +get"), "OK");
        assert_eq!(admin.text("ACL SAVE"), "OK");
        fs::write(&path, "user alice nope\n# comment\nuser bob +nope").expect("a file");
        assert_eq!(
            admin.text("ACL LOAD"),
            format!(
                "-ERR {name}:1: Syntax error. {name}:2 should start with user keyword followed by the username. {name}:3: \
                 Error in applying operation '+nope': Unknown command or category name in ACL. WARNING: ACL errors \
                 detected, no change to the previously active ACL rules was performed"
            )
        );
        assert_eq!(admin.text("ACL USERS"), "[alice bob carol default]");
        assert_eq!(client.text("ACL WHOAMI"), "alice");
        fs::write(&path, text).expect("a file");
        assert_eq!(admin.text("ACL LOAD"), "OK");
        assert_eq!(admin.text("ACL USERS"), "[alice bob default]");
        // Its user was replaced by another one of the same name.
        assert!(client.try_read().is_none());
        assert_eq!(
            admin.text("CONFIG GET aclfile"),
            format!("[aclfile {name}]")
        );
        fs::remove_file(&path).expect("it exists");
        assert!(
            admin
                .text("ACL LOAD")
                .contains("Error loading ACLs, opening file")
        );
        fs::write(&path, text).expect("a file");
    }
    let no_file = "-ERR This Redis instance is not configured to use an ACL file.";
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tls);
    assert!(client.text("ACL LOAD").starts_with(no_file));
    assert!(client.text("ACL SAVE").starts_with(no_file));
}

#[test]
fn users_are_kept_in_the_configuration_file() {
    let dir = temp_dir();
    let path = dir.path().join("redis.conf");
    for transport in Transport::ALL {
        fs::write(&path, "user bob on >x +get ~a\nuser gone on\ntimeout 0\n").expect("a file");
        let server = Server::start_with_config(&path, &[]);
        let mut client = server.client(transport);
        check(
            &mut client,
            &[
                ("ACL DELUSER gone", "1"),
                ("ACL SETUSER ann on nopass ~qu\"ote", "OK"),
                ("CONFIG SET requirepass pw", "OK"),
                ("ACL SETUSER default >secret", "OK"),
            ],
        );
        let list = client.text("ACL LIST");
        assert_eq!(client.text("CONFIG REWRITE"), "OK");
        let text = fs::read_to_string(&path).expect("a file");
        let users: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("user "))
            .collect();
        assert_eq!(users.len(), 3, "{text}");
        assert!(
            users[0].starts_with("user ann on nopass sanitize-payload \"~qu\\\"ote\" "),
            "{text}"
        );
        assert!(
            text.contains("\nrequirepass \"pw\"\n") && !text.contains("secret"),
            "{text}"
        );
        // The file names the folder of the first server, which therefore goes on.
        let again = Server::start_with_config(&path, &[]);
        let mut client = again.client(transport);
        check(
            &mut client,
            &[
                ("PING", "-NOAUTH Authentication required."),
                ("AUTH secret", "OK"),
                ("ACL LIST", &list),
            ],
        );
    }
}

/// Starts a server that must refuse to start; its output.
fn refused(args: &[&str], dir: &Path) -> String {
    let done = Command::new(tests::binary("redis-server"))
        .current_dir(dir)
        .args(["--port", "0", "--unixsocket", "s"])
        .args(args)
        .output()
        .expect("the program runs");
    assert_eq!(done.status.code(), Some(1), "{args:?}");
    let text = [done.stdout, done.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_server_does_not_start_with_wrong_users() {
    let dir = temp_dir();
    fs::write(dir.path().join("wrong.acl"), "user a nope\n").expect("a file");
    fs::write(dir.path().join("right.acl"), "user a on\n").expect("a file");
    for (args, expected) in [
        (
            &["--user", "a", "--user", "a"][..],
            "Error in user declaration 'a': Duplicate user found. A user can only be defined once in config files",
        ),
        (
            &["--user", "a", "on", "nope"],
            "Error in user declaration 'nope': Syntax error",
        ),
        (
            &["--user", "a", "(+get"],
            "Error in user declaration '(+get': Unmatched parenthesis",
        ),
        (
            &["--user", "a", "on", "+nope"],
            "Error loading ACL rule '+nope' for the user named 'a': Unknown command or category name in ACL",
        ),
        (
            &["--user", "a", "on", "+nope"],
            "Critical error while loading ACLs. Exiting.",
        ),
        (
            &["--user", "a b", "on"],
            "Spaces not allowed in ACL usernames",
        ),
        (
            &["--user", "a", "on", "--aclfile", "right.acl"],
            "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid.",
        ),
        (
            &["--aclfile", "none.acl"],
            "Aborting Redis startup because of ACL errors: Error loading ACLs, opening file 'none.acl': No such file or directory",
        ),
        (
            &["--aclfile", "wrong.acl"],
            "Aborting Redis startup because of ACL errors: wrong.acl:1: Syntax error. WARNING: ACL errors detected",
        ),
    ] {
        let text = refused(args, dir.path());
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let text = refused(&["--user", "a", "on", ">my secret", "nope"], dir.path());
    assert!(
        text.contains("'nope': Syntax error") && !text.contains("secret"),
        "{text}"
    );
    let text = refused(&["--requirepass", "my", "secret"], dir.path());
    assert!(
        text.contains("wrong number of arguments") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn a_replica_obeys_its_primary_whatever_its_users_may() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let (primary, replica) = (Server::start(&[]), Server::start(&[]));
        let (mut first, mut second) = (primary.client(transport), replica.client(transport));
        if transport == Transport::Tls {
            assert_eq!(second.text("CONFIG SET tls-replication yes"), "OK");
        }
        check(
            &mut first,
            &[
                ("ACL SETUSER link on >pw +ping +replconf +psync", "OK"),
                ("CONFIG SET repl-diskless-sync-delay 0", "OK"),
                ("ACL SETUSER default -psync -sync", "OK"),
            ],
        );
        check(
            &mut second,
            &[
                ("ACL SETUSER admin on nopass +@all ~* &*", "OK"),
                ("AUTH admin x", "OK"),
                ("ACL SETUSER default off resetpass -@all resetkeys", "OK"),
            ],
        );
        change_role(
            &mut second,
            &format!("REPLICAOF 127.0.0.1 {}", port(&primary, transport)),
        );
        let denied = replica.wait_for_log(&["has no permissions to run the 'psync' command"]);
        assert!(denied.contains("NOPERM"), "{denied}");
        check(
            &mut second,
            &[
                ("CONFIG SET masteruser link", "OK"),
                ("CONFIG SET masterauth pw", "OK"),
            ],
        );
        wait_for_link(&mut second);
        assert_eq!(first.text("SET a 1"), "OK");
        until("the write", || (second.text("GET a") == "1").then_some(()));
        let list = second.text("CLIENT LIST TYPE master");
        assert!(list.contains(" user=(superuser) "), "{list}");
        let list = first.text("CLIENT LIST TYPE replica");
        assert!(list.contains(" user=link "), "{list}");
    }
}

#[test]
fn channels_are_checked_before_a_command_is_executed() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        assert_eq!(client.text("ACL SETUSER u reset +@pubsub &news.* &a"), "OK");
        for (line, expected) in [
            ("PUBLISH news.1 x", "OK"),
            (
                "PUBLISH b x",
                "User u has no permissions to access the 'b' channel",
            ),
            ("SUBSCRIBE a news.2", "OK"),
            (
                "SUBSCRIBE a b",
                "User u has no permissions to access the 'b' channel",
            ),
            ("PSUBSCRIBE news.*", "OK"),
            (
                "PSUBSCRIBE news.1",
                "User u has no permissions to access the 'news.1' channel",
            ),
            (
                "SSUBSCRIBE b",
                "User u has no permissions to access the 'b' channel",
            ),
            ("SPUBLISH a x", "OK"),
            ("UNSUBSCRIBE b", "OK"),
            (
                "GET k",
                "User u has no permissions to run the 'get' command",
            ),
        ] {
            assert_eq!(
                client.text(&format!("ACL DRYRUN u {line}")),
                expected,
                "{line}"
            );
        }
    }
}

#[test]
fn categories_and_passwords_are_generated() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        assert!(
            client
                .text("ACL CAT")
                .starts_with("[keyspace read write set sortedset ")
        );
        let scripting = client.text("ACL CAT SCRIPTING");
        assert!(
            scripting.contains("eval ") && scripting.contains("function|load"),
            "{scripting}"
        );
        for (bits, digits) in [("", 64), (" 1", 1), (" 5", 2), (" 4096", 1024)] {
            let password = client.text(&format!("ACL GENPASS{bits}"));
            assert!(
                password.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{password}"
            );
            assert_eq!(password.len(), digits, "{bits}");
        }
        assert_ne!(client.text("ACL GENPASS"), client.text("ACL GENPASS"));
        let range = "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096";
        check(
            &mut client,
            &[
                ("ACL GENPASS 0", range),
                ("ACL GENPASS 4097", range),
                (
                    "ACL GENPASS x",
                    "-ERR value is not an integer or out of range",
                ),
                ("ACL CAT nope", "-ERR Unknown category 'nope'"),
                (
                    "ACL CAT a b",
                    "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.",
                ),
                ("ACL DRYRUN nobody GET a", "-ERR User 'nobody' not found"),
                ("ACL DRYRUN default NOPE", "-ERR Command 'NOPE' not found"),
                (
                    "ACL DRYRUN default GET",
                    "-ERR wrong number of arguments for 'get' command",
                ),
                ("ACL DRYRUN default EVAL x 0", "OK"),
            ],
        );
    }
}
