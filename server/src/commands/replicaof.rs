//! REPLICAOF and its older name SLAVEOF.

use data::util::num::parse_i64;
use table::server as rows;

use crate::commands::Family;
use crate::house::start::adjust_oom_score;
use crate::notice;
use crate::replication::replica::role::{become_primary, become_replica};
use crate::report::client_line::client_line;
use crate::server::{Ctx, Done};
use crate::state::replication::link::LinkStage;
use crate::state::replication::replica::Replica;
use crate::wire::fault::Fault;

/// Rows and procs.
pub static PROCS: Family = &[(&rows::REPLICAOF, replicaof), (&rows::SLAVEOF, replicaof)];

fn replicaof(cx: &mut Ctx<'_>) -> Done {
    if cx.srv.cluster.is_some() {
        return Err(Fault::new("ERR REPLICAOF not allowed in cluster mode."));
    }
    let (host, port) = (&cx.argv[1], &cx.argv[2]);
    if cx.srv.replication.failover.is_some() {
        return Err(Fault::new("ERR REPLICAOF not allowed while failing over."));
    }
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        if cx.srv.replication.is_replica() {
            become_primary(cx.srv);
            let who = client_line(cx.srv, cx.caller.client);
            notice!("MASTER MODE enabled (user request from '{who}')");
        }
    } else {
        let replica = cx.srv.clients.replica(cx.caller.client);
        if replica.is_some_and(Replica::is_one) || cx.caller.is_monitor {
            return Err(Fault::new(
                "ERR Command is not valid when client is a replica.",
            ));
        }
        let port = parse_i64(port).and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or(Fault::new("ERR Invalid master port"))?;
        let host = String::from_utf8_lossy(host).into_owned();
        if is_followed(cx, &host, port) {
            notice!(
                "REPLICAOF would result into synchronization with the master we are already connected with. No operation \
                 performed."
            );
            cx.reply.status("OK Already connected to specified master");
            return Ok(());
        }
        become_replica(cx.srv, &host, port);
        let who = client_line(cx.srv, cx.caller.client);
        notice!("REPLICAOF {host}:{port} enabled (user request from '{who}')");
    }
    // The reason was logged; the role has changed anyway.
    let _ = adjust_oom_score(cx.srv);
    cx.reply.ok();
    Ok(())
}

/// Whether this server already follows that primary.
fn is_followed(cx: &Ctx<'_>, host: &str, port: u16) -> bool {
    cx.srv.replication.link.as_ref().is_some_and(|link| {
        link.host.eq_ignore_ascii_case(host)
            && link.port == port
            && !matches!(link.stage, LinkStage::Halted)
    })
}
