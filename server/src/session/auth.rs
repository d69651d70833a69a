//! Authentication: which user a client is, and what follows when users are changed or removed.

use crate::report::client_line::client_line;
use crate::server::{Ctx, Server};
use crate::session::close::{close_after_reply, close_now};
use crate::state::acl::log::{Context, Reason, Refusal};
use crate::state::acl::users::UserId;
use crate::state::caller::{Caller, Kind};
use crate::state::client_id::ClientId;
use crate::state::pubsub;
use crate::state::session::{Login, Session};
use crate::wire::argv::Argv;
use crate::wire::fault::{AUTH_NO_PASSWORD, Fault, WRONG_PASS};

/// Whether a client has to authenticate before it may do anything else. If the default user is enabled and needs no
/// password, no client has to, whenever it connected.
#[inline]
pub fn is_required(srv: &Server, session: &Session) -> bool {
    !session.authenticated && !srv.acl.default_is_open()
}

/// The session of a client that has just connected.
pub fn new_session(srv: &Server) -> Session {
    Session {
        authenticated: srv.acl.default_is_open(),
        ..Session::default()
    }
}

/// Checks a user name and a password, and makes the caller that user.
///
/// # Errors
/// `WRONGPASS`; the session stays as it was, and the attempt is logged.
pub fn authenticate(cx: &mut Ctx<'_>, name: &[u8], password: &[u8]) -> Result<(), Fault> {
    let found = cx.srv.acl.find(name);
    let user = found.and_then(|id| cx.srv.acl.get(id));
    if let (Some(id), true) = (found, user.is_some_and(|user| user.accepts(password))) {
        cx.caller.session.authenticated = true;
        cx.caller.session.user = id;
        cx.caller.session.login = Login::Password;
        return Ok(());
    }
    let refusal = Refusal {
        reason: Reason::Auth,
        context: context(cx.caller),
        object: cx.argv[0].to_vec(),
        username: name.to_vec(),
    };
    log_refusal(cx.srv, cx.caller, cx.argv, refusal);
    Err(WRONG_PASS)
}

/// Check of AUTH with one argument: a password must be configured.
///
/// # Errors
/// The default user accepts any password.
pub fn password_is_set(srv: &Server) -> Result<(), Fault> {
    if srv.acl.default_user().nopass {
        Err(AUTH_NO_PASSWORD)
    } else {
        Ok(())
    }
}

/// Where the caller's command is executed, for the log of refusals.
pub fn context(caller: &Caller) -> Context {
    if caller.kind == Kind::Script {
        Context::Lua
    } else if caller.queued.is_some() || caller.kind == Kind::Transaction {
        Context::Multi
    } else {
        Context::TopLevel
    }
}

/// Adds an entry to the log of refusals.
#[cold]
pub fn log_refusal(srv: &mut Server, caller: &Caller, argv: &Argv, refusal: Refusal) {
    let id = caller.client;
    if let Some(client) = srv.clients.get_mut(id) {
        // Its request is not in the slab.
        client.sizes.argv = argv.bytes();
    }
    note_refusal(srv, id, refusal);
}

/// Adds an entry for a client whose input is not being processed.
#[cold]
pub fn note_refusal(srv: &mut Server, id: ClientId, refusal: Refusal) {
    let client = client_line(srv, id);
    let max_len = usize::try_from(srv.config.acllog_max_len).unwrap_or(0);
    let now_ms = srv.unit.now_ms;
    srv.acl.log.add(refusal, client, now_ms, max_len);
}

/// Closes the clients whose user no longer exists. The caller's own client is closed after its command's reply; whether it
/// is. Then the rest of a transaction is executed, but no longer answered.
pub fn close_orphans(srv: &mut Server, caller: &mut Caller) -> bool {
    let mut closes_caller = false;
    for id in srv.clients.ids() {
        let Some(client) = srv.clients.get_mut(id) else {
            continue;
        };
        if srv.acl.get(client.session.user).is_some() {
            continue;
        }
        client.session.user = UserId::DEFAULT;
        client.session.authenticated = false;
        if id == caller.client {
            closes_caller = true;
            close_after_reply(srv, id);
        } else {
            close_now(srv, id);
        }
    }
    if srv.acl.get(caller.session.user).is_none() {
        caller.session.user = UserId::DEFAULT;
        caller.session.authenticated = false;
    }
    closes_caller
}

/// Closes the subscribers of a user who may no longer use all of their channels.
pub fn close_revoked_subscribers(srv: &mut Server, user: UserId) {
    for id in srv.clients.ids() {
        if loses_subscription(srv, id, user) {
            close_now(srv, id);
        }
    }
}

fn loses_subscription(srv: &Server, id: ClientId, user: UserId) -> bool {
    let client = srv
        .clients
        .get(id)
        .filter(|client| client.session.user == user);
    let own = client.and_then(|client| client.subscriptions.as_ref());
    let (Some(own), Some(user)) = (own, srv.acl.get(user)) else {
        return false;
    };
    pubsub::Kind::ALL.into_iter().any(|kind| {
        let is_pattern = kind == pubsub::Kind::Pattern;
        own.names(kind)
            .any(|name| !user.admits_channel(name, is_pattern))
    })
}
