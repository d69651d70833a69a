//! The server as a whole: INFO, TIME, SHUTDOWN, LOLWUT.

use data::util::rand::Rng;
use table::server as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::config::values::ShutdownFlags;
use crate::exec::gate::busy_fault;
use crate::house::shutdown::{ShutdownOutcome, cancel, shut_down};
use crate::notice;
use crate::report::sections::{self, Wanted};
use crate::server::{Ctx, Done};
use crate::session::close::close_after_reply;
use crate::state::blocked::Block;
use crate::sys::{clock, process};
use crate::wire::fault::{NO_SHUTDOWN, SHUTDOWN_FAILED, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::INFO, info_command),
    (&rows::TIME, time),
    (&rows::SHUTDOWN, shutdown),
    (&rows::LOLWUT, lolwut),
];

fn info_command(cx: &mut Ctx<'_>) -> Done {
    let wanted = Wanted::of(cx.argv.iter().skip(1));
    let text = sections::answer(cx.srv, &wanted);
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn time(cx: &mut Ctx<'_>) -> Done {
    // A script sees one instant, but one that polls the clock must end: a busy script sees time pass, as in Redis.
    let now_us = match cx.srv.scripts.busy() {
        Some(_) => clock::unix_us(),
        None => (cx.srv.unit.began_ns as i64 + cx.srv.turn.clock_offset_ns) / 1000,
    };
    cx.reply.array(2);
    cx.reply.bulk_int(now_us / 1_000_000);
    cx.reply.bulk_int(now_us % 1_000_000);
    Ok(())
}

fn shutdown(cx: &mut Ctx<'_>) -> Done {
    let mut args = Args::from(cx.argv, 1);
    let mut flags = ShutdownFlags::default();
    let mut abort = false;
    while !args.is_done() {
        let flag = if args.word("nosave") {
            &mut flags.nosave
        } else if args.word("save") {
            &mut flags.save
        } else if args.word("now") {
            &mut flags.now
        } else if args.word("force") {
            &mut flags.force
        } else if args.word("abort") {
            &mut abort
        } else {
            return Err(SYNTAX);
        };
        *flag = true;
    }
    let others = flags != ShutdownFlags::default();
    if (abort && others) || (flags.save && flags.nosave) {
        return Err(SYNTAX);
    }
    if abort {
        // A signal that was received but not handled yet is a shutdown in progress.
        let signalled = process::shutdown_signal().is_some();
        if !cancel(cx.srv) && !signalled {
            return Err(NO_SHUTDOWN);
        }
        notice!("Shutdown manually aborted.");
        cx.reply.ok();
        return Ok(());
    }
    if let Some(run) = cx.srv.scripts.busy() {
        if !flags.nosave {
            return Err(busy_fault(run));
        }
        // Replicas cannot be waited for while the script runs.
        flags.now = true;
    }
    let id = cx.caller.client;
    match shut_down(cx.srv, flags) {
        ShutdownOutcome::Going => close_after_reply(cx.srv, id),
        ShutdownOutcome::Later => cx.block = Some(Box::new(Block::Shutdown)),
        ShutdownOutcome::Refused => return Err(SHUTDOWN_FAILED),
    }
    Ok(())
}

/// LOLWUT: the version, with `VERSION 5` and `VERSION 6` below a grid of squares that lose their order from row to row.
fn lolwut(cx: &mut Ctx<'_>) -> Done {
    let mut args = Args::from(cx.argv, 1);
    let mut text = String::new();
    if args.word_with_value("version") && matches!(args.int()?, 5 | 6) {
        let mut size = |default: i64| match args.is_done() {
            true => Ok(default),
            false => args.int().map(|size| size.clamp(1, 1000)),
        };
        draw_squares(&mut text, size(33)?, size(6)?);
        text.push_str("\nSquares losing their order. ");
    }
    text.push_str(&format!("Redis ver. {}\n", env!("CARGO_PKG_VERSION")));
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// Draws a grid of squares; the share of those in disorder grows from none by the row.
fn draw_squares(text: &mut String, columns: i64, rows: i64) {
    let mut rng = Rng::new(clock::monotonic_ns());
    for row in 0..rows {
        for _ in 0..columns {
            let is_moved = (rng.below(rows as u64) as i64) < row;
            let shape = if is_moved { rng.below(4) as usize } else { 4 };
            text.push(['▖', '▚', '▞', '▟', '▪'][shape]);
        }
        text.push('\n');
    }
}
