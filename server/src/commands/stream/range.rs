//! XRANGE, XREVRANGE, XLEN.

use data::value::stream::Stream;
use table::stream as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::commands::stream::ids::{range_end, range_start};
use crate::commands::stream::reply::reply_entries;
use crate::keyspace::lookup::read;
use crate::server::{Ctx, Done};
use crate::wire::fault::SYNTAX;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::XRANGE, |cx| xrange(cx, false)),
    (&rows::XREVRANGE, |cx| xrange(cx, true)),
    (&rows::XLEN, xlen),
];

fn xrange(cx: &mut Ctx<'_>, reverse: bool) -> Done {
    let argv = cx.argv;
    let (start, end) = if reverse { (3, 2) } else { (2, 3) };
    let start = range_start(&argv[start])?;
    let end = range_end(&argv[end])?;
    let mut count = None;
    let mut args = Args::from(argv, 4);
    while !args.is_done() {
        if !args.word_with_value("count") {
            return Err(SYNTAX);
        }
        let given = args.int()?;
        count = Some(usize::try_from(given).unwrap_or(0));
    }
    match read::<Stream>(cx.srv, cx.db, &argv[1])? {
        None => cx.reply.array(0),
        Some(_) if count == Some(0) => cx.reply.null_array(),
        Some(stream) => {
            let entries = stream.log().entries(start, end, reverse);
            reply_entries(cx.reply, entries, count);
        }
    }
    Ok(())
}

fn xlen(cx: &mut Ctx<'_>) -> Done {
    let stream = read::<Stream>(cx.srv, cx.db, &cx.argv[1])?;
    cx.reply.int(stream.map_or(0, Stream::len) as i64);
    Ok(())
}
