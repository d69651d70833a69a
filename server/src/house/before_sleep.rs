//! What happens once per turn of the loop, before it sleeps. The order matters.
//!
//! A step may leave work for an earlier one: a client that is unblocked late executes commands in the next turn. What
//! can be left over is asked at the end (`is_done`), and the loop does not sleep on it.

use conn::drive::process_pending;

use crate::cluster::drive::{is_stirred, settle};
use crate::cluster::migrate::conclude;
use crate::egress::flush::flush_pending;
use crate::egress::invalidate::broadcast;
use crate::egress::release::release;
use crate::exec::unblock::{expire_blocks, serve_ready};
use crate::feed::replicas::{ask_for_acks, queue_all};
use crate::ingress::input::{process_resumed, release_all};
use crate::keyspace::expire::fast_cycle;
use crate::persist::aof::flush::{flush, take_progress};
use crate::persist::aof::gather;
use crate::replication::failover::advance;
use crate::replication::replica::apply::go_on;
use crate::replication::replica::connect;
use crate::server::Server;
use crate::session::client_eviction::evict_clients;
use crate::session::close::drain_close_queue;
use crate::session::deadline::arm_wakeup;
use crate::state::blocked::BlockKind;
use crate::state::pauses::Purpose;
use crate::sys::{clock, memory};

/// The loop's before-sleep hook.
pub fn before_sleep(srv: &mut Server) {
    // 1. Clients with decrypted TLS data, for which no socket event will arrive.
    process_pending(srv);
    if srv.snapshot.hides_data() || srv.unit.depth > 0 {
        // The data set is incomplete, or a command is still running: clients only get their replies, and nodes of the cluster
        // their answers.
        settle(srv);
        write_appended(srv);
        flush_pending(srv);
        drain_close_queue(srv);
        // The other steps wait for the turn that is not nested.
        let may_sleep = !srv.conns.has_pending();
        return end_turn(srv, may_sleep);
    }
    // 2. The cluster: what other nodes have sent takes effect, and they are answered.
    settle(srv);
    // The fast cycle of active expiry, if the slow one could not finish.
    fast_cycle(srv);
    // 3. A failover proceeds when its replica has caught up; pauses end.
    advance(srv);
    srv.pauses.expire(srv.unit.now_ms);
    if srv.pauses.take_narrowed() {
        // The primary's stream first: what clients read must not be older than what has arrived.
        go_on(srv);
        // What is still held back blocks again.
        release_all(srv, BlockKind::Pause);
    }
    // 4. Keys that were migrated are deleted.
    conclude(srv);
    // 5. Blocked clients: deadlines, and keys that became ready by expiry.
    expire_blocks(srv);
    if srv.blocked.has_ready() {
        serve_ready(srv);
    }
    process_resumed(srv);
    // 6. Replicas: acknowledgements are requested unless a failover is under way; the new part of the stream is queued.
    if srv.replication.wants_acks && srv.pauses.scope_of(Purpose::Failover).is_none() {
        srv.replication.wants_acks = false;
        ask_for_acks(srv);
    }
    queue_all(srv);
    // 7. Keys that were changed, for clients that cache them by prefix.
    if srv.tracking.has_collected() {
        broadcast(srv);
    }
    // 8. The append-only file: what it waits for decides which output may be sent.
    write_appended(srv);
    // 9. Output of clients and replicas.
    flush_pending(srv);
    // 10. Clients that are to be closed; then the biggest ones, if clients use too much memory.
    drain_close_queue(srv);
    evict_clients(srv);
    // 11. The link to the primary: reconnects when it was lost (perhaps just now), and takes in resolved names.
    connect::advance(srv);
    // 12. The timer for the earliest deadline of blocked clients and pauses.
    arm_wakeup(srv);
    // 13. Statistics of this turn.
    memory::sample_peak();
    let may_sleep = is_done(srv);
    end_turn(srv, may_sleep);
}

/// Whether no step has anything to do before the next event.
fn is_done(srv: &mut Server) -> bool {
    !srv.conns.has_pending()
        && !is_stirred(srv)
        && !srv.pauses.has_narrowed()
        && srv.blocked.resumed.is_empty()
        && srv.clients.pending_write.is_empty()
}

/// Writes the append-only file, and sends what was held until an fsync that has ended meanwhile.
fn write_appended(srv: &mut Server) {
    if srv.aof.is_on() {
        let began_us = clock::monotonic_us();
        take_progress(srv);
        gather::observe(srv);
        flush(srv, false);
        gather::conclude(srv);
        srv.stats.aof_us += clock::monotonic_us().saturating_sub(began_us);
    }
    if !srv.aof.held.is_empty() && release(srv) {
        // The released part of the stream, too.
        srv.replication.unsent = true;
        queue_all(srv);
        gather::note_sent(srv);
    }
}

fn end_turn(srv: &mut Server, may_sleep: bool) {
    srv.el.set_dont_wait(!may_sleep);
    let us = clock::monotonic_us().saturating_sub(srv.turn.began_us);
    let stats = &mut srv.stats;
    stats.loop_turns += 1;
    stats.loop_us += us;
    stats.loop_max_us = stats.loop_max_us.max(us);
    let commands = stats.commands.saturating_sub(srv.turn.began_at);
    stats.loop_max_commands = stats.loop_max_commands.max(commands);
}

/// The loop's after-sleep hook.
pub fn after_sleep(srv: &mut Server) {
    srv.unit.now_ms = srv.turn.refresh();
    srv.turn.began_us = srv.turn.clock_ns / 1000;
    srv.turn.began_at = srv.stats.commands;
}
