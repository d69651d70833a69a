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
        args: 0..=usize::MAX,
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
        args: 1..=1,
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
        args: 0..=usize::MAX,
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
