//! Sockets, connections and what a client may use.

use crate::config::row::{
    Effect, Flags, INT, LONG, Row, UINT, bytes, choice, int, memory, memory_or_percent, octal,
    optional, special, yes_no,
};
use crate::config::special::{BIND, OUTPUT_LIMIT};
use crate::config::values::{AclPubsubDefault, Allow};
use crate::{choice, field};

/// The rows.
pub static ROWS: &[Row] = &[
    special("bind", BIND)
        .flags(Flags::MULTI_ARG)
        .default("* -::*")
        .effects(&[Effect::Bind])
        .doc(
            "Addresses to listen on, for TCP and TLS; one with a leading minus may be missing on \
             this machine, and * is every IPv4 address.",
        ),
    int("port", field!(port), 0, 65535)
        .default("6379")
        .effects(&[Effect::Port])
        .doc("The port for connections without TLS; 0 closes it."),
    int("tcp-backlog", field!(tcp_backlog), 0, INT)
        .immutable()
        .default("511")
        .doc("How many connections may wait to be accepted, as far as the system's somaxconn allows."),
    int("socket-mark-id", field!(socket_mark_id), 0, UINT)
        .immutable()
        .default("0")
        .doc("A mark on listening sockets, by which the system's filters can tell them; 0 sets none."),
    optional("unixsocket", field!(unixsocket))
        .immutable()
        .doc("Path of a Unix socket to listen on; without one there is none."),
    octal("unixsocketperm", field!(unixsocketperm), 0o777)
        .immutable()
        .default("0")
        .doc("Mode of the Unix socket's file, in octal; 0 leaves what the umask gives."),
    yes_no("protected-mode", field!(protected_mode))
        .default("yes")
        .doc("Refuses clients of other machines as long as the default user has no password."),
    bytes("requirepass", field!(requirepass))
        .flags(Flags::SENSITIVE)
        .effects(&[Effect::RequirePass])
        .doc("Password of the default user; without one every client is that user."),
    int("maxclients", field!(maxclients), 1, UINT)
        .default("10000")
        .effects(&[Effect::Maxclients])
        .doc("How many clients may be connected; the limit of open files is raised to fit."),
    int("timeout", field!(timeout), 0, INT)
        .default("0")
        .doc("Seconds after which a client that sends nothing is disconnected; 0 never does."),
    int("tcp-keepalive", field!(tcp_keepalive), 0, INT)
        .default("300")
        .doc("Seconds of silence after which the system asks a peer whether it is alive; 0 never asks."),
    memory("proto-max-bulk-len", field!(proto_max_bulk_len), 1 << 20, LONG)
        .flags(Flags::DEBUG)
        .default("512mb")
        .doc("The longest argument that a client may send, and the longest string there can be."),
    memory("client-query-buffer-limit", field!(client_query_buffer_limit), 1 << 20, LONG)
        .flags(Flags::DEBUG)
        .default("1gb")
        .doc("How much of a client's unfinished request is kept before it is disconnected."),
    special("client-output-buffer-limit", OUTPUT_LIMIT)
        .flags(Flags::MULTI_ARG)
        .default("normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60")
        .doc(
            "For each class of clients (normal, replica, pubsub): how much unread output \
             disconnects it at once, how much does if it lasts, and for how many seconds; 0 \
             means no limit.",
        ),
    memory_or_percent("maxmemory-clients", field!(maxmemory_clients))
        .effects(&[Effect::MaxmemoryClients])
        .default("0")
        .doc(
            "Memory of all clients together, in bytes or in per cent of maxmemory, above which the \
             biggest are disconnected; 0 means no limit.",
        ),
    int("tracking-table-max-keys", field!(tracking_table_max_keys), 0, LONG)
        .effects(&[Effect::TrackingLimit])
        .default("1000000")
        .doc("How many keys are remembered for client-side caching; 0 means no limit."),
    int("io-threads", field!(io_threads), 1, 128)
        .flags(Flags::DEBUG)
        .immutable()
        .default("1")
        .doc("Accepted for compatibility: one thread serves all clients."),
    yes_no("io-threads-do-reads", field!(io_threads_do_reads))
        .flags(Flags::DEBUG)
        .immutable()
        .default("no")
        .doc("Accepted for compatibility."),
    choice("enable-protected-configs", choice!(enable_protected_configs: Allow))
        .immutable()
        .default("no")
        .doc(
            "Who may change directives that touch the file system (dir, dbfilename): no one, local \
             clients, or everyone (yes).",
        ),
    choice("enable-debug-command", choice!(enable_debug_command: Allow))
        .immutable()
        .default("no")
        .doc("Who may use DEBUG: no one, local clients, or everyone (yes)."),
    choice("enable-module-command", choice!(enable_module_command: Allow))
        .immutable()
        .default("no")
        .doc("Who may use MODULE: no one, local clients, or everyone (yes)."),
    optional("aclfile", field!(aclfile))
        .immutable()
        .doc(
            "File with the users and their rights, which ACL LOAD reads again and ACL SAVE writes; \
             without one users are lines of the configuration file.",
        ),
    choice("acl-pubsub-default", choice!(acl_pubsub_default: AclPubsubDefault))
        .default("resetchannels")
        .doc("Which channels a new user may use until a rule says otherwise: allchannels or none."),
    int("acllog-max-len", field!(acllog_max_len), 0, LONG)
        .default("128")
        .doc("How many refusals ACL LOG keeps."),
];
