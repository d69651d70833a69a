//! Keys of any type: DEL, EXISTS, TYPE, RENAME, COPY, MOVE, RANDOMKEY, TOUCH; FLUSHALL, SWAPDB, DBSIZE.

use data::value::entry::Entry;
use table::{generic as rows, server};

use crate::commands::Family;
use crate::commands::args::{Args, database_number};
use crate::keyspace::change::{
    Event, contents_replaced, count_changes, database_changes, key_changed,
};
use crate::keyspace::delete::{delete, flush};
use crate::keyspace::free::free_entry;
use crate::keyspace::lookup::{db, db_mut, find_read, find_write, fresh, glance, live_place};
use crate::keyspace::notify::created;
use crate::persist::bgsave::all_flushed;
use crate::server::{Ctx, Done, Propagate};
use crate::state::caller::Kind;
use crate::wire::fault::{DB_INDEX, Fault, NO_SUCH_KEY, SAME_OBJECT, SYNTAX, not_in_cluster};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::DEL, |cx| {
        del(cx, cx.srv.config.lazyfree_lazy_user_del)
    }),
    (&rows::UNLINK, |cx| del(cx, true)),
    (&rows::EXISTS, exists),
    (&rows::TYPE, type_of),
    (&rows::RENAME, rename),
    (&rows::RENAMENX, renamenx),
    (&rows::COPY, copy),
    (&rows::MOVE, move_key),
    (&rows::RANDOMKEY, randomkey),
    (&rows::TOUCH, touch),
    (&server::DBSIZE, dbsize),
    (&server::FLUSHDB, |cx| flush_command(cx, Some(cx.db))),
    (&server::FLUSHALL, |cx| flush_command(cx, None)),
    (&server::SWAPDB, swapdb),
];

/// Expired keys that RANDOMKEY meets before it replies with one of them.
const MAX_KEPT: usize = 100;

fn del(cx: &mut Ctx<'_>, lazy: bool) -> Done {
    let argv = cx.argv;
    let removed = argv
        .iter()
        .skip(1)
        .filter(|key| delete(cx.srv, cx.db, key, lazy))
        .count();
    cx.reply.int(removed as i64);
    Ok(())
}

fn exists(cx: &mut Ctx<'_>) -> Done {
    let keys = cx.argv.iter().skip(1);
    let found = keys.filter(|key| glance(cx.srv, cx.db, key).is_some());
    let count = found.count();
    cx.reply.int(count as i64);
    Ok(())
}

fn touch(cx: &mut Ctx<'_>) -> Done {
    let keys = cx.argv.iter().skip(1);
    let found = keys.filter(|key| find_read(cx.srv, cx.db, key).is_some());
    let count = found.count();
    cx.reply.int(count as i64);
    Ok(())
}

fn type_of(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[1];
    let entry = glance(cx.srv, cx.db, key);
    let name = entry.map_or("none", |entry| entry.shown_type().name());
    cx.reply.status(name);
    Ok(())
}

/// Renames a key; whether that was done.
fn rename_to(cx: &mut Ctx<'_>, replace: bool) -> Result<bool, Fault> {
    let argv = cx.argv;
    let (from, to) = (&argv[1], &argv[2]);
    find_write(cx.srv, cx.db, from).ok_or(NO_SUCH_KEY)?;
    if from == to {
        return Ok(replace);
    }
    if live_place(cx.srv, cx.db, to).is_some() {
        if !replace {
            return Ok(false);
        }
        delete_replaced(cx, cx.db, to);
    }
    let number = cx.db;
    if let Some(entry) = db_mut(cx.srv, number).remove(from) {
        // The destination was just found to be free.
        let _ = db_mut(cx.srv, number).insert(entry.renamed(to));
        created(cx.srv, number, to);
    }
    key_changed(cx.srv, number, from, 1, Event::Generic("rename_from"));
    key_changed(cx.srv, number, to, 0, Event::Generic("rename_to"));
    Ok(true)
}

/// Deletes the destination of a rename or copy; not counted as a change of its own.
fn delete_replaced(cx: &mut Ctx<'_>, number: usize, key: &[u8]) {
    let lazy = cx.srv.config.lazyfree_lazy_server_del;
    if let Some(entry) = db_mut(cx.srv, number).remove(key) {
        free_entry(cx.srv, entry, lazy);
    }
}

fn rename(cx: &mut Ctx<'_>) -> Done {
    rename_to(cx, true)?;
    cx.reply.ok();
    Ok(())
}

fn renamenx(cx: &mut Ctx<'_>) -> Done {
    let renamed = rename_to(cx, false)?;
    cx.reply.int(i64::from(renamed));
    Ok(())
}

/// A database by its number as an argument.
fn database(cx: &Ctx<'_>, arg: &[u8]) -> Result<usize, Fault> {
    let number = database_number(arg)?;
    usize::try_from(number)
        .ok()
        .filter(|&n| n < cx.srv.keys.dbs.len())
        .ok_or(DB_INDEX)
}

fn move_key(cx: &mut Ctx<'_>) -> Done {
    if cx.srv.cluster.is_some() {
        return Err(not_in_cluster("MOVE is"));
    }
    let argv = cx.argv;
    let (key, from) = (&argv[1], cx.db);
    let to = database(cx, &argv[2])?;
    if from == to {
        return Err(SAME_OBJECT);
    }
    if find_write(cx.srv, from, key).is_none() || live_place(cx.srv, to, key).is_some() {
        cx.reply.int(0);
        return Ok(());
    }
    if let Some(entry) = db_mut(cx.srv, from).remove(key) {
        // The destination was just found to be free.
        let _ = db_mut(cx.srv, to).insert(entry);
        created(cx.srv, to, key);
    }
    key_changed(cx.srv, from, key, 1, Event::Generic("move_from"));
    key_changed(cx.srv, to, key, 0, Event::Generic("move_to"));
    cx.reply.int(1);
    Ok(())
}

fn copy(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (from, to) = (&argv[1], &argv[2]);
    let (mut number, mut replace) = (cx.db, false);
    let mut args = Args::from(argv, 3);
    while !args.is_done() {
        if args.word("replace") {
            replace = true;
        } else if args.word_with_value("db") {
            number = database(cx, args.need()?)?;
        } else {
            return Err(SYNTAX);
        }
    }
    if number != 0 && cx.srv.cluster.is_some() {
        return Err(not_in_cluster("Copying to another database is"));
    }
    if number == cx.db && from == to {
        return Err(SAME_OBJECT);
    }
    if find_read(cx.srv, cx.db, from).is_none() {
        cx.reply.int(0);
        return Ok(());
    }
    if live_place(cx.srv, number, to).is_some() {
        if !replace {
            cx.reply.int(0);
            return Ok(());
        }
        delete_replaced(cx, number, to);
    }
    let lru = fresh(cx.srv);
    let entry = db(cx.srv, cx.db)
        .find(from)
        .map(|entry| Entry::new(to, entry.content(), entry.expire(), lru));
    if let Some(entry) = entry {
        // The destination was just found to be free.
        let _ = db_mut(cx.srv, number).insert(entry);
        created(cx.srv, number, to);
    }
    key_changed(cx.srv, number, to, 1, Event::Generic("copy_to"));
    cx.reply.int(1);
    Ok(())
}

fn randomkey(cx: &mut Ctx<'_>) -> Done {
    let mut kept = 0;
    loop {
        let keys = &mut cx.srv.keys;
        let Some(key) = keys.dbs[cx.db]
            .db
            .random(&mut keys.rng)
            .map(|entry| entry.key().to_vec())
        else {
            cx.reply.null();
            return Ok(());
        };
        let before = db(cx.srv, cx.db).len();
        if live_place(cx.srv, cx.db, &key).is_some() {
            cx.reply.bulk(&key);
            return Ok(());
        }
        // An expired key is deleted on the way, so the loop ends; a replica deletes none and may have only expired
        // keys.
        kept += usize::from(db(cx.srv, cx.db).len() == before);
        if kept == MAX_KEPT {
            cx.reply.bulk(&key);
            return Ok(());
        }
    }
}

fn dbsize(cx: &mut Ctx<'_>) -> Done {
    let keys = db(cx.srv, cx.db).len();
    cx.reply.int(keys as i64);
    Ok(())
}

fn flush_command(cx: &mut Ctx<'_>, number: Option<usize>) -> Done {
    let argv = cx.argv;
    let lazy = match argv.len() {
        1 => cx.srv.config.lazyfree_lazy_user_flush,
        2 if argv[1].eq_ignore_ascii_case(b"async") => true,
        2 if argv[1].eq_ignore_ascii_case(b"sync") => false,
        _ => return Err(SYNTAX),
    };
    let removed = flush(cx.srv, number, lazy);
    count_changes(cx.srv, removed as u64);
    // Propagated even if the database is empty: replicas may differ.
    cx.propagate = Propagate::Always;
    // When it was executed first, the snapshot was brought up to date.
    if number.is_none() && cx.caller.kind != Kind::Aof {
        all_flushed(cx.srv);
    }
    cx.reply.ok();
    Ok(())
}

fn swapdb(cx: &mut Ctx<'_>) -> Done {
    if cx.srv.cluster.is_some() {
        return Err(not_in_cluster("SWAPDB is"));
    }
    let argv = cx.argv;
    let first = database_number(&argv[1]).map_err(|_| Fault::new("ERR invalid first DB index"))?;
    let second =
        database_number(&argv[2]).map_err(|_| Fault::new("ERR invalid second DB index"))?;
    let count = cx.srv.keys.dbs.len();
    let valid = |n: i64| {
        usize::try_from(n)
            .ok()
            .filter(|&n| n < count)
            .ok_or(DB_INDEX)
    };
    let (first, second) = (valid(first)?, valid(second)?);
    if first != second {
        database_changes(cx.srv, first, Some(second));
        database_changes(cx.srv, second, Some(first));
        cx.srv.keys.dbs.swap(first, second);
        contents_replaced(cx.srv, first);
        contents_replaced(cx.srv, second);
    }
    count_changes(cx.srv, 1);
    cx.reply.ok();
    Ok(())
}
