//! Watching which clients return after a release, so that the next fsync waits for them (`state/aof/gather`).

use crate::config::values::AppendFsync;
use crate::egress::held::released_position;
use crate::server::Server;
use crate::sys::clock;

/// Takes into account who has output in this turn. Called before the buffer is written.
pub fn observe(srv: &mut Server) {
    if srv.config.appendfsync != AppendFsync::Always {
        return;
    }
    let released = srv.aof.held.count_reached(released_position(srv));
    if released > 0 {
        srv.aof.gather.begin(released, clock::monotonic_us());
    } else if srv.aof.gather.is_open() {
        count_returned(srv);
    }
}

fn count_returned(srv: &mut Server) {
    let Server { aof, clients, .. } = srv;
    if aof.syncer.is_busy() && !aof.syncer.is_put_off() {
        // It has begun. Who returns now is covered by the next one.
        aof.gather.close();
        return;
    }
    let now_us = clock::monotonic_us();
    for &id in &clients.pending_write {
        if let Some(client) = clients.slab.get_mut(id)
            && aof.gather.note_output(client.released_in, now_us)
        {
            client.released_in = client.released_in.wrapping_sub(1);
        }
    }
}

/// Tells the fsync thread until when to wait. Called after the buffer was written.
pub fn conclude(srv: &mut Server) {
    if !srv.aof.gather.is_open() {
        return;
    }
    let until = srv.aof.gather.wait_until();
    if srv.aof.syncer.is_put_off() {
        srv.aof.syncer.put_off(until);
        if until.is_none() {
            srv.aof.gather.close();
        }
    }
}

/// Notes that released output has been sent, which took a while.
pub fn note_sent(srv: &mut Server) {
    if srv.aof.gather.is_open() {
        srv.aof.gather.note_sent(clock::monotonic_us());
        conclude(srv);
    }
}
