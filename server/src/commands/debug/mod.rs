//! DEBUG: settings and inspection, for tests and debugging.

mod allocator;
mod keys;
mod protocol;
mod reload;

use std::path::Path;
use std::thread;
use std::time::Duration;

use data::ds::node::PLAIN_FROM;
use data::util::leading::leading_i64;
use data::util::num::{parse_f64, parse_memory};
use table::server as rows;

use crate::cluster::events::tell;
use crate::commands::Family;
use crate::commands::args::int;
use crate::commands::debug::allocator::{mallctl, mallctl_text};
use crate::commands::debug::keys::{
    digest_all, digest_values, htstats, htstats_key, listpack, object, populate, quicklist, sdslen,
};
use crate::commands::debug::protocol::protocol;
use crate::commands::debug::reload::{load_aof, reload};
use crate::config::rewrite::rewrite;
use crate::feed::propagate::also;
use crate::house::users::config_lines;
use crate::report::connection;
use crate::server::{Ctx, Done};
use crate::state::debug::REPLY_PEAK_RESET_MS;
use crate::state::replication::id::ReplId;
use crate::sys::host::reason;
use crate::sys::process;
use crate::wire::fault::{Fault, SYNTAX, subcommand_syntax};
use crate::{notice, warning};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::DEBUG, debug)];

/// A subcommand: name, number of arguments, implementation, lines of DEBUG HELP. Those are Redis's where it has the
/// subcommand and the effect is the same.
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
        help: &[
            "AOF-FLUSH-SLEEP <microsec>",
            "    Server will sleep before flushing the AOF, this is used for testing.",
        ],
    },
    Sub {
        name: "change-repl-id",
        args: 0..=0,
        run: change_history,
        help: &[
            "CHANGE-REPL-ID",
            "    Change the replication IDs of the instance.",
            "    Dangerous: should be used only for testing the replication subsystem.",
        ],
    },
    Sub {
        name: "clusterlink",
        args: 3..=3,
        run: cluster_link,
        help: &[
            "CLUSTERLINK KILL <to|from|all> <node-id>",
            "    Kills the link based on the direction to/from (both) with the provided node.",
        ],
    },
    Sub {
        name: "config-rewrite-force-all",
        args: 0..=0,
        run: rewrite_all,
        help: &[
            "CONFIG-REWRITE-FORCE-ALL",
            "    Like CONFIG REWRITE but writes all configuration options, including",
            "    keywords not listed in original configuration file or default values.",
        ],
    },
    Sub {
        name: "digest",
        args: 0..=0,
        run: digest_all,
        help: &[
            "DIGEST",
            "    Output a hex signature representing the current DB content.",
        ],
    },
    Sub {
        name: "digest-value",
        args: 0..=usize::MAX,
        run: digest_values,
        help: &[
            "DIGEST-VALUE <key> [<key> ...]",
            "    Output a hex signature of the values of all the specified keys.",
        ],
    },
    Sub {
        name: "drop-cluster-packet-filter",
        args: 1..=1,
        run: drop_packets,
        help: &[
            "DROP-CLUSTER-PACKET-FILTER <packet-type>",
            "    Drop all packets that match the filtered type. Set to -1 allow all packets.",
        ],
    },
    Sub {
        name: "error",
        args: 1..=1,
        run: error,
        help: &[
            "ERROR <string>",
            "    Return a Redis protocol error with <string> as message. Useful for clients",
            "    unit tests to simulate Redis errors.",
        ],
    },
    Sub {
        name: "htstats",
        args: 1..=2,
        run: htstats,
        help: &[
            "HTSTATS <dbid> [full]",
            "    Return hash table statistics of the specified Redis database.",
        ],
    },
    Sub {
        name: "htstats-key",
        args: 1..=2,
        run: htstats_key,
        help: &[
            "HTSTATS-KEY <key> [full]",
            "    Like HTSTATS but for the hash table stored at <key>'s value.",
        ],
    },
    Sub {
        name: "listpack",
        args: 1..=1,
        run: listpack,
        help: &[
            "LISTPACK <key>",
            "    Show low level info about the listpack encoding of <key>.",
        ],
    },
    Sub {
        name: "loadaof",
        args: 0..=0,
        run: load_aof,
        help: &[
            "LOADAOF",
            "    Flush the AOF buffers on disk and reload the AOF in memory.",
        ],
    },
    Sub {
        name: "log",
        args: 1..=1,
        run: log,
        help: &["LOG <message>", "    Write <message> to the server log."],
    },
    Sub {
        name: "mallctl",
        args: 1..=2,
        run: mallctl,
        help: &[
            "MALLCTL <key> [<val>]",
            "    Get or set a malloc tuning integer.",
        ],
    },
    Sub {
        name: "mallctl-str",
        args: 1..=2,
        run: mallctl_text,
        help: &[
            "MALLCTL-STR <key> [VOID]",
            "    Get a malloc tuning string, or with VOID run the action of that name.",
        ],
    },
    Sub {
        name: "object",
        args: 1..=1,
        run: object,
        help: &[
            "OBJECT <key>",
            "    Show low level info about `key` and associated value.",
        ],
    },
    Sub {
        name: "panic",
        args: 0..=0,
        run: |_| panic!("called by DEBUG PANIC"),
        help: &["PANIC", "    Crash the server simulating a panic."],
    },
    Sub {
        name: "pause-cron",
        args: 1..=1,
        run: pause_cron,
        help: &["PAUSE-CRON <0|1>", "    Stop periodic cron job processing."],
    },
    Sub {
        name: "populate",
        args: 1..=3,
        run: populate,
        help: &[
            "POPULATE <count> [<prefix>] [<size>]",
            "    Create <count> string keys named key:<num>. If <prefix> is specified then",
            "    it is used instead of the 'key' prefix. These are not propagated to",
            "    replicas. Cluster slots are not respected so keys not belonging to the",
            "    current node can be created in cluster mode.",
        ],
    },
    Sub {
        name: "protocol",
        args: 1..=1,
        run: protocol,
        help: &[
            "PROTOCOL <type>",
            "    Reply with a test value of the specified type. <type> can be: string,",
            "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
            "    true, false.",
        ],
    },
    Sub {
        name: "quicklist",
        args: 1..=2,
        run: quicklist,
        help: &[
            "QUICKLIST <key> [<0|1>]",
            "    Show low level info about the quicklist encoding of <key>.",
            "    The optional argument (0 by default) sets the level of detail",
        ],
    },
    Sub {
        name: "quicklist-packed-threshold",
        args: 1..=1,
        run: packed_threshold,
        help: &[
            "QUICKLIST-PACKED-THRESHOLD <size>",
            "    Sets the threshold for elements to be inserted as plain vs packed nodes",
            "    Default value is 1GB, allows values up to 4GB. Setting to 0 restores to default.",
        ],
    },
    Sub {
        name: "replicate",
        args: 1..=usize::MAX,
        run: replicate,
        help: &[
            "REPLICATE <string>",
            "    Replicates the provided string to replicas, allowing data divergence.",
        ],
    },
    Sub {
        name: "reload",
        args: 0..=usize::MAX,
        run: reload,
        help: &[
            "RELOAD [option ...]",
            "    Save the RDB on disk and reload it back to memory. Valid <option> values:",
            "    * MERGE: conflicting keys will be loaded from RDB.",
            "    * NOFLUSH: the existing database will not be removed before load, but",
            "      conflicting keys will make the load fail.",
            "    * NOSAVE: the database will be loaded from an existing RDB file.",
            "    Examples:",
            "    * DEBUG RELOAD: verify that the server is able to persist, flush and reload",
            "      the database.",
            "    * DEBUG RELOAD NOSAVE: replace the current database with the contents of an",
            "      existing RDB file.",
            "    * DEBUG RELOAD NOSAVE NOFLUSH MERGE: add the contents of an existing RDB",
            "      file to the database.",
        ],
    },
    Sub {
        name: "replybuffer",
        args: 2..=2,
        run: replybuffer,
        help: &[
            "REPLYBUFFER PEAK-RESET-TIME <NEVER||RESET|time>",
            "    Sets the time (in milliseconds) to wait between client reply buffer peak resets.",
            "    In case NEVER is provided the last observed peak will never be reset",
            "    In case RESET is provided the peak reset time will be restored to the default value",
            "REPLYBUFFER RESIZING <0|1>",
            "    Enable or disable the reply buffer resize cron job",
        ],
    },
    Sub {
        name: "sdslen",
        args: 1..=1,
        run: sdslen,
        help: &[
            "SDSLEN <key>",
            "    Show low level SDS string info representing `key` and value.",
        ],
    },
    Sub {
        name: "segfault",
        args: 0..=0,
        run: segfault,
        help: &["SEGFAULT", "    Crash the server with sigsegv."],
    },
    Sub {
        name: "set-active-expire",
        args: 1..=1,
        run: set_active_expire,
        help: &[
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Setting it to 0 disables expiring keys in background when they are not",
            "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
            "    default.",
        ],
    },
    Sub {
        name: "set-disable-deny-scripts",
        args: 1..=1,
        run: disable_deny_scripts,
        help: &[
            "SET-DISABLE-DENY-SCRIPTS <0|1>",
            "    Setting it to 1 lets scripts call every command.",
        ],
    },
    Sub {
        name: "set-skip-checksum-validation",
        args: 1..=1,
        run: skip_checksums,
        help: &[
            "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
            "    Enables or disables checksum checks for RDB files and RESTORE's payload.",
        ],
    },
    Sub {
        name: "sleep",
        args: 1..=1,
        run: sleep,
        help: &[
            "SLEEP <seconds>",
            "    Stop the server for <seconds>. Decimals allowed.",
        ],
    },
    Sub {
        name: "tls",
        args: 1..=1,
        run: tls,
        help: &[
            "TLS <client-id>",
            "    Show everything about the TLS connection of the client with this id.",
        ],
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
    let mut lines = vec!["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"];
    for sub in SUBCOMMANDS {
        lines.extend(sub.help);
    }
    cx.reply.help(&lines);
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
    // As in Redis, what is not a number counts as 0; the same holds for other subcommands.
    let seconds = parse_f64(&cx.argv[2]).unwrap_or(0.0);
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

fn rewrite_all(cx: &mut Ctx<'_>) -> Done {
    let path = Path::new(&cx.srv.process.config_file);
    let users = config_lines(cx.srv);
    rewrite(path, &cx.srv.config, &users, true).map_err(|error| {
        let why = reason(&error);
        Fault::new(format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {why}"))
    })?;
    switch(cx, |_| {})
}

fn pause_cron(cx: &mut Ctx<'_>) -> Done {
    let on = leading_i64(&cx.argv[2]).0 != 0;
    switch(cx, |cx| cx.srv.debug.pause_cron = on)
}

fn set_active_expire(cx: &mut Ctx<'_>) -> Done {
    let on = leading_i64(&cx.argv[2]).0 != 0;
    switch(cx, |cx| cx.srv.keys.active_expire = on)
}

fn disable_deny_scripts(cx: &mut Ctx<'_>) -> Done {
    let on = leading_i64(&cx.argv[2]).0 != 0;
    switch(cx, |cx| cx.srv.debug.scripts_may_call_all = on)
}

fn skip_checksums(cx: &mut Ctx<'_>) -> Done {
    let on = leading_i64(&cx.argv[2]).0 != 0;
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

fn aof_flush_sleep(cx: &mut Ctx<'_>) -> Done {
    let micros = leading_i64(&cx.argv[2]).0;
    cx.srv.debug.aof_flush_sleep_us = u64::try_from(micros).unwrap_or(0);
    cx.reply.ok();
    Ok(())
}
