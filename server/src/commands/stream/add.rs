//! XADD and XTRIM.

use data::value::stream::Stream;
use data::value::stream_id::{IdRoom, StreamId};
use data::value::stream_log::{Log, Trim};
use data::value::stream_node::MAX_BYTES;
use table::stream as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::commands::stream::ids::{NewId, new_id};
use crate::commands::stream::reply::reply_id;
use crate::commands::stream::trim::TrimOptions;
use crate::config::limits::stream_limits;
use crate::feed::propagate::is_wanted;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::lookup::{write, write_or_create};
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, SYNTAX, arity};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::XADD, xadd), (&rows::XTRIM, xtrim)];

/// The arguments of XADD.
struct Add {
    id: NewId,
    create: bool,
    options: TrimOptions,
    trim: Option<Trim>,
    /// Index of the id.
    id_at: usize,
}

fn parse_add(cx: &Ctx<'_>) -> Result<Add, Fault> {
    let mut args = Args::from(cx.argv, 2);
    let mut options = TrimOptions::default();
    let mut create = true;
    let mut id = None;
    while id.is_none() && !args.is_done() {
        if args.word("*") {
            id = Some(NewId::Auto);
        } else if args.word("nomkstream") {
            create = false;
        } else if !options.take(&mut args)? {
            id = Some(new_id(args.need()?)?);
        }
    }
    let trim = options.finish(cx, false)?;
    if args.left() < 2 || args.left() % 2 == 1 {
        return Err(arity(table::full_name(cx.cmd)));
    }
    let id = id.unwrap_or(NewId::Auto);
    if id == NewId::Given(StreamId::MIN) {
        return Err(Fault::new(
            "ERR The ID specified in XADD must be greater than 0-0",
        ));
    }
    Ok(Add {
        id,
        create,
        options,
        trim,
        id_at: args.position() - 1,
    })
}

/// The id of an entry that is added now.
fn choose_id(log: &Log, id: NewId, now_ms: i64) -> Result<StreamId, Fault> {
    if log.last_id == StreamId::MAX {
        return Err(Fault::new(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let chosen = match id {
        NewId::Given(id) => Some(id),
        NewId::Auto => log.next_id(u64::try_from(now_ms).unwrap_or(0)),
        NewId::Within(ms) if ms == log.last_id.ms => {
            let seq = log.last_id.seq.checked_add(1);
            seq.map(|seq| StreamId::new(ms, seq))
        }
        NewId::Within(ms) => Some(StreamId::new(ms, 0)),
    };
    chosen.filter(|&id| id > log.last_id).ok_or_else(|| {
        Fault::new(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        )
    })
}

fn xadd(cx: &mut Ctx<'_>) -> Done {
    let (argv, now_ms) = (cx.argv, cx.now_ms);
    let key = &argv[1];
    let add = parse_add(cx)?;
    let limits = stream_limits(&cx.srv.config);
    let content = add.id_at + 1..argv.len();
    let too_big = content.clone().map(|at| argv[at].len()).sum::<usize>() > MAX_BYTES;
    // A stream is not created for an entry with an invalid id.
    if (!add.create || too_big) && write::<Stream>(cx.srv, cx.db, key)?.is_none() {
        if add.create {
            return Err(too_large());
        }
        cx.reply.null();
        return Ok(());
    }
    let wanted = is_wanted(cx.srv);
    let stream: &mut Stream = write_or_create(cx.srv, cx.db, key)?;
    let log = stream.log_mut();
    let id = choose_id(log, add.id, now_ms)?;
    let pairs = (0..content.len() / 2).map(|pair| {
        let field = content.start + 2 * pair;
        (&argv[field], &argv[field + 1])
    });
    if !log.append(id, pairs, &limits) {
        return Err(too_large());
    }
    let trimmed = add.trim.map_or(0, |trim| log.trim(&trim));
    if wanted {
        let mut replaced = add.options.exact(log);
        if !matches!(add.id, NewId::Given(_)) {
            let mut room: IdRoom = [0; size_of::<IdRoom>()];
            replaced.push((add.id_at, id.text(&mut room).to_vec()));
        }
        if !replaced.is_empty() {
            cx.rewrite = Some(Box::new(argv.replacing(&replaced)));
        }
    }
    reply_id(cx.reply, id);
    key_changed(cx.srv, cx.db, key, 1, Event::Stream("xadd"));
    if trimmed > 0 {
        key_changed(cx.srv, cx.db, key, 0, Event::Stream("xtrim"));
    }
    Ok(())
}

fn too_large() -> Fault {
    Fault::new("ERR Elements are too large to be stored")
}

fn xtrim(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let mut args = Args::from(argv, 2);
    let mut options = TrimOptions::default();
    while !args.is_done() {
        if !options.take(&mut args)? {
            return Err(SYNTAX);
        }
    }
    let trim = options.finish(cx, true)?.ok_or(SYNTAX)?;
    let Some(stream) = write::<Stream>(cx.srv, cx.db, key)? else {
        cx.reply.int(0);
        return Ok(());
    };
    let log = stream.log_mut();
    let deleted = log.trim(&trim);
    if deleted > 0 {
        let replaced = options.exact(log);
        if !replaced.is_empty() {
            cx.rewrite = Some(Box::new(argv.replacing(&replaced)));
        }
        key_changed(cx.srv, cx.db, key, deleted as u64, Event::Stream("xtrim"));
    }
    cx.reply.int(deleted as i64);
    Ok(())
}
