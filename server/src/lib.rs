//! The Redis server. This header describes its architecture and is kept true; older design notes yield to it.
//!
//! # Three storeys
//!
//! State below, functions above, one page between them. `state/*`, `wire/*` and `config/*` hold state and never name the
//! server. `server.rs` names them all: [`server::Server`] has one field per subject. Everything above is free functions
//! over `&mut Server`. Imports only go down; `tests/suite/tidy.rs` holds the list of floors and fails on an import that
//! goes up, or on a circle of files within a floor.
//!
//! | floor | contents |
//! |---|---|
//! | `sys` | the operating system: clocks, log, memory, processes; besides the crash report the only place for `unsafe` |
//! | `wire` | RESP: arguments, requests parsed in place, replies, error texts |
//! | `config` | directives as rows, their values, reading and rewriting files |
//! | `state` | clients, callers, databases, statistics, TLS contexts: data without behaviour across subjects |
//! | `server` | the front page: `Server`, `Ctx`, hooks |
//! | `report` | INFO, one file per section; a client as a line |
//! | `egress` | output: replies, messages to other clients, sending; connections to other servers |
//! | `feed` | propagation: the writes of a unit, the stream that replicas follow, the append-only file's buffer |
//! | `keyspace` | operations on keys: lookup, change and its events, expiry, eviction, deletion, freeing, defragmentation |
//! | `session` | a client's own state: its user, name, subscriptions, transaction, blocking, eviction, closing |
//! | `exec` | from arguments to an executed command: row, rights, gate, call, slow log, MONITOR, unblocking, nested events |
//! | `script` | scripts and functions: their interpreters, what they can call, values of Lua as replies |
//! | `ingress` | listening, accepting, reading |
//! | `persist` | the data set on disk: snapshots, the append-only file, the child, loading, checking |
//! | `replication` | this server as a primary, as a replica, and the change between both |
//! | `cluster` | this server as a node of a cluster: bus, nodes.conf, slots; keys that move between servers: MIGRATE |
//! | `house` | start, before sleep, cron, certificates, shutdown, the crash report |
//! | `commands` | one file per family, headed by its rows and procs |
//!
//! Below them are crates of their own: `ae` (event loop), `conn` (TCP, Unix sockets and TLS behind one interface), `slot`
//! (the slot of a key) and `words` (splitting and quoting of lines), both shared with the tools, `table` (a row per command,
//! shared with redis-cli), `data` (hash table, entries, values: no I/O, no clock), `lua` (the interpreter of scripts, its
//! libraries, and what keeps scripts in), `cluster` (the cluster's protocol: no I/O, no clock).
//!
//! Statics are confined to what has no server to belong to: allocator, log, signals, watchdog, crash report, the seed of the
//! hash function, OpenSSL's BIO method, ex-data index and allocator hooks, the policy of resizes. The list is in
//! `tests/suite/tidy.rs`.
//!
//! # The path of a request
//!
//! 1. `ae::event_loop`: a descriptor is ready; its proc is called with `&mut Server`.
//! 2. `conn::drive`: from descriptor to connection, TLS progress, the connection's read handler.
//! 3. `ingress::input`: bytes into the query buffer. Request and output leave the slab for as long as the batch takes.
//! 4. `wire::request`: arguments as ranges of that buffer, or more bytes needed, or a protocol error.
//! 5. `exec::process`: the caller, the row and the proc. 6. `exec::gate`: may it run? 7. `exec::call`: run it, time it,
//!    count it.
//! 8. `commands::*`: arguments by a cursor, keys by `keyspace::lookup`, the answer into `cx.reply`.
//! 9. `keyspace::change`: the closing call of every change.
//! 10. `egress::flush`, before the loop sleeps: sends the output of all clients that have some, or holds it.
//!
//! Writes leave this path at 7: `feed::propagate` collects them, and when the unit ends `feed::replicas` appends them
//! to the stream and `feed::aof` to the buffer of the append-only file, which is written before the loop sleeps. The
//! commands of a primary enter it at 5, by `replication::replica::apply`.
//!
//! # Caller, unit, client
//!
//! * A **caller** (`state::caller`) is built for each request. It owns what the gate, the call, propagation and the reply need
//!   to know: session (database, protocol, authentication), class, whether it is obeyed, the targets of its writes, the flags
//!   of its queued transaction. A new kind of caller is a new row there, not a new case elsewhere.
//! * A **unit** (`state::unit`) is what is being executed. What belongs to a command is put back when the command has ended.
//!   Queues are drained at depth 0 only. A command that takes long may process events (`exec::nested`): its own client is
//!   protected, and the before-sleep page is a short one.
//! * A **client** (`state::client`) has a table of states and two questions, `may_run` and `may_read`. What a client
//!   can be blocked on is a row of rules (`state::blocked`): whether it survives a change of role, whether CLIENT
//!   UNBLOCK ends it, what it replies when it is cancelled. One timer serves the earliest deadline.
//!
//! # Where things are added
//!
//! * A command: its row in `table`; `fn name(cx: &mut Ctx<'_>) -> Done` in the file of its family, both listed in that file's
//!   `PROCS`; a test.
//! * A directive: a row in `config/rows`, a field of `config::params::Params`, and, if a change must take effect at once, an
//!   effect that `commands/config.rs` maps to a function.
//! * A field of INFO: one line in its section's file under `report`.
//! * Periodic work: a step in `house/cron.rs`. Work before the loop sleeps: a line in `house/before_sleep.rs`.
//!
//! # Decisions that are not obvious
//!
//! * **A client's request and output move out of the slab while its input is processed** (`ingress::input`). A command
//!   may then access every client, its own included, without a lock or a copy; what others append to its output meanwhile
//!   is sent after its replies.
//! * **One clock reading per command.** A command starts when its predecessor in the batch ended.
//! * **One comparison tells whether a command is worth recording**: that of its duration with `state::observers`, which knows
//!   the thresholds of the slow log and of the latency monitor, and whether a client is in MONITOR. Likewise what is
//!   rare is kept as a flag or figure where it changes, and not worked out per command.
//! * **The hashes that a batch's prefetch has computed serve its commands** (`state::turn::KeyHash`). A hash belongs to an
//!   address: the argument's, which nothing else can have while its command is executed. The line of a single command's
//!   key is fetched while the command is checked.
//! * **The memory of clients is accounted for per command only while `maxmemory-clients` is set** (`egress::account`);
//!   otherwise cron does it once per second, and INFO shows that.
//! * **A session holds the id of its user** (`state::acl`), never a copy of its rights. The id of a deleted user finds
//!   nothing, and then nothing is permitted. A user who may do everything is known by one flag; for any other the gate
//!   checks a bitmap and patterns, at each execution anew: EXEC and unblocked clients included.
//! * **Two counters of change.** `Keys::changes` decides whether a command is propagated and only rises, while
//!   `Stats::dirty` falls with every save. `Keys::version` rises with every change, expiry included: as long as it stays,
//!   executing a blocked command again is pointless.
//! * **Messages have their own way** (`egress::publish`). A message for many clients is encoded once per protocol version and
//!   appended to the output of each. If the receiver's own command is being executed, the message is sent behind the reply to
//!   that command (`egress::push::take_pushes`).
//! * **Rights are checked at three places** (`exec::permission`): before a command is queued or called, for each command that
//!   EXEC takes from the queue, and when a blocked command is executed again.
//! * **A script is a command that calls others** (`script::call`), as EXEC is: each is a call within its unit, so its
//!   writes are propagated together and it sees one instant of time. The gate judges it by the flags that its first
//!   line declares, and what may change while it runs is asked again for each command. A script that runs for long lets
//!   other clients be served (`exec::nested`); the link to the primary waits, so no snapshot replaces the data set
//!   under a script.
//! * **Lua is PUC's 5.1 with edits that must apply** (`lua/build/edits.rs`), and not an unchanged one behind proxies. A flag of
//!   a table that every write asks costs nothing that can be measured, keeps Redis's error texts, and covers C functions of Lua
//!   as well; proxies would make each global a call. Nothing that Rust calls raises an error of Lua, which would skip
//!   destructors, and `__gc` is never called.
//! * **A set of libraries owns its interpreter** (`state::scripts::libraries`). A snapshot or payload is loaded into a
//!   set of its own, which is dropped as a whole if it fails.
//! * **The cluster's protocol is a state machine without sockets and clock** (the crate `cluster`). `cluster::events`
//!   tells it what happens, and `cluster::drive` performs its actions, so a thousand nodes are simulated in one
//!   process. Nothing is sent before nodes.conf has what it tells.
//! * **A slot is a part of the database** (`data::value::slots`), with tables of its own while it has keys. A hash
//!   carries the slot in bits that tables do not use; so the slot of most keys is computed once, with the hash of the
//!   batch, and serves routing (`exec::route`) and lookup.
//! * **Eviction is a step of the gate.** What a run cannot complete within its time is continued by a timer, and
//!   further runs of the same turn are short, so a pipeline of writes does not stretch the turn (`keyspace::evict`).
//! * **Flushing never closes.** `egress` queues a client to be closed and `session::close` drains the queue, so that imports
//!   stay one-way and no client vanishes during a walk. Closing another client by command is immediate.
//! * **Files of certificates are watched and loaded by a thread** (`house::certificates`, `sys::file_watch`): a slow
//!   disk delays no client, and cron takes what was loaded. A load that began under other directives is dropped with
//!   its watch.
//! * **A TLS connection becomes a client when its handshake is complete.** Until then it counts towards `maxclients`
//!   and has no client; `conn::admission` bounds a storm of half-open handshakes. On a mixed port the first byte
//!   decides whether there is one (`conn::drive`), and a plain client waits for none. One that is silent until the time
//!   for a handshake has passed is a plain client, too.
//! * **What strangers cause gets a share of each turn**, measured in time: accepting (`ingress::accept`), steps of
//!   handshakes (`conn::admission`), giving up handshakes (`conn::drive`), freeing closed TLS connections (`conn::conns`). The
//!   kernel's table of descriptors has room for `maxclients` from the start (`sys::process::reserve_descriptors`), since
//!   enlarging it would stop the process in the middle of a storm.
//! * **A step before the loop sleeps may leave work for an earlier one**; then the loop does not sleep (`house::before_sleep`).
//! * **What OpenSSL forgets of a session is kept in its ticket** (`conn::tls::ticket_chain`): it verifies nothing when
//!   a session is resumed, so the ticket carries when the chain of the client expires and which authorities it has.
//! * **The stream of writes is held once** (`state::replication::blocks`). A replica is a position in it, so memory grows
//!   with the slowest replica and not with their number, and the backlog is the part behind all of them. On a
//!   replica the same blocks hold what is read from the primary, byte for byte; an offset marks how much is executed, and
//!   only that is passed on.
//! * **The loop does not wait for the disk to keep a write** (`persist::aof`). It does wait when files are replaced: at the
//!   beginning of a rewrite of the append-only file (three fsyncs), at its end (four), when it is switched off, at shutdown, and
//!   for CONFIG REWRITE and ACL SAVE. A replica that cannot switch it on again after a synchronization tries for up to ten
//!   seconds and serves nobody meanwhile, as in Redis. With `appendfsync always` the fsync is a thread's, and what must not
//!   be told before it waits in the outputs themselves: a batch (`state::aof::held`) says how many bytes of which clients a
//!   mark releases. This holds for the stream of replicas as well. An fsync is put off for a moment while clients return
//!   that were just sent their replies (`state::aof::gather`), or the clients would fall into two groups that wait for each
//!   other's. The old incremental file is on the disk before a manifest names its successor, as only the last may be
//!   incomplete.
//! * **What a child writes for replicas goes through a ring** (`state::replication::transfer`). Each replica reads it
//!   at its own pace; a slow one delays the next transfer no more than its memory allows.
//! * **A debugged script has its client's connection** (`script::debug`). A forked child goes on with the client's socket and
//!   TLS session while the parent forgets both without sending anything. No event is processed while the script is stopped, so
//!   the connection is used by calls that wait (`conn::wait`).
//! * **Memory counts where it is used** (`sys::memory::used`): a table that grows counts as far as it is filled, an argument
//!   as far as it has arrived, an evicted value no longer although the background thread has yet to free it. Otherwise
//!   `maxmemory` would evict keys for memory that nobody uses (`keyspace::evict`). A client is charged differently: with what
//!   it has announced, so that `maxmemory-clients` closes it in time (`state::size_classes`).
//! * **Any allocation of the data set can be moved** (`data::ds::relocation`), by the module that owns it: it asks a
//!   relocator, so only `sys::fragmentation` knows the allocator. No code may keep the address of a key or value beyond a
//!   turn of the loop; a text that is shared with a reply stays where it is. While `keyspace::defrag` runs, the thread has
//!   no cache of free memory, which would hand out the places that were just left.
//! * **Every payload and file is checked completely**, whatever `sanitize-dump-payload` says. Where the directive admits what
//!   only such a check refuses, RESTORE keeps it as bytes that no command reads (`data::value::damaged`), and reports it as
//!   Redis does when it aborts. Nothing that is read can therefore be unsound, and no snapshot contains what would not load.
//! * **Arithmetic on numbers from outside is checked.** The release profile wraps on overflow; the profile `fast`, on which
//!   all tests run, panics. `tests/suite/arithmetic.rs` sends the limits of the ranges to every command that takes a number,
//!   `fuzz*.rs` feeds broken files, payloads and requests to every parser, and the upstream suite runs on `fast` as well. In
//!   `data/rdb` lengths only reach `Cursor::take` and its variants, which compare them with the bytes that are left.
//! * **Memory is checked in three ways.** Structures with handles, tags or raw records have a `check()` of all their
//!   invariants, which their model tests call; `tests/sanitize` runs these tests under AddressSanitizer in CI, and a whole
//!   server on demand; private functions that trust their caller are `unsafe` and state their contract, except those of an
//!   entry (`data::value::entry`), whose offsets follow from its header.

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
pub mod script;
pub mod server;
pub mod session;
pub mod state;
pub mod sys;
pub mod wire;
