//! The gate: may this client run this command now?
//!
//! Small questions in Redis's order; the first answer that is not "run" wins. A question whose subject does not exist
//! in this build (cluster, replicas, scripts) is not asked.

use conn::addr::Addr;
use table::spec::Spec;
use table::words::Flags;

use crate::config::values::Allow;
use crate::server::Server;
use crate::state::client::{Client, ClientFlags, ClientId};
use crate::wire::fault::{Fault, NO_AUTH};
use crate::wire::request::Argv;

/// Answer of the gate.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Call it.
    Run,
    /// Tell the client this instead.
    Refuse(Fault),
}

/// Asks all questions about one command.
#[inline]
pub fn verdict(srv: &Server, id: ClientId, spec: &'static Spec, argv: &Argv) -> Verdict {
    let Some(client) = srv.clients.get(id) else {
        return Verdict::Refuse(NO_AUTH);
    };
    if spec.flags.contains(Flags::PROTECTED)
        && let Some(fault) = protected(srv, client, argv)
    {
        return Verdict::Refuse(fault);
    }
    if !client.authenticated && !spec.flags.contains(Flags::NO_AUTH) {
        return Verdict::Refuse(NO_AUTH);
    }
    Verdict::Run
}

/// DEBUG and MODULE are for whom the configuration says.
fn protected(srv: &Server, client: &Client, argv: &Argv) -> Option<Fault> {
    let is_debug = argv[0].eq_ignore_ascii_case(b"debug");
    let (allow, directive) = if is_debug {
        (srv.config.enable_debug_command, "enable-debug-command")
    } else {
        (srv.config.enable_module_command, "enable-module-command")
    };
    if allowed(srv, client, allow) {
        return None;
    }
    let name = if is_debug { "DEBUG" } else { "MODULE" };
    Some(Fault::new(format!(
        "ERR {name} command not allowed. If the {directive} option is set to \"local\", you can run it from a local \
         connection, otherwise you need to set this option in the configuration file, and then restart the server."
    )))
}

/// Whether a client may use what `allow` protects.
pub fn allowed(srv: &Server, client: &Client, allow: Allow) -> bool {
    match allow {
        Allow::Yes => true,
        Allow::No => false,
        Allow::Local => is_local(srv, client),
    }
}

/// Whether a client sits on this machine.
pub fn is_local(srv: &Server, client: &Client) -> bool {
    client.flags.contains(ClientFlags::UNIX)
        || client
            .conn
            .and_then(|conn| srv.conns.peer(conn))
            .is_some_and(|peer| match peer {
                Addr::Unix(_) => true,
                Addr::Tcp(addr) => addr.ip().is_loopback(),
            })
}
