//! Iterating over keys: SCAN and KEYS.

use data::util::glob::matches;
use data::value::Type;
use table::generic as rows;

use crate::commands::Family;
use crate::commands::args::{Args, ScanOptions, scan_cursor};
use crate::keyspace::lookup::{db, live_place};
use crate::server::{Ctx, Done};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::SCAN, scan), (&rows::KEYS, keys)];

fn scan(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let mut cursor = scan_cursor(&argv[1])?;
    let options = ScanOptions::read(Args::from(argv, 2), true)?;
    let now_ms = cx.srv.unit.now_ms;
    let (mut found, mut over) = (Vec::new(), Vec::new());
    let mut seen = 0;
    // A sparse table is scanned further, within limits, until enough elements were seen.
    for _ in 0..options.count.saturating_mul(10) {
        cursor = db(cx.srv, cx.db).scan(
            cursor,
            options.count - seen.min(options.count - 1),
            &mut |entry| {
                seen += 1;
                if !options.matches(entry.key()) {
                    return;
                }
                let is_wanted = |name| is_type(entry.shown_type(), name);
                if entry.has_expired(now_ms) {
                    over.push(entry.key().to_vec());
                } else if options.type_name.is_none_or(is_wanted) {
                    found.push(entry.key().to_vec());
                }
            },
        );
        if cursor == 0 || seen >= options.count {
            break;
        }
    }
    for key in &over {
        live_place(cx.srv, cx.db, key);
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
