//! The Redis server: its architecture, for whoever comes next.
//!
//! # Three storeys
//!
//! Nouns below, deeds above, one page between them. `state/*`, `wire/*` and `config/*` hold state and never name the
//! server. `server.rs` names them all: [`server::Server`] has one field per subject. Everything above is a free function
//! over `&mut Server`. Imports only go down; `tests/suite/tidy.rs` holds the list and fails when one goes up.
//!
//! | floor | what it holds |
//! |---|---|
//! | `sys` | the system: clock, log, memory, process; the only home of `unsafe` but for the crash report |
//! | `wire` | RESP: requests parsed in place, replies written, every error text |
//! | `config` | directives as rows, their values, files, rewriting |
//! | `state` | clients, databases, statistics, certificates: nouns |
//! | `server` | the front page |
//! | `report` | INFO, one file per section; a client as a line |
//! | `egress` | pushing and sending |
//! | `feed` | what a unit has changed, as a stream of writes |
//! | `keyspace` | deeds on keys: look up, change, expire, delete, free |
//! | `session` | a client's own side: authentication, name, reset, close |
//! | `exec` | from arguments to an executed command: row, gate, call |
//! | `ingress` | listening, accepting, reading |
//! | `persist` | the data set on disk: snapshots, the child that writes them, loading, checking |
//! | `replication` | this server as a primary of others, as a replica of another one, and the change between both |
//! | `cluster` | keys that move between servers: MIGRATE |
//! | `house` | start, the page before sleep, the clockwork, certificates, the way out, the crash report |
//! | `commands` | one file per family, headed by its rows and procs |
//!
//! Below them are crates of their own: `ae` (event loop), `conn` (TCP, Unix sockets and TLS behind one face), `table` (a row
//! for every command, shared with redis-cli), `data` (hash table, entries, values: no I/O, no clock).
//!
//! # One trip
//!
//! 1. `ae::event_loop`: a descriptor is ready; its proc is copied out and called with `&mut Server`.
//! 2. `conn::drive`: from descriptor to connection, TLS progress, the connection's read handler.
//! 3. `ingress::input`: bytes into the query buffer. Request and output leave the slab for as long as the batch takes.
//! 4. `wire::request`: arguments as ranges of that buffer, or more bytes needed, or a protocol error.
//! 5. `exec::process`: the row and the proc. 6. `exec::gate`: may it run? 7. `exec::call`: run it, time it, count it.
//! 8. `commands::*`: arguments by a cursor, keys by `keyspace::lookup`, the answer into `cx.reply`.
//! 9. `keyspace::change`: the one closing call of whatever changed a key.
//! 10. `egress::flush`, before the loop sleeps: the output of all clients that have some.
//!
//! A side stream leaves at 7, where `feed::propagate` collects what the unit has changed and `feed::replicas` appends it to the
//! stream of writes, and comes in at 5, where `replication::replica::apply` executes what a primary sends.
//!
//! # Where things are added
//!
//! * A command: its row is in `table`; write `fn name(cx: &mut Ctx<'_>) -> Done` in the file of its family, name both in that
//!   file's `PROCS`, and add a test.
//! * A directive: a row in `config/rows`, a field of `config::params::Params`, and, when a change needs a deed, an effect that
//!   `commands/config.rs` maps to it.
//! * A field of INFO: one line in its section's file under `report`.
//! * Work for the clockwork: a step in `house/cron.rs`. Before the loop sleeps: a line in `house/before_sleep.rs`.
//!
//! # Decisions that are not obvious
//!
//! * **A client's request and output move out of the slab while its input is processed** (`ingress::input`). A command
//!   may then reach every client, its own included, without a lock or a copy; what others push to it meanwhile comes
//!   behind its replies.
//! * **One clock reading per command.** A command begins when its predecessor in the batch ended.
//! * **Sending never closes.** `egress` queues a client to be closed and `session::close` drains the queue, so that the
//!   floors stay one-way and no client vanishes under a walk.
//! * **A TLS connection becomes a client when its handshake is done.** Until then it counts towards `maxclients` and
//!   costs no client; a storm of half-open handshakes is `conn::admission`'s to bound.
//! * **The stream of writes is held once** (`state::replication::blocks`). A replica is a position in it, so output for many
//!   grows with the slowest and not with their number, and the backlog is nothing but the part behind all of them. On a
//!   replica the same blocks take what is read from the primary, byte for byte; an offset marks how much is executed, and
//!   only that is passed on.
//! * **What a child writes for replicas goes through a ring** (`state::replication::transfer`). Each replica reads it at its own
//!   pace; a slow one holds up the next transfer no more than its memory does.
//! * **Every payload and file is checked to the last byte**, whatever `sanitize-dump-payload` says. Where the directive lets in what
//!   only such a check refuses, RESTORE keeps it as bytes that no command reads (`data::value::damaged`), and reports it as
//!   Redis would when it stops at it. Nothing that is read can therefore be unsound, and no snapshot has what would not load.
//! * **Arithmetic on numbers from outside is checked, and this is how we know.** The release profile wraps on overflow; the
//!   profile `fast`, on which all tests run, panics. `tests/suite/arithmetic.rs` sends the ends of the ranges to every command
//!   that takes a number, `fuzz*.rs` feeds broken files, payloads and requests to every parser, and the upstream suite runs on
//!   `fast` as well. In `data/rdb` lengths only reach `Cursor::take` and its kin, which compare them with what is there.
//! * **Memory is checked in three ways.** Structures with handles, tags or raw records have a `check()` of all their
//!   invariants, which their model tests call; `tests/sanitize` runs those under AddressSanitizer in CI, and a whole server
//!   when someone asks; private functions that trust their caller are `unsafe` and say what they trust.

pub mod cluster;
pub mod commands;
pub mod config;
pub mod egress;
pub mod exec;
pub mod feed;
pub mod house;
pub mod ingress;
pub mod keyspace;
pub mod persist;
pub mod replication;
pub mod report;
pub mod server;
pub mod session;
pub mod state;
pub mod sys;
pub mod wire;
