//! Commands of replicas (SYNC, PSYNC, REPLCONF), and commands about them (WAIT, WAITAOF, ROLE).

use data::util::num::parse_i64;
use table::{generic, server as rows};
use words::split;

use crate::commands::Family;
use crate::commands::args::{deadline_ms, int};
use crate::exec::unblock::{is_acknowledged, serve_acknowledged, write_acknowledged};
use crate::replication::primary::diskless::finish_transfers;
use crate::replication::primary::served::replica;
use crate::replication::primary::snapshot::tend;
use crate::replication::primary::sync::{begin_full, resume};
use crate::replication::replica::apply::send_ack;
use crate::replication::replica::role::become_primary;
use crate::report::client_line::client_line;
use crate::report::replicas::{all, name};
use crate::server::{Ctx, Done, Server};
use crate::state::blocked::{Block, BlockKind, ReplicaBlock};
use crate::state::client_id::ClientId;
use crate::state::replication::replica::{ReplicaStage, SnapshotFilter};
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, NOT_INTEGER, NOT_POSITIVE, NOT_ZERO_OR_ONE, SYNTAX, WAITAOF_OFF};
use crate::{notice, warning};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SYNC, |cx| sync(cx, None)),
    (&rows::PSYNC, psync),
    (&rows::REPLCONF, replconf),
    (&rows::ROLE, role),
    (&generic::WAIT, wait),
    (&generic::WAITAOF, waitaof),
];

/// Maximum length of an announced address, in bytes.
const MAX_ADDRESS: usize = 255;

fn psync(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    sync(cx, Some((&argv[1], &argv[2])))
}

/// Makes a client a replica; `wanted` is the id and offset for a partial resynchronization.
fn sync(cx: &mut Ctx<'_>, wanted: Option<(&[u8], &[u8])>) -> Done {
    let id = cx.caller.client;
    let Some(asking) = replica(cx.srv, id) else {
        return Ok(());
    };
    // As Redis does, without a word.
    if asking.is_one() || cx.caller.is_monitor {
        return Ok(());
    }
    if let Some((history, _)) = wanted
        && cx.argv.len() > 3
        && cx.argv[3].eq_ignore_ascii_case(b"failover")
    {
        take_over(cx, history)?;
    }
    let Some(asking) = replica(cx.srv, id) else {
        return Ok(());
    };
    let filtered = asking.without != SnapshotFilter::default() && !asking.can_eof;
    refuse(cx, filtered)?;
    notice!("Replica {} asks for synchronization", name(cx.srv, id));
    match wanted {
        Some((history, offset)) => {
            let Some(offset) = parse_i64(offset) else {
                warning!(
                    "Replica {} asks for synchronization but with a wrong offset",
                    name(cx.srv, id)
                );
                return Err(NOT_INTEGER);
            };
            if resume(cx.srv, id, history, offset) {
                cx.srv.stats.sync_partial_ok += 1;
                return Ok(());
            }
            cx.srv.stats.sync_partial_err += u64::from(history.first() != Some(&b'?'));
        }
        None => {
            if let Some(replica) = replica(cx.srv, id) {
                replica.is_pre_psync = true;
            }
        }
    }
    begin_full(cx.srv, id);
    Ok(())
}

/// PSYNC … FAILOVER: the primary of this server hands over its role.
fn take_over(cx: &mut Ctx<'_>, history: &[u8]) -> Done {
    notice!(
        "Failover request received for replid {}.",
        String::from_utf8_lossy(history)
    );
    if !cx.srv.replication.is_replica() {
        return Err(Fault::new("ERR PSYNC FAILOVER can't be sent to a master."));
    }
    let own = cx.srv.replication.id;
    if !own.as_bytes().eq_ignore_ascii_case(history) {
        return Err(Fault::new(
            "ERR PSYNC FAILOVER replid must match my replid.",
        ));
    }
    become_primary(cx.srv);
    let who = client_line(cx.srv, cx.caller.client);
    notice!("MASTER MODE enabled (failover request from '{who}')");
    Ok(())
}

/// Why no synchronization is possible now.
fn refuse(cx: &Ctx<'_>, filtered: bool) -> Done {
    if cx.srv.replication.failover.is_some() {
        return Err(Fault::new("NOMASTERLINK Can't SYNC while failing over"));
    }
    let link = cx.srv.replication.link.as_ref();
    if link.is_some_and(|link| !link.is_up()) {
        return Err(Fault::new(
            "NOMASTERLINK Can't SYNC while not connected with my master",
        ));
    }
    let client = cx.srv.clients.get(cx.caller.client);
    let unsent = client.is_some_and(|client| client.output_bytes() > 0);
    if unsent || !cx.reply.out.is_empty() {
        return Err(Fault::new(
            "ERR SYNC and PSYNC are invalid with pending output",
        ));
    }
    if filtered {
        return Err(Fault::new("ERR Filtered replica requires EOF capability"));
    }
    Ok(())
}

fn replconf(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    if argv.len().is_multiple_of(2) {
        return Err(SYNTAX);
    }
    let id = cx.caller.client;
    for at in (1..argv.len()).step_by(2) {
        let value = &argv[at + 1];
        match argv[at].to_ascii_lowercase().as_slice() {
            b"ack" => {
                acknowledge(cx.srv, id, argv, at);
                return Ok(());
            }
            b"getack" => {
                // Inside a transaction as well.
                let link = cx.srv.replication.link.as_ref();
                if link.is_some_and(|link| link.client() == Some(id)) {
                    send_ack(cx.srv);
                }
                return Ok(());
            }
            option => describe(cx.srv, id, option, value, &argv[at])?,
        }
    }
    cx.reply.ok();
    Ok(())
}

/// REPLCONF of a replica.
fn describe(srv: &mut Server, id: ClientId, option: &[u8], value: &[u8], written: &[u8]) -> Done {
    let Some(replica) = replica(srv, id) else {
        return Ok(());
    };
    match option {
        b"listening-port" => replica.port = int(value)?,
        b"ip-address" if value.len() > MAX_ADDRESS => {
            return Err(Fault::new(format!(
                "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                value.len()
            )));
        }
        b"ip-address" => replica.ip = String::from_utf8_lossy(value).into_owned(),
        // Unknown capabilities are ignored.
        b"capa" => {
            replica.can_eof |= value.eq_ignore_ascii_case(b"eof");
            replica.can_psync2 |= value.eq_ignore_ascii_case(b"psync2");
        }
        b"rdb-only" => {
            let number = int(value)?;
            if !(0..=1).contains(&number) {
                return Err(NOT_ZERO_OR_ONE);
            }
            replica.rdb_only = number == 1;
        }
        b"rdb-filter-only" => replica.without = parse_filter(value)?,
        _ => {
            let parts = [b"ERR Unrecognized REPLCONF option: ", written];
            return Err(Fault::quoting(&parts));
        }
    }
    Ok(())
}

/// Parses the wanted parts of a snapshot; returns the unwanted ones.
fn parse_filter(value: &[u8]) -> Result<SnapshotFilter, Fault> {
    let parts = split(value).map_err(|_| Fault::new("ERR Missing rdb-filter-only values"))?;
    let mut without = SnapshotFilter {
        data: true,
        functions: true,
    };
    for part in parts {
        if !part.eq_ignore_ascii_case(b"functions") {
            let parts: [&[u8]; 2] = [b"ERR Unsupported rdb-filter-only option: ", &part];
            return Err(Fault::quoting(&parts));
        }
        without.functions = false;
    }
    Ok(without)
}

/// An acknowledgement of a replica, which gets no reply.
fn acknowledge(srv: &mut Server, id: ClientId, argv: &Argv, at: usize) {
    let now = srv.unit.now_s();
    let replica = srv.clients.replica(id);
    let is_saving = replica.is_some_and(|replica| matches!(replica.stage, ReplicaStage::Saving));
    if is_saving {
        // It may have loaded a snapshot before the end of its child was noticed.
        tend(srv);
        finish_transfers(srv);
    }
    let replica = srv.clients.replica_mut(id);
    let Some(replica) = replica.filter(|replica| replica.is_one()) else {
        return;
    };
    let Some(offset) = parse_i64(&argv[at + 1]) else {
        return;
    };
    let forward =
        |known: &mut u64, told: i64| *known = (*known).max(u64::try_from(told).unwrap_or(0));
    forward(&mut replica.ack_offset, offset);
    if argv.len() > at + 3
        && argv[at + 2].eq_ignore_ascii_case(b"fack")
        && let Some(offset) = parse_i64(&argv[at + 3])
    {
        forward(&mut replica.fack_offset, offset);
    }
    replica.ack_at = now;
    if replica.online_on_ack && matches!(replica.stage, ReplicaStage::Online) {
        replica.online_on_ack = false;
        srv.clients.queue_write(id);
    }
    if srv.blocked.has_kind(BlockKind::Replicas) {
        serve_acknowledged(srv);
    }
}

fn wait(cx: &mut Ctx<'_>) -> Done {
    if cx.srv.replication.is_replica() {
        return Err(Fault::new(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
        ));
    }
    let count = int(&cx.argv[1])?;
    let deadline_ms = deadline_ms(&cx.argv[2], cx.now_ms)?;
    block_for(cx, count, None, deadline_ms)
}

fn waitaof(cx: &mut Ctx<'_>) -> Done {
    let local = match int(&cx.argv[1])? {
        0 => false,
        1 => true,
        _ => {
            return Err(NOT_ZERO_OR_ONE);
        }
    };
    let count = parse_i64(&cx.argv[2]).filter(|&count| count >= 0);
    let count = count.ok_or(NOT_POSITIVE)?;
    let deadline_ms = deadline_ms(&cx.argv[3], cx.now_ms)?;
    if cx.srv.replication.is_replica() {
        return Err(Fault::new(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and \
             are not propagated.",
        ));
    }
    if local && !cx.srv.config.appendonly {
        return Err(WAITAOF_OFF);
    }
    block_for(cx, count, Some(local), deadline_ms)
}

/// Blocks until the client's writes are acknowledged, unless they are already.
fn block_for(cx: &mut Ctx<'_>, count: i64, local: Option<bool>, deadline_ms: Option<i64>) -> Done {
    let client = cx.srv.clients.get(cx.caller.client);
    let block = ReplicaBlock {
        offset: client.map_or(0, |client| client.written_offset),
        count,
        local,
        deadline_ms,
    };
    if is_acknowledged(cx.srv, &block) || !cx.caller.may_block() {
        write_acknowledged(cx.srv, cx.reply, &block);
        return Ok(());
    }
    cx.block = Some(Box::new(Block::Replicas(block)));
    cx.srv.replication.wants_acks = true;
    Ok(())
}

fn role(cx: &mut Ctx<'_>) -> Done {
    let offset = cx.srv.replication.offset as i64;
    if let Some(link) = &cx.srv.replication.link {
        cx.reply.array(5);
        cx.reply.bulk(b"slave");
        cx.reply.bulk(link.host.as_bytes());
        cx.reply.int(i64::from(link.port));
        cx.reply.bulk(link.role().as_bytes());
        cx.reply.int(if link.is_up() { offset } else { -1 });
        return Ok(());
    }
    let online =
        all(cx.srv).filter(|(_, _, replica)| matches!(replica.stage, ReplicaStage::Online));
    let rows: Vec<_> = online
        .map(|(_, ip, replica)| (ip, replica.port, replica.ack_offset))
        .collect();
    cx.reply.array(3);
    cx.reply.bulk(b"master");
    cx.reply.int(offset);
    cx.reply.array(rows.len());
    for (ip, port, acknowledged) in rows {
        cx.reply.array(3);
        cx.reply.bulk(ip.as_bytes());
        cx.reply.bulk_int(port);
        cx.reply.bulk_int(acknowledged as i64);
    }
    Ok(())
}
