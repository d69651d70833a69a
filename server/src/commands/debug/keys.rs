//! DEBUG for keys and tables: fingerprints, how they are stored, and keys for tests.

use data::ds::table::TableStats;
use data::rdb::encoder::payload;
use data::value::aggregate::AggregateRef;
use data::value::db::Expire;
use data::value::digest;
use data::value::entry::EntryRef;
use data::value::list::List;
use data::value::{Encoding, NewValue, Scratch, Type};

use crate::commands::args::{int, take_count};
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::lookup::{db, db_mut, fresh, peek};
use crate::keyspace::notify::created;
use crate::keyspace::recency::idle_seconds;
use crate::report::layout;
use crate::server::{Ctx, Done};
use crate::sys::log::raw;
use crate::wire::fault::{Fault, NO_SUCH_KEY};

/// Bytes of a DUMP payload besides the value: its type and the footer.
const PAYLOAD_FRAME: usize = 11;

pub(super) fn digest_all(cx: &mut Ctx<'_>) -> Done {
    let dbs = cx.srv.keys.dbs.iter().map(|database| &database.db);
    cx.reply.status_bytes(&digest::of_all(dbs).hex());
    Ok(())
}

/// The entry of a key, even if it has expired.
fn stored<'a>(cx: &'a Ctx<'_>, key: &[u8]) -> Option<EntryRef<'a>> {
    let keys = db(cx.srv, cx.db);
    let place = keys.locate(keys.hash(key), key)?;
    Some(keys.at(place))
}

pub(super) fn digest_values(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    cx.reply.array(argv.len() - 2);
    for key in argv.iter().skip(2) {
        let entry = stored(cx, key);
        let digest = entry.map(digest::of_value).unwrap_or_default();
        cx.reply.status_bytes(&digest.hex());
    }
    Ok(())
}

pub(super) fn object(cx: &mut Ctx<'_>) -> Done {
    let entry = stored(cx, &cx.argv[2]).ok_or(NO_SUCH_KEY)?;
    let text = format!(
        "Value at:{:p} refcount:{} encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        entry.address(),
        entry.refcount(),
        entry.encoding().name(),
        payload(entry, true).len() - PAYLOAD_FRAME,
        entry.lru(),
        idle_seconds(entry.lru(), cx.now_ms)
    );
    cx.reply.status(&text);
    Ok(())
}

pub(super) fn sdslen(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[2];
    let entry = stored(cx, key).ok_or(NO_SUCH_KEY)?;
    if entry.ty() != Type::String || entry.encoding() == Encoding::Int {
        return Err(Fault::new("ERR Not an sds encoded string."));
    }
    let mut scratch = Scratch::default();
    let (len, room, bytes) = (
        entry.value().bytes(&mut scratch).len(),
        entry.room(),
        entry.memory(0),
    );
    let text = format!(
        "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {bytes}, val_sds_len:{len}, val_sds_avail:{room}, val_zmalloc: {bytes}",
        key.len()
    );
    cx.reply.status(&text);
    Ok(())
}

pub(super) fn populate(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let count = take_count(&argv[2])?;
    let prefix = if argv.len() > 3 { &argv[3] } else { b"key" };
    let size = if argv.len() > 4 {
        take_count(&argv[4])?
    } else {
        0
    };
    let lru = fresh(cx.srv);
    for number in 0..count {
        let key = [prefix, b":", number.to_string().as_bytes()].concat();
        if db(cx.srv, cx.db).find(&key).is_some() {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        created(cx.srv, cx.db, &key);
        db_mut(cx.srv, cx.db).set(&key, NewValue::encode(&value), Expire::Clear, lru);
        key_changed(cx.srv, cx.db, &key, 0, Event::Silent);
    }
    cx.reply.ok();
    Ok(())
}

pub(super) fn htstats(cx: &mut Ctx<'_>) -> Done {
    let number = int(&cx.argv[2])?;
    let number = usize::try_from(number)
        .ok()
        .filter(|&n| n < cx.srv.keys.dbs.len())
        .ok_or_else(|| Fault::new("ERR Out of range database"))?;
    let (keys, expires) = db(cx.srv, number).stats();
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}",
        table_text(&keys),
        table_text(&expires)
    );
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

pub(super) fn htstats_key(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[2];
    let entry = peek(cx.srv, cx.db, key).ok_or(NO_SUCH_KEY)?;
    let stats = match entry.aggregate() {
        Some(AggregateRef::Set(set)) => set.table_stats(),
        Some(AggregateRef::Hash(hash)) => hash.table_stats(),
        _ => None,
    };
    let stats = stats.ok_or_else(|| {
        Fault::new(
            "ERR The value stored at the specified key is not represented using an hash table",
        )
    })?;
    cx.reply.verbatim(b"txt", table_text(&stats).as_bytes());
    Ok(())
}

pub(super) fn listpack(cx: &mut Ctx<'_>) -> Done {
    let mut text = String::new();
    let entry = peek(cx.srv, cx.db, &cx.argv[2]).ok_or(NO_SUCH_KEY)?;
    let pack = entry.aggregate().and_then(layout::pack_of);
    let pack = pack.ok_or_else(|| Fault::new("ERR Not a listpack encoded object."))?;
    layout::listpack(&mut text, pack);
    raw(text.as_bytes());
    cx.reply.status("Listpack structure printed on stdout");
    Ok(())
}

pub(super) fn quicklist(cx: &mut Ctx<'_>) -> Done {
    let mut text = String::new();
    let full = cx.argv.iter().nth(3).is_some_and(|level| level != b"0");
    let entry = peek(cx.srv, cx.db, &cx.argv[2]).ok_or(NO_SUCH_KEY)?;
    let Some(AggregateRef::List(List::Quick(list))) = entry.aggregate() else {
        return Err(Fault::new("ERR Not a quicklist encoded object."));
    };
    layout::quicklist(&mut text, list, full);
    raw(text.as_bytes());
    cx.reply.status("Quicklist structure printed on stdout");
    Ok(())
}

fn table_text(stats: &TableStats) -> String {
    let mut text = format!(
        "Hash table 0 stats (main hash table):\n table size: {}\n number of elements: {}\n",
        stats.slots, stats.used
    );
    if stats.slots_to > 0 {
        text.push_str(&format!(
            "Hash table 1 stats (rehashing target):\n table size: {}\n",
            stats.slots_to
        ));
    }
    text.push_str(" Distance from the home line:\n");
    for (distance, count) in stats.distances.iter().enumerate() {
        text.push_str(&format!("   {distance}: {count}\n"));
    }
    text
}
