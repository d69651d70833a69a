//! Rows of the connection commands.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, integer, one_of, string, token};
use crate::spec::{Group, Spec, spec};
use crate::words::category::CONNECTION;
use crate::words::flag::{ADMIN, ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, SENTINEL, STALE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &AUTH,
    &CLIENT,
    &CLIENT_CACHING,
    &CLIENT_GETNAME,
    &CLIENT_GETREDIR,
    &CLIENT_HELP,
    &CLIENT_ID,
    &CLIENT_INFO,
    &CLIENT_KILL,
    &CLIENT_LIST,
    &CLIENT_NO_EVICT,
    &CLIENT_NO_TOUCH,
    &CLIENT_PAUSE,
    &CLIENT_REPLY,
    &CLIENT_SETINFO,
    &CLIENT_SETNAME,
    &CLIENT_TRACKING,
    &CLIENT_TRACKINGINFO,
    &CLIENT_UNBLOCK,
    &CLIENT_UNPAUSE,
    &ECHO,
    &HELLO,
    &PING,
    &QUIT,
    &RESET,
    &SELECT,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Connection)
}

pub static AUTH: Spec = row("auth", -2)
    .since("1.0.0")
    .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | SENTINEL | ALLOW_BUSY)
    .acl(CONNECTION)
    .summary("Authenticate this connection.")
    .complexity("O(N), N the passwords of the user")
    .history(&[("6.0.0", "Takes a username before the password.")])
    .args(&[
        string("username").optional().since("6.0.0"),
        string("password"),
    ]);

pub static CLIENT: Spec = row("client", -2)
    .since("2.4.0")
    .flags(SENTINEL)
    .summary("Hold the commands about client connections.")
    .complexity("That of the subcommand");

pub static CLIENT_CACHING: Spec = row("client|caching", 3)
    .since("6.0.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Say whether the keys of the next command shall be tracked.")
    .complexity("O(1)")
    .args(&[one_of("mode", &[token("yes", "YES"), token("no", "NO")])]);

pub static CLIENT_GETNAME: Spec = row("client|getname", 2)
    .since("2.6.9")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Return the name of this connection.")
    .complexity("O(1)");

pub static CLIENT_GETREDIR: Spec = row("client|getredir", 2)
    .since("6.0.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Return the client that receives this connection's invalidations.")
    .complexity("O(1)");

pub static CLIENT_HELP: Spec = row("client|help", 2)
    .since("5.0.0")
    .flags(LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("List the subcommands of CLIENT.")
    .complexity("O(1)");

pub static CLIENT_ID: Spec = row("client|id", 2)
    .since("5.0.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Return the id of this connection.")
    .complexity("O(1)");

pub static CLIENT_INFO: Spec = row("client|info", 2)
    .since("6.2.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Describe this connection.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"]);

pub static CLIENT_KILL: Spec = row("client|kill", -3)
    .since("2.4.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Close the connections that match a filter.")
    .complexity("O(N), N the connections")
    .history(&[
        ("2.8.12", "Takes filters."),
        ("2.8.12", "Knows `ID`."),
        ("3.2.0", "`TYPE` knows `master`."),
        (
            "5.0.0",
            "`TYPE` knows `replica`; `slave` still means the same.",
        ),
        ("6.2.0", "Knows `LADDR`."),
    ])
    .args(&[one_of(
        "filter",
        &[
            string("old-format").display("ip:port").deprecated("2.8.12"),
            one_of(
                "new-format",
                &[
                    integer("client-id").token("ID").optional().since("2.8.12"),
                    one_of(
                        "client-type",
                        &[
                            token("normal", "NORMAL"),
                            token("master", "MASTER").since("3.2.0"),
                            token("slave", "SLAVE"),
                            token("replica", "REPLICA").since("5.0.0"),
                            token("pubsub", "PUBSUB"),
                        ],
                    )
                    .token("TYPE")
                    .optional()
                    .since("2.8.12"),
                    string("username").token("USER").optional(),
                    string("addr").token("ADDR").display("ip:port").optional(),
                    string("laddr")
                        .token("LADDR")
                        .display("ip:port")
                        .optional()
                        .since("6.2.0"),
                    one_of("skipme", &[token("yes", "YES"), token("no", "NO")])
                        .token("SKIPME")
                        .optional(),
                ],
            )
            .multiple(),
        ],
    )]);

pub static CLIENT_LIST: Spec = row("client|list", -2)
    .since("2.4.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Describe the open connections.")
    .complexity("O(N), N the connections")
    .history(&[
        ("2.8.12", "Shows `id`."),
        ("5.0.0", "Knows `TYPE`."),
        ("6.0.0", "Shows `user`."),
        (
            "6.2.0",
            "Shows `argv-mem`, `tot-mem`, `laddr` and `redir`; knows `ID`.",
        ),
        ("7.0.0", "Shows `resp`, `multi-mem`, `rbs` and `rbp`."),
        ("7.0.3", "Shows `ssub`."),
    ])
    .tips(&["nondeterministic_output"])
    .args(&[
        one_of(
            "client-type",
            &[
                token("normal", "NORMAL"),
                token("master", "MASTER"),
                token("replica", "REPLICA"),
                token("pubsub", "PUBSUB"),
            ],
        )
        .token("TYPE")
        .optional()
        .since("5.0.0"),
        integer("client-id")
            .token("ID")
            .optional()
            .multiple()
            .since("6.2.0"),
    ]);

pub static CLIENT_NO_EVICT: Spec = row("client|no-evict", 3)
    .since("7.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Exempt this connection from the eviction of clients, or not.")
    .complexity("O(1)")
    .args(&[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])]);

pub static CLIENT_NO_TOUCH: Spec = row("client|no-touch", 3)
    .since("7.2.0")
    .flags(NOSCRIPT | LOADING | STALE)
    .acl(CONNECTION)
    .summary("Say whether this connection's commands count as use of their keys.")
    .complexity("O(1)")
    .args(&[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])]);

pub static CLIENT_PAUSE: Spec = row("client|pause", -3)
    .since("3.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Hold back the commands of clients for some time.")
    .complexity("O(1)")
    .history(&[("6.2.0", "Takes a mode: `WRITE` or `ALL`.")])
    .args(&[
        integer("timeout"),
        one_of("mode", &[token("write", "WRITE"), token("all", "ALL")])
            .optional()
            .since("6.2.0"),
    ]);

pub static CLIENT_REPLY: Spec = row("client|reply", 3)
    .since("3.2.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Say which commands of this connection get a reply.")
    .complexity("O(1)")
    .args(&[one_of(
        "action",
        &[
            token("on", "ON"),
            token("off", "OFF"),
            token("skip", "SKIP"),
        ],
    )]);

pub static CLIENT_SETINFO: Spec = row("client|setinfo", 4)
    .since("7.2.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Record the library that drives this connection.")
    .complexity("O(1)")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[one_of(
        "attr",
        &[
            string("libname").token("LIB-NAME"),
            string("libver").token("LIB-VER"),
        ],
    )]);

pub static CLIENT_SETNAME: Spec = row("client|setname", 3)
    .since("2.6.9")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Give this connection a name.")
    .complexity("O(1)")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[string("connection-name")]);

pub static CLIENT_TRACKING: Spec = row("client|tracking", -3)
    .since("6.0.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Turn invalidation messages for a client-side cache on or off.")
    .complexity("O(1), more with some options")
    .args(&[
        one_of("status", &[token("on", "ON"), token("off", "OFF")]),
        integer("client-id").token("REDIRECT").optional(),
        string("prefix").token("PREFIX").optional().multiple_token(),
        token("bcast", "BCAST").optional(),
        token("optin", "OPTIN").optional(),
        token("optout", "OPTOUT").optional(),
        token("noloop", "NOLOOP").optional(),
    ]);

pub static CLIENT_TRACKINGINFO: Spec = row("client|trackinginfo", 2)
    .since("6.2.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Describe how the keys of this connection are tracked.")
    .complexity("O(1)");

pub static CLIENT_UNBLOCK: Spec = row("client|unblock", -3)
    .since("5.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Release a client that waits in a blocking command.")
    .complexity("O(log(N)), N the connections")
    .args(&[
        integer("client-id"),
        one_of(
            "unblock-type",
            &[token("timeout", "TIMEOUT"), token("error", "ERROR")],
        )
        .optional(),
    ]);

pub static CLIENT_UNPAUSE: Spec = row("client|unpause", 2)
    .since("6.2.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Go on with the commands that CLIENT PAUSE held back.")
    .complexity("O(N), N the paused clients");

pub static ECHO: Spec = row("echo", 2)
    .since("1.0.0")
    .flags(LOADING | STALE | FAST)
    .acl(CONNECTION)
    .summary("Return the given bytes.")
    .complexity("O(1)")
    .args(&[string("message")]);

pub static HELLO: Spec = row("hello", -1)
    .since("6.0.0")
    .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | SENTINEL | ALLOW_BUSY)
    .acl(CONNECTION)
    .summary("Choose the protocol version, and authenticate and name the connection.")
    .complexity("O(1)")
    .history(&[("6.2.0", "Without arguments it describes the connection.")])
    .args(&[block(
        "arguments",
        &[
            integer("protover"),
            block("auth", &[string("username"), string("password")])
                .token("AUTH")
                .optional(),
            string("clientname").token("SETNAME").optional(),
        ],
    )
    .optional()]);

pub static PING: Spec = row("ping", -1)
    .since("1.0.0")
    .flags(FAST | SENTINEL)
    .acl(CONNECTION)
    .summary("Answer PONG, or the given bytes.")
    .complexity("O(1)")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .args(&[string("message").optional()]);

pub static QUIT: Spec = row("quit", -1)
    .since("1.0.0")
    .flags(ALLOW_BUSY | NOSCRIPT | LOADING | STALE | FAST | NO_AUTH)
    .acl(CONNECTION)
    .summary("Close this connection after the reply.")
    .complexity("O(1)")
    .deprecated("7.2.0", "closing the connection");

pub static RESET: Spec = row("reset", 1)
    .since("6.2.0")
    .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
    .acl(CONNECTION)
    .summary("Bring this connection back to its initial state.")
    .complexity("O(1)");

pub static SELECT: Spec = row("select", 2)
    .since("1.0.0")
    .flags(LOADING | STALE | FAST)
    .acl(CONNECTION)
    .summary("Choose the database of this connection.")
    .complexity("O(1)")
    .args(&[integer("index")]);
