//! Clients that a certificate logs in (`tls-auth-clients-user`), or refuses.
//!
//! The certificate was verified when the connection was made, or when the session that it resumes was. The first name in the
//! configured field that is that of an enabled user is the client's user, as after AUTH; it may be changed by AUTH, and RESET
//! ends it. A certificate without such a name is noted in ACL LOG, and the client is the default user or refused.

use conn::connection::ConnId;
use conn::tls::info::Identity;

use crate::config::choice::Choice;
use crate::config::values::{CertificateUser, UnknownUser};
use crate::server::Server;
use crate::session::auth::note_refusal;
use crate::state::acl::log::{Context, Reason, Refusal};
use crate::state::acl::users::UserId;
use crate::state::client_id::ClientId;
use crate::state::session::Login;
use crate::wire::fault::Fault;

const REFUSED: &str = "DENIED This server expects a certificate that names an enabled user.";

const REVOKED: &str = "DENIED The certificate of this client was revoked.";

/// Judges the certificate of a client that has just connected, and logs the client in if the certificate names a user.
///
/// # Errors
/// It was revoked during the handshake, or it names no user, and such clients are refused.
pub fn log_in(srv: &mut Server, id: ClientId, conn: ConnId) -> Result<(), Fault> {
    if let Some(context) = srv
        .tls
        .context
        .as_ref()
        .filter(|context| !context.crls().is_empty())
        && srv.conns.revoked_by(conn, context).is_some()
    {
        return Err(Fault::new(REVOKED));
    }
    let field = srv.config.tls_auth_clients_user;
    if field == CertificateUser::Off {
        return Ok(());
    }
    let Some(identity) = srv.conns.peer_cert(conn) else {
        return Ok(());
    };
    let names = names(&identity, field);
    if let Some(user) = names.iter().find_map(|name| enabled_user(srv, name)) {
        if let Some(client) = srv.clients.get_mut(id) {
            client.session.authenticated = true;
            client.session.user = user;
            client.session.login = Login::Certificate;
        }
        return Ok(());
    }
    let refusal = Refusal {
        reason: Reason::Certificate,
        context: Context::TopLevel,
        object: field.word().as_bytes().to_vec(),
        username: names
            .first()
            .map_or_else(Vec::new, |name| name.as_bytes().to_vec()),
    };
    note_refusal(srv, id, refusal);
    match srv.config.tls_auth_clients_user_unknown {
        UnknownUser::Default => Ok(()),
        UnknownUser::Refuse => Err(Fault::new(REFUSED)),
    }
}

/// The names in a field of a certificate.
fn names(identity: &Identity, field: CertificateUser) -> Vec<&str> {
    let names = match field {
        CertificateUser::Off => &[],
        CertificateUser::CommonName => identity.common_name.as_slice(),
        CertificateUser::Uri => identity.uris.as_slice(),
        CertificateUser::Dns => identity.dns.as_slice(),
    };
    names.iter().map(String::as_str).collect()
}

fn enabled_user(srv: &Server, name: &str) -> Option<UserId> {
    let id = srv.acl.find(name.as_bytes())?;
    let user = srv.acl.get(id)?;
    user.enabled.then_some(id)
}
