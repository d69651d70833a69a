//! Expiry: EXPIRE, TTL, PERSIST and their variants.

use data::util::num::{MAX_I64_DIGITS, write_i64};
use table::generic as rows;

use crate::commands::Family;
use crate::commands::args::{Args, int};
use crate::feed::propagate::{as_deletion, instead};
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::delete;
use crate::keyspace::expired::is_past;
use crate::keyspace::lookup::{db, db_mut, find_write, glance};
use crate::keyspace::store::{TimeUnit, unix_ms};
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, invalid_expire};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::EXPIRE, |cx| expire(cx, TimeUnit::Seconds)),
    (&rows::PEXPIRE, |cx| expire(cx, TimeUnit::Milliseconds)),
    (&rows::EXPIREAT, |cx| expire(cx, TimeUnit::UnixSeconds)),
    (&rows::PEXPIREAT, |cx| {
        expire(cx, TimeUnit::UnixMilliseconds)
    }),
    (&rows::TTL, |cx| {
        time_left(cx, |at_ms, now_ms| {
            (at_ms - now_ms).max(0).saturating_add(500) / 1000
        })
    }),
    (&rows::PTTL, |cx| {
        time_left(cx, |at_ms, now_ms| (at_ms - now_ms).max(0))
    }),
    (&rows::EXPIRETIME, |cx| {
        time_left(cx, |at_ms, _| at_ms.saturating_add(500) / 1000)
    }),
    (&rows::PEXPIRETIME, |cx| time_left(cx, |at_ms, _| at_ms)),
    (&rows::PERSIST, persist),
];

/// Conditions of EXPIRE.
#[derive(Default)]
struct Condition {
    /// NX: the key is not volatile.
    none: bool,
    /// XX: the key is volatile.
    some: bool,
    /// GT: the new expiry is later.
    later: bool,
    /// LT: the new expiry is earlier; a key without one never expires.
    earlier: bool,
}

fn parse_condition(mut args: Args<'_>) -> Result<Condition, Fault> {
    let mut condition = Condition::default();
    while let Some(option) = args.take() {
        let flag = match option.to_ascii_lowercase().as_slice() {
            b"nx" => &mut condition.none,
            b"xx" => &mut condition.some,
            b"gt" => &mut condition.later,
            b"lt" => &mut condition.earlier,
            _ => return Err(Fault::quoting(&[b"ERR Unsupported option ", option])),
        };
        *flag = true;
    }
    if condition.none && (condition.some || condition.later || condition.earlier) {
        return Err(Fault::new(
            "ERR NX and XX, GT or LT options at the same time are not compatible",
        ));
    }
    if condition.later && condition.earlier {
        return Err(Fault::new(
            "ERR GT and LT options at the same time are not compatible",
        ));
    }
    Ok(condition)
}

impl Condition {
    fn holds(&self, before: Option<i64>, at_ms: i64) -> bool {
        !(self.none && before.is_some()
            || self.some && before.is_none()
            || self.later && before.is_none_or(|before| at_ms <= before)
            || self.earlier && before.is_some_and(|before| at_ms >= before))
    }
}

fn expire(cx: &mut Ctx<'_>, unit: TimeUnit) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let condition = parse_condition(Args::from(argv, 3))?;
    let value = int(&argv[2])?;
    let at_ms =
        unix_ms(cx.now_ms, value, unit).ok_or_else(|| invalid_expire(table::full_name(cx.cmd)))?;
    if find_write(cx.srv, cx.db, key).is_none()
        || !condition.holds(db(cx.srv, cx.db).expire_of(key), at_ms)
    {
        cx.reply.int(0);
        return Ok(());
    }
    if is_past(cx.srv, at_ms, cx.now_ms) {
        let lazy = cx.srv.config.lazyfree_lazy_expire;
        delete(cx.srv, cx.db, key, lazy);
        as_deletion(cx, key, lazy);
    } else {
        db_mut(cx.srv, cx.db).set_expire(key, Some(at_ms));
        key_changed(cx.srv, cx.db, key, 1, Event::Generic("expire"));
        let mut digits = [0; MAX_I64_DIGITS];
        let others = argv.iter().skip(3);
        let at_ms = write_i64(at_ms, &mut digits);
        instead(
            cx,
            [b"PEXPIREAT".as_slice(), key, at_ms]
                .into_iter()
                .chain(others),
        );
    }
    cx.reply.int(1);
    Ok(())
}

fn time_left(cx: &mut Ctx<'_>, show: fn(i64, i64) -> i64) -> Done {
    let key = &cx.argv[1];
    let answer = match glance(cx.srv, cx.db, key) {
        None => -2,
        Some(entry) => entry.expire().map_or(-1, |at_ms| show(at_ms, cx.now_ms)),
    };
    cx.reply.int(answer);
    Ok(())
}

fn persist(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[1];
    let had_time = find_write(cx.srv, cx.db, key).is_some_and(|entry| entry.expire().is_some());
    if had_time {
        db_mut(cx.srv, cx.db).set_expire(key, None);
        key_changed(cx.srv, cx.db, key, 1, Event::Generic("persist"));
    }
    cx.reply.int(i64::from(had_time));
    Ok(())
}
