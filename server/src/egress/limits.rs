//! Output limits: `client-output-buffer-limit`, and closing the clients that exceed it.

use crate::config::params::Params;
use crate::config::values::OutputLimit;
use crate::egress::held::released_offset;
use crate::report::client_line::client_line;
use crate::server::Server;
use crate::state::client::{Class, Closing};
use crate::state::client_id::ClientId;
use crate::warning;
use crate::wire::output::KEEP_TAIL;

/// The limit of a class. For replicas it is at least `repl-backlog-size`: the backlog is kept in memory anyway.
#[inline]
fn limit_of(config: &Params, class: Class) -> OutputLimit {
    let mut limit = config.client_output_buffer_limit[class.limit_index()];
    if class == Class::Replica && limit.hard != 0 {
        limit.hard = limit.hard.max(config.repl_backlog_size as u64);
    }
    limit
}

/// The output in bytes at which a client of a class is closed; 0 means no limit. As in Redis, the first bytes are not
/// counted, so that a small limit does not lock everyone out.
#[inline]
pub fn hard_limit(config: &Params, class: Class) -> usize {
    match limit_of(config, class).hard {
        0 => 0,
        hard => usize::try_from(hard)
            .unwrap_or(usize::MAX)
            .saturating_add(KEEP_TAIL),
    }
}

/// Whether a client's output exceeds a limit of its class. What waits for the disk does not count: the client has had no chance
/// to read it.
pub fn over_output_limit(srv: &mut Server, id: ClientId) -> bool {
    let released_offset = released_offset(srv);
    let Some(client) = srv.clients.get_mut(id) else {
        return false;
    };
    let limit = limit_of(&srv.config, client.class());
    if limit.hard == 0 && limit.soft == 0 {
        client.soft_limit_since = 0;
        return false;
    }
    if client.closing == Closing::Now {
        return false;
    }
    let replica = client.replica.as_ref().filter(|replica| replica.is_one());
    let behind = replica.map_or(0, |replica| replica.behind(released_offset));
    let waiting = client.output_bytes() - client.io.out.held()
        + client.conn.map_or(0, |conn| srv.conns.pending_out(conn));
    let used = waiting.saturating_sub(KEEP_TAIL) as u64 + behind;
    if limit.hard != 0 && used > limit.hard {
        return true;
    }
    if limit.soft == 0 || used <= limit.soft {
        client.soft_limit_since = 0;
        return false;
    }
    let now = srv.unit.now_s();
    if client.soft_limit_since == 0 {
        client.soft_limit_since = now;
    }
    now - client.soft_limit_since > limit.soft_seconds
}

/// Closes a client over its output limit, with Redis's log line.
#[cold]
pub fn close_over_limit(srv: &mut Server, id: ClientId) {
    srv.stats.output_buffer_disconnects += 1;
    let line = client_line(srv, id);
    warning!("Client {line} scheduled to be closed ASAP for overcoming of output buffer limits.");
    srv.clients.queue_close(id);
}
