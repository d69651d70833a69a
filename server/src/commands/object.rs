//! OBJECT: encoding and access time of a key.

use data::value::entry::EntryRef;
use table::generic as rows;

use crate::commands::Family;
use crate::keyspace::lookup::inspect;
use crate::keyspace::recency::{idle_seconds, lfu_counter};
use crate::server::{Ctx, Done};
use crate::wire::fault::Fault;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::OBJECT_ENCODING, encoding),
    (&rows::OBJECT_FREQ, freq),
    (&rows::OBJECT_IDLETIME, idletime),
    (&rows::OBJECT_REFCOUNT, refcount),
    (&rows::OBJECT_HELP, help),
];

fn encoding(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[2];
    match inspect(cx.srv, cx.db, key).map(|entry| entry.encoding().name()) {
        Some(name) => cx.reply.bulk(name.as_bytes()),
        None => cx.reply.null(),
    }
    Ok(())
}

fn refcount(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[2];
    let config = &cx.srv.config;
    let policy = config.maxmemory_policy;
    // With an access time or counter of its own, an integer cannot be shared.
    let may_share = config.maxmemory == 0 || !(policy.is_lru() || policy.is_lfu());
    match inspect(cx.srv, cx.db, key).map(EntryRef::refcount) {
        Some(count) => cx.reply.int(if may_share { count } else { 1 }),
        None => cx.reply.null(),
    }
    Ok(())
}

fn freq(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[2];
    let Some(value) = inspect(cx.srv, cx.db, key).map(EntryRef::lru) else {
        cx.reply.null();
        return Ok(());
    };
    if !cx.srv.config.maxmemory_policy.is_lfu() {
        return Err(Fault::new(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    let counter = lfu_counter(&cx.srv.config, value, cx.now_ms);
    cx.reply.int(i64::from(counter));
    Ok(())
}

fn idletime(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[2];
    let Some(value) = inspect(cx.srv, cx.db, key).map(EntryRef::lru) else {
        cx.reply.null();
        return Ok(());
    };
    if cx.srv.config.maxmemory_policy.is_lfu() {
        return Err(Fault::new(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    cx.reply.int(i64::from(idle_seconds(value, cx.now_ms)));
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    How the value is stored.",
        "FREQ <key>",
        "    How often the key is used, on a logarithmic scale (LFU policies).",
        "HELP",
        "    This text.",
        "IDLETIME <key>",
        "    Seconds since the key was last used.",
        "REFCOUNT <key>",
        "    References to the value.",
    ]);
    Ok(())
}
