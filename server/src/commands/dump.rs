//! Serialized values: DUMP and RESTORE.

use data::rdb::decoder::{check_payload, read_payload};
use data::rdb::encoder::payload;
use data::rdb::value::Options;
use data::rdb::{Depth, shallow};
use data::util::num::{MAX_I64_DIGITS, write_i64};
use data::value::NewValue;
use data::value::aggregate::Kind;
use data::value::entry::Entry;
use table::generic as rows;
use table::server;

use crate::commands::Family;
use crate::commands::args::{Args, int};
use crate::config::limits::rdb_options;
use crate::config::values::SanitizeDumpPayload;
use crate::feed::propagate::{as_deletion, instead};
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::expired::is_past;
use crate::keyspace::free::free_entry;
use crate::keyspace::lookup::{db_mut, find_read, fresh, live_place};
use crate::keyspace::notify::created;
use crate::keyspace::recency::{frequency_of, idle_since};
use crate::report::bug;
use crate::server::{Ctx, Done};
use crate::verbose;
use crate::wire::fault::{BUSY_KEY, Fault, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::DUMP, dump),
    (&rows::RESTORE, restore),
    (&server::RESTORE_ASKING, restore),
];

fn dump(cx: &mut Ctx<'_>) -> Done {
    let compress = cx.srv.config.rdbcompression;
    match find_read(cx.srv, cx.db, &cx.argv[1]) {
        Some(entry) => cx.reply.bulk(&payload(entry, compress)),
        None => cx.reply.null(),
    }
    Ok(())
}

/// Options of RESTORE.
#[derive(Default)]
struct RestoreOptions {
    replace: bool,
    absolute: bool,
    idle: Option<i64>,
    frequency: Option<i64>,
}

fn parse(mut args: Args<'_>) -> Result<RestoreOptions, Fault> {
    let mut options = RestoreOptions::default();
    while !args.is_done() {
        if args.word("replace") {
            options.replace = true;
        } else if args.word("absttl") {
            options.absolute = true;
        } else if options.frequency.is_none() && args.word_with_value("idletime") {
            let idle = args.int()?;
            if idle < 0 {
                return Err(Fault::new("ERR Invalid IDLETIME value, must be >= 0"));
            }
            options.idle = Some(idle);
        } else if options.idle.is_none() && args.word_with_value("freq") {
            let frequency = args.int()?;
            if !(0..=255).contains(&frequency) {
                return Err(Fault::new(
                    "ERR Invalid FREQ value, must be >= 0 and <= 255",
                ));
            }
            options.frequency = Some(frequency);
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(options)
}

/// Whether `sanitize-dump-payload` requires a full check for this caller.
fn is_sanitized(cx: &Ctx<'_>) -> bool {
    match cx.srv.config.sanitize_dump_payload {
        SanitizeDumpPayload::No => false,
        SanitizeDumpPayload::Yes => true,
        SanitizeDumpPayload::Clients => {
            let user = cx.srv.acl.get(cx.caller.session.user);
            !cx.caller.obeyed && !user.is_some_and(|user| user.skips_sanitizing)
        }
    }
}

/// The value of a payload. A payload that only a full check would refuse, and that needs none, is stored as damaged
/// and reported as Redis reports it when it aborts.
fn value_of(cx: &Ctx<'_>, key: &[u8], body: &[u8]) -> Result<NewValue<'static>, Fault> {
    let bad = || Fault::new("ERR Bad data format");
    let lax = !is_sanitized(cx);
    let lists = cx.srv.debug.list_limits(&cx.srv.config);
    let options = Options {
        twice: lax,
        ..rdb_options(&cx.srv.config, lists)
    };
    let corrupt = match read_payload(body, &options) {
        Ok(value) => return value.ok_or_else(bad),
        Err(corrupt) => corrupt,
    };
    let kept = (lax && corrupt.depth != Depth::Frame).then(|| shallow::read(body));
    match kept.flatten() {
        Some(damaged) => {
            bug::report(&cx.argv[0], key, &damaged, &corrupt);
            Ok(damaged.wrap().into())
        }
        None => {
            verbose!("Internal error in RDB reading offset 0 -> {corrupt}");
            Err(bad())
        }
    }
}

fn restore(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let options = parse(Args::from(argv, 4))?;
    if !options.replace && live_place(cx.srv, cx.db, key).is_some() {
        return Err(BUSY_KEY);
    }
    let ttl = int(&argv[2])?;
    if ttl < 0 {
        return Err(Fault::new("ERR Invalid TTL value, must be >= 0"));
    }
    let body = check_payload(&argv[3], !cx.srv.debug.skip_checksums)
        .map_err(|_| Fault::new("ERR DUMP payload version or checksum are wrong"))?;
    let value = value_of(cx, key, body)?;
    let replaced = db_mut(cx.srv, cx.db).remove(key);
    let was_there = replaced.is_some();
    if let Some(entry) = replaced {
        free_entry(cx.srv, entry, cx.srv.config.lazyfree_lazy_server_del);
    }
    let at_ms = match ttl {
        0 => None,
        at_ms if options.absolute => Some(at_ms),
        ttl => Some(cx.now_ms.saturating_add(ttl)),
    };
    if at_ms.is_some_and(|at_ms| is_past(cx.srv, at_ms, cx.now_ms)) {
        if was_there {
            as_deletion(cx, key, cx.srv.config.lazyfree_lazy_server_del);
            key_changed(cx.srv, cx.db, key, 1, Event::Generic("del"));
        }
        cx.reply.ok();
        return Ok(());
    }
    if let Some(at_ms) = at_ms.filter(|_| !options.absolute) {
        let mut digits = [0; MAX_I64_DIGITS];
        let at_ms = write_i64(at_ms, &mut digits);
        let others = argv.iter().skip(3).chain([b"ABSTTL".as_slice()]);
        instead(cx, [&argv[0], key, at_ms].into_iter().chain(others));
    }
    let lru = match (options.idle, options.frequency) {
        (Some(idle), _) => idle_since(&cx.srv.config, idle, cx.now_ms),
        (_, Some(frequency)) => frequency_of(&cx.srv.config, frequency, cx.now_ms),
        _ => None,
    };
    let lru = lru.unwrap_or_else(|| fresh(cx.srv));
    // The old value under the key is gone by now.
    let _ = db_mut(cx.srv, cx.db).insert(Entry::new(key, value, at_ms, lru));
    created(cx.srv, cx.db, key);
    key_changed(cx.srv, cx.db, key, 1, Event::Generic("restore"));
    cx.reply.ok();
    Ok(())
}
