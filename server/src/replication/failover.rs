//! FAILOVER: waits until a replica has caught up, then follows it. `state/replication/failover` shows the states.

use crate::feed::replicas::online;
use crate::notice;
use crate::replication::replica::role::{become_primary, become_replica};
use crate::report::replicas::{address, all};
use crate::server::Server;
use crate::state::client_id::ClientId;
use crate::state::pauses::{Purpose, Scope};
use crate::state::replication::failover::{Failover, FailoverStage};
use crate::state::replication::replica::Replica;

/// The replica at an address. One that has not announced its port is not found.
pub fn find_replica(srv: &Server, host: &str, port: u16) -> Option<ClientId> {
    let is_at =
        |ip: &str, replica: &Replica| port != 0 && ip == host && replica.port == i64::from(port);
    all(srv)
        .find(|(_, ip, replica)| is_at(ip, replica))
        .map(|(id, _, _)| id)
}

/// Begins a failover.
pub fn begin(srv: &mut Server, failover: Failover) {
    match &failover.target {
        Some((host, port)) => notice!("FAILOVER requested to {host}:{port}."),
        None => notice!("FAILOVER requested to any replica."),
    }
    srv.replication.failover = Some(failover);
    // The pause has no deadline of its own: it ends with the failover.
    srv.pauses.begin(Purpose::Failover, Scope::Writes, i64::MAX);
}

/// Advances the failover: before each sleep of the loop, and by cron.
pub fn advance(srv: &mut Server) {
    let Some(failover) = &srv.replication.failover else {
        return;
    };
    if failover.stage != FailoverStage::Syncing {
        return;
    }
    if failover
        .end_ms
        .is_some_and(|end_ms| end_ms <= srv.unit.now_ms)
    {
        return match failover.target.clone().filter(|_| failover.force) {
            Some((host, port)) => {
                notice!("FAILOVER to {host}:{port} time out exceeded, failing over.");
                hand_over(srv, &host, port);
            }
            None => abort(srv, "Replica never caught up before timeout"),
        };
    }
    if let Some((host, port)) = caught_up(srv) {
        notice!("Failover target {host}:{port} is synced, failing over.");
        hand_over(srv, &host, port);
    }
}

/// The replica that may take over, if it has caught up.
fn caught_up(srv: &Server) -> Option<(String, u16)> {
    let target = srv.replication.failover.as_ref()?.target.as_ref();
    let has_all = |id: &ClientId| {
        let replica = srv.clients.replica(*id);
        replica.is_some_and(|replica| replica.ack_offset == srv.replication.offset)
    };
    if let Some((host, port)) = target {
        let id = find_replica(srv, host, *port)?;
        return has_all(&id).then(|| (host.clone(), *port));
    }
    let id = online(srv).find(has_all)?;
    let port = srv.clients.replica(id)?.port;
    Some((address(srv, id)?, u16::try_from(port).ok()?))
}

fn hand_over(srv: &mut Server, host: &str, port: u16) {
    if let Some(failover) = &mut srv.replication.failover {
        failover.stage = FailoverStage::Handing;
        failover.target = Some((host.to_owned(), port));
    }
    become_replica(srv, host, port);
}

/// The replica has replied to `PSYNC … FAILOVER`.
pub fn answered(srv: &mut Server, accepted: bool) {
    let handing = srv.replication.failover.as_ref();
    if handing.is_none_or(|failover| failover.stage != FailoverStage::Handing) {
        return;
    }
    if accepted {
        end(srv);
    } else {
        abort(srv, "Failover target rejected psync request");
    }
}

/// Aborts the failover.
pub fn abort(srv: &mut Server, why: &str) {
    let Some(failover) = &srv.replication.failover else {
        return;
    };
    match &failover.target {
        Some((host, port)) => notice!("FAILOVER to {host}:{port} aborted: {why}"),
        None => notice!("FAILOVER to any replica aborted: {why}"),
    }
    if failover.stage == FailoverStage::Handing {
        become_primary(srv);
    }
    end(srv);
}

fn end(srv: &mut Server) {
    srv.replication.failover = None;
    srv.pauses.end(Purpose::Failover);
}
