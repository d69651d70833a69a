//! Certificate revocation lists: connections of peers that they revoke are ended, and lists that have expired are logged.
//!
//! New connections are judged by OpenSSL. After a load of lists that differ from the previous ones, the connections of
//! that moment are checked against them, some at each call of cron, since there may be many; and so is a client whose
//! handshake began before (`session::certificate`). A connection that is in its handshake, which may go on under the
//! previous lists, is checked when that is done. A client is closed. A connection that is not a client, such as a link
//! to another server, is severed: its owner sees the end and does what it does when the peer closes.

use conn::addr::Addr;
use conn::tls::config::CrlExpired;
use conn::tls::context::TlsContext;
use conn::tls::info::CrlInfo;

use crate::config::choice::Choice;
use crate::ingress::refusals;
use crate::server::Server;
use crate::state::client::Client;
use crate::state::client_id::ClientId;
use crate::sys::clock;
use crate::warning;

/// Connections checked at each call of cron: about a millisecond.
const CHECKED_AT_ONCE: usize = 500;

/// A context has replaced another one: connections may have to be ended.
pub fn context_changed(srv: &mut Server, previous: Option<&TlsContext>) {
    srv.tls.expired_lists_logged = false;
    let Some(context) = &srv.tls.context else {
        return;
    };
    let may_revoke = previous.is_some_and(|previous| context.may_revoke_peers_of(previous));
    if may_revoke && srv.config.tls_crl_drop {
        srv.tls.unchecked = srv.conns.ids().collect();
    }
    log_expired(srv);
}

/// Cron: ends connections of peers whose certificates were revoked.
pub fn disconnect_revoked(srv: &mut Server) {
    if srv.tls.unchecked.is_empty() {
        return;
    }
    let Some(context) = srv.tls.context.clone() else {
        return srv.tls.unchecked.clear();
    };
    let rest = srv.tls.unchecked.len().saturating_sub(CHECKED_AT_ONCE);
    let mut later = Vec::new();
    for conn in srv.tls.unchecked.split_off(rest) {
        if srv.conns.is_shaking_hands(conn) {
            later.push(conn);
            continue;
        }
        let Some(subject) = srv.conns.revoked_by(conn, &context) else {
            continue;
        };
        let peer = srv
            .conns
            .peer(conn)
            .map_or_else(String::new, Addr::to_string);
        let line = format!("TLS: {peer} is disconnected, its certificate was revoked ({subject})");
        refusals::log(srv, line);
        srv.tls.revoked_connections += 1;
        let id = ClientId::from_word(srv.conns.data(conn));
        let is_client = |client: &Client| client.conn == Some(conn);
        if srv.clients.get(id).is_some_and(is_client) {
            srv.clients.queue_close(id);
        } else {
            srv.conns.sever(conn);
        }
    }
    // Those at the end are next, so the others are not kept waiting by handshakes that take long.
    later.append(&mut srv.tls.unchecked);
    srv.tls.unchecked = later;
}

/// Logs, once per load, which lists have expired.
pub fn log_expired(srv: &mut Server) {
    let now = clock::unix_ms() / 1000;
    let lists = srv.tls.context.as_ref().map_or(&[][..], TlsContext::crls);
    let is_expired = |list: &&CrlInfo| list.next_update.is_some_and(|at| at < now);
    if srv.tls.expired_lists_logged || !lists.iter().any(|list| is_expired(&list)) {
        return;
    }
    for CrlInfo {
        file,
        issuer,
        next_update,
        ..
    } in lists.iter().filter(is_expired)
    {
        warning!(
            "TLS: the revocation list {file} ({issuer}) expired on {}: with 'tls-crl-expired {}' its peers are {}",
            clock::utc_date(next_update.unwrap_or(now)),
            srv.config.tls.crl_expired.word(),
            match srv.config.tls.crl_expired {
                CrlExpired::Refuse => "refused",
                CrlExpired::Accept => "judged by the old list",
            }
        );
    }
    srv.tls.expired_lists_logged = true;
}
