//! What happens once per turn of the loop, before it sleeps. The order matters and is this page.

use conn::drive::process_pending;

use crate::cluster::migrate::conclude;
use crate::egress::flush::flush_pending;
use crate::exec::unblock::{expire_blocks, release, serve_ready};
use crate::feed::replicas::{ask_for_acks, queue_all};
use crate::ingress::input::process_resumed;
use crate::keyspace::expire::fast_cycle;
use crate::replication::failover::advance;
use crate::replication::replica::apply::go_on;
use crate::replication::replica::connect;
use crate::server::Server;
use crate::session::close::drain_close_queue;
use crate::session::deadline::arm_wakeup;
use crate::state::blocked::BlockKind;
use crate::sys::{clock, memory};

/// The loop's before-sleep hook.
pub fn before_sleep(srv: &mut Server) {
    // 1. Clients whose bytes TLS has already taken from the socket: no event will ever tell of them.
    let more = process_pending(srv);
    srv.el.set_dont_wait(more);
    if srv.snapshot.hides_data() || srv.unit.depth > 0 {
        // The data is not all there, or a command on the stack is not done: clients get replies, and that is all.
        flush_pending(srv);
        drain_close_queue(srv);
        return end_turn(srv);
    }
    // 2. A little active expiry, when the slow cycle could not finish.
    fast_cycle(srv);
    // 3. A failover goes on when its replica has caught up; a pause ends.
    advance(srv);
    srv.pauses.expire(srv.unit.now_ms);
    if srv.pauses.take_end() {
        release(srv, BlockKind::Pause);
        go_on(srv);
    }
    // 4. Keys that have arrived at another server leave this one.
    conclude(srv);
    // 5. Blocked clients: their deadline has passed, or expiry made a key of theirs vanish.
    expire_blocks(srv);
    if srv.blocked.has_ready() {
        serve_ready(srv);
    }
    process_resumed(srv);
    // 6. Replicas: whoever waits for them wants to know how far they are; what is new of the stream.
    if std::mem::take(&mut srv.replication.wants_acks) {
        ask_for_acks(srv);
    }
    queue_all(srv);
    // 7. Replies, and what replicas are sent.
    flush_pending(srv);
    // 8. Clients that were to be closed.
    drain_close_queue(srv);
    // 9. The way to the primary: connected to again when it was lost (a line ago, maybe), its name resolved.
    connect::advance(srv);
    // 10. The earliest deadline of blocked clients and pauses wakes the loop.
    arm_wakeup(srv);
    // 11. Figures of this turn.
    memory::sample_peak();
    end_turn(srv);
}

fn end_turn(srv: &mut Server) {
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
