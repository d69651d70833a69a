//! New connections: from the listening socket to a client.
//!
//! A plain connection becomes a client at once, a TLS connection when its handshake is complete; until then it counts
//! towards `maxclients` but has no client. A connection that was reset before it is accepted does not end the accept
//! loop.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::RawFd;

use ae::file::Mask;
use conn::addr::Addr;
use conn::connection::{ConnId, State};
use conn::listener::{Accept, Accepted};

use crate::egress::account::account;
use crate::egress::push::push_fault;
use crate::ingress::input::on_readable;
use crate::ingress::refusals;
use crate::server::Server;
use crate::session::auth::new_session;
use crate::session::certificate;
use crate::session::close::close_after_reply;
use crate::state::client::{Client, ClientFlags};
use crate::state::client_id::ClientId;
use crate::state::listeners::Kind;
use crate::sys::clock;
use crate::sys::host::reason;
use crate::wire::fault::{Fault, MAX_CLIENTS, MAX_CLIENTS_AND_LINKS};
use crate::{verbose, warning};

/// Microseconds after which no further connection is accepted from a listener in the same turn.
const ACCEPTING_US: u64 = 500;

/// Sent to a client from another machine while there is neither a password nor a bound address.
const PROTECTED_MODE: &str = "DENIED Redis is running in protected mode because protected mode is enabled and no \
    password is set for the default user. In this mode connections are only accepted from the loopback interface. If \
    you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable \
    protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis \
    from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do \
    so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by \
    editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. \
    3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up \
    an authentication password for the default user. NOTE: You only need to do one of the above things in order for the \
    server to start accepting connections from the outside.";

/// The read handler of listening sockets.
pub fn on_acceptable(srv: &mut Server, fd: RawFd, _data: u64) {
    if let Err(error) = accept_each(srv, fd, take) {
        let why = reason(&error);
        warning!("Accepting client connection: accept: {why}");
    }
}

/// Accepts what waits at a listener, or part of it if there is much: `take` gets each connection.
///
/// # Errors
/// The system can accept none now, e.g. because there is no free descriptor.
pub fn accept_each(
    srv: &mut Server,
    fd: RawFd,
    take: fn(&mut Server, Kind, Accepted),
) -> io::Result<()> {
    let until_us = clock::monotonic_us() + ACCEPTING_US;
    while let Some(open) = srv.listeners.by_fd(fd) {
        // Descriptors of connections that are yet to be closed belong to their successors, which wait at the listener.
        let closing = srv.conns.closing();
        if closing > 0 && srv.conns.len() + closing >= srv.config.maxclients as usize {
            break;
        }
        let kind = open.kind;
        match open.listener.accept() {
            Accept::Conn(accepted) => take(srv, kind, accepted),
            Accept::WouldBlock => {
                srv.el.drained(fd, Mask::READABLE);
                break;
            }
            Accept::Skip(error) => verbose!("A connection was not accepted: {}", reason(&error)),
            Accept::Stop(error) => return Err(error),
        }
        if clock::monotonic_us() >= until_us {
            break;
        }
    }
    Ok(())
}

fn take(srv: &mut Server, kind: Kind, accepted: Accepted) {
    match &accepted.peer {
        Addr::Unix(_) => verbose!("Accepted connection to {}", srv.config.unixsocket),
        Addr::Tcp(peer) => verbose!("Accepted {}:{}", peer.ip(), peer.port()),
    }
    if srv.conns.len() >= srv.config.maxclients as usize {
        srv.stats.rejected_connections += 1;
        if kind != Kind::Tls {
            refuse(srv, accepted);
        }
        return;
    }
    let tls = if kind == Kind::Tls {
        srv.tls.context.clone()
    } else {
        None
    };
    let peer = accepted.peer.clone();
    let Server { conns, el, .. } = srv;
    // Until the connection has a client, its word says when it was accepted.
    let now_ns = clock::monotonic_ns();
    let taken = match &tls {
        Some(tls) if srv.config.tls_mixed_port => {
            conns.accept_mixed(el, accepted, tls, on_handshake, now_ns)
        }
        tls => conns.accept(el, accepted, tls.as_ref(), on_handshake, now_ns),
    };
    let conn = match taken {
        Ok(conn) => conn,
        Err(error) => {
            let why = error.reason();
            warning!("Error registering fd event for the new client connection: {peer}: {why}");
            return;
        }
    };
    if kind != Kind::Unix {
        // Replies are complete when they are sent, so delaying the last segment gains nothing. A connection that
        // failed meanwhile reports that when it is read.
        let _ = conns.set_nodelay(conn, true);
    }
    if kind != Kind::Tls {
        welcome(srv, conn, kind);
    }
}

/// Tells a client that `maxclients` is reached, if its socket takes the message at once.
fn refuse(srv: &Server, accepted: Accepted) {
    let fault = if srv.config.cluster_enabled {
        MAX_CLIENTS_AND_LINKS
    } else {
        MAX_CLIENTS
    };
    let mut socket = File::from(accepted.fd);
    let _ = socket.write_all(&[b"-", fault.0.as_ref(), b"\r\n"].concat());
}

/// A connection to the TLS port is ready, or has failed: its handshake has ended, or with `tls-mixed-port` it is plain.
fn on_handshake(srv: &mut Server, conn: ConnId) {
    if srv.conns.state(conn) == State::Connected {
        if !srv.conns.is_tls(conn) {
            return welcome(srv, conn, Kind::Tcp);
        }
        let accepted_ns = srv.conns.data(conn);
        let took_ns = clock::monotonic_ns().saturating_sub(accepted_ns);
        srv.stats.handshakes.record(took_ns);
        return welcome(srv, conn, Kind::Tls);
    }
    refusals::count_failure(srv, conn);
    if let Some(error) = srv.conns.error(conn) {
        let line = format!("Error accepting a client connection: {error}");
        refusals::log(srv, line);
    }
    srv.conns.close(&mut srv.el, conn);
}

/// Creates the client of a connection that is ready.
fn welcome(srv: &mut Server, conn: ConnId, kind: Kind) {
    let now = srv.unit.now_s();
    let flags = if kind == Kind::Unix {
        ClientFlags::UNIX
    } else {
        ClientFlags::empty()
    };
    let id = srv.clients.add(Client {
        conn: Some(conn),
        flags,
        session: new_session(srv),
        created: now,
        last_active: now,
        reply_size: crate::wire::output::KEEP_TAIL,
        reply_peak_at: srv.unit.now_ms,
        ..Client::default()
    });
    if srv.config.tcp_keepalive > 0 && kind != Kind::Unix {
        // A connection that failed meanwhile reports that when it is read.
        let _ = srv.conns.keepalive(conn, srv.config.tcp_keepalive as u32);
    }
    account(srv, id);
    srv.conns.set_data(conn, id.to_word());
    let Server { conns, el, .. } = srv;
    conns.set_read_handler(el, conn, Some(on_readable));
    let admitted = if protected_from(srv, id) {
        Err(Fault::new(PROTECTED_MODE))
    } else {
        srv.stats.connections += 1;
        certificate::log_in(srv, id, conn)
    };
    if let Err(fault) = admitted {
        srv.stats.rejected_connections += 1;
        push_fault(srv, id, &fault);
        close_after_reply(srv, id);
    }
}

/// Protected mode: without a password only local clients are accepted.
fn protected_from(srv: &Server, id: ClientId) -> bool {
    srv.config.protected_mode
        && srv.acl.default_user().nopass
        && srv
            .clients
            .get(id)
            .is_some_and(|client| !crate::exec::gate::is_local(srv, client))
}
