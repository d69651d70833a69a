//! The handshake with a primary, before its stream is followed.
//!
//! ```text
//! PING ─> AUTH ─> REPLCONF listening-port ─> REPLCONF ip-address ─> REPLCONF capa ─> PSYNC ─┬─> +FULLRESYNC ─> transfer
//!        (if there is a password)           (if one is announced)                          ├─> +CONTINUE ─> apply
//!                                                                                          └─> neither ─> SYNC
//! ```
//!
//! AUTH and the REPLCONFs are sent together; their replies are read one by one. A reply is a line of bounded length,
//! and the deadline of a step applies to the complete line.

use std::collections::VecDeque;

use conn::connection::ConnId;
use conn::encode;
use conn::stream::Io;

use crate::feed::replicas::disconnect_all;
use crate::persist::aof::switch;
use crate::replication::failover::answered;
use crate::replication::replica::line::{Line, take_line};
use crate::replication::replica::link::{Again, fail, link, send};
use crate::replication::replica::{apply, transfer};
use crate::server::Server;
use crate::state::replication::id::ReplId;
use crate::state::replication::link::{LinkStage, Step};
use crate::{notice, warning};

/// Upper bound of offsets, so that additions cannot overflow.
const MAX_OFFSET: u64 = 1 << 62;
/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// The connection is established.
pub fn begin(srv: &mut Server, conn: ConnId) {
    notice!("Non blocking connect for SYNC fired the event.");
    if srv.config.tcp_keepalive > 0 {
        // A connection that failed meanwhile reports that when it is read.
        let _ = srv.conns.keepalive(conn, srv.config.tcp_keepalive as u32);
    }
    await_reply(srv, [Step::Ping].into());
    srv.conns
        .set_read_handler(&mut srv.el, conn, Some(on_readable));
    send_request(srv, &[b"PING"]);
}

fn await_reply(srv: &mut Server, steps: VecDeque<Step>) {
    let now = srv.unit.now_s();
    if let Some(link) = link(srv).filter(|link| link.conn.is_some()) {
        link.stage = LinkStage::Handshake(steps);
        link.last_io = now;
    }
}

fn send_request(srv: &mut Server, args: &[&[u8]]) {
    let mut request = Vec::new();
    encode::request(args.iter(), &mut request);
    send(srv, &request);
}

/// The read handler until the stream or a snapshot begins.
fn on_readable(srv: &mut Server, conn: ConnId) {
    let mut buf = [0; CHUNK];
    let why = match srv.conns.read(&mut srv.el, conn, &mut buf) {
        Io::Done(n) => {
            if let Some(link) = link(srv) {
                link.inbox.extend_from_slice(&buf[..n]);
            }
            return take_lines(srv, conn);
        }
        Io::WouldBlock => return,
        Io::Eof => "connection closed".to_owned(),
        Io::Failed(error) => error.to_string(),
    };
    warning!("Failed to read response from the server: {why}");
    no_answer(srv);
}

/// The primary has closed the connection or sent something invalid.
fn no_answer(srv: &mut Server) {
    if awaited(srv) == Some(Step::Psync) {
        warning!("Master did not reply to PSYNC, will try later");
    } else {
        warning!("Master did not respond to command during SYNC handshake");
    }
    fail(srv, Again::Later);
}

/// The step whose reply is expected next; `None` outside of the handshake.
fn awaited(srv: &mut Server) -> Option<Step> {
    match &link(srv)?.stage {
        LinkStage::Handshake(steps) => steps.front().copied(),
        _ => None,
    }
}

/// Handles the complete lines that have arrived.
fn take_lines(srv: &mut Server, conn: ConnId) {
    while let Some(step) = awaited(srv) {
        let now = srv.unit.now_s();
        let Some(link) = link(srv) else { return };
        match take_line(&mut link.inbox) {
            Line::Whole(line) => {
                link.last_io = now;
                take_reply(srv, conn, step, &line);
            }
            Line::Unfinished => return,
            Line::TooLong => {
                warning!("Failed to read response from the server: the line is too long");
                return no_answer(srv);
            }
        }
    }
}

fn take_reply(srv: &mut Server, conn: ConnId, step: Step, line: &[u8]) {
    let shown = String::from_utf8_lossy(line).into_owned();
    let refused = line.first() == Some(&b'-');
    let name = match step {
        Step::Ping => return after_ping(srv, line, &shown),
        Step::Psync => return after_psync(srv, conn, line, &shown),
        Step::Auth if refused => {
            warning!("Unable to AUTH to MASTER: {shown}");
            return fail(srv, Again::Later);
        }
        Step::Auth => "AUTH",
        Step::Port => "REPLCONF listening-port",
        Step::Ip => "REPLCONF ip-address",
        Step::Capa => "REPLCONF capa",
    };
    if refused {
        notice!("(Non critical) Master does not understand {name}: {shown}");
    }
    let Some(link) = link(srv) else { return };
    let LinkStage::Handshake(steps) = &mut link.stage else {
        return;
    };
    steps.pop_front();
    if steps.is_empty() {
        ask_for_stream(srv);
    }
}

fn after_ping(srv: &mut Server, line: &[u8], shown: &str) {
    let fine: [&[u8]; 4] = [
        b"+",
        b"-NOAUTH",
        b"-NOPERM",
        b"-ERR operation not permitted",
    ];
    if !fine.iter().any(|beginning| line.starts_with(beginning)) {
        warning!("Error reply to PING from master: '{shown}'");
        return fail(srv, Again::Later);
    }
    notice!("Master replied to PING, replication can continue...");
    introduce(srv);
}

/// Announces this replica and its capabilities.
fn introduce(srv: &mut Server) {
    let mut steps = VecDeque::new();
    let config = &srv.config;
    let port = if config.replica_announce_port != 0 {
        config.replica_announce_port
    } else if config.tls_replication && config.tls_port != 0 {
        config.tls_port
    } else {
        config.plain_port()
    };
    let ip = config.replica_announce_ip.clone();
    let (user, password) = (config.masteruser.clone(), config.masterauth.clone());
    if !password.is_empty() {
        steps.push_back(Step::Auth);
        if user.is_empty() {
            send_request(srv, &[b"AUTH", &password]);
        } else {
            send_request(srv, &[b"AUTH", user.as_bytes(), &password]);
        }
    }
    steps.push_back(Step::Port);
    let port = port.to_string();
    send_request(srv, &[b"REPLCONF", b"listening-port", port.as_bytes()]);
    if !ip.is_empty() {
        steps.push_back(Step::Ip);
        send_request(srv, &[b"REPLCONF", b"ip-address", ip.as_bytes()]);
    }
    steps.push_back(Step::Capa);
    send_request(srv, &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
    await_reply(srv, steps);
}

/// Sends PSYNC for the current position, if there is one.
fn ask_for_stream(srv: &mut Server) {
    let (id, offset) = (srv.replication.id, srv.replication.offset);
    let is_handing = srv.replication.failover.is_some();
    let Some(link) = link(srv) else { return };
    if link.cached.is_some() {
        let next = (offset + 1).to_string();
        notice!("Trying a partial resynchronization (request {id}:{next}).");
        let mut request: Vec<&[u8]> = vec![b"PSYNC", id.as_bytes(), next.as_bytes()];
        if is_handing {
            // The primary is still a replica of this server and is to take over (FAILOVER).
            request.push(b"FAILOVER");
        }
        send_request(srv, &request);
    } else {
        notice!("Partial resynchronization not possible (no cached master)");
        send_request(srv, &[b"PSYNC", b"?", b"-1"]);
    }
    await_reply(srv, [Step::Psync].into());
}

fn after_psync(srv: &mut Server, conn: ConnId, line: &[u8], shown: &str) {
    if line.is_empty() {
        // An empty line: the primary is still preparing its reply.
        return;
    }
    let is_handing = srv.replication.failover.is_some();
    answered(
        srv,
        line.starts_with(b"+FULLRESYNC") || line.starts_with(b"+CONTINUE"),
    );
    if is_handing && srv.replication.link.is_none() {
        // It has refused to take over, so this server becomes a primary again.
        return;
    }
    if let Some(rest) = line.strip_prefix(b"+FULLRESYNC") {
        let promised = parse_full_resync(rest);
        match promised {
            Some((id, offset)) => notice!("Full resync from master: {id}:{offset}"),
            None => warning!("Master replied with wrong +FULLRESYNC syntax."),
        }
        transfer::begin(srv, conn, promised);
    } else if let Some(rest) = line.strip_prefix(b"+CONTINUE") {
        go_on(srv, conn, rest);
    } else if line.starts_with(b"-NOMASTERLINK") || line.starts_with(b"-LOADING") {
        notice!("Master is currently unable to PSYNC but should be in the future: {shown}");
        fail(srv, Again::Later);
    } else {
        if line.starts_with(b"-ERR") {
            notice!("Master does not support PSYNC or is in error state (reply: {shown})");
        } else {
            warning!("Unexpected reply to PSYNC from master: {shown}");
        }
        notice!("Retrying with SYNC...");
        send(srv, b"SYNC\r\n");
        if let Some(link) = link(srv) {
            link.is_pre_psync = true;
        }
        transfer::begin(srv, conn, None);
    }
}

/// Parses ` ID OFFSET`.
fn parse_full_resync(rest: &[u8]) -> Option<(ReplId, u64)> {
    let mut words = rest.split(|&byte| byte == b' ').skip(1);
    let id = ReplId::parse(words.next()?)?;
    let offset = str::from_utf8(words.next()?).ok()?.trim().parse().ok()?;
    (offset <= MAX_OFFSET).then_some((id, offset))
}

/// Handles `+CONTINUE`, with or without a new id.
fn go_on(srv: &mut Server, conn: ConnId, rest: &[u8]) {
    let Some(db) = link(srv).and_then(|link| link.cached) else {
        warning!("Master goes on with a stream that was not asked for");
        return fail(srv, Again::Later);
    };
    notice!("Successful partial resynchronization with master.");
    srv.process.notify(
        "STATUS=MASTER <-> REPLICA sync: Partial Resynchronization accepted. Ready to accept connections in read-write mode.\n",
    );
    let id = rest.strip_prefix(b" ").and_then(ReplId::parse);
    if let Some(id) = id.filter(|id| *id != srv.replication.id) {
        notice!("Master replication ID changed to {id}");
        srv.replication.fork_history(id);
        // Replicas of this server must learn the new id, too.
        disconnect_all(srv);
    }
    srv.replication.create_backlog();
    apply::go_live(srv, conn, db);
    // A synchronization that was given up, with the old data set kept, has switched it off.
    switch::restart_or_exit(srv);
    notice!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
}

#[cfg(test)]
mod tests {
    use super::parse_full_resync;

    #[test]
    fn a_promise_has_an_id_and_an_offset() {
        let id = "a".repeat(40);
        for (rest, fine) in [
            (format!(" {id} 17"), true),
            (format!(" {id} {}", u64::MAX), false),
            (format!(" {id}"), false),
            (format!(" {id} x"), false),
            (" a 17".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(parse_full_resync(rest.as_bytes()).is_some(), fine, "{rest}");
        }
    }
}
