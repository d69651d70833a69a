//! XGROUP and XACK.

use data::value::stream::Stream;
use data::value::stream_group::Group;
use data::value::stream_id::StreamId;
use table::stream as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::commands::stream::ids::{all_ids, exact_id, id_or_edge};
use crate::commands::stream::reply::no_group_of;
use crate::keyspace::change::{Event, key_changed, key_changed_unwatched};
use crate::keyspace::lookup::{read_mut, write, write_or_create};
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, subcommand_syntax};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::XGROUP_CREATE, create),
    (&rows::XGROUP_SETID, setid),
    (&rows::XGROUP_DESTROY, destroy),
    (&rows::XGROUP_CREATECONSUMER, createconsumer),
    (&rows::XGROUP_DELCONSUMER, delconsumer),
    (&rows::XGROUP_HELP, help),
    (&rows::XACK, xack),
];

/// Maximum number of arguments of CREATE.
const CREATE_MAX: usize = 8;
/// Numbers of arguments that SETID accepts.
const SETID_LENS: [usize; 2] = [5, 7];

/// Options of CREATE and SETID.
#[derive(Default)]
struct Options {
    make_stream: bool,
    entries_read: Option<i64>,
}

fn syntax(cx: &Ctx<'_>) -> Fault {
    subcommand_syntax(&cx.argv[0], &cx.argv[1])
}

fn parse_options(cx: &Ctx<'_>, creates: bool) -> Result<Options, Fault> {
    let mut options = Options::default();
    let mut args = Args::from(cx.argv, 5);
    while !args.is_done() {
        if creates && args.word("mkstream") {
            options.make_stream = true;
        } else if args.word_with_value("entriesread") {
            options.entries_read = match args.int()? {
                -1 => None,
                ..0 => {
                    return Err(Fault::new(
                        "ERR value for ENTRIESREAD must be positive or -1",
                    ));
                }
                read => Some(read),
            };
        } else {
            return Err(syntax(cx));
        }
    }
    Ok(options)
}

fn no_stream() -> Fault {
    Fault::new(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to \
         create an empty stream automatically.",
    )
}

/// The stream, which must exist.
fn need_stream<'a>(cx: &'a mut Ctx<'_>) -> Result<&'a mut Stream, Fault> {
    write::<Stream>(cx.srv, cx.db, &cx.argv[2])?.ok_or_else(no_stream)
}

/// The group, which must exist.
fn need_group<'a>(cx: &'a mut Ctx<'_>) -> Result<&'a mut Group, Fault> {
    let argv = cx.argv;
    let group = need_stream(cx)?.group_mut(&argv[3]);
    let (_, group) = group.ok_or_else(|| no_group_of(&argv[3], &argv[2]))?;
    Ok(group)
}

fn create(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[2];
    let options = parse_options(cx, true)?;
    let stream = write::<Stream>(cx.srv, cx.db, key)?;
    let is_new = stream.is_none();
    if is_new && !options.make_stream {
        return Err(no_stream());
    }
    if argv.len() > CREATE_MAX {
        return Err(syntax(cx));
    }
    let id = match &argv[4] {
        b"$" => stream.map_or(StreamId::MIN, |stream| stream.log().last_id),
        id => exact_id(id)?,
    };
    let group = Group::new(id, options.entries_read);
    let stream: &mut Stream = write_or_create(cx.srv, cx.db, key)?;
    if !stream.create_group(&argv[3], group) {
        return Err(Fault::new("BUSYGROUP Consumer Group name already exists"));
    }
    cx.reply.ok();
    let tell = if is_new {
        key_changed
    } else {
        key_changed_unwatched
    };
    tell(cx.srv, cx.db, key, 1, Event::Stream("xgroup-create"));
    Ok(())
}

fn setid(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let options = parse_options(cx, false)?;
    let stream = need_stream(cx)?;
    let (log, group) = stream
        .group_mut(&argv[3])
        .ok_or_else(|| no_group_of(&argv[3], &argv[2]))?;
    if !SETID_LENS.contains(&argv.len()) {
        return Err(subcommand_syntax(&argv[0], &argv[1]));
    }
    group.last_id = match &argv[4] {
        b"$" => log.last_id,
        id => id_or_edge(id, 0)?,
    };
    group.entries_read = options.entries_read;
    cx.reply.ok();
    let event = Event::Stream("xgroup-setid");
    key_changed_unwatched(cx.srv, cx.db, &argv[2], 1, event);
    Ok(())
}

fn destroy(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let destroyed = need_stream(cx)?.destroy_group(&argv[3]);
    cx.reply.int(i64::from(destroyed));
    if destroyed {
        let event = Event::Stream("xgroup-destroy");
        key_changed_unwatched(cx.srv, cx.db, &argv[2], 1, event);
    }
    Ok(())
}

fn createconsumer(cx: &mut Ctx<'_>) -> Done {
    let (argv, now_ms) = (cx.argv, cx.now_ms);
    let (_, joined) = need_group(cx)?.join(&argv[4], now_ms);
    cx.reply.int(i64::from(joined));
    if joined {
        let event = Event::Stream("xgroup-createconsumer");
        key_changed_unwatched(cx.srv, cx.db, &argv[2], 1, event);
    }
    Ok(())
}

fn delconsumer(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let pending = need_group(cx)?.delete_consumer(&argv[4]);
    cx.reply.int(pending.unwrap_or(0) as i64);
    if pending.is_some() {
        let event = Event::Stream("xgroup-delconsumer");
        key_changed_unwatched(cx.srv, cx.db, &argv[2], 1, event);
    }
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CREATE <key> <groupname> <id|$> [option]",
        "    A new group, which reads on behind an id. Options:",
        "    * MKSTREAM",
        "      With an empty stream, if there is none.",
        "    * ENTRIESREAD entries_read",
        "      How many entries it has read already.",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    A new consumer.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    A consumer leaves, with what it has pending.",
        "DESTROY <key> <groupname>",
        "    Remove a group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Let a group read on behind another id.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}

fn xack(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let stream = read_mut::<Stream>(cx.srv, cx.db, &argv[1])?;
    let group = stream.and_then(|stream| stream.group_mut(&argv[2]));
    let acknowledged = match group {
        Some((_, group)) => {
            let ids = all_ids(argv.iter().skip(3))?;
            ids.iter().filter(|&&id| group.acknowledge(id)).count()
        }
        None => 0,
    };
    if acknowledged > 0 {
        key_changed_unwatched(cx.srv, cx.db, &argv[1], acknowledged as u64, Event::Silent);
    }
    cx.reply.int(acknowledged as i64);
    Ok(())
}
