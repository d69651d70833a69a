//! Opening, replacing and closing the listening sockets.
//!
//! `bind` names addresses; one with a leading `-` may be missing on this machine. A change at run time opens the new
//! sockets before it closes the old ones, so that the server stays reachable if it fails.

use std::io;

use ae::file::Mask;
use conn::listener::Listener;

use crate::ingress::accept::on_acceptable;
use crate::server::Server;
use crate::state::listeners::{Kind, Open};
use crate::sys::host::reason;
use crate::{notice, warning};

/// Opens all sockets that the configuration asks for, at start.
///
/// # Errors
/// A sentence, already logged, if a mandatory address cannot be bound.
pub fn open_all(srv: &mut Server) -> Result<(), String> {
    for kind in [Kind::Tcp, Kind::Unix, Kind::Tls, Kind::Bus] {
        let opened = open_kind(srv, kind)?;
        adopt(srv, opened)?;
    }
    if srv.listeners.open.is_empty() {
        return Err("Configured to not listen anywhere, exiting.".into());
    }
    Ok(())
}

/// Replaces the sockets of one kind according to the configuration; connections stay.
///
/// # Errors
/// A sentence; the old sockets stay open.
pub fn reopen(srv: &mut Server, kind: Kind) -> Result<(), String> {
    if is_current(srv, kind) {
        return Ok(());
    }
    let wanted = port_of(srv, kind);
    let same_port = srv
        .listeners
        .open
        .iter()
        .any(|open| open.kind == kind && open.port == wanted && wanted != 0);
    if !same_port {
        let opened = open_kind(srv, kind)?;
        close_kind(srv, kind);
        return adopt(srv, opened);
    }
    // The addresses overlap, so the old sockets are closed first and reopened if the new ones fail.
    let old = srv.listeners.take(kind);
    let addresses: Vec<String> = old.iter().map(|open| open.address.clone()).collect();
    close(srv, old);
    match open_kind(srv, kind) {
        Ok(opened) => adopt(srv, opened),
        Err(error) => {
            let restored = addresses
                .iter()
                .filter_map(|address| open_tcp(srv, kind, address, wanted).ok())
                .collect();
            adopt(srv, restored)?;
            Err(error)
        }
    }
}

/// Whether the sockets of a kind match the configuration.
fn is_current(srv: &Server, kind: Kind) -> bool {
    let port = port_of(srv, kind);
    let open: Vec<&Open> = srv
        .listeners
        .open
        .iter()
        .filter(|open| open.kind == kind)
        .collect();
    if port == 0 {
        return open.is_empty();
    }
    let bind = srv.config.bind.iter();
    let wanted = bind.map(|address| address.strip_prefix('-').unwrap_or(address));
    // An optional address that is not open may exist by now.
    open.iter().all(|open| open.port == port)
        && open.iter().map(|open| open.address.as_str()).eq(wanted)
}

/// Closes all sockets and removes the path of the Unix socket, at the end of the process.
pub fn close_all(srv: &mut Server) {
    for kind in [Kind::Tcp, Kind::Unix, Kind::Tls, Kind::Bus] {
        close_kind(srv, kind);
    }
    if !srv.config.unixsocket.is_empty() {
        notice!("Removing the unix socket file.");
        let _ = std::fs::remove_file(&srv.config.unixsocket);
    }
}

fn close_kind(srv: &mut Server, kind: Kind) {
    let old = srv.listeners.take(kind);
    close(srv, old);
}

fn close(srv: &mut Server, sockets: Vec<Open>) {
    for open in sockets {
        srv.el.forget(open.listener.fd());
    }
}

fn port_of(srv: &Server, kind: Kind) -> u16 {
    match kind {
        Kind::Tcp => srv.config.port as u16,
        Kind::Tls => srv.config.tls_port as u16,
        Kind::Bus => srv.cluster.as_ref().map_or(0, |node| node.bus_port),
        Kind::Unix => 0,
    }
}

fn open_kind(srv: &Server, kind: Kind) -> Result<Vec<Open>, String> {
    if kind == Kind::Unix {
        return open_unix(srv);
    }
    let port = port_of(srv, kind);
    if port == 0 {
        return Ok(Vec::new());
    }
    let mut opened = Vec::new();
    for address in &srv.config.bind {
        let (optional, plain) = address
            .strip_prefix('-')
            .map_or((false, address.as_str()), |rest| (true, rest));
        match open_tcp(srv, kind, plain, port) {
            Ok(open) => opened.push(open),
            Err(error) => {
                warning!(
                    "Warning: Could not create server TCP listening socket {plain}:{port}: bind: {}",
                    reason(&error)
                );
                if is_unsupported(&error) || (optional && is_missing(&error)) {
                    continue;
                }
                let sentence = format!(
                    "Failed listening on port {port} ({}), aborting.",
                    kind.name()
                );
                return Err(sentence);
            }
        }
    }
    Ok(opened)
}

fn open_tcp(srv: &Server, kind: Kind, address: &str, port: u16) -> io::Result<Open> {
    let listener = Listener::tcp(
        address,
        port,
        srv.config.tcp_backlog as i32,
        srv.config.socket_mark_id as u32,
    )?;
    Ok(Open {
        kind,
        address: address.to_owned(),
        port,
        listener,
    })
}

/// Whether no interface of this machine has the address.
fn is_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EADDRNOTAVAIL)
}

/// Whether this machine does not support the protocol, such as IPv6. Such an address is skipped even if it is not optional.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ENOPROTOOPT
                | libc::EPROTONOSUPPORT
                | libc::ESOCKTNOSUPPORT
                | libc::EPFNOSUPPORT
                | libc::EAFNOSUPPORT
        )
    )
}

fn open_unix(srv: &Server) -> Result<Vec<Open>, String> {
    let path = &srv.config.unixsocket;
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let perm = (srv.config.unixsocketperm != 0).then_some(srv.config.unixsocketperm as u32);
    match Listener::unix(path.as_ref(), perm, srv.config.tcp_backlog as i32) {
        Ok(listener) => Ok(vec![Open {
            kind: Kind::Unix,
            address: path.clone(),
            port: 0,
            listener,
        }]),
        Err(error) => Err(format!(
            "Failed opening Unix socket: bind: {path}: {}",
            reason(&error)
        )),
    }
}

/// Registers the sockets with the event loop.
fn adopt(srv: &mut Server, opened: Vec<Open>) -> Result<(), String> {
    for open in opened {
        let fd = open.listener.fd();
        let proc = match open.kind {
            Kind::Bus => srv.hooks.bus_acceptable,
            _ => on_acceptable,
        };
        srv.el
            .add(fd, Mask::READABLE, proc, 0)
            .map_err(|error| format!("Cannot watch the socket of {}: {error}", open.address))?;
        srv.listeners.open.push(open);
    }
    Ok(())
}
