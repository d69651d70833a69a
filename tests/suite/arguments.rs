//! Arguments at the edges of their syntax, and what errors show of them.

use tests::client::{Transport, encoded, show};
use tests::server::Server;

/// Commands with words that contain a NUL, and their errors. `a.b` stands for `a`, a NUL and `b`.
const QUOTING: &[(&str, &str)] = &[
    ("XADD x 1-1 f v", "1-1"),
    ("XGROUP CREATE x g 0", "OK"),
    ("EXPIRE k 1 a.b", "ERR Unsupported option a"),
    (
        "XREADGROUP GROUP a.b c STREAMS x >",
        "NOGROUP No such key 'x' or consumer group 'a' in XREADGROUP with GROUP option",
    ),
    (
        "XPENDING a.b a.b",
        "NOGROUP No such key 'a' or consumer group 'a'",
    ),
    (
        "XCLAIM x a.b c 0 1-1",
        "NOGROUP No such key 'x' or consumer group 'a'",
    ),
    (
        "XCLAIM x g c 0 1-1 a.b",
        "ERR Unrecognized XCLAIM option 'a'",
    ),
    (
        "XGROUP SETID x a.b 0",
        "NOGROUP No such consumer group 'a' for key name 'x'",
    ),
    ("PFADD p 1", "1"),
    ("PFDEBUG a.b p", "ERR Unknown PFDEBUG subcommand 'a'"),
    ("ACL DRYRUN a.b get", "ERR User 'a' not found"),
    ("ACL DRYRUN default a.b", "ERR Command 'a' not found"),
    ("ACL CAT a.b", "ERR Unknown category 'a'"),
    (
        "ACL SETUSER u a.b",
        "ERR Error in ACL SETUSER modifier 'a': Syntax error",
    ),
    (
        "CONFIG SET a.b 1",
        "ERR Unknown option or number of arguments for CONFIG SET - 'a'",
    ),
    ("FUNCTION LIST a.b", "ERR Unknown argument a"),
    (
        "LATENCY GRAPH a.b",
        "ERR No samples available for event 'a'",
    ),
    ("CLIENT LIST TYPE a.b", "ERR Unknown client type 'a'"),
    ("CLIENT KILL USER a.b", "ERR No such user 'a'"),
    ("CLIENT SETINFO a.b 1", "ERR Unrecognized option 'a'"),
    ("REPLCONF a.b x", "ERR Unrecognized REPLCONF option: a"),
    ("HELLO 3 a.b", "ERR Syntax error in HELLO option 'a'"),
];

#[test]
fn errors_show_arguments_up_to_a_nul() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.cmd("FLUSHALL");
        for (line, expected) in QUOTING {
            let line = line.replace('.', "\0");
            let words: Vec<&str> = line.split(' ').collect();
            let reply = show(&client.call(&words));
            let reply = reply.strip_prefix('-').unwrap_or(&reply);
            assert_eq!(reply, *expected, "{transport:?} {line:?}");
        }
        // In a script the text is a string of C again: nothing may be missing behind the argument.
        let call = "return redis.pcall('xpending', 'n', ARGV[1])";
        client.send(&encoded(&["EVAL", call, "0", "a\0b"]));
        assert_eq!(
            show(&client.read()),
            "-NOGROUP No such key 'n' or consumer group 'a'"
        );
    }
}

/// What `strtod` accepts where Redis uses it without checks of its own.
#[test]
fn numbers_are_read_as_strtod_reads_them() {
    const NO_BOUND: &str = "-ERR min or max is not a float";
    const NO_WEIGHT: &str = "-ERR One or more scores can't be converted into double";
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.cmd("FLUSHALL");
        client.cmd("ZADD z 1 a");
        for (bound, expected) in [
            ("", "[a]"),
            ("(", "[a]"),
            (" 1", "[a]"),
            ("( 0", "[a]"),
            ("1e-400", "[a]"),
            ("\0x", "[a]"),
            (" ", NO_BOUND),
            ("( ", NO_BOUND),
            ("\t\r\n", NO_BOUND),
            ("1 ", NO_BOUND),
        ] {
            let reply = client.call(&["ZRANGEBYSCORE", "z", bound, "5"]);
            assert_eq!(show(&reply), expected, "{transport:?} {bound:?}");
        }
        for (element, expected) in [
            ("2.3e-308", "[2.3e-308]"),
            ("0x1p-1074", "[0x1p-1074]"),
            ("0x3p-1074", "[0x3p-1074]"),
            ("0x.8p-1073", "[0x.8p-1073]"),
            ("", "[]"),
            ("5e-324", NO_WEIGHT),
            ("-1e-310", NO_WEIGHT),
            ("0x3p-1075", NO_WEIGHT),
            ("1e-400", NO_WEIGHT),
            ("1e400", NO_WEIGHT),
            (" ", NO_WEIGHT),
        ] {
            client.cmd("DEL l");
            client.call(&["RPUSH", "l", element]);
            let reply = show(&client.cmd("SORT l"));
            assert_eq!(reply, expected, "{transport:?} {element:?}");
        }
    }
}
