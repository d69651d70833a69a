//! XDEL and XSETID.

use data::value::stream::Stream;
use data::value::stream_id::StreamId;
use data::value::stream_log::Log;
use table::stream as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::commands::stream::ids::{all_ids, exact_id};
use crate::keyspace::change::{Event, key_changed, key_changed_unwatched};
use crate::keyspace::lookup::write;
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, NO_SUCH_KEY, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::XDEL, xdel), (&rows::XSETID, xsetid)];

fn xdel(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let deleted = match write::<Stream>(cx.srv, cx.db, key)? {
        Some(stream) => {
            let ids = all_ids(argv.iter().skip(2))?;
            stream.log_mut().delete(ids.into_iter())
        }
        None => 0,
    };
    if deleted > 0 {
        key_changed(cx.srv, cx.db, key, deleted as u64, Event::Stream("xdel"));
    }
    cx.reply.int(deleted as i64);
    Ok(())
}

/// Arguments of XSETID.
struct Ids {
    last: StreamId,
    entries_added: Option<u64>,
    max_deleted: StreamId,
}

fn parse_ids(mut args: Args<'_>) -> Result<Ids, Fault> {
    let mut ids = Ids {
        last: exact_id(args.need()?)?,
        entries_added: None,
        max_deleted: StreamId::MIN,
    };
    while !args.is_done() {
        if args.word_with_value("entriesadded") {
            let added = u64::try_from(args.int()?);
            let negative = |_| Fault::new("ERR entries_added must be positive");
            ids.entries_added = Some(added.map_err(negative)?);
        } else if args.word_with_value("maxdeletedid") {
            ids.max_deleted = exact_id(args.need()?)?;
            if ids.last < ids.max_deleted {
                return Err(Fault::new(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(ids)
}

/// Checks the ids against the entries of the stream.
fn check(log: &Log, ids: &Ids) -> Done {
    let fault = if ids.last < log.max_deleted_id {
        "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
    } else if log.is_empty() {
        return Ok(());
    } else if ids.last < log.top_id() {
        "ERR The ID specified in XSETID is smaller than the target stream top item"
    } else if ids
        .entries_added
        .is_some_and(|added| (log.len() as u64) > added)
    {
        "ERR The entries_added specified in XSETID is smaller than the target stream length"
    } else {
        return Ok(());
    };
    Err(Fault::new(fault))
}

fn xsetid(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[1];
    let ids = parse_ids(Args::from(cx.argv, 2))?;
    let stream = write::<Stream>(cx.srv, cx.db, key)?.ok_or(NO_SUCH_KEY)?;
    let log = stream.log_mut();
    check(log, &ids)?;
    log.last_id = ids.last;
    if let Some(added) = ids.entries_added {
        log.entries_added = added;
    }
    if ids.max_deleted != StreamId::MIN {
        log.max_deleted_id = ids.max_deleted;
    }
    cx.reply.ok();
    key_changed_unwatched(cx.srv, cx.db, key, 1, Event::Stream("xsetid"));
    Ok(())
}
