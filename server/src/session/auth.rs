//! Who a client is. Until there are more users, it is the default user, with or without a password.

use data::util::sha::sha256_hex;

use crate::server::Server;
use crate::state::client_id::ClientId;
use crate::wire::fault::{AUTH_NO_PASSWORD, Fault, WRONG_PASS};

/// Checks a user name and a password, and lets the client in.
///
/// # Errors
/// `WRONGPASS`; the client stays as it was.
pub fn authenticate(
    srv: &mut Server,
    id: ClientId,
    user: &[u8],
    password: &[u8],
) -> Result<(), Fault> {
    let expected = srv.config.requirepass.as_slice();
    // Digests are compared, so that the time taken says nothing about the password.
    let right =
        user == b"default" && (expected.is_empty() || sha256_hex(password) == sha256_hex(expected));
    if !right {
        srv.stats.auth_failures += 1;
        return Err(WRONG_PASS);
    }
    if let Some(client) = srv.clients.get_mut(id) {
        client.authenticated = true;
    }
    Ok(())
}

/// The check of AUTH with one argument: there must be a password to compare with.
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
