//! What a client has negotiated for its connection, and what its commands start from.

use crate::state::acl::users::UserId;
use crate::wire::reply::Resp;

/// How a client became its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Login {
    /// By nothing: it has connected.
    #[default]
    None,
    /// A password.
    Password,
    /// The certificate of its TLS connection.
    Certificate,
}

impl Login {
    /// The word that CLIENT LIST shows.
    pub fn word(self) -> &'static str {
        match self {
            Login::None => "none",
            Login::Password => "password",
            Login::Certificate => "certificate",
        }
    }
}

/// The part of a client that a command reads and may change: SELECT, HELLO, AUTH, RESET, CLIENT NO-TOUCH.
///
/// While a command executes, the copy in its [`crate::state::caller::Caller`] is the valid one; `exec/call` writes it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Selected database.
    pub db: usize,
    /// Protocol version of the replies.
    pub resp: Resp,
    /// It has authenticated, or connected while that was not needed.
    pub authenticated: bool,
    /// The user whose rights its commands have.
    pub user: UserId,
    /// How it became that user.
    pub login: Login,
    /// Its reads leave the recency of keys alone.
    pub no_touch: bool,
}
