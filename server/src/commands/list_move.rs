//! Moving elements between lists, popping from the first non-empty list, and the blocking variants of both.
//!
//! A blocked command is executed again from its start when a key is ready, so each blocking command is its
//! non-blocking variant plus blocking. The non-blocking variant is what is propagated.

use data::ds::node::ListLimits;
use data::ds::quicklist::End;
use data::util::num::{MAX_I64_DIGITS, write_i64};
use data::value::Type;
use data::value::list::List;
use table::list as rows;

use crate::commands::Family;
use crate::commands::args::{Args, deadline, positive};
use crate::feed::propagate::instead;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::drop_if_empty;
use crate::keyspace::lookup::{write, write_or_create};
use crate::server::{Ctx, Done};
use crate::session::block::block_on_keys;
use crate::state::blocked::KeyBlock;
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, NUMKEYS_NOT_POSITIVE, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::LMOVE, lmove),
    (&rows::RPOPLPUSH, rpoplpush),
    (&rows::BLMOVE, blmove),
    (&rows::BRPOPLPUSH, brpoplpush),
    (&rows::LMPOP, lmpop),
    (&rows::BLMPOP, blmpop),
    (&rows::BLPOP, |cx| blocking_pop(cx, End::Head)),
    (&rows::BRPOP, |cx| blocking_pop(cx, End::Tail)),
];

fn limits(cx: &Ctx<'_>) -> ListLimits {
    cx.srv.debug.list_limits(&cx.srv.config)
}

/// The end that an argument names.
fn end(arg: &[u8]) -> Result<End, Fault> {
    match arg.to_ascii_lowercase().as_slice() {
        b"left" => Ok(End::Head),
        b"right" => Ok(End::Tail),
        _ => Err(SYNTAX),
    }
}

/// Moves an element from the list of argument 1 to that of argument 2 and replies with it; whether there was one.
fn move_element(cx: &mut Ctx<'_>, from: End, to: End) -> Result<bool, Fault> {
    let argv = cx.argv;
    let (source, target) = (&argv[1], &argv[2]);
    let limits = limits(cx);
    if write::<List>(cx.srv, cx.db, source)?.is_none() {
        return Ok(false);
    }
    // A destination of the wrong type is an error before anything is popped.
    write::<List>(cx.srv, cx.db, target)?;
    let Some(text) = write::<List>(cx.srv, cx.db, source)?.and_then(|list| list.take(from)) else {
        return Ok(false);
    };
    write_or_create::<List>(cx.srv, cx.db, target)?.push_moved(to, &text, &limits);
    // Source and destination may be the same list, so the encoding is chosen last.
    if let Some(list) = write::<List>(cx.srv, cx.db, source)? {
        list.shrink(&limits);
    }
    cx.reply.bulk(&text);
    key_changed(cx.srv, cx.db, target, 0, Event::pushed(to));
    key_changed(cx.srv, cx.db, source, 1, Event::popped(from));
    drop_if_empty(cx.srv, cx.db, source);
    Ok(true)
}

fn lmove(cx: &mut Ctx<'_>) -> Done {
    let (from, to) = (end(&cx.argv[3])?, end(&cx.argv[4])?);
    if !move_element(cx, from, to)? {
        cx.reply.null();
    }
    Ok(())
}

fn rpoplpush(cx: &mut Ctx<'_>) -> Done {
    if !move_element(cx, End::Tail, End::Head)? {
        cx.reply.null();
    }
    Ok(())
}

fn blmove(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (from, to) = (end(&argv[3])?, end(&argv[4])?);
    let deadline_ms = deadline(&argv[5], cx.now_ms)?;
    if move_element(cx, from, to)? {
        instead(cx, [b"LMOVE", &argv[1], &argv[2], &argv[3], &argv[4]]);
        return Ok(());
    }
    wait_for_source(cx, deadline_ms);
    Ok(())
}

fn brpoplpush(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let deadline_ms = deadline(&argv[3], cx.now_ms)?;
    if move_element(cx, End::Tail, End::Head)? {
        instead(cx, [b"RPOPLPUSH", &argv[1], &argv[2]]);
        return Ok(());
    }
    wait_for_source(cx, deadline_ms);
    Ok(())
}

fn wait_for_source(cx: &mut Ctx<'_>, deadline_ms: Option<i64>) {
    if cx.caller.may_block() {
        let source: &[u8] = &cx.argv[1];
        wait(cx, vec![source.into()], deadline_ms);
    } else {
        // Where it may not block it replies null.
        cx.reply.null();
    }
}

fn wait(cx: &mut Ctx<'_>, keys: Vec<Box<[u8]>>, deadline_ms: Option<i64>) {
    let wait = KeyBlock {
        ty: Type::List,
        keys,
        deadline_ms,
        on_nokey: false,
    };
    block_on_keys(cx, wait);
}

/// Pops an element of the first non-empty list.
fn blocking_pop(cx: &mut Ctx<'_>, end: End) -> Done {
    let argv = cx.argv;
    let last = argv.len() - 1;
    let deadline_ms = deadline(&argv[last], cx.now_ms)?;
    let limits = limits(cx);
    for at in 1..last {
        let key = &argv[at];
        let Some(list) = write::<List>(cx.srv, cx.db, key)? else {
            continue;
        };
        cx.reply.array(2);
        cx.reply.bulk(key);
        list.pop_many(end, 1, &limits, |item| cx.reply.item(item));
        key_changed(cx.srv, cx.db, key, 1, Event::popped(end));
        drop_if_empty(cx.srv, cx.db, key);
        instead(cx, [pop_name(end), key]);
        return Ok(());
    }
    let keys = (1..last).map(|at| argv[at].into()).collect();
    wait(cx, keys, deadline_ms);
    Ok(())
}

fn pop_name(end: End) -> &'static [u8] {
    match end {
        End::Head => b"LPOP",
        End::Tail => b"RPOP",
    }
}

/// Arguments of LMPOP and BLMPOP.
struct Mpop {
    /// Arguments that are keys.
    keys: std::ops::Range<usize>,
    end: End,
    count: usize,
}

/// Parses the arguments from `numkeys` on, which is argument `at`.
fn parse_mpop(argv: &Argv, at: usize) -> Result<Mpop, Fault> {
    let keys = positive(&argv[at], NUMKEYS_NOT_POSITIVE)?;
    let end_at = keys.saturating_add(at + 1);
    if end_at >= argv.len() {
        return Err(SYNTAX);
    }
    let end = end(&argv[end_at])?;
    let mut args = Args::from(argv, end_at + 1);
    let mut count = None;
    while !args.is_done() {
        if count.is_some() || !args.word_with_value("count") {
            return Err(SYNTAX);
        }
        let fault = Fault::new("ERR count should be greater than 0");
        count = Some(positive(args.need()?, fault)?);
    }
    Ok(Mpop {
        keys: at + 1..end_at,
        end,
        count: count.unwrap_or(1),
    })
}

/// Pops elements of the first non-empty list and replies with its key and the elements; whether there were any.
fn mpop(cx: &mut Ctx<'_>, mpop: &Mpop) -> Result<bool, Fault> {
    let argv = cx.argv;
    let limits = limits(cx);
    for at in mpop.keys.clone() {
        let key = &argv[at];
        let Some(list) = write::<List>(cx.srv, cx.db, key)? else {
            continue;
        };
        let gone = mpop.count.min(list.len());
        cx.reply.array(2);
        cx.reply.bulk(key);
        cx.reply.array(gone);
        list.pop_many(mpop.end, gone, &limits, |item| cx.reply.item(item));
        key_changed(cx.srv, cx.db, key, gone as u64, Event::popped(mpop.end));
        drop_if_empty(cx.srv, cx.db, key);
        let mut digits = [0; MAX_I64_DIGITS];
        let gone = write_i64(gone as i64, &mut digits);
        instead(cx, [pop_name(mpop.end), key, gone]);
        return Ok(true);
    }
    Ok(false)
}

fn lmpop(cx: &mut Ctx<'_>) -> Done {
    let wanted = parse_mpop(cx.argv, 1)?;
    if !mpop(cx, &wanted)? {
        cx.reply.null_array();
    }
    Ok(())
}

fn blmpop(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let wanted = parse_mpop(argv, 2)?;
    let deadline_ms = deadline(&argv[1], cx.now_ms)?;
    if !mpop(cx, &wanted)? {
        let keys = wanted.keys.map(|at| argv[at].into()).collect();
        wait(cx, keys, deadline_ms);
    }
    Ok(())
}
