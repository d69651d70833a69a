//! ACL LOG: what was refused.

use table::server as rows;

use crate::commands::Family;
use crate::commands::args::int;
use crate::server::{Ctx, Done};
use crate::state::acl::log::Entry;
use crate::wire::fault::subcommand_syntax;
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[(&rows::ACL_LOG, log)];

/// How many entries are shown unless a number is given.
const SHOWN: usize = 10;

fn log(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let count = match argv.len() {
        2 => SHOWN,
        3 if argv[2].eq_ignore_ascii_case(b"reset") => {
            cx.srv.acl.log.reset();
            cx.reply.ok();
            return Ok(());
        }
        3 => usize::try_from(int(&argv[2])?).unwrap_or(0),
        _ => return Err(subcommand_syntax(&argv[0], &argv[1])),
    };
    let log = &cx.srv.acl.log;
    cx.reply.array(log.entries().len().min(count));
    for entry in log.entries().take(count) {
        write_entry(cx.reply, entry, cx.now_ms);
    }
    Ok(())
}

fn write_entry(reply: &mut Reply, entry: &Entry, now_ms: i64) {
    let refusal = &entry.refusal;
    reply.map(10);
    reply.bulk(b"count");
    reply.int(entry.count as i64);
    reply.bulk(b"reason");
    reply.bulk(refusal.reason.name().as_bytes());
    reply.bulk(b"context");
    reply.bulk(refusal.context.name().as_bytes());
    reply.bulk(b"object");
    reply.bulk(&refusal.object);
    reply.bulk(b"username");
    reply.bulk(&refusal.username);
    reply.bulk(b"age-seconds");
    reply.double((now_ms - entry.updated_ms) as f64 / 1000.0);
    reply.bulk(b"client-info");
    reply.bulk(entry.client.as_bytes());
    reply.bulk(b"entry-id");
    reply.int(entry.id as i64);
    reply.bulk(b"timestamp-created");
    reply.int(entry.created_ms);
    reply.bulk(b"timestamp-last-updated");
    reply.int(entry.updated_ms);
}
