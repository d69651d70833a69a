//! The stream of writes that replicas follow.
//!
//! The stream is held once, in blocks; a replica is a position in it. What neither the backlog (`repl-backlog-size`)
//! nor the slowest replica needs is dropped.

use crate::egress::limits::{close_over_limit, over_output_limit};
use crate::server::Server;
use crate::state::blocked::ReplicaBlock;
use crate::state::caller::Targets;
use crate::state::client_id::ClientId;
use crate::state::propagation::Propagation;
use crate::state::replication::replica::ReplicaStage;

/// The request that begins a transaction.
pub const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
/// The request that ends one.
pub const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

/// Appends the writes of a unit; several that belong together (`whole`) between MULTI and EXEC.
pub fn feed(srv: &mut Server, propagation: &Propagation, whole: bool) {
    let whole = whole && propagation.to(Targets::REPLICAS).nth(1).is_some();
    if whole {
        append(srv, MULTI);
    }
    for (db, request) in propagation.to(Targets::REPLICAS) {
        select(srv, db);
        append(srv, request);
    }
    if whole {
        append(srv, EXEC);
    }
}

/// Sends replicas a PING.
pub fn ping(srv: &mut Server) {
    append(srv, PING);
}

/// Asks replicas for their acknowledged offset. A replica may not: its stream is its primary's, byte for byte.
pub fn ask_for_acks(srv: &mut Server) {
    if srv.replication.is_fed() {
        append(srv, GETACK);
    } else {
        srv.replication.count_unkept(1);
    }
}

fn select(srv: &mut Server, db: usize) {
    if srv.replication.selected != Some(db) {
        srv.replication.selected = Some(db);
        append(srv, select_request(db).as_bytes());
    }
}

/// The request that selects a database.
pub fn select_request(db: usize) -> String {
    let mut digits = itoa::Buffer::new();
    let number = digits.format(db);
    format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{number}\r\n", number.len())
}

fn append(srv: &mut Server, bytes: &[u8]) {
    let size = srv.config.repl_backlog_size as u64;
    let replication = &mut srv.replication;
    debug_assert!(!replication.is_replica(), "the stream is the primary's");
    let grown = replication.keep(bytes, size);
    replication.offset = replication.blocks.end();
    replication.unsent = true;
    if grown {
        trim(srv);
        close_laggards(srv);
    }
}

/// Drops the part of the stream that is no longer needed.
pub fn trim(srv: &mut Server) {
    let clients = &srv.clients;
    let positions = srv.replication.replicas.iter().filter_map(|&id| {
        let replica = clients.replica(id)?;
        replica.needs_stream().then_some(replica.position)
    });
    let slowest = positions.min();
    let size = srv.config.repl_backlog_size as u64;
    srv.replication.trim(size, slowest);
}

/// Closes replicas whose lag exceeds their output limit.
fn close_laggards(srv: &mut Server) {
    for id in srv.replication.replicas.clone() {
        if over_output_limit(srv, id) {
            close_over_limit(srv, id);
        }
    }
}

/// Replicas that have acknowledged the stream up to an offset: that they have it, or, for WAITAOF, that it is on their disk.
pub fn acknowledged(srv: &Server, block: &ReplicaBlock) -> i64 {
    let far_enough = |id: &ClientId| {
        let replica = srv.clients.replica(*id);
        replica.is_some_and(|replica| match block.local {
            None => replica.ack_offset >= block.offset,
            Some(_) => replica.fack_offset >= block.offset,
        })
    };
    online(srv).filter(far_enough).count() as i64
}

/// Queues the new part of the stream for all replicas, before the loop sleeps.
pub fn queue_all(srv: &mut Server) {
    if !std::mem::take(&mut srv.replication.unsent) {
        return;
    }
    let Server {
        clients,
        replication,
        ..
    } = srv;
    for &id in &replication.replicas {
        clients.queue_write(id);
    }
}

/// Disconnects all replicas, since their data set is no longer a prefix of this one.
pub fn disconnect_all(srv: &mut Server) {
    for id in srv.replication.replicas.clone() {
        srv.clients.queue_close(id);
    }
}

/// Replicas that have the data set and follow the stream.
pub fn online(srv: &Server) -> impl Iterator<Item = ClientId> {
    let clients = &srv.clients;
    srv.replication.replicas.iter().copied().filter(|&id| {
        let replica = clients.replica(id);
        replica.is_some_and(|replica| matches!(replica.stage, ReplicaStage::Online))
    })
}
