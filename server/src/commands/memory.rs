//! MEMORY: what a key takes, and where all the memory is.

use data::value::entry::EntryRef;
use table::server as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::keyspace::lookup::peek;
use crate::report::memory::{breakdown, ratio};
use crate::server::{Ctx, Done};
use crate::sys::memory;
use crate::wire::fault::SYNTAX;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::MEMORY_USAGE, usage),
    (&rows::MEMORY_STATS, stats),
    (&rows::MEMORY_DOCTOR, doctor),
    (&rows::MEMORY_MALLOC_STATS, malloc_stats),
    (&rows::MEMORY_PURGE, purge),
    (&rows::MEMORY_HELP, help),
];

fn usage(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let mut args = Args::from(argv, 3);
    while !args.is_done() {
        if !args.word_with_value("samples") || args.int()? < 0 {
            return Err(SYNTAX);
        }
    }
    match peek(cx, &argv[2]).map(EntryRef::memory) {
        Some(bytes) => cx.reply.int(bytes as i64),
        None => cx.reply.null(),
    }
    Ok(())
}

fn stats(cx: &mut Ctx<'_>) -> Done {
    let parts = breakdown(cx.srv);
    let keys = cx.srv.keys.total();
    let net = parts.used.saturating_sub(parts.startup);
    let arena = cx.srv.memory.arena;
    let rss = cx.srv.memory.rss;
    let databases: Vec<(usize, (usize, usize))> = cx
        .srv
        .keys
        .dbs
        .iter()
        .enumerate()
        .filter(|(_, database)| !database.db.is_empty())
        .map(|(number, database)| (number, database.db.table_bytes()))
        .collect();
    let mut numbers = vec![
        ("peak.allocated", parts.peak),
        ("total.allocated", parts.used),
        ("startup.allocated", parts.startup),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", parts.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    let per_key = net.checked_div(keys).unwrap_or(0);
    let tail = [
        ("overhead.total", parts.overhead),
        ("keys.count", keys),
        ("keys.bytes-per-key", per_key),
    ];
    let tail = tail.into_iter().chain([("dataset.bytes", parts.dataset)]);
    let arena_numbers = [
        ("allocator.allocated", arena.allocated),
        ("allocator.active", arena.active),
        ("allocator.resident", arena.resident),
    ];
    let ratios = [
        (
            "dataset.percentage",
            100.0 * ratio(parts.dataset, net).min(1.0),
        ),
        ("peak.percentage", 100.0 * ratio(parts.used, parts.peak)),
        (
            "allocator-fragmentation.ratio",
            ratio(arena.active, arena.allocated),
        ),
        ("allocator-rss.ratio", ratio(arena.resident, arena.active)),
        ("rss-overhead.ratio", ratio(rss, arena.resident)),
        ("fragmentation", ratio(rss, parts.used)),
    ];
    cx.reply
        .map(numbers.len() + databases.len() + 4 + arena_numbers.len() + ratios.len());
    let number = |cx: &mut Ctx<'_>, name: &str, value: usize| {
        cx.reply.bulk(name.as_bytes());
        cx.reply.int(value as i64);
    };
    for (name, value) in numbers.drain(..) {
        number(cx, name, value);
    }
    for (db, (keys, expires)) in databases {
        cx.reply.bulk(format!("db.{db}").as_bytes());
        cx.reply.map(2);
        number(cx, "overhead.hashtable.main", keys);
        number(cx, "overhead.hashtable.expires", expires);
    }
    for (name, value) in tail.chain(arena_numbers) {
        number(cx, name, value);
    }
    for (name, value) in ratios {
        cx.reply.bulk(name.as_bytes());
        cx.reply.double(value);
    }
    Ok(())
}

fn doctor(cx: &mut Ctx<'_>) -> Done {
    let parts = breakdown(cx.srv);
    let rss = cx.srv.memory.rss;
    let mut findings = Vec::new();
    if parts.used < 5 << 20 {
        findings.push(
            "Hardly any memory is in use, so there is nothing to say about it yet.".to_owned(),
        );
    } else {
        if ratio(parts.peak, parts.used) > 1.5 {
            findings.push(format!(
                "At its peak the server used {:.1} times what it uses now: memory may stay with the process until it is \
                 used again. MEMORY PURGE gives back what can be given back.",
                ratio(parts.peak, parts.used)
            ));
        }
        if ratio(rss, parts.used) > 1.4 {
            findings.push(format!(
                "The process holds {:.1} times what is allocated: fragmentation, or memory that was freed lately.",
                ratio(rss, parts.used)
            ));
        }
        if parts.clients > 200_000 * cx.srv.clients.len().max(1) {
            findings
                .push("Clients hold big buffers: CLIENT LIST shows which (tot-mem).".to_owned());
        }
    }
    let text = if findings.is_empty() {
        "No memory problem was found.".to_owned()
    } else {
        findings.join("\n")
    };
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn malloc_stats(cx: &mut Ctx<'_>) -> Done {
    let text = memory::report();
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn purge(cx: &mut Ctx<'_>) -> Done {
    memory::purge();
    cx.reply.ok();
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    What is unusual about the memory in use.",
        "HELP",
        "    This text.",
        "MALLOC-STATS",
        "    The allocator's own report.",
        "PURGE",
        "    Give free memory back to the system.",
        "STATS",
        "    Where the memory goes.",
        "USAGE <key> [SAMPLES <count>]",
        "    Bytes that a key and its value take.",
    ]);
    Ok(())
}
