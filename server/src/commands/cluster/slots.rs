//! CLUSTER: assigning slots, and their keys.

use cluster::admin::{self, Change};
use cluster::setslot::set_slot;
use slot::{SLOTS, key_slot};
use table::cluster as rows;

use crate::commands::Family;
use crate::commands::args::int;
use crate::commands::cluster::{node, order_ok, rest};
use crate::keyspace::lookup::db;
use crate::server::{Ctx, Done};
use crate::wire::fault::Fault;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::CLUSTER_ADDSLOTS, add_slots),
    (&rows::CLUSTER_ADDSLOTSRANGE, add_ranges),
    (&rows::CLUSTER_DELSLOTS, delete_slots),
    (&rows::CLUSTER_DELSLOTSRANGE, delete_ranges),
    (&rows::CLUSTER_FLUSHSLOTS, flush_slots),
    (&rows::CLUSTER_SETSLOT, set),
    (&rows::CLUSTER_COUNTKEYSINSLOT, count_keys),
    (&rows::CLUSTER_GETKEYSINSLOT, get_keys),
    (&rows::CLUSTER_KEYSLOT, slot_of_key),
];

fn add_slots(cx: &mut Ctx<'_>) -> Done {
    let slots = rest(cx, 2);
    order_ok(cx, |core, facts| {
        admin::change_slots(core, facts, Change::Add, &slots)
    })
}

fn add_ranges(cx: &mut Ctx<'_>) -> Done {
    change_ranges(cx, Change::Add)
}

fn delete_slots(cx: &mut Ctx<'_>) -> Done {
    let slots = rest(cx, 2);
    order_ok(cx, |core, facts| {
        admin::change_slots(core, facts, Change::Delete, &slots)
    })
}

fn delete_ranges(cx: &mut Ctx<'_>) -> Done {
    change_ranges(cx, Change::Delete)
}

fn change_ranges(cx: &mut Ctx<'_>, change: Change) -> Done {
    node(cx)?;
    let slots = rest(cx, 2);
    if !slots.len().is_multiple_of(2) {
        return Err(crate::wire::fault::arity(table::full_name(cx.cmd)));
    }
    order_ok(cx, |core, facts| {
        admin::change_ranges(core, facts, change, &slots)
    })
}

fn flush_slots(cx: &mut Ctx<'_>) -> Done {
    let keys = db(cx.srv, 0).len();
    order_ok(cx, |core, facts| admin::flush_slots(core, facts, keys))
}

fn set(cx: &mut Ctx<'_>) -> Done {
    let args = rest(cx, 2);
    // An invalid slot is refused, but not before what Redis checks first.
    let slot = admin::parse_slot(args[0]);
    let keys = slot.map_or(0, |slot| db(cx.srv, 0).slot_len(slot));
    order_ok(cx, |core, facts| set_slot(core, facts, &args, keys))
}

fn slot_of_key(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    cx.reply.int(i64::from(key_slot(&cx.argv[2])));
    Ok(())
}

fn slot(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|slot| *slot < SLOTS)
}

fn count_keys(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    let slot = slot(int(&cx.argv[2])?).ok_or_else(|| Fault::new("ERR Invalid slot"))?;
    cx.reply.int(db(cx.srv, 0).slot_len(slot) as i64);
    Ok(())
}

fn get_keys(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    let (wanted, max) = (slot(int(&cx.argv[2])?), int(&cx.argv[3])?);
    let (Some(slot), Ok(max)) = (wanted, usize::try_from(max)) else {
        return Err(Fault::new("ERR Invalid slot or number of keys"));
    };
    let db = db(cx.srv, 0);
    cx.reply.array(db.slot_len(slot).min(max));
    for key in db.slot_keys(slot).take(max) {
        cx.reply.bulk(key);
    }
    Ok(())
}
