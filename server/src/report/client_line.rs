//! One client as CLIENT LIST, CLIENT INFO and the log show it.
//!
//! While TLS is configured, fields follow that Redis 7.2 does not have, at the end, where its parsers ignore them:
//! `tls=` has version, cipher and the subject of the client's certificate, separated by colons, or `no`; `login=` tells
//! how the client became its user.

use std::borrow::Cow;
use std::fmt::{self, Write};

use conn::addr::Addr;

use crate::server::Server;
use crate::state::acl::user::{DEFAULT_NAME, User};
use crate::state::client::{Class, Client, ClientFlags, Closing};
use crate::state::client_id::ClientId;
use crate::state::pubsub::Kind;
use crate::state::watch;
use crate::wire::reply::Resp;

/// The line of one client, without a line end; empty when it is gone.
pub fn client_line(srv: &Server, id: ClientId) -> String {
    let Some(client) = srv.clients.get(id) else {
        return String::new();
    };
    let mut line = Line(String::with_capacity(400));
    identity(srv, client, &mut line);
    state(srv, client, &mut line);
    if srv.config.uses_tls() {
        line.text(" tls=", &tls(srv, client));
        line.text(" login=", client.session.login.word());
    }
    line.0
}

/// A line that is being written. Formatting with `write!` would take twice as long, and CLIENT LIST writes one line per
/// client.
struct Line(String);

impl Line {
    fn text(&mut self, name: &str, value: &str) {
        self.0.push_str(name);
        self.0.push_str(value);
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        self.text(name, &String::from_utf8_lossy(value));
    }

    fn number(&mut self, name: &str, value: impl itoa::Integer) {
        self.text(name, itoa::Buffer::new().format(value));
    }
}

/// The fields up to `idle`: who it is.
fn identity(srv: &Server, client: &Client, line: &mut Line) {
    let now = srv.unit.now_s();
    line.number("id=", client.id);
    line.text(" addr=", &peer_text(srv, client));
    line.text(" laddr=", &local_text(srv, client));
    let fd = client.conn.map_or(-1, |conn| srv.conns.fd(conn));
    line.number(" fd=", fd);
    line.bytes(" name=", &client.name);
    line.number(" age=", now - client.created);
    line.number(" idle=", now - client.last_active);
}

/// The fields from `flags` on.
fn state(srv: &Server, client: &Client, line: &mut Line) {
    let sizes = sizes(client);
    let out = &client.io.out;
    let pending = client.conn.map_or(0, |conn| srv.conns.pending_out(conn));
    let own = client.subscriptions.as_ref();
    let tracking = client.tracking.as_ref();
    let subscribed = |kind| own.map_or(0, |own| own.count(kind));
    line.text(" flags=", &flag_letters(client));
    line.number(" db=", client.session.db);
    line.number(" sub=", subscribed(Kind::Channel));
    line.number(" psub=", subscribed(Kind::Pattern));
    line.number(" ssub=", subscribed(Kind::Shard));
    let commands = queued(client).map_or(-1, |commands| commands as i64);
    line.number(" multi=", commands);
    line.number(" qbuf=", sizes.qbuf);
    line.number(" qbuf-free=", sizes.qbuf_free);
    line.number(" argv-mem=", sizes.argv);
    line.number(" multi-mem=", sizes.multi);
    line.number(" rbs=", client.reply_size);
    line.number(" rbp=", client.reply_peak);
    line.number(" obl=", out.tail_len());
    line.number(" oll=", out.chunks());
    line.number(" omem=", out.chunk_bytes() + pending + behind(srv, client));
    line.number(" tot-mem=", memory(srv, client));
    line.text(" events=", events(srv, client));
    let command = client.last_cmd.map_or("NULL", table::full_name);
    line.text(" cmd=", command);
    line.bytes(" user=", user_name(srv, client));
    let redirect = tracking.map_or(-1, |own| own.redirect as i64);
    line.number(" redir=", redirect);
    let is_resp3 = client.session.resp == Resp::V3;
    line.text(" resp=", if is_resp3 { "3" } else { "2" });
    line.bytes(" lib-name=", &client.lib_name);
    line.bytes(" lib-ver=", &client.lib_ver);
}

/// What is known about a client's TLS, without spaces.
fn tls(srv: &Server, client: &Client) -> String {
    let conn = client.conn;
    let of = |conn| {
        let (version, cipher) = (srv.conns.tls_version(conn)?, srv.conns.cipher(conn)?);
        let subject = escaped(srv.conns.peer_subject(conn));
        Some([version, cipher, &subject].join(":"))
    };
    conn.and_then(of).unwrap_or_else(|| "no".into())
}

/// A text with all that is not printable ASCII as `%` and two hexadecimal digits.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The name of a client's user; the link to the primary has none.
pub fn user_name<'a>(srv: &'a Server, client: &Client) -> &'a [u8] {
    if client.class() == Class::Primary {
        return b"(superuser)";
    }
    let user = srv.acl.get(client.session.user);
    user.map_or(DEFAULT_NAME, User::name)
}

/// The peer's address; for a Unix client the path of the socket.
pub fn peer_text(srv: &Server, client: &Client) -> String {
    text(srv, client.conn.and_then(|conn| srv.conns.peer(conn)))
}

/// Whether a text is what [`peer_text`] gives, without making one for each client that is asked about.
pub fn is_peer_text(srv: &Server, client: &Client, wanted: &[u8]) -> bool {
    let mut rest = Rest(wanted);
    let peer = client.conn.and_then(|conn| srv.conns.peer(conn));
    write_addr(srv, peer, &mut rest).is_ok() && rest.0.is_empty()
}

/// What is left of a text that is compared with what is written.
struct Rest<'a>(&'a [u8]);

impl Write for Rest<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(part.as_bytes()).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// The server's end of the connection.
pub fn local_text<'a>(srv: &Server, client: &'a Client) -> Cow<'a, str> {
    match &client.local {
        Some(local) => Cow::Borrowed(local),
        None => {
            let addr = client.conn.and_then(|conn| srv.conns.local(conn));
            text(srv, addr.as_ref()).into()
        }
    }
}

/// Remembers the server's end of a connection, which takes a system call: for commands that show it of all clients.
pub fn remember_local(srv: &mut Server, id: ClientId) {
    let client = srv.clients.get(id);
    let unknown = client.filter(|client| client.local.is_none() && client.conn.is_some());
    let local = unknown.map(|client| local_text(srv, client).into());
    if let (Some(local), Some(client)) = (local, srv.clients.get_mut(id)) {
        client.local = Some(local);
    }
}

fn text(srv: &Server, addr: Option<&Addr>) -> String {
    let mut text = String::new();
    let _ = write_addr(srv, addr, &mut text);
    text
}

fn write_addr(srv: &Server, addr: Option<&Addr>, out: &mut impl Write) -> fmt::Result {
    match addr {
        Some(Addr::Unix(_)) => write!(out, "{}:0", srv.config.unixsocket),
        Some(addr) => write!(out, "{addr}"),
        None => out.write_str("?:0"),
    }
}

/// The events that the client's socket is watched for.
fn events(srv: &Server, client: &Client) -> &'static str {
    let reads = client
        .conn
        .is_some_and(|conn| srv.conns.has_read_handler(conn));
    match (reads, client.flags.contains(ClientFlags::WRITE_HANDLER)) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "",
    }
}

/// Bytes of the stream of writes that a replica was not sent yet.
fn behind(srv: &Server, client: &Client) -> usize {
    let replica = client.replica.as_ref();
    replica.map_or(0, |replica| replica.behind(srv.replication.offset) as usize)
}

/// Number of commands in the transaction that a client has begun or is executing.
fn queued(client: &Client) -> Option<usize> {
    let begun = client.multi.as_ref();
    client.executing.or(begun.map(|multi| multi.queue.len()))
}

/// Letters of `flags=`, `N` when there are none.
fn flag_letters(client: &Client) -> String {
    let tracking = client.tracking.as_ref();
    let letters: String = [
        (client.flags.contains(ClientFlags::PRIMARY), 'M'),
        (client.flags.contains(ClientFlags::MONITOR), 'O'),
        (client.is_replica(), 'S'),
        (client.flags.contains(ClientFlags::PUBSUB), 'P'),
        (queued(client).is_some(), 'x'),
        (client.blocked.is_some(), 'b'),
        (tracking.is_some(), 't'),
        (tracking.is_some_and(|own| own.broken), 'R'),
        (tracking.is_some_and(|own| own.broadcast), 'B'),
        (client.dirty_cas, 'd'),
        (client.closing == Closing::AfterReply, 'c'),
        (client.closing == Closing::Now, 'A'),
        (client.flags.contains(ClientFlags::UNIX), 'U'),
        (client.flags.contains(ClientFlags::READS_REPLICA), 'r'),
        (client.flags.contains(ClientFlags::NO_EVICT), 'e'),
        (client.session.no_touch, 'T'),
    ]
    .iter()
    .filter_map(|&(set, letter)| set.then_some(letter))
    .collect();
    if letters.is_empty() {
        "N".into()
    } else {
        letters
    }
}

/// Sizes of a client's input, wherever it currently is.
fn sizes(client: &Client) -> crate::state::client::Sizes {
    if client.flags.contains(ClientFlags::EXECUTING) {
        return client.sizes;
    }
    let (qbuf, qbuf_free) = client.io.request.sizes();
    crate::state::client::Sizes {
        qbuf,
        qbuf_free,
        argv: client.io.request.argv_bytes(),
        list: client.io.request.list_bytes(),
        multi: client.sizes.multi,
        out: 0,
    }
}

/// Total memory of a client, in bytes: `tot-mem`.
pub fn memory(srv: &Server, client: &Client) -> usize {
    let sizes = sizes(client);
    let blocked = client.blocked.as_ref();
    size_of::<Client>()
        + sizes.qbuf
        + sizes.qbuf_free
        + sizes.argv
        + sizes.list
        + sizes.multi
        + sizes.out
        + client.reply_size
        + client.io.out.memory_beyond(client.reply_size)
        + blocked.map_or(0, |command| command.argv.bytes())
        + client.watched.len() * watch::BYTES_PER_KEY
        + behind(srv, client)
        + client.tracking.as_ref().map_or(0, |own| own.memory())
        + client.subscriptions.as_ref().map_or(0, |own| own.memory())
        + client.name.capacity()
        + client.lib_name.capacity()
        + client.lib_ver.capacity()
        + client.conn.map_or(0, |conn| srv.conns.memory(conn))
}
