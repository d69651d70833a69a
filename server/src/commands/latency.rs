//! LATENCY: what the latency monitor has recorded, and the distribution of each command's execution time.

use table::CmdId;
use table::server as rows;

use crate::commands::Family;
use crate::report::{latency_doctor, latency_graph};
use crate::server::{Ctx, Done};
use crate::state::stats::Latency;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::LATENCY_DOCTOR, doctor),
    (&rows::LATENCY_GRAPH, graph),
    (&rows::LATENCY_HISTOGRAM, histogram),
    (&rows::LATENCY_HISTORY, history),
    (&rows::LATENCY_LATEST, latest),
    (&rows::LATENCY_RESET, reset),
    (&rows::LATENCY_HELP, help),
];

fn history(cx: &mut Ctx<'_>) -> Done {
    let Some((_, series)) = cx.srv.latency.named(&cx.argv[2]) else {
        cx.reply.array(0);
        return Ok(());
    };
    cx.reply.array(series.samples.len());
    for sample in &series.samples {
        cx.reply.array(2);
        cx.reply.int(sample.time);
        cx.reply.int(sample.ms as i64);
    }
    Ok(())
}

fn latest(cx: &mut Ctx<'_>) -> Done {
    let all = cx.srv.latency.series();
    cx.reply.array(all.len());
    for (event, series) in all {
        let last = series.samples.back();
        cx.reply.array(4);
        cx.reply.bulk(event.name().as_bytes());
        cx.reply.int(last.map_or(0, |sample| sample.time));
        cx.reply.int(last.map_or(0, |sample| sample.ms as i64));
        cx.reply.int(series.max_ms as i64);
    }
    Ok(())
}

fn graph(cx: &mut Ctx<'_>) -> Done {
    let Some((event, series)) = cx.srv.latency.named(&cx.argv[2]) else {
        let parts: [&[u8]; 3] = [b"ERR No samples available for event '", &cx.argv[2], b"'"];
        return Err(Fault::quoting(&parts));
    };
    let text = latency_graph::draw(event.name(), series, cx.now_ms / 1000);
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn doctor(cx: &mut Ctx<'_>) -> Done {
    let text = latency_doctor::report(cx.srv);
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn reset(cx: &mut Ctx<'_>) -> Done {
    let monitor = &mut cx.srv.latency;
    if cx.argv.len() == 2 {
        cx.reply.int(monitor.reset_all() as i64);
        return Ok(());
    }
    let mut dropped = 0;
    for name in cx.argv.iter().skip(2) {
        let event = monitor.named(name).map(|(event, _)| event);
        dropped += i64::from(event.is_some_and(|event| monitor.reset(event)));
    }
    cx.reply.int(dropped);
    Ok(())
}

fn histogram(cx: &mut Ctx<'_>) -> Done {
    let wanted: Vec<CmdId> = if cx.argv.len() == 2 {
        table::iter().collect()
    } else {
        let named = cx.argv.iter().skip(2).filter_map(table::lookup_full);
        named
            .flat_map(|cmd| [cmd].into_iter().chain(table::subcommands(cmd)))
            .collect()
    };
    let by_command = &cx.srv.stats.by_command;
    let executed = wanted.iter().filter_map(|&cmd| {
        let stats = by_command.get(cmd);
        (stats.latency.count() > 0).then_some((cmd, &stats.latency))
    });
    let mark = cx.reply.defer();
    let mut count = 0;
    for (cmd, latency) in executed {
        cx.reply.bulk(table::full_name(cmd).as_bytes());
        distribution(cx.reply, latency);
        count += 1;
    }
    cx.reply.close_map(mark, count);
    Ok(())
}

fn distribution(reply: &mut Reply, latency: &Latency) {
    let rows = latency.cumulative();
    reply.map(2);
    reply.bulk(b"calls");
    reply.int(latency.count() as i64);
    reply.bulk(b"histogram_usec");
    reply.map(rows.len());
    for (bound_us, count) in rows {
        reply.int(bound_us as i64);
        reply.int(count as i64);
    }
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    What the samples say, and what may help.",
        "GRAPH <event>",
        "    The samples of an event as a graph.",
        "HISTORY <event>",
        "    The samples of an event, as pairs of Unix time and milliseconds.",
        "LATEST",
        "    The latest sample of each event, and the worst of all time.",
        "RESET [<event> ...]",
        "    Forget the samples of these events (default: of all).",
        "HISTOGRAM [COMMAND ...]",
        "    The cumulative distribution of the execution time of these commands (default: of all).",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
