//! Connections that this server makes to others: to its primary, to nodes of its cluster, to the target of MIGRATE.

use conn::dial::Dialer;
use conn::resolve::Query;

use crate::config::params::Params;
use crate::server::Server;

/// What to resolve for a server, with `bind-source-addr`.
pub fn query(config: &Params, host: &str, port: u16) -> Query {
    let source = Some(&config.bind_source_addr).filter(|source| !source.is_empty());
    Query {
        host: host.to_owned(),
        port,
        source: source.cloned(),
    }
}

/// A dialer for a server. It wakes the loop when the name is resolved; if it cannot be woken, the next run of cron
/// continues.
pub fn dialer(srv: &Server, host: &str, port: u16) -> Dialer {
    let waker = srv.el.waker();
    Dialer::start(query(&srv.config, host, port), move || drop(waker.wake()))
}
