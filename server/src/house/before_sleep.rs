//! What happens once per turn of the loop, before it sleeps. The order matters and is this page.

use conn::drive::process_pending;

use crate::cluster::migrate::conclude;
use crate::egress::flush::flush_pending;
use crate::exec::unblock::{end_pause, expire_waits, serve_ready};
use crate::feed::replicas::{ask_for_acks, queue_all};
use crate::ingress::input::process_resumed;
use crate::keyspace::expire::fast_cycle;
use crate::replication::failover::advance;
use crate::replication::replica::apply::go_on;
use crate::replication::replica::connect;
use crate::server::Server;
use crate::session::close::drain_close_queue;
use crate::sys::{clock, memory};

/// The loop's before-sleep hook.
pub fn before_sleep(srv: &mut Server) {
    // 1. Clients whose bytes TLS has already taken from the socket: no event reports them.
    process_pending(srv);
    if srv.snapshot.hides_data() {
        // The data is not all there: clients hear so, and that is all.
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
        end_pause(srv);
        go_on(srv);
    }
    // 4. Keys that have arrived at another server leave this one.
    conclude(srv);
    // 5. Clients whose wait is over: by time, or because expiry made a key of theirs vanish.
    expire_waits(srv);
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
    // 10. Figures of this turn.
    memory::sample_peak();
    end_turn(srv);
}

fn end_turn(srv: &mut Server) {
    // Asked last: any step may make a connection pending again, and the loop would sleep over it.
    let more = srv.conns.has_pending();
    srv.el.set_dont_wait(more);
    let us = clock::monotonic_us().saturating_sub(srv.unit.turn_began_us);
    let stats = &mut srv.stats;
    stats.loop_turns += 1;
    stats.loop_us += us;
    stats.loop_max_us = stats.loop_max_us.max(us);
    let commands = stats.commands.saturating_sub(srv.unit.turn_began_at);
    stats.loop_max_commands = stats.loop_max_commands.max(commands);
}

/// The loop's after-sleep hook.
pub fn after_sleep(srv: &mut Server) {
    srv.unit.refresh();
    srv.unit.turn_began_us = srv.unit.clock_ns / 1000;
    srv.unit.turn_began_at = srv.stats.commands;
}
