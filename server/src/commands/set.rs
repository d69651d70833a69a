//! Sets: commands on one set.

use data::ds::item::Item;
use data::value::Scratch;
use data::value::set::Set;
use table::set as rows;

use crate::commands::Family;
use crate::commands::args::{Args, ScanOptions, scan_cursor};
use crate::config::limits::set_limits;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::drop_if_empty;
use crate::keyspace::lookup::{find_write, read, write, write_or_create};
use crate::server::{Ctx, Done};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SADD, sadd),
    (&rows::SREM, srem),
    (&rows::SMOVE, smove),
    (&rows::SISMEMBER, sismember),
    (&rows::SMISMEMBER, smismember),
    (&rows::SCARD, scard),
    (&rows::SMEMBERS, smembers),
    (&rows::SSCAN, sscan),
];

fn sadd(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let limits = set_limits(&cx.srv.config);
    let set = write_or_create::<Set>(cx.srv, cx.db, key)?;
    set.choose_encoding(Item::Bytes(&argv[2]), argv.len() - 2, &limits);
    let added = argv
        .iter()
        .skip(2)
        .filter(|member| set.add(Item::Bytes(member), &limits))
        .count();
    if added > 0 {
        key_changed(cx.srv, cx.db, key, added as u64, Event::Set("sadd"));
    }
    cx.reply.int(added as i64);
    Ok(())
}

fn srem(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let Some(set) = write::<Set>(cx.srv, cx.db, key)? else {
        cx.reply.int(0);
        return Ok(());
    };
    let removed = argv
        .iter()
        .skip(2)
        .filter(|member| set.remove(Item::Bytes(member)))
        .count();
    if removed > 0 {
        key_changed(cx.srv, cx.db, key, removed as u64, Event::Set("srem"));
        drop_if_empty(cx.srv, cx.db, key);
    }
    cx.reply.int(removed as i64);
    Ok(())
}

fn smove(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (from, to, member) = (&argv[1], &argv[2], Item::Bytes(&argv[3]));
    let source = match write::<Set>(cx.srv, cx.db, from) {
        Ok(Some(source)) => source,
        other => {
            // Both are looked up before either type is checked.
            let refused = other.err();
            find_write(cx.srv, cx.db, to);
            cx.reply.int(0);
            return refused.map_or(Ok(()), Err);
        }
    };
    let held = source.contains(member);
    // Nothing is removed before the destination's type is checked.
    write::<Set>(cx.srv, cx.db, to)?;
    if from == to || !held {
        cx.reply.int(i64::from(held));
        return Ok(());
    }
    if let Some(source) = write::<Set>(cx.srv, cx.db, from)? {
        source.remove(member);
    }
    key_changed(cx.srv, cx.db, from, 1, Event::Set("srem"));
    drop_if_empty(cx.srv, cx.db, from);
    let limits = set_limits(&cx.srv.config);
    let destination = write_or_create::<Set>(cx.srv, cx.db, to)?;
    destination.choose_encoding(member, 1, &limits);
    if destination.add(member, &limits) {
        key_changed(cx.srv, cx.db, to, 1, Event::Set("sadd"));
    }
    cx.reply.int(1);
    Ok(())
}

fn sismember(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let set = read::<Set>(cx.srv, cx.db, &argv[1])?;
    let held = set.is_some_and(|set| set.contains(Item::Bytes(&argv[2])));
    cx.reply.int(i64::from(held));
    Ok(())
}

fn smismember(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let set = read::<Set>(cx.srv, cx.db, &argv[1])?;
    cx.reply.array(argv.len() - 2);
    for member in argv.iter().skip(2) {
        let held = set.is_some_and(|set| set.contains(Item::Bytes(member)));
        cx.reply.int(i64::from(held));
    }
    Ok(())
}

fn scard(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[1];
    let members = read::<Set>(cx.srv, cx.db, key)?.map_or(0, Set::len);
    cx.reply.int(members as i64);
    Ok(())
}

fn smembers(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[1];
    let set = read::<Set>(cx.srv, cx.db, key)?;
    cx.reply.set(set.map_or(0, Set::len));
    if let Some(set) = set {
        set.iter().for_each(|member| cx.reply.item(member));
    }
    Ok(())
}

fn sscan(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let cursor = scan_cursor(&argv[2])?;
    let mut found = Vec::new();
    let mut next = 0;
    if let Some(set) = read::<Set>(cx.srv, cx.db, &argv[1])? {
        let options = ScanOptions::read(Args::from(argv, 3), false)?;
        let mut scratch = Scratch::default();
        next = set.scan(cursor, options.count, &mut |member| {
            if options.matches(member.bytes(&mut scratch)) {
                found.push(member);
            }
        });
    }
    cx.reply.array(2);
    cx.reply.bulk(next.to_string().as_bytes());
    cx.reply.array(found.len());
    found.into_iter().for_each(|member| cx.reply.item(member));
    Ok(())
}
