//! The cluster's bus: connections to other nodes and from them, over TCP or TLS.
//!
//! What is read goes to the protocol as it comes; it finds the packets. What is to be sent is a queue of packets that links
//! share; it is sent in as few system calls as possible, and a link whose queue exceeds `cluster-link-sendbuf-limit` is closed.

use std::io::IoSlice;
use std::os::fd::RawFd;
use std::sync::Arc;

use cluster::action::Pause;
use cluster::ids::LinkId;
use conn::connection::{ConnId, State};
use conn::dial::Dialed;
use conn::error::{ConnError, Step};
use conn::listener::Accepted;
use conn::names::NameCheck;
use conn::stream::Io;
use conn::tls::config::AuthClients;

use crate::cluster::events::tell;
use crate::egress::dial::dialer;
use crate::ingress::accept::accept_each;
use crate::ingress::refusals;
use crate::server::Server;
use crate::state::cluster::{BusLink, Dial};
use crate::state::listeners::Kind;
use crate::state::pauses::{Purpose, Scope};
use crate::sys::host::reason;
use crate::{debug, verbose};

/// Bytes read per call.
const CHUNK: usize = 32 * 1024;
/// Reads per turn, so that a node that sends fast does not hold the loop.
const MAX_READS_PER_TURN: usize = 16;
/// Maximum output of a link from a peer that is not a node of the cluster: some answers with the gossip of the largest
/// one.
const MAX_STRANGER_OUTPUT: usize = 4 << 20;
/// Packets per system call.
const PIECES: usize = 64;

/// The read handler of the bus's listening sockets.
pub fn on_acceptable(srv: &mut Server, fd: RawFd, _data: u64) {
    if let Err(error) = accept_each(srv, fd, take) {
        let why = reason(&error);
        verbose!("Error accepting cluster node: accept: {why}");
    }
}

fn take(srv: &mut Server, _kind: Kind, accepted: Accepted) {
    // While the data set is loaded nobody is to believe that this node serves it.
    if srv.replication.link.is_none() && srv.snapshot.loading.is_some() {
        return;
    }
    let peer = accepted.peer.clone();
    let tls = match (srv.config.tls_cluster, srv.tls.context.clone()) {
        (false, _) => None,
        // Whatever `tls-auth-clients` says: a node must prove what it is.
        (true, Some(context)) => Some(context.with_auth_clients(AuthClients::Yes)),
        (true, None) => {
            return verbose!("Error accepting cluster node {peer}: no certificates are loaded");
        }
    };
    let Server { conns, el, .. } = srv;
    match conns.accept(el, accepted, tls.as_ref(), on_accept, 0) {
        Err(error) => verbose!("Error accepting cluster node: {error}"),
        Ok(conn) => {
            let _ = conns.set_nodelay(conn, true);
            if tls.is_none() {
                welcome(srv, conn);
            }
        }
    }
}

/// A TLS handshake has ended.
fn on_accept(srv: &mut Server, conn: ConnId) {
    if srv.conns.state(conn) == State::Connected {
        return welcome(srv, conn);
    }
    if let Some(error) = srv.conns.error(conn) {
        let line = format!("TLS: Error accepting cluster node: {error}");
        refusals::log(srv, line);
        refusals::count_failure(srv, conn);
    }
    srv.conns.close(&mut srv.el, conn);
}

/// A node has connected.
fn welcome(srv: &mut Server, conn: ConnId) {
    let Some((peer, port)) = srv.conns.peer(conn).map(|peer| (peer.ip(), peer.port())) else {
        return;
    };
    let local = local_ip(srv, conn);
    debug!("Accepting cluster node connection from {peer}:{port}");
    let keepalive = keepalive_secs(srv);
    let _ = srv.conns.keepalive(conn, keepalive);
    let link = tell(srv, |core, facts| core.accepted(&peer, port, &local, facts));
    let Some((node, link)) = srv.cluster.as_deref_mut().zip(link) else {
        return srv.conns.close(&mut srv.el, conn);
    };
    node.add_link(link, BusLink::new(Some(conn)));
    srv.conns
        .set_read_handler(&mut srv.el, conn, Some(on_readable));
}

/// A peer that has vanished is noticed after twice the node timeout.
fn keepalive_secs(srv: &Server) -> u32 {
    u32::try_from(srv.config.cluster_node_timeout / 1000 * 2)
        .unwrap_or(u32::MAX)
        .max(1)
}

fn local_ip(srv: &Server, conn: ConnId) -> String {
    srv.conns
        .local(conn)
        .map(|addr| addr.ip())
        .unwrap_or_default()
}

/// Begins to connect to a node. Its certificate is checked against the name of its host, if it has announced one.
pub fn connect(srv: &mut Server, link: LinkId, (ip, port): (&str, u16), hostname: String) {
    let dialer = dialer(srv, ip, port);
    let host = if hostname.is_empty() {
        ip.to_owned()
    } else {
        hostname
    };
    if let Some(node) = &mut srv.cluster {
        node.add_link(link, BusLink::new(None));
    }
    dial(srv, Dial { link, dialer, host });
}

/// Continues where an address may have been resolved.
pub fn resume(srv: &mut Server) {
    let node = srv.cluster.as_deref_mut();
    let resolving = node.map(|node| std::mem::take(&mut node.resolving));
    for waiting in resolving.unwrap_or_default() {
        dial(srv, waiting);
    }
}

/// Connects to a node if its address is resolved. `cluster-announce-ip` may be a name.
fn dial(srv: &mut Server, mut dial: Dial) {
    let Server {
        cluster,
        conns,
        el,
        config,
        tls,
        ..
    } = srv;
    let link = dial.link;
    let Some(node) = cluster.as_deref_mut() else {
        return;
    };
    if node.link(link).is_none() {
        return;
    }
    let names = NameCheck::between_servers(&dial.host, config.tls_peer_name_check);
    let tls = match (&tls.context, config.tls_cluster) {
        (_, false) => None,
        (Some(context), true) => Some(names.tls(context)),
        (None, true) => return fail(srv, link, "no certificates are loaded"),
    };
    let mut why = String::new();
    let told = |error: &ConnError| why = error.to_string();
    match dial.dialer.next((el, conns), tls, on_connect, told) {
        Dialed::Resolving => node.resolving.push(dial),
        Dialed::Begun(conn) => node.set_conn(link, conn),
        Dialed::Exhausted => fail(srv, link, &why),
    }
}

/// A connection to a node was made, or it has failed.
fn on_connect(srv: &mut Server, conn: ConnId) {
    let Some(link) = link_of(srv, conn) else {
        return srv.conns.close(&mut srv.el, conn);
    };
    if srv.conns.state(conn) != State::Connected {
        let error = srv.conns.error(conn);
        let is_handshake = error.is_some_and(|error| error.step() == Step::Handshake);
        let why = error.map(ToString::to_string).unwrap_or_default();
        if is_handshake {
            refusals::log(srv, format!("TLS: Error connecting to cluster node: {why}"));
        }
        return fail(srv, link, &why);
    }
    let node = srv.cluster.as_deref_mut();
    if let Some(bus) = node.and_then(|node| node.link_mut(link)) {
        bus.is_connected = true;
    }
    let _ = srv.conns.set_nodelay(conn, true);
    let local = local_ip(srv, conn);
    srv.conns
        .set_read_handler(&mut srv.el, conn, Some(on_readable));
    tell(srv, |core, facts| core.connected(link, &local, facts));
    send(srv, link);
}

/// The link of a connection.
fn link_of(srv: &Server, conn: ConnId) -> Option<LinkId> {
    srv.cluster.as_deref()?.link_of(conn)
}

/// Gives a link up that could not be made.
fn fail(srv: &mut Server, link: LinkId, why: &str) {
    close(srv, link);
    tell(srv, |core, facts| core.failed(link, why, facts));
}

/// The connection of a link is gone: the protocol forgets the link.
fn lost(srv: &mut Server, link: LinkId) {
    close(srv, link);
    tell(srv, |core, facts| core.closed(link, facts));
}

/// Closes the connection of a link that the protocol has forgotten.
pub fn close(srv: &mut Server, link: LinkId) {
    let Server {
        cluster, conns, el, ..
    } = srv;
    let Some(node) = cluster.as_deref_mut() else {
        return;
    };
    if let Some(conn) = node.remove_link(link) {
        conns.close(el, conn);
    }
}

/// The read handler.
fn on_readable(srv: &mut Server, conn: ConnId) {
    let mut buffer = [0; CHUNK];
    for _ in 0..MAX_READS_PER_TURN {
        let Some(link) = link_of(srv, conn) else {
            return srv.conns.close(&mut srv.el, conn);
        };
        match srv.conns.read(&mut srv.el, conn, &mut buffer) {
            Io::Done(len) => {
                tell(srv, |core, facts| {
                    core.received(link, &buffer[..len], facts);
                });
                change_pause(srv);
                if len < buffer.len() {
                    return;
                }
            }
            Io::WouldBlock => return,
            Io::Eof => {
                debug!("I/O error reading from node link: connection closed");
                return lost(srv, link);
            }
            Io::Failed(error) => {
                debug!("I/O error reading from node link: {error}");
                return lost(srv, link);
            }
        }
    }
}

/// Begins or ends the pause of clients for a manual failover, if the protocol wants that.
pub fn change_pause(srv: &mut Server) {
    let node = srv.cluster.as_deref_mut();
    match node.and_then(|node| node.core.take_pause()) {
        Some(Pause::Until(until_ms)) => {
            srv.pauses.begin(Purpose::Failover, Scope::Writes, until_ms);
        }
        Some(Pause::End) => srv.pauses.end(Purpose::Failover),
        None => {}
    }
}

/// Appends a packet to a link's output; whether it was empty before.
pub fn queue(srv: &mut Server, link: LinkId, packet: Arc<Vec<u8>>) -> bool {
    let node = srv.cluster.as_deref_mut();
    node.is_some_and(|node| node.queue(link, packet))
}

/// Sends what a link has to send, as far as the socket takes it.
pub fn send(srv: &mut Server, link: LinkId) {
    let Server {
        cluster, conns, el, ..
    } = srv;
    let Some(node) = cluster.as_deref_mut() else {
        return;
    };
    let bus = node.link(link).filter(|bus| bus.is_connected);
    let Some(conn) = bus.and_then(|bus| bus.conn) else {
        return;
    };
    while let Some(bus) = node.link(link).filter(|bus| !bus.packets.is_empty()) {
        let packets = bus.packets.iter().take(PIECES).enumerate();
        let skip = bus.sent;
        let pieces: Vec<IoSlice<'_>> = packets
            .map(|(at, packet)| IoSlice::new(&packet[if at == 0 { skip } else { 0 }..]))
            .collect();
        match conns.write_vectored(el, conn, &pieces) {
            Io::Done(len) => node.take_sent(link, len),
            Io::WouldBlock => return conns.set_write_handler(el, conn, Some(on_writable), false),
            Io::Eof => return,
            Io::Failed(error) => {
                debug!("I/O error writing to node link: {error}");
                return lost(srv, link);
            }
        }
    }
    if conns.has_write_handler(conn) {
        conns.set_write_handler(el, conn, None, false);
    }
}

fn on_writable(srv: &mut Server, conn: ConnId) {
    if let Some(link) = link_of(srv, conn) {
        send(srv, link);
    }
}

/// Closes links whose output exceeds `cluster-link-sendbuf-limit`. That of peers that are not nodes of the cluster has
/// a limit of its own: anybody can send PINGs and leave the answers unread.
pub fn limit(srv: &mut Server) {
    let Some(node) = srv.cluster.as_deref() else {
        return;
    };
    let most = srv.config.cluster_link_sendbuf_limit.unsigned_abs();
    let is_set = most > 0;
    if !is_set && node.output() <= MAX_STRANGER_OUTPUT {
        return;
    }
    let over = |(link, bus): (LinkId, &BusLink)| {
        let used = bus.memory();
        let is_stranger = || node.core.link(link).is_some_and(|link| link.node.is_none());
        let is_over =
            (is_set && used as u64 > most) || (used > MAX_STRANGER_OUTPUT && is_stranger());
        is_over.then_some((link, used as u64))
    };
    let over: Vec<(LinkId, u64)> = node.links().filter_map(over).collect();
    for (link, used) in over {
        tell(srv, |core, facts| core.overflowed(link, used, facts));
    }
}
