//! Lists: pushing, popping, reading, searching, replacing and deleting elements.

use data::ds::node::ListLimits;
use data::ds::quicklist::End;
use data::util::num::parse_i64;
use data::value::list::{List, Needle};
use table::list as rows;

use crate::commands::Family;
use crate::commands::args::{Args, int, take_count};
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::drop_if_empty;
use crate::keyspace::lookup::{read, write, write_or_create};
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, NO_SUCH_KEY, SYNTAX, arity};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::LPUSH, |cx| push(cx, End::Head, true)),
    (&rows::RPUSH, |cx| push(cx, End::Tail, true)),
    (&rows::LPUSHX, |cx| push(cx, End::Head, false)),
    (&rows::RPUSHX, |cx| push(cx, End::Tail, false)),
    (&rows::LPOP, |cx| pop(cx, End::Head)),
    (&rows::RPOP, |cx| pop(cx, End::Tail)),
    (&rows::LLEN, llen),
    (&rows::LINDEX, lindex),
    (&rows::LRANGE, lrange),
    (&rows::LPOS, lpos),
    (&rows::LSET, lset),
    (&rows::LINSERT, linsert),
    (&rows::LREM, lrem),
    (&rows::LTRIM, ltrim),
];

fn limits(cx: &Ctx<'_>) -> ListLimits {
    cx.srv.debug.list_limits(&cx.srv.config)
}

fn push(cx: &mut Ctx<'_>, end: End, create: bool) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let limits = limits(cx);
    let list = if create {
        Some(write_or_create::<List>(cx.srv, cx.db, key)?)
    } else {
        write::<List>(cx.srv, cx.db, key)?
    };
    let Some(list) = list else {
        cx.reply.int(0);
        return Ok(());
    };
    list.push(end, (2..argv.len()).map(|at| &argv[at]), &limits);
    cx.reply.int(list.len() as i64);
    key_changed(
        cx.srv,
        cx.db,
        key,
        argv.len() as u64 - 2,
        Event::pushed(end),
    );
    Ok(())
}

fn pop(cx: &mut Ctx<'_>, end: End) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let count = match argv.len() {
        2 => None,
        3 => Some(take_count(&argv[2])?),
        _ => return Err(arity(table::full_name(cx.cmd))),
    };
    let limits = limits(cx);
    let Some(list) = write::<List>(cx.srv, cx.db, key)? else {
        match count {
            None => cx.reply.null(),
            Some(_) => cx.reply.null_array(),
        }
        return Ok(());
    };
    let gone = count.unwrap_or(1).min(list.len());
    if count.is_some() {
        cx.reply.array(gone);
    }
    if gone == 0 {
        return Ok(());
    }
    list.pop_many(end, gone, &limits, |item| cx.reply.item(item));
    key_changed(cx.srv, cx.db, key, gone as u64, Event::popped(end));
    drop_if_empty(cx.srv, cx.db, key);
    Ok(())
}

fn llen(cx: &mut Ctx<'_>) -> Done {
    let list = read::<List>(cx.srv, cx.db, &cx.argv[1])?;
    cx.reply.int(list.map_or(0, |list| list.len() as i64));
    Ok(())
}

fn lindex(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let Some(list) = read::<List>(cx.srv, cx.db, &argv[1])? else {
        cx.reply.null();
        return Ok(());
    };
    match list.index(int(&argv[2])?) {
        Some(index) => {
            if let Some(item) = list.iter_from(index, End::Tail).next() {
                cx.reply.item(item);
            }
        }
        None => cx.reply.null(),
    }
    Ok(())
}

fn lrange(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (start, stop) = (int(&argv[2])?, int(&argv[3])?);
    let list = read::<List>(cx.srv, cx.db, &argv[1])?;
    let range = list.and_then(|list| list.bounds(start, stop));
    let (Some(list), Some(range)) = (list, range) else {
        cx.reply.array(0);
        return Ok(());
    };
    cx.reply.array(range.len());
    let mut elements = list.iter_from(range.start, End::Tail);
    elements.visit(range.len(), |item| cx.reply.item(item));
    Ok(())
}

/// A number that must not be negative; any other text gets the same error.
fn non_negative(arg: &[u8], fault: Fault) -> Result<usize, Fault> {
    let number = parse_i64(arg).and_then(|number| usize::try_from(number).ok());
    number.ok_or(fault)
}

/// Options of LPOS.
struct Search {
    /// RANK: matches to skip.
    skip: u64,
    from: End,
    /// COUNT: number of matches; 0 is all. Without it the reply is a single index.
    count: Option<usize>,
    /// MAXLEN: elements to compare; 0 is all.
    max_len: usize,
}

fn parse_lpos(mut args: Args<'_>) -> Result<Search, Fault> {
    let mut search = Search {
        skip: 0,
        from: End::Head,
        count: None,
        max_len: 0,
    };
    while !args.is_done() {
        if args.word_with_value("rank") {
            let rank = args.int()?;
            if rank == i64::MIN {
                return Err(Fault::new(format!(
                    "ERR value is out of range, value must between {} and {}",
                    -i64::MAX,
                    i64::MAX
                )));
            }
            if rank == 0 {
                return Err(Fault::new(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                     negative to start from the end of the list",
                ));
            }
            search.skip = rank.unsigned_abs() - 1;
            search.from = if rank < 0 { End::Tail } else { End::Head };
        } else if args.word_with_value("count") {
            let fault = Fault::new("ERR COUNT can't be negative");
            search.count = Some(non_negative(args.need()?, fault)?);
        } else if args.word_with_value("maxlen") {
            let fault = Fault::new("ERR MAXLEN can't be negative");
            search.max_len = non_negative(args.need()?, fault)?;
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(search)
}

fn lpos(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let search = parse_lpos(Args::from(argv, 3))?;
    let list = read::<List>(cx.srv, cx.db, &argv[1])?;
    let found = list.map_or_else(Vec::new, |list| positions(list, &argv[2], &search));
    if search.count.is_some() {
        cx.reply.array(found.len());
        for index in found {
            cx.reply.int(index as i64);
        }
    } else {
        match found.first() {
            Some(index) => cx.reply.int(*index as i64),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

/// The indices that LPOS replies with.
fn positions(list: &List, text: &[u8], search: &Search) -> Vec<usize> {
    let needle = Needle::new(text);
    let all = |number| if number == 0 { usize::MAX } else { number };
    let most = all(search.count.unwrap_or(1));
    let look_at = all(search.max_len).min(list.len());
    let mut elements = match search.from {
        End::Head => list.iter(),
        End::Tail => list.rev(),
    };
    let (mut found, mut skipped) = (Vec::new(), 0);
    for at in 0..look_at {
        if !elements.next().is_some_and(|item| needle.is(item)) {
            continue;
        }
        if skipped < search.skip {
            skipped += 1;
            continue;
        }
        found.push(match search.from {
            End::Head => at,
            End::Tail => list.len() - 1 - at,
        });
        if found.len() == most {
            break;
        }
    }
    found
}

fn lset(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let limits = limits(cx);
    let list = write::<List>(cx.srv, cx.db, key)?.ok_or(NO_SUCH_KEY)?;
    if !list.set(int(&argv[2])?, &argv[3], &limits) {
        return Err(Fault::new("ERR index out of range"));
    }
    cx.reply.ok();
    key_changed(cx.srv, cx.db, key, 1, Event::List("lset"));
    Ok(())
}

fn linsert(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let side = match argv[2].to_ascii_lowercase().as_slice() {
        b"before" => End::Head,
        b"after" => End::Tail,
        _ => return Err(SYNTAX),
    };
    let limits = limits(cx);
    let Some(list) = write::<List>(cx.srv, cx.db, key)? else {
        cx.reply.int(0);
        return Ok(());
    };
    if !list.insert(&argv[3], side, &argv[4], &limits) {
        cx.reply.int(-1);
        return Ok(());
    }
    cx.reply.int(list.len() as i64);
    key_changed(cx.srv, cx.db, key, 1, Event::List("linsert"));
    Ok(())
}

fn lrem(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let count = int(&argv[2])?;
    let limits = limits(cx);
    let Some(list) = write::<List>(cx.srv, cx.db, key)? else {
        cx.reply.int(0);
        return Ok(());
    };
    let (from, most) = match count {
        0 => (End::Head, usize::MAX),
        1.. => (End::Head, count as usize),
        _ => (End::Tail, count.unsigned_abs() as usize),
    };
    let removed = list.remove(from, most, &argv[3], &limits);
    cx.reply.int(removed as i64);
    if removed > 0 {
        key_changed(cx.srv, cx.db, key, removed as u64, Event::List("lrem"));
        drop_if_empty(cx.srv, cx.db, key);
    }
    Ok(())
}

fn ltrim(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let (start, stop) = (int(&argv[2])?, int(&argv[3])?);
    let limits = limits(cx);
    if let Some(list) = write::<List>(cx.srv, cx.db, key)? {
        let kept = list.bounds(start, stop).unwrap_or(0..0);
        let removed = list.trim(kept, &limits);
        key_changed(cx.srv, cx.db, key, removed as u64, Event::List("ltrim"));
        drop_if_empty(cx.srv, cx.db, key);
    }
    cx.reply.ok();
    Ok(())
}
