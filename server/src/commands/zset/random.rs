//! ZRANDMEMBER and ZSCAN.

use data::ds::item::Item;
use data::util::num::{format_f64, format_f64_g17};
use data::value::Encoding;
use data::value::zset::Zset;
use table::sorted_set as rows;

use crate::commands::Family;
use crate::commands::args::{Args, ScanOptions, random_count, scan_cursor};
use crate::keyspace::lookup::read;
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, SYNTAX};
use crate::wire::reply::{Reply, Resp};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::ZRANDMEMBER, zrandmember), (&rows::ZSCAN, zscan)];

fn zrandmember(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    if argv.len() == 2 {
        return one(cx);
    }
    let count = random_count(&argv[2])?;
    let scores = match argv.len() {
        3 => false,
        4 if argv[3].eq_ignore_ascii_case(b"withscores") => true,
        _ => return Err(SYNTAX),
    };
    // With scores the reply has twice as many elements.
    if scores && !(-(i64::MAX / 2)..=i64::MAX / 2).contains(&count) {
        return Err(Fault::new("ERR value is out of range"));
    }
    let mut rng = cx.srv.keys.rng.fork();
    let zset = read::<Zset>(cx.srv, cx.db, &argv[1])?;
    let Some(zset) = zset.filter(|_| count != 0) else {
        cx.reply.array(0);
        return Ok(());
    };
    let nested = scores && cx.reply.resp == Resp::V3;
    let each = if scores && !nested { 2 } else { 1 };
    if count < 0 {
        let draws = count.unsigned_abs() as usize;
        cx.reply.array(draws * each);
        for _ in 0..draws {
            if let Some(pair) = zset.random(&mut rng) {
                reply_pair(cx.reply, pair, scores, nested);
            }
            if cx.reply.overflow {
                break;
            }
        }
        return Ok(());
    }
    let count = (count as usize).min(zset.len());
    cx.reply.array(count * each);
    zset.sample(count, &mut rng, |pair| {
        reply_pair(cx.reply, pair, scores, nested);
    });
    Ok(())
}

/// The form without a count.
fn one(cx: &mut Ctx<'_>) -> Done {
    let mut rng = cx.srv.keys.rng.fork();
    let zset = read::<Zset>(cx.srv, cx.db, &cx.argv[1])?;
    match zset.and_then(|zset| zset.random(&mut rng)) {
        Some((member, _)) => cx.reply.item(member),
        None => cx.reply.null(),
    }
    Ok(())
}

fn reply_pair(reply: &mut Reply, (member, score): (Item<'_>, f64), scores: bool, nested: bool) {
    if nested {
        reply.array(2);
    }
    reply.item(member);
    if scores {
        reply.double(score);
    }
}

fn zscan(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let cursor = scan_cursor(&argv[2])?;
    let mut pairs: Vec<(Vec<u8>, f64)> = Vec::new();
    // As in Redis, scores of a big set have 17 digits, and those of a small one are replied as they are stored.
    let mut digits: fn(f64) -> Vec<u8> = format_f64;
    let next = match read::<Zset>(cx.srv, cx.db, &argv[1])? {
        None => 0,
        Some(zset) => {
            let options = ScanOptions::read(Args::from(argv, 3), false)?;
            if zset.encoding() == Encoding::Skiplist {
                digits = format_f64_g17;
            }
            zset.scan(cursor, options.count, &mut |member, score| {
                let member = member.to_vec();
                if options.matches(&member) {
                    pairs.push((member, score));
                }
            })
        }
    };
    cx.reply.array(2);
    cx.reply.bulk(next.to_string().as_bytes());
    cx.reply.array(pairs.len() * 2);
    for (member, score) in &pairs {
        cx.reply.bulk(member);
        cx.reply.bulk(&digits(*score));
    }
    Ok(())
}
