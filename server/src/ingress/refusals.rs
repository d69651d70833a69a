//! Connections that are refused before they are clients: counted by network, and logged within a limit.

use std::fmt::Display;

use conn::addr::Addr;
use conn::connection::ConnId;

use crate::server::Server;
use crate::sys::clock;
use crate::warning;

/// Logs a line that a stranger can cause.
pub fn log(srv: &mut Server, line: impl Display) {
    if let Some(left_out) = srv.tls.throttle.admit(clock::monotonic_ms()) {
        tell(left_out);
        warning!("{line}");
    }
}

/// Cron: tells how many lines were left out, when no other line does.
pub fn tell_left_out(srv: &mut Server) {
    tell(srv.tls.throttle.overdue(clock::monotonic_ms()));
}

fn tell(left_out: u64) {
    if left_out > 0 {
        warning!("{left_out} lines about refused connections were left out");
    }
}

/// Counts a failed handshake for the network of its peer.
pub fn count_failure(srv: &mut Server, conn: ConnId) {
    if let Some(Addr::Tcp(peer)) = srv.conns.peer(conn) {
        srv.tls.failures.count(peer.ip());
    }
}
