//! Commands: one file per family, each headed by its rows and their procs.
//!
//! To add a command: add its row to the crate `table`; write its proc in the file of its family and list both in the
//! file's `PROCS`. Families never import each other.

use table::spec::Spec;

use crate::server::{Bound, Commands, Proc};

pub mod acl;
pub mod args;
pub mod bitfield;
pub mod bitmap;
pub mod client;
pub mod cluster;
pub mod command;
pub mod config;
pub mod connection;
pub mod debug;
pub mod dump;
pub mod expire;
pub mod failover;
pub mod function;
pub mod geo;
pub mod hash;
pub mod hash_random;
pub mod hyperloglog;
pub mod keys;
pub mod latency;
pub mod list;
pub mod list_move;
pub mod memory;
pub mod migrate;
pub mod module;
pub mod monitor;
pub mod object;
pub mod persistence;
pub mod pubsub;
pub mod replicaof;
pub mod replication;
pub mod scan;
pub mod script;
pub mod server;
pub mod set;
pub mod set_algebra;
pub mod set_random;
pub mod slowlog;
pub mod sort;
pub mod stream;
pub mod string;
pub mod string_number;
pub mod string_range;
pub mod tracking;
pub mod transaction;
pub mod zset;

/// The rows of a family and their procs.
pub type Family = &'static [(&'static Spec, Proc)];

static FAMILIES: &[Family] = &[
    acl::files::PROCS,
    acl::inquiry::PROCS,
    acl::log::PROCS,
    acl::users::PROCS,
    bitfield::PROCS,
    bitmap::PROCS,
    client::PROCS,
    cluster::admin::PROCS,
    cluster::client::PROCS,
    cluster::inquiry::PROCS,
    cluster::slots::PROCS,
    cluster::topology::PROCS,
    command::PROCS,
    config::PROCS,
    connection::PROCS,
    debug::PROCS,
    dump::PROCS,
    expire::PROCS,
    function::PROCS,
    geo::position::PROCS,
    geo::search::PROCS,
    hash::PROCS,
    hash_random::PROCS,
    hyperloglog::PROCS,
    keys::PROCS,
    latency::PROCS,
    list::PROCS,
    list_move::PROCS,
    memory::PROCS,
    migrate::PROCS,
    module::PROCS,
    monitor::PROCS,
    object::PROCS,
    persistence::PROCS,
    pubsub::PROCS,
    replicaof::PROCS,
    replication::PROCS,
    failover::PROCS,
    scan::PROCS,
    script::PROCS,
    server::PROCS,
    set::PROCS,
    set_algebra::PROCS,
    set_random::PROCS,
    slowlog::PROCS,
    sort::PROCS,
    stream::add::PROCS,
    stream::claim::PROCS,
    stream::edit::PROCS,
    stream::group::PROCS,
    stream::info::PROCS,
    stream::pending::PROCS,
    stream::range::PROCS,
    stream::read::PROCS,
    string::PROCS,
    string_number::PROCS,
    string_range::PROCS,
    tracking::PROCS,
    transaction::PROCS,
    zset::algebra::PROCS,
    zset::elements::PROCS,
    zset::pop::PROCS,
    zset::random::PROCS,
    zset::range::PROCS,
];

/// Binds every proc to its row.
pub fn bind() -> Commands {
    let mut commands = Commands {
        rows: vec![Bound::default(); table::COUNT],
        renamed: Vec::new(),
        hidden: Vec::new(),
    };
    for (spec, proc) in FAMILIES.iter().copied().flatten() {
        let id = table::id(spec);
        commands.rows[id.index()].proc = Some(*proc);
        if let Some(parent) = table::parent(id) {
            commands.rows[parent.index()].is_container = true;
        }
    }
    commands
}
