//! MEMORY: memory usage of keys and of the server.

use table::server as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::keyspace::lookup::db;
use crate::report::doctor;
use crate::report::memory::{breakdown, ratio};
use crate::server::{Ctx, Done, Server};
use crate::sys::memory;
use crate::wire::fault::SYNTAX;
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::MEMORY_USAGE, usage),
    (&rows::MEMORY_STATS, stats),
    (&rows::MEMORY_DOCTOR, doctor),
    (&rows::MEMORY_MALLOC_STATS, malloc_stats),
    (&rows::MEMORY_PURGE, purge),
    (&rows::MEMORY_HELP, help),
];

/// Elements that MEMORY USAGE samples by default.
const DEFAULT_SAMPLES: usize = 5;

fn usage(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let mut args = Args::from(argv, 3);
    let mut samples = DEFAULT_SAMPLES;
    while !args.is_done() {
        if !args.word_with_value("samples") {
            return Err(SYNTAX);
        }
        samples = usize::try_from(args.int()?).map_err(|_| SYNTAX)?;
    }
    // As in Redis, a key that has expired and was not deleted yet still has its size.
    match db(cx.srv, cx.db)
        .find(&argv[2])
        .map(|entry| entry.memory(samples))
    {
        Some(bytes) => cx.reply.int(bytes as i64),
        None => cx.reply.null(),
    }
    Ok(())
}

/// A field of MEMORY STATS.
enum Fact {
    /// A count or a size in bytes.
    Number(&'static str, i64),
    /// A ratio or a percentage.
    Ratio(&'static str, f64),
    /// Hash tables of a database (keys and expiries), in bytes.
    Database(usize, usize, usize),
}

fn stats(cx: &mut Ctx<'_>) -> Done {
    cx.srv.memory.refresh();
    let mut facts = Vec::new();
    data_facts(cx.srv, &mut facts);
    allocator_facts(cx.srv, &mut facts);
    cx.reply.map(facts.len());
    let number = |reply: &mut Reply, name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.int(value);
    };
    for fact in facts {
        match fact {
            Fact::Number(name, value) => number(cx.reply, name, value),
            Fact::Ratio(name, value) => {
                cx.reply.bulk(name.as_bytes());
                cx.reply.double(value);
            }
            Fact::Database(db, keys, expires) => {
                cx.reply.bulk(format!("db.{db}").as_bytes());
                cx.reply.map(3);
                number(cx.reply, "overhead.hashtable.main", keys as i64);
                number(cx.reply, "overhead.hashtable.expires", expires as i64);
                number(cx.reply, "overhead.hashtable.slot-to-keys", 0);
            }
        }
    }
    Ok(())
}

/// Fields about data and overhead.
fn data_facts(srv: &Server, facts: &mut Vec<Fact>) {
    let parts = breakdown(srv);
    let keys = srv.keys.total();
    let net = parts.used.saturating_sub(parts.startup);
    let bytes = |name, value: usize| Fact::Number(name, value as i64);
    facts.push(bytes("peak.allocated", parts.peak));
    facts.push(bytes("total.allocated", parts.used));
    facts.push(bytes("startup.allocated", parts.startup));
    facts.push(bytes("replication.backlog", parts.backlog));
    facts.push(bytes("clients.slaves", parts.replicas));
    facts.push(bytes("clients.normal", parts.clients));
    let links = srv.cluster.as_ref().map_or(0, |node| node.link_memory());
    facts.push(bytes("cluster.links", links));
    facts.push(bytes("aof.buffer", srv.aof.buffer.capacity()));
    facts.push(bytes("lua.caches", srv.scripts.cache.bytes()));
    facts.push(bytes("functions.caches", srv.scripts.libraries.bytes()));
    for (number, database) in srv.keys.dbs.iter().enumerate() {
        if !database.db.is_empty() {
            let (keys, expires) = database.db.table_bytes();
            facts.push(Fact::Database(number, keys, expires));
        }
    }
    facts.push(bytes("overhead.total", parts.overhead));
    facts.push(bytes("keys.count", keys));
    facts.push(bytes(
        "keys.bytes-per-key",
        net.checked_div(keys).unwrap_or(0),
    ));
    facts.push(bytes("dataset.bytes", parts.dataset));
    let share = ratio(parts.dataset, net).min(1.0);
    facts.push(Fact::Ratio("dataset.percentage", 100.0 * share));
    facts.push(Fact::Ratio(
        "peak.percentage",
        100.0 * ratio(parts.used, parts.peak),
    ));
}

/// Fields about the allocator and the system.
fn allocator_facts(srv: &Server, facts: &mut Vec<Fact>) {
    let arena = srv.memory.arena;
    let (rss, used) = (srv.memory.rss, memory::used());
    facts.push(Fact::Number("allocator.allocated", arena.allocated as i64));
    facts.push(Fact::Number("allocator.active", arena.active as i64));
    facts.push(Fact::Number("allocator.resident", arena.resident as i64));
    for (ratio_name, bytes_name, whole, part) in [
        (
            "allocator-fragmentation.ratio",
            "allocator-fragmentation.bytes",
            arena.active,
            arena.allocated,
        ),
        (
            "allocator-rss.ratio",
            "allocator-rss.bytes",
            arena.resident,
            arena.active,
        ),
        (
            "rss-overhead.ratio",
            "rss-overhead.bytes",
            rss,
            arena.resident,
        ),
        ("fragmentation", "fragmentation.bytes", rss, used),
    ] {
        facts.push(Fact::Ratio(ratio_name, ratio(whole, part)));
        facts.push(Fact::Number(bytes_name, whole as i64 - part as i64));
    }
}

fn doctor(cx: &mut Ctx<'_>) -> Done {
    cx.srv.memory.refresh();
    let text = doctor::report(cx.srv);
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn malloc_stats(cx: &mut Ctx<'_>) -> Done {
    let text = memory::report();
    cx.reply.verbatim(b"txt", text.as_bytes());
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
