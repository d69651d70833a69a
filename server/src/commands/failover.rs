//! FAILOVER.

use table::server as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::replication::failover::{abort, begin, find_replica};
use crate::server::{Ctx, Done, Server};
use crate::state::replication::failover::{Failover, FailoverStage};
use crate::state::replication::replica;
use crate::wire::fault::{Fault, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::FAILOVER, failover)];

fn failover(cx: &mut Ctx<'_>) -> Done {
    if cx.srv.cluster.is_some() {
        return Err(Fault::new(
            "ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.",
        ));
    }
    if cx.argv.len() == 2 && cx.argv[1].eq_ignore_ascii_case(b"abort") {
        if cx.srv.replication.failover.is_none() {
            return Err(Fault::new("ERR No failover in progress."));
        }
        abort(cx.srv, "Failover manually aborted");
        cx.reply.ok();
        return Ok(());
    }
    let wanted = parse(Args::from(cx.argv, 1), cx.now_ms)?;
    check(cx.srv, &wanted)?;
    begin(cx.srv, wanted);
    cx.reply.ok();
    Ok(())
}

fn parse(mut args: Args<'_>, now_ms: i64) -> Result<Failover, Fault> {
    let mut wanted = Failover {
        stage: FailoverStage::Syncing,
        target: None,
        end_ms: None,
        force: false,
    };
    while !args.is_done() {
        if wanted.end_ms.is_none() && args.word_with_value("timeout") {
            let ms = args.int()?;
            if ms <= 0 {
                return Err(Fault::new("ERR FAILOVER timeout must be greater than 0"));
            }
            wanted.end_ms = Some(now_ms.saturating_add(ms));
        } else if wanted.target.is_none() && args.left() > 2 && args.word("to") {
            let host = String::from_utf8_lossy(args.need()?).into_owned();
            // No replica has port 0.
            let port = u16::try_from(args.int()?).unwrap_or(0);
            wanted.target = Some((host, port));
        } else if !wanted.force && args.word("force") {
            wanted.force = true;
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(wanted)
}

fn check(srv: &Server, wanted: &Failover) -> Done {
    let refuse = |text: &'static str| Err(Fault::new(text));
    if srv.replication.failover.is_some() {
        return refuse("ERR FAILOVER already in progress.");
    }
    if srv.replication.is_replica() {
        return refuse("ERR FAILOVER is not valid when server is a replica.");
    }
    if srv.replication.replicas.is_empty() {
        return refuse("ERR FAILOVER requires connected replicas.");
    }
    if wanted.force && (wanted.end_ms.is_none() || wanted.target.is_none()) {
        return refuse(
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
        );
    }
    let Some((host, port)) = &wanted.target else {
        return Ok(());
    };
    let Some(id) = find_replica(srv, host, *port) else {
        return refuse("ERR FAILOVER target HOST and PORT is not a replica.");
    };
    let target = srv.clients.replica(id);
    if target.is_some_and(|target| matches!(target.stage, replica::ReplicaStage::Online)) {
        Ok(())
    } else {
        refuse("ERR FAILOVER target replica is not online.")
    }
}
