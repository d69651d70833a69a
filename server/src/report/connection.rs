//! DEBUG TLS: everything about the TLS of one client's connection, in lines as INFO has them.

use std::fmt::Write;

use conn::tls::examine::{Details, ShownCert, Verdict};

use crate::report::client_line::peer_text;
use crate::server::Server;
use crate::state::client::Client;

/// The lines; `None` if the client does not use TLS.
pub fn text(srv: &Server, client: &Client) -> Option<String> {
    let conn = client.conn?;
    let Details {
        shown,
        is_resumed,
        chain_expires,
        own_subject,
        server_name,
    } = srv.conns.tls_details(conn)?;
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{name}:{value}\r\n");
    };
    field("addr", &peer_text(srv, client));
    field("login", client.session.login.word());
    field("version", shown.version);
    field("cipher", shown.cipher);
    field("group", &shown.group);
    field("resumed", yes_no(is_resumed));
    field("server_name", &server_name);
    field("own_certificate", &own_subject);
    field("memory", &srv.conns.tls_memory(conn).to_string());
    let verified = match (&shown.verdict, shown.chain.is_empty()) {
        (_, true) => "no certificate",
        (Verdict::Good, false) => "yes",
        (_, false) => "no",
    };
    field("verified", verified);
    if let Some(expires) = chain_expires {
        field("chain_expires", &expires.to_string());
    }
    for (number, cert) in shown.chain.iter().enumerate() {
        field(&format!("certificate{number}"), &certificate(cert));
    }
    Some(text)
}

fn certificate(cert: &ShownCert) -> String {
    format!(
        "subject={};issuer={};serial={};names={};not_before={};not_after={};key={};bits={};signature={}",
        cert.subject,
        cert.issuer,
        cert.serial,
        cert.names.join(",").escape_debug(),
        cert.not_before.unix,
        cert.not_after.unix,
        cert.key,
        cert.bits,
        cert.signature
    )
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
