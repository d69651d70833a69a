//! Closing the biggest clients while all clients together use more than `maxmemory-clients`.
//!
//! This is checked before each command and before the loop sleeps. The memory of a client counts as of when it was last
//! accounted for (`egress/account`): after each of its commands, and after its output was sent.

use crate::report::client_line::client_line;
use crate::server::Server;
use crate::session::close::close_now;
use crate::state::client::Class;
use crate::{notice, warning};

/// A lower limit would lock everyone out, in bytes.
const MIN_LIMIT: usize = 128 * 1024;

/// The limit in bytes; `None` if there is none.
fn limit(srv: &Server) -> Option<usize> {
    let (clients, all) = (srv.config.maxmemory_clients, srv.config.maxmemory);
    let bytes = match clients {
        0 => return None,
        1.. => clients as usize,
        // A percentage of no limit at all.
        _ if all == 0 => return None,
        _ => (all as f64 * clients.unsigned_abs() as f64 / 100.0) as usize,
    };
    Some(bytes.max(MIN_LIMIT))
}

/// Closes the biggest clients until the others use less than the limit.
#[inline]
pub fn evict_clients(srv: &mut Server) {
    if srv.config.maxmemory_clients != 0 {
        evict_above_limit(srv);
    }
}

fn evict_above_limit(srv: &mut Server) {
    let Some(limit) = limit(srv) else {
        return;
    };
    let used =
        |srv: &Server| srv.clients.memory_of(Class::Normal) + srv.clients.memory_of(Class::PubSub);
    while used(srv) >= limit {
        let Some(id) = srv.clients.biggest() else {
            if !std::mem::replace(&mut srv.eviction.clients_exceed, true) {
                warning!("Over client maxmemory after evicting all evictable clients");
            }
            return;
        };
        notice!("Evicting client: {}", client_line(srv, id));
        srv.stats.evicted_clients += 1;
        // A client that is on the stack is closed later, but counts no longer.
        srv.clients.forget_memory(id);
        close_now(srv, id);
    }
    srv.eviction.clients_exceed = false;
}
