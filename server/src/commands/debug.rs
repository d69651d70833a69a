//! DEBUG: settings and inspection, for tests and debugging.

use std::ffi::CString;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use data::ds::node::PLAIN_FROM;
use data::ds::table::TableStats;
use data::rdb::encoder::payload;
use data::util::num::parse_memory;
use data::value::aggregate::AggregateRef;
use data::value::db::Expire;
use data::value::digest;
use data::value::entry::EntryRef;
use data::value::list::List;
use data::value::{NewValue, Scratch, Type};
use table::server as rows;

use crate::cluster::events::tell;
use crate::commands::Family;
use crate::commands::args::{float, int};
use crate::config::rewrite::rewrite;
use crate::config::values::ShutdownFlags;
use crate::feed::propagate::also;
use crate::house::shutdown::shut_down;
use crate::house::users::config_lines;
use crate::keyspace::delete::flush;
use crate::keyspace::lookup::{db, db_mut, fresh, peek};
use crate::keyspace::recency::idle_seconds;
use crate::persist::aof;
use crate::persist::aof::load::Loaded;
use crate::persist::aof::read::Failure;
use crate::persist::bgsave::save_now;
use crate::persist::load::{LoadError, load};
use crate::report::{connection, layout};
use crate::script::library;
use crate::server::{Ctx, Done, Propagate, Server};
use crate::state::debug::REPLY_PEAK_RESET_MS;
use crate::state::loading::Existing;
use crate::state::replication::id::ReplId;
use crate::state::scripts::libraries::Libraries;
use crate::sys::log::raw;
use crate::sys::{host, mallctl, process};
use crate::wire::fault::{ERR, Fault, NO_SUCH_KEY, PUSH_NEEDS_RESP3, SYNTAX, subcommand_syntax};
use crate::wire::reply::Resp;
use crate::{notice, warning};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::DEBUG, debug)];

/// The reply of DEBUG PROTOCOL DOUBLE, which tests of clients expect.
#[expect(clippy::approx_constant, reason = "it is this number, not pi")]
const SAMPLE_DOUBLE: f64 = 3.141;

/// Bytes of a DUMP payload besides the value: its type and the footer.
const PAYLOAD_FRAME: usize = 11;

/// A subcommand: name, number of arguments, implementation.
struct Sub {
    name: &'static str,
    args: std::ops::RangeInclusive<usize>,
    run: fn(&mut Ctx<'_>) -> Done,
    help: &'static [&'static str],
}

static SUBCOMMANDS: &[Sub] = &[
    Sub {
        name: "aof-flush-sleep",
        args: 1..=1,
        run: aof_flush_sleep,
        help: &["    Sleep so many microseconds before the append-only file is written."],
    },
    Sub {
        name: "change-repl-id",
        args: 0..=0,
        run: change_history,
        help: &[
            "    Another name for the history of writes, so that no replica can go on with it.",
        ],
    },
    Sub {
        name: "clusterlink",
        args: 3..=3,
        run: cluster_link,
        help: &["    KILL TO|FROM|ALL <node-id>: close links of the cluster's bus."],
    },
    Sub {
        name: "config-rewrite-force-all",
        args: 0..=0,
        run: rewrite_all,
        help: &["    CONFIG REWRITE of every directive."],
    },
    Sub {
        name: "digest",
        args: 0..=0,
        run: digest_all,
        help: &["    A fingerprint of all data."],
    },
    Sub {
        name: "digest-value",
        args: 1..=usize::MAX,
        run: digest_values,
        help: &["    A fingerprint of the value of each key."],
    },
    Sub {
        name: "drop-cluster-packet-filter",
        args: 1..=1,
        run: drop_packets,
        help: &["    Drop packets of this kind from the cluster's bus; -1 drops none."],
    },
    Sub {
        name: "error",
        args: 1..=1,
        run: error,
        help: &["    Answer with this error."],
    },
    Sub {
        name: "htstats",
        args: 1..=2,
        run: htstats,
        help: &["    How full the tables of a database are."],
    },
    Sub {
        name: "htstats-key",
        args: 1..=2,
        run: htstats_key,
        help: &["    How full the table of a set or hash is."],
    },
    Sub {
        name: "listpack",
        args: 1..=1,
        run: listpack,
        help: &["    Write the elements of a key's listpack to the log."],
    },
    Sub {
        name: "loadaof",
        args: 0..=0,
        run: load_aof,
        help: &["    Empty all databases and load the append-only file."],
    },
    Sub {
        name: "log",
        args: 1..=1,
        run: log,
        help: &["    Write a line to the log."],
    },
    Sub {
        name: "mallctl",
        args: 1..=2,
        run: mallctl,
        help: &["    Read or set a number of the allocator."],
    },
    Sub {
        name: "mallctl-str",
        args: 1..=2,
        run: mallctl_text,
        help: &["    Read a text of the allocator, or, with VOID, do what the name says."],
    },
    Sub {
        name: "object",
        args: 1..=2,
        run: object,
        help: &["    How a key is stored."],
    },
    Sub {
        name: "panic",
        args: 0..=0,
        run: |_| panic!("called by DEBUG PANIC"),
        help: &["    Crash by a panic."],
    },
    Sub {
        name: "pause-cron",
        args: 1..=1,
        run: pause_cron,
        help: &["    Stop or restart the clockwork."],
    },
    Sub {
        name: "populate",
        args: 1..=3,
        run: populate,
        help: &["    Add keys <prefix>:<number> of a size."],
    },
    Sub {
        name: "protocol",
        args: 1..=1,
        run: protocol,
        help: &["    Answer with a reply of this type."],
    },
    Sub {
        name: "quicklist",
        args: 1..=2,
        run: quicklist,
        help: &["    Write the nodes of a key's list to the log; 1 for their elements, too."],
    },
    Sub {
        name: "quicklist-packed-threshold",
        args: 1..=1,
        run: packed_threshold,
        help: &["    From this size on, an element of a list is a node by itself."],
    },
    Sub {
        name: "replicate",
        args: 1..=usize::MAX,
        run: replicate,
        help: &["    Send replicas this command, whatever it is."],
    },
    Sub {
        name: "reload",
        args: 0..=3,
        run: reload,
        help: &[
            "    Save, empty all databases and load: each step but the last unless NOSAVE or NOFLUSH says so; MERGE replaces keys.",
        ],
    },
    Sub {
        name: "replybuffer",
        args: 2..=2,
        run: replybuffer,
        help: &["    PEAK-RESET-TIME <ms|NEVER|RESET> or RESIZING <0|1>."],
    },
    Sub {
        name: "sdslen",
        args: 1..=1,
        run: sdslen,
        help: &["    Lengths of a key and its string."],
    },
    Sub {
        name: "segfault",
        args: 0..=0,
        run: segfault,
        help: &["    Crash by a signal."],
    },
    Sub {
        name: "set-active-expire",
        args: 1..=1,
        run: set_active_expire,
        help: &["    Switch active expiry."],
    },
    Sub {
        name: "set-disable-deny-scripts",
        args: 1..=1,
        run: disable_deny_scripts,
        help: &["    Let scripts call every command."],
    },
    Sub {
        name: "set-skip-checksum-validation",
        args: 1..=1,
        run: skip_checksums,
        help: &["    Read snapshots and RESTORE payloads whatever their checksum."],
    },
    Sub {
        name: "sleep",
        args: 1..=1,
        run: sleep,
        help: &["    Hold the server for so many seconds."],
    },
    Sub {
        name: "tls",
        args: 1..=1,
        run: tls,
        help: &["    All about the TLS of the client with this id."],
    },
];

fn debug(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let name = &argv[1];
    if name.eq_ignore_ascii_case(b"help") {
        return help(cx);
    }
    let fits = |sub: &&Sub| {
        name.eq_ignore_ascii_case(sub.name.as_bytes()) && sub.args.contains(&(argv.len() - 2))
    };
    let sub = SUBCOMMANDS
        .iter()
        .find(fits)
        .ok_or_else(|| subcommand_syntax(&argv[0], name))?;
    (sub.run)(cx)
}

fn help(cx: &mut Ctx<'_>) -> Done {
    let mut lines =
        vec!["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:".to_owned()];
    for sub in SUBCOMMANDS {
        lines.push(sub.name.to_uppercase());
        lines.extend(sub.help.iter().map(|&line| line.to_owned()));
    }
    cx.reply
        .help(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    Ok(())
}

/// Changes a setting and replies OK.
fn switch(cx: &mut Ctx<'_>, change: impl FnOnce(&mut Ctx<'_>)) -> Done {
    change(cx);
    cx.reply.ok();
    Ok(())
}

fn change_history(cx: &mut Ctx<'_>) -> Done {
    notice!("Changing replication IDs after receiving DEBUG change-repl-id");
    let id = ReplId::new(process::random_bytes());
    cx.srv.replication.new_history(id);
    cx.reply.ok();
    Ok(())
}

fn replicate(cx: &mut Ctx<'_>) -> Done {
    let args: Vec<&[u8]> = cx.argv.iter().skip(2).collect();
    also(cx.srv, cx.db, args.into_iter());
    cx.reply.ok();
    Ok(())
}

fn sleep(cx: &mut Ctx<'_>) -> Done {
    let seconds = float(&cx.argv[2])?;
    let duration = Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|_| SYNTAX)?;
    switch(cx, |_| thread::sleep(duration))
}

fn tls(cx: &mut Ctx<'_>) -> Done {
    let number = u64::try_from(int(&cx.argv[2])?).unwrap_or(0);
    let clients = &cx.srv.clients;
    let id = clients.by_number.get(&number);
    let client = id
        .and_then(|id| clients.get(*id))
        .ok_or(Fault::new("ERR No such client ID"))?;
    let text = connection::text(cx.srv, client);
    let text = text.ok_or(Fault::new("ERR This client does not use TLS"))?;
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn segfault(_cx: &mut Ctx<'_>) -> Done {
    crate::house::crash::provoke();
    Ok(())
}

fn error(cx: &mut Ctx<'_>) -> Done {
    Err(Fault::bytes(cx.argv[2].to_vec()))
}

fn log(cx: &mut Ctx<'_>) -> Done {
    warning!("DEBUG LOG: {}", String::from_utf8_lossy(&cx.argv[2]));
    switch(cx, |_| {})
}

/// The name of something of the allocator.
fn allocator_name(cx: &Ctx<'_>) -> Result<CString, Fault> {
    CString::new(&cx.argv[2]).map_err(|_| SYNTAX)
}

fn refused(error: &io::Error) -> Fault {
    Fault::new(format!("ERR {}", host::reason(error)))
}

fn mallctl(cx: &mut Ctx<'_>) -> Done {
    let name = allocator_name(cx)?;
    let old = mallctl::integer(&name);
    if cx.argv.len() > 3 {
        let value = int(&cx.argv[3])?;
        mallctl::set_integer(&name, value).map_err(|error| refused(&error))?;
        if old.is_err() {
            // It can only be written.
            return switch(cx, |_| {});
        }
    }
    cx.reply.int(old.map_err(|error| refused(&error))?);
    Ok(())
}

fn mallctl_text(cx: &mut Ctx<'_>) -> Done {
    let name = allocator_name(cx)?;
    let old = mallctl::text(&name);
    if cx.argv.len() > 3 {
        if &cx.argv[3] != b"VOID" {
            return Err(Fault::new("ERR Operation not permitted"));
        }
        mallctl::run(&name).map_err(|error| refused(&error))?;
        return switch(cx, |_| {});
    }
    let text = old.map_err(|error| refused(&error))?;
    cx.reply.bulk(text.as_bytes());
    Ok(())
}

fn rewrite_all(cx: &mut Ctx<'_>) -> Done {
    let path = Path::new(&cx.srv.process.config_file);
    let users = config_lines(cx.srv);
    rewrite(path, &cx.srv.config, &users, true)
        .map_err(|_| Fault::new("ERR CONFIG-REWRITE-FORCE-ALL failed"))?;
    switch(cx, |_| {})
}

/// Saves, empties and loads. Other clients are served while it loads; a shutdown meanwhile does not save the
/// incomplete data set.
fn reload(cx: &mut Ctx<'_>) -> Done {
    let (mut saving, mut emptying, mut existing) = (true, true, Existing::Refuse);
    for option in cx.argv.iter().skip(2) {
        match option.to_ascii_lowercase().as_slice() {
            b"merge" => existing = Existing::Replace,
            b"noflush" => emptying = false,
            b"nosave" => saving = false,
            _ => {
                return Err(Fault::new(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    if saving && !save_now(cx.srv) {
        return Err(ERR);
    }
    if emptying {
        empty(cx.srv);
    }
    let loaded = load(cx.srv, existing);
    if matches!(loaded, Err(LoadError::Stopped)) {
        stop(cx);
    }
    loaded.map_err(|_| Fault::new("ERR Error trying to load the RDB dump, check server logs."))?;
    notice!("DB reloaded by DEBUG RELOAD");
    switch(cx, |_| {})
}

/// Deletes all keys and libraries.
fn empty(srv: &mut Server) {
    flush(srv, None, false);
    library::replace_all(srv, Libraries::default(), false);
}

/// A shutdown was requested while data was being loaded, so what is in the databases must not be saved.
fn stop(cx: &mut Ctx<'_>) {
    if cx.srv.shutdown.asap.is_none() {
        let flags = ShutdownFlags {
            nosave: true,
            now: true,
            ..ShutdownFlags::default()
        };
        shut_down(cx.srv, flags);
    }
}

/// Empties all databases and loads the append-only file. Other clients are served while it loads.
fn load_aof(cx: &mut Ctx<'_>) -> Done {
    // The commands of the file are changes, but not new ones.
    cx.propagate = Propagate::Never;
    aof::flush::flush(cx.srv, true);
    empty(cx.srv);
    match aof::load::reload(cx.srv) {
        Ok(Loaded::Whole | Loaded::Empty) => {
            // The changes are those of the file.
            cx.srv.stats.dirty = 0;
            notice!("Append Only File loaded by DEBUG LOADAOF");
            return switch(cx, |_| {});
        }
        Ok(Loaded::Nothing | Loaded::Truncated) => {}
        Err(Failure::Told(why)) => warning!("{why}"),
        Err(Failure::Stopped) => stop(cx),
    }
    Err(Fault::new(
        "ERR Error trying to load the AOF files, check server logs.",
    ))
}

fn pause_cron(cx: &mut Ctx<'_>) -> Done {
    let on = int(&cx.argv[2])? != 0;
    switch(cx, |cx| cx.srv.debug.pause_cron = on)
}

fn set_active_expire(cx: &mut Ctx<'_>) -> Done {
    let on = int(&cx.argv[2])? != 0;
    switch(cx, |cx| cx.srv.keys.active_expire = on)
}

fn disable_deny_scripts(cx: &mut Ctx<'_>) -> Done {
    let on = int(&cx.argv[2])? != 0;
    switch(cx, |cx| cx.srv.debug.scripts_may_call_all = on)
}

fn skip_checksums(cx: &mut Ctx<'_>) -> Done {
    let on = int(&cx.argv[2])? != 0;
    switch(cx, |cx| cx.srv.debug.skip_checksums = on)
}

fn packed_threshold(cx: &mut Ctx<'_>) -> Done {
    let fault = "ERR argument must be a memory value bigger than 1 and smaller than 4gb";
    let bytes = parse_memory(&cx.argv[2])
        .filter(|&bytes| bytes <= (1 << 32) - (1 << 20))
        .ok_or_else(|| Fault::new(fault))?;
    let bytes = if bytes == 0 {
        PLAIN_FROM
    } else {
        bytes as usize
    };
    switch(cx, |cx| cx.srv.debug.list_plain_from = bytes)
}

fn replybuffer(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let value = &argv[3];
    if argv[2].eq_ignore_ascii_case(b"peak-reset-time") {
        let reset_ms = match value.to_ascii_lowercase().as_slice() {
            b"never" => -1,
            b"reset" => REPLY_PEAK_RESET_MS,
            _ => int(value)?,
        };
        return switch(cx, |cx| cx.srv.debug.reply_peak_reset_ms = reset_ms);
    }
    if argv[2].eq_ignore_ascii_case(b"resizing") {
        let on = int(value)? != 0;
        return switch(cx, |cx| cx.srv.debug.reply_resizing = on);
    }
    Err(subcommand_syntax(&argv[0], &argv[1]))
}

fn cluster_link(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    if !argv[2].eq_ignore_ascii_case(b"kill") {
        return Err(subcommand_syntax(b"DEBUG", &argv[1]));
    }
    let is = |word: &[u8]| argv[3].eq_ignore_ascii_case(word);
    let (to, from) = (is(b"to") || is(b"all"), is(b"from") || is(b"all"));
    let found = tell(cx.srv, |core, _| match core.find(&argv[4]) {
        Some(ix) => {
            core.kill_links(ix, to, from);
            true
        }
        None => false,
    });
    let text = match found {
        None => "ERR Debug option only available for cluster mode enabled setup!".to_owned(),
        Some(false) => format!("ERR Unknown node {}", String::from_utf8_lossy(&argv[4])),
        Some(true) if !to && !from => {
            format!(
                "ERR Unknown direction {}",
                String::from_utf8_lossy(&argv[3])
            )
        }
        Some(true) => {
            cx.reply.ok();
            return Ok(());
        }
    };
    Err(Fault::new(text))
}

fn drop_packets(cx: &mut Ctx<'_>) -> Done {
    let kind = u16::try_from(int(&cx.argv[2])?).ok();
    tell(cx.srv, |core, _| core.set_drop_filter(kind));
    cx.reply.ok();
    Ok(())
}

fn digest_all(cx: &mut Ctx<'_>) -> Done {
    let dbs = cx.srv.keys.dbs.iter().map(|database| &database.db);
    cx.reply.status(&digest::of_all(dbs).hex());
    Ok(())
}

/// The entry of a key, even if it has expired.
fn stored<'a>(cx: &'a Ctx<'_>, key: &[u8]) -> Option<EntryRef<'a>> {
    let keys = db(cx.srv, cx.db);
    let place = keys.locate(keys.hash(key), key)?;
    Some(keys.at(place))
}

fn digest_values(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    cx.reply.array(argv.len() - 2);
    for key in argv.iter().skip(2) {
        let entry = stored(cx, key);
        let digest = entry.map(digest::of_value).unwrap_or_default();
        cx.reply.status(&digest.hex());
    }
    Ok(())
}

fn object(cx: &mut Ctx<'_>) -> Done {
    let entry = stored(cx, &cx.argv[2]).ok_or(NO_SUCH_KEY)?;
    let text = format!(
        "Value at:{:p} refcount:{} encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        entry.address(),
        entry.refcount(),
        entry.encoding().name(),
        payload(entry, true).len() - PAYLOAD_FRAME,
        entry.lru(),
        idle_seconds(entry.lru(), cx.now_ms)
    );
    cx.reply.status(&text);
    Ok(())
}

fn sdslen(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[2];
    let entry = stored(cx, key).ok_or(NO_SUCH_KEY)?;
    if entry.ty() != Type::String {
        return Err(Fault::new("ERR Not an sds encoded string."));
    }
    let mut scratch = Scratch::default();
    let (len, room, bytes) = (
        entry.value().bytes(&mut scratch).len(),
        entry.room(),
        entry.memory(0),
    );
    let text = format!(
        "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {bytes}, val_sds_len:{len}, val_sds_avail:{room}, val_zmalloc: {bytes}",
        key.len()
    );
    cx.reply.status(&text);
    Ok(())
}

fn populate(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let count = usize::try_from(int(&argv[2])?).map_err(|_| SYNTAX)?;
    let prefix = if argv.len() > 3 { &argv[3] } else { b"key" };
    let size = if argv.len() > 4 {
        usize::try_from(int(&argv[4])?).map_err(|_| SYNTAX)?
    } else {
        0
    };
    let lru = fresh(cx.srv);
    let keys = db_mut(cx.srv, cx.db);
    for number in 0..count {
        let key = [prefix, b":", number.to_string().as_bytes()].concat();
        if keys.find(&key).is_some() {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        keys.set(&key, NewValue::encode(&value), Expire::Clear, lru);
    }
    switch(cx, |_| {})
}

fn htstats(cx: &mut Ctx<'_>) -> Done {
    let number = int(&cx.argv[2])?;
    let number = usize::try_from(number)
        .ok()
        .filter(|&n| n < cx.srv.keys.dbs.len())
        .ok_or_else(|| Fault::new("ERR Out of range database"))?;
    let (keys, expires) = db(cx.srv, number).stats();
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}",
        table_text(&keys),
        table_text(&expires)
    );
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn htstats_key(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[2];
    let entry = peek(cx.srv, cx.db, key).ok_or(NO_SUCH_KEY)?;
    let stats = match entry.aggregate() {
        Some(AggregateRef::Set(set)) => set.table_stats(),
        Some(AggregateRef::Hash(hash)) => hash.table_stats(),
        _ => None,
    };
    let stats = stats.ok_or_else(|| {
        Fault::new(
            "ERR The value stored at the specified key is not represented using an hash table",
        )
    })?;
    cx.reply.verbatim(b"txt", table_text(&stats).as_bytes());
    Ok(())
}

fn listpack(cx: &mut Ctx<'_>) -> Done {
    let mut text = String::new();
    let entry = peek(cx.srv, cx.db, &cx.argv[2]).ok_or(NO_SUCH_KEY)?;
    let pack = entry.aggregate().and_then(layout::pack_of);
    let pack = pack.ok_or_else(|| Fault::new("ERR Not a listpack encoded object."))?;
    layout::listpack(&mut text, pack);
    raw(text.as_bytes());
    cx.reply.status("Listpack structure printed on stdout");
    Ok(())
}

fn quicklist(cx: &mut Ctx<'_>) -> Done {
    let mut text = String::new();
    let full = cx.argv.iter().nth(3).is_some_and(|level| level != b"0");
    let entry = peek(cx.srv, cx.db, &cx.argv[2]).ok_or(NO_SUCH_KEY)?;
    let Some(AggregateRef::List(List::Quick(list))) = entry.aggregate() else {
        return Err(Fault::new("ERR Not a quicklist encoded object."));
    };
    layout::quicklist(&mut text, list, full);
    raw(text.as_bytes());
    cx.reply.status("Quicklist structure printed on stdout");
    Ok(())
}

fn table_text(stats: &TableStats) -> String {
    let mut text = format!(
        "Hash table 0 stats (main hash table):\n table size: {}\n number of elements: {}\n",
        stats.slots, stats.used
    );
    if stats.slots_to > 0 {
        text.push_str(&format!(
            "Hash table 1 stats (rehashing target):\n table size: {}\n",
            stats.slots_to
        ));
    }
    text.push_str(" Distance from the home line:\n");
    for (distance, count) in stats.distances.iter().enumerate() {
        text.push_str(&format!("   {distance}: {count}\n"));
    }
    text
}

fn protocol(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let reply = &mut *cx.reply;
    match argv[2].to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(SAMPLE_DOUBLE),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"map" => {
            reply.map(3);
            for n in 0..3 {
                reply.int(n);
                reply.boolean(n == 1);
            }
        }
        b"attrib" => {
            if reply.resp == Resp::V3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if reply.resp == Resp::V2 {
                return Err(PUSH_NEEDS_RESP3);
            }
            reply.bulk(b"Some real reply following the push reply");
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
        }
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"bignum" => reply.big_number(b"1234567999999999999999999999999999999"),
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(Fault::new(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn aof_flush_sleep(cx: &mut Ctx<'_>) -> Done {
    let micros = int(&cx.argv[2])?;
    cx.srv.debug.aof_flush_sleep_us = u64::try_from(micros).unwrap_or(0);
    cx.reply.ok();
    Ok(())
}
