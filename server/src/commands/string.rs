//! SET and its older forms, GET and its variants, MSET, STRLEN.

use data::util::num::{MAX_I64_DIGITS, write_i64};
use data::value::db::Expire;
use data::value::{Type, ValueRef};
use table::string as rows;

use crate::commands::Family;
use crate::commands::args::{Args, int};
use crate::feed::propagate::{as_deletion, instead};
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::delete;
use crate::keyspace::expired::is_past;
use crate::keyspace::lookup::{db_mut, find_read, find_read_each, live_place, need_string};
use crate::keyspace::store::{TimeUnit, expire_at, store, value_of};
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, SYNTAX, arity};
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SET, set),
    (&rows::SETEX, setex),
    (&rows::PSETEX, psetex),
    (&rows::SETNX, setnx),
    (&rows::GETSET, getset),
    (&rows::GET, get),
    (&rows::GETEX, getex),
    (&rows::GETDEL, getdel),
    (&rows::MGET, mget),
    (&rows::MSET, mset),
    (&rows::MSETNX, msetnx),
    (&rows::STRLEN, strlen),
];

/// Replies with a string value; a big one is not copied.
fn reply_value(reply: &mut Reply, value: &ValueRef<'_>) {
    match value {
        ValueRef::Bytes(bytes) => reply.bulk(bytes),
        ValueRef::Int(n) => reply.bulk_int(*n),
        ValueRef::Shared(buffer) => reply.bulk_shared(buffer),
    }
}

/// The reply of GET: the string or null; whether there was a string.
fn reply_string(cx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, Fault> {
    match find_read(cx.srv, cx.db, key) {
        None => {
            cx.reply.null();
            Ok(false)
        }
        Some(entry) => {
            reply_value(cx.reply, &need_string(entry)?.value());
            Ok(true)
        }
    }
}

fn get(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    reply_string(cx, &argv[1])?;
    Ok(())
}

/// Options of SET.
#[derive(Default)]
struct SetOptions<'a> {
    only_new: bool,
    only_existing: bool,
    get: bool,
    keep_ttl: bool,
    expire: Option<(&'a [u8], TimeUnit)>,
}

fn parse_set<'a>(mut args: Args<'a>) -> Result<SetOptions<'a>, Fault> {
    let mut options = SetOptions::default();
    while let Some(option) = args.take() {
        if let Some(unit) = TimeUnit::of_option(option) {
            // The same option may be repeated; the last one counts.
            let differs = options.expire.is_some_and(|(_, given)| given != unit);
            if options.keep_ttl || differs {
                return Err(SYNTAX);
            }
            options.expire = Some((args.need()?, unit));
            continue;
        }
        let (flag, excluded) = match option.to_ascii_lowercase().as_slice() {
            b"nx" => (&mut options.only_new, options.only_existing),
            b"xx" => (&mut options.only_existing, options.only_new),
            b"get" => (&mut options.get, false),
            b"keepttl" => (&mut options.keep_ttl, options.expire.is_some()),
            _ => return Err(SYNTAX),
        };
        if excluded {
            return Err(SYNTAX);
        }
        *flag = true;
    }
    Ok(options)
}

fn set(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    if argv.len() == 3 {
        // The plain form does not need the old value.
        set_plain(cx, key);
        cx.reply.ok();
        return Ok(());
    }
    let options = parse_set(Args::from(argv, 3))?;
    let expire = match options.expire {
        Some((value, unit)) => Expire::At(expire_at(cx, int(value)?, unit)?),
        None if options.keep_ttl => Expire::Keep,
        None => Expire::Clear,
    };
    if options.get {
        reply_string(cx, key)?;
    }
    if options.only_new || options.only_existing {
        let exists = live_place(cx.srv, cx.db, key).is_some();
        if exists != options.only_existing {
            if !options.get {
                cx.reply.null();
            }
            return Ok(());
        }
    } else if expire == Expire::Keep {
        // An expired key has no expiry to keep.
        live_place(cx.srv, cx.db, key);
    }
    let value = value_of(cx, 2);
    store(cx.srv, cx.db, key, value, expire);
    key_changed(cx.srv, cx.db, key, 1, Event::String("set"));
    if let Expire::At(at_ms) = expire {
        key_changed(cx.srv, cx.db, key, 0, Event::Generic("expire"));
        let absolute = options
            .expire
            .is_some_and(|(_, unit)| unit == TimeUnit::UnixMilliseconds);
        if !absolute {
            set_until(cx, &argv[2], at_ms);
        }
    } else if options.get {
        let is_get = |arg: &&[u8]| arg.eq_ignore_ascii_case(b"get");
        instead(
            cx,
            argv.iter()
                .take(3)
                .chain(argv.iter().skip(3).filter(|arg| !is_get(arg))),
        );
    }
    if !options.get {
        cx.reply.ok();
    }
    Ok(())
}

/// A SET with an expiry is propagated with an absolute time, so that only this server's clock decides.
fn set_until(cx: &mut Ctx<'_>, value: &[u8], at_ms: i64) {
    let mut digits = [0; MAX_I64_DIGITS];
    let at_ms = write_i64(at_ms, &mut digits);
    let key = &cx.argv[1];
    instead(cx, [b"SET".as_slice(), key, value, b"PXAT", at_ms]);
}

#[inline]
fn set_plain(cx: &mut Ctx<'_>, key: &[u8]) {
    let value = value_of(cx, 2);
    store(cx.srv, cx.db, key, value, Expire::Clear);
    key_changed(cx.srv, cx.db, key, 1, Event::String("set"));
}

fn set_with_time(cx: &mut Ctx<'_>, unit: TimeUnit) -> Done {
    let argv = cx.argv;
    let at_ms = expire_at(cx, int(&argv[2])?, unit)?;
    let value = value_of(cx, 3);
    store(cx.srv, cx.db, &argv[1], value, Expire::At(at_ms));
    key_changed(cx.srv, cx.db, &argv[1], 1, Event::String("set"));
    key_changed(cx.srv, cx.db, &argv[1], 0, Event::Generic("expire"));
    set_until(cx, &argv[3], at_ms);
    cx.reply.ok();
    Ok(())
}

fn setex(cx: &mut Ctx<'_>) -> Done {
    set_with_time(cx, TimeUnit::Seconds)
}

fn psetex(cx: &mut Ctx<'_>) -> Done {
    set_with_time(cx, TimeUnit::Milliseconds)
}

fn setnx(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let exists = live_place(cx.srv, cx.db, &argv[1]).is_some();
    if !exists {
        set_plain(cx, &argv[1]);
    }
    cx.reply.int(i64::from(!exists));
    Ok(())
}

fn getset(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    reply_string(cx, &argv[1])?;
    set_plain(cx, &argv[1]);
    instead(cx, [b"SET".as_slice(), &argv[1], &argv[2]]);
    Ok(())
}

/// What GETEX does to the expiry.
enum NewTime<'a> {
    Keep,
    Persist,
    At(&'a [u8], TimeUnit),
}

fn parse_getex<'a>(mut args: Args<'a>) -> Result<NewTime<'a>, Fault> {
    let mut time = NewTime::Keep;
    while let Some(option) = args.take() {
        let is_persist = option.eq_ignore_ascii_case(b"persist");
        // The same option may be repeated; the last one counts.
        time = match (TimeUnit::of_option(option), time) {
            (Some(unit), NewTime::Keep) => NewTime::At(args.need()?, unit),
            (Some(unit), NewTime::At(_, given)) if given == unit => NewTime::At(args.need()?, unit),
            (None, NewTime::Keep | NewTime::Persist) if is_persist => NewTime::Persist,
            _ => return Err(SYNTAX),
        };
    }
    Ok(time)
}

fn getex(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let time = parse_getex(Args::from(argv, 2))?;
    if !reply_string(cx, key)? {
        return Ok(());
    }
    match time {
        NewTime::Keep => {}
        NewTime::Persist => {
            let had_time = db_mut(cx.srv, cx.db).expire_of(key).is_some();
            if had_time {
                db_mut(cx.srv, cx.db).set_expire(key, None);
                key_changed(cx.srv, cx.db, key, 1, Event::Generic("persist"));
                instead(cx, [b"PERSIST".as_slice(), key]);
            }
        }
        NewTime::At(value, unit) => {
            let at_ms = expire_at(cx, int(value)?, unit)?;
            if is_past(cx.srv, at_ms, cx.now_ms) {
                let lazy = cx.srv.config.lazyfree_lazy_expire;
                delete(cx.srv, cx.db, key, lazy);
                as_deletion(cx, key, lazy);
            } else {
                db_mut(cx.srv, cx.db).set_expire(key, Some(at_ms));
                key_changed(cx.srv, cx.db, key, 1, Event::Generic("expire"));
                let mut digits = [0; MAX_I64_DIGITS];
                let at_ms = write_i64(at_ms, &mut digits);
                instead(cx, [b"PEXPIREAT".as_slice(), key, at_ms]);
            }
        }
    }
    Ok(())
}

fn getdel(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    if reply_string(cx, &argv[1])? {
        delete(
            cx.srv,
            cx.db,
            &argv[1],
            cx.srv.config.lazyfree_lazy_user_del,
        );
        as_deletion(cx, &argv[1], false);
    }
    Ok(())
}

fn mget(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    cx.reply.array(argv.len() - 1);
    let reply = &mut *cx.reply;
    find_read_each(cx.srv, cx.db, argv.iter().skip(1), |entry| match entry {
        Some(entry) if entry.ty() == Type::String => reply_value(reply, &entry.value()),
        _ => reply.null(),
    });
    Ok(())
}

fn set_all(cx: &mut Ctx<'_>) {
    let argv = cx.argv;
    for i in (1..argv.len()).step_by(2) {
        let value = value_of(cx, i + 1);
        store(cx.srv, cx.db, &argv[i], value, Expire::Clear);
        key_changed(cx.srv, cx.db, &argv[i], 1, Event::String("set"));
    }
}

fn mset(cx: &mut Ctx<'_>) -> Done {
    if cx.argv.len().is_multiple_of(2) {
        return Err(arity("mset"));
    }
    set_all(cx);
    cx.reply.ok();
    Ok(())
}

fn msetnx(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    if argv.len().is_multiple_of(2) {
        return Err(arity("msetnx"));
    }
    let exists = argv
        .iter()
        .skip(1)
        .step_by(2)
        .any(|key| live_place(cx.srv, cx.db, key).is_some());
    if !exists {
        set_all(cx);
    }
    cx.reply.int(i64::from(!exists));
    Ok(())
}

fn strlen(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let len = match find_read(cx.srv, cx.db, &argv[1]) {
        Some(entry) => need_string(entry)?.value().len(),
        None => 0,
    };
    cx.reply.int(len as i64);
    Ok(())
}
