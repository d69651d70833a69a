//! Walking the keyspace: SCAN and KEYS.

use data::util::glob::matches;
use data::value::Type;
use table::generic as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::keyspace::expired::delete_expired;
use crate::keyspace::lookup::db;
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, INVALID_CURSOR, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::SCAN, scan), (&rows::KEYS, keys)];

/// Elements that a call of SCAN looks at, unless it says COUNT.
const DEFAULT_COUNT: usize = 10;

struct ScanOptions<'a> {
    count: usize,
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

fn parse_scan<'a>(mut args: Args<'a>) -> Result<ScanOptions<'a>, Fault> {
    let mut options = ScanOptions {
        count: DEFAULT_COUNT,
        pattern: None,
        type_name: None,
    };
    while !args.is_done() {
        if args.word_with_value("count") {
            options.count = usize::try_from(args.int()?)
                .ok()
                .filter(|&n| n > 0)
                .ok_or(SYNTAX)?;
        } else if args.word_with_value("match") {
            options.pattern = Some(args.need()?).filter(|&pattern| pattern != b"*");
        } else if args.word_with_value("type") {
            options.type_name = Some(args.need()?);
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(options)
}

/// A cursor is an unsigned number without signs or spaces.
fn parse_cursor(arg: &[u8]) -> Result<u64, Fault> {
    std::str::from_utf8(arg)
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(INVALID_CURSOR)
}

fn scan(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let mut cursor = parse_cursor(&argv[1])?;
    let options = parse_scan(Args::from(argv, 2))?;
    let now_ms = cx.srv.unit.now_ms;
    let (mut found, mut over) = (Vec::new(), Vec::new());
    let mut seen = 0;
    // A sparse table is walked on, within bounds, until enough elements were seen.
    for _ in 0..options.count.saturating_mul(10) {
        cursor = db(cx.srv, cx.db).scan(
            cursor,
            options.count - seen.min(options.count - 1),
            &mut |entry| {
                seen += 1;
                let wanted = options
                    .pattern
                    .is_none_or(|pattern| matches(pattern, entry.key(), false))
                    && options
                        .type_name
                        .is_none_or(|name| is_type(entry.ty(), name));
                if !wanted {
                    return;
                }
                if entry.expire().is_some_and(|at_ms| now_ms > at_ms) {
                    over.push(entry.key().to_vec());
                } else {
                    found.push(entry.key().to_vec());
                }
            },
        );
        if cursor == 0 || seen >= options.count {
            break;
        }
    }
    for key in &over {
        delete_expired(cx.srv, cx.db, key);
    }
    cx.reply.array(2);
    cx.reply.bulk(cursor.to_string().as_bytes());
    cx.reply.array(found.len());
    for key in &found {
        cx.reply.bulk(key);
    }
    Ok(())
}

fn is_type(ty: Type, name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(ty.name().as_bytes())
}

fn keys(cx: &mut Ctx<'_>) -> Done {
    let pattern = &cx.argv[1];
    let now_ms = cx.srv.unit.now_ms;
    let everything = pattern == b"*";
    let mark = cx.reply.defer();
    let mut count = 0;
    for entry in db(cx.srv, cx.db).iter() {
        let wanted = everything || matches(pattern, entry.key(), false);
        if wanted && entry.expire().is_none_or(|at_ms| now_ms <= at_ms) {
            cx.reply.bulk(entry.key());
            count += 1;
        }
    }
    cx.reply.close_array(mark, count);
    Ok(())
}
