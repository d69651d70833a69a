//! Authentication. Without ACL there is one user, the default user, with or without a password.

use data::util::sha::sha256_hex;

use crate::server::Server;
use crate::state::session::Session;
use crate::wire::fault::{AUTH_NO_PASSWORD, Fault, WRONG_PASS};

/// Whether a client has to authenticate before it may do anything else. If the default user needs no password, no
/// client has to, whenever it connected.
#[inline]
pub fn is_required(srv: &Server, session: &Session) -> bool {
    !session.authenticated && !srv.config.requirepass.is_empty()
}

/// Checks a user name and a password, and authenticates the session.
///
/// # Errors
/// `WRONGPASS`; the session stays as it was.
pub fn authenticate(
    srv: &mut Server,
    session: &mut Session,
    user: &[u8],
    password: &[u8],
) -> Result<(), Fault> {
    let expected = srv.config.requirepass.as_slice();
    // Digests are compared, so that the time taken reveals nothing about the password.
    let right =
        user == b"default" && (expected.is_empty() || sha256_hex(password) == sha256_hex(expected));
    if !right {
        srv.stats.auth_failures += 1;
        return Err(WRONG_PASS);
    }
    session.authenticated = true;
    Ok(())
}

/// Check of AUTH with one argument: a password must be configured.
///
/// # Errors
/// No password is configured.
pub fn password_is_set(srv: &Server) -> Result<(), Fault> {
    if srv.config.requirepass.is_empty() {
        Err(AUTH_NO_PASSWORD)
    } else {
        Ok(())
    }
}
