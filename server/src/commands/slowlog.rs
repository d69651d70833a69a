//! SLOWLOG: the latest slow commands.

use table::server as rows;

use crate::commands::Family;
use crate::commands::args::int;
use crate::server::{Ctx, Done};
use crate::wire::fault::Fault;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SLOWLOG_GET, get),
    (&rows::SLOWLOG_LEN, len),
    (&rows::SLOWLOG_RESET, reset),
    (&rows::SLOWLOG_HELP, help),
];

/// Entries that SLOWLOG GET returns by default.
const DEFAULT_COUNT: i64 = 10;

fn get(cx: &mut Ctx<'_>) -> Done {
    let mut count = DEFAULT_COUNT;
    if cx.argv.len() == 3 {
        let given = int(&cx.argv[2]).ok().filter(|&count| count >= -1);
        count =
            given.ok_or_else(|| Fault::new("ERR count should be greater than or equal to -1"))?;
    } else if cx.argv.len() > 3 {
        return Err(crate::wire::fault::subcommand_syntax(
            &cx.argv[0],
            &cx.argv[1],
        ));
    }
    let all = cx.srv.slowlog.entries();
    let count = usize::try_from(count).map_or(all.len(), |count| count.min(all.len()));
    let reply = &mut *cx.reply;
    reply.array(count);
    for entry in all.take(count) {
        reply.array(6);
        reply.int(entry.id as i64);
        reply.int(entry.time);
        reply.int(entry.duration_us as i64);
        reply.array(entry.args.len());
        for arg in &entry.args {
            reply.bulk(arg);
        }
        reply.bulk(entry.peer.as_bytes());
        reply.bulk(&entry.name);
    }
    Ok(())
}

fn len(cx: &mut Ctx<'_>) -> Done {
    cx.reply.int(cx.srv.slowlog.entries().len() as i64);
    Ok(())
}

fn reset(cx: &mut Ctx<'_>) -> Done {
    cx.srv.slowlog.reset();
    cx.reply.ok();
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>]",
        "    The latest <count> slow commands (default: 10; -1 means all). Each is an array of",
        "    id, Unix time, microseconds, arguments, address and name of the client.",
        "LEN",
        "    How many slow commands are kept.",
        "RESET",
        "    Forget them.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
