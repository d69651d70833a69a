//! SPOP and SRANDMEMBER.

use std::mem;

use data::value::aggregate::Kind;
use data::value::set::Set;
use table::set as rows;

use crate::commands::Family;
use crate::commands::args::{DRAWS_PER_CHECK, random_count, take_count};
use crate::config::limits::set_limits;
use crate::feed::propagate::{also, as_deletion, instead, is_wanted};
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::drop_if_empty;
use crate::keyspace::free::free_aggregate;
use crate::keyspace::lookup::{read_mut, write};
use crate::server::{Ctx, Done, Propagate};
use crate::wire::fault::SYNTAX;

/// Rows and procs.
pub static PROCS: Family = &[(&rows::SPOP, spop), (&rows::SRANDMEMBER, srandmember)];

/// Maximum number of members per SREM that is propagated for SPOP.
const MEMBERS_PER_SREM: usize = 1024;

fn spop(cx: &mut Ctx<'_>) -> Done {
    match cx.argv.len() {
        2 => pop_one(cx),
        3 => pop_many(cx),
        _ => Err(SYNTAX),
    }
}

fn pop_one(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[1];
    let wanted = is_wanted(cx.srv);
    let mut rng = cx.srv.keys.rng.fork();
    let set = write::<Set>(cx.srv, cx.db, key)?;
    let mut member = Vec::new();
    let popped = set.and_then(|set| {
        set.pop(&mut rng, |popped| {
            cx.reply.item(popped);
            if wanted {
                member = popped.to_vec();
            }
        })
    });
    if popped.is_none() {
        cx.reply.null();
        return Ok(());
    }
    instead(cx, [b"SREM".as_slice(), key, &member]);
    key_changed(cx.srv, cx.db, key, 1, Event::Set("spop"));
    drop_if_empty(cx.srv, cx.db, key);
    Ok(())
}

fn pop_many(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let count = take_count(&argv[2])?;
    let limits = set_limits(&cx.srv.config);
    let lazy = cx.srv.config.lazyfree_lazy_server_del;
    let wanted = is_wanted(cx.srv);
    let mut rng = cx.srv.keys.rng.fork();
    let set = write::<Set>(cx.srv, cx.db, key)?;
    let Some(set) = set.filter(|_| count > 0) else {
        cx.reply.set(0);
        return Ok(());
    };
    let popped = count.min(set.len());
    cx.reply.set(popped);
    if popped == set.len() {
        let all = mem::take(set);
        all.iter().for_each(|member| cx.reply.item(member));
        free_aggregate(cx.srv, all.wrap(), lazy);
        as_deletion(cx, key, lazy);
    } else {
        let mut members = Vec::new();
        set.pop_many(count, &limits, &mut rng, |member| {
            cx.reply.item(member);
            if wanted {
                members.push(member.to_vec());
            }
        });
        propagate_removal(cx, key, &members);
    }
    key_changed(cx.srv, cx.db, key, popped as u64, Event::Set("spop"));
    drop_if_empty(cx.srv, cx.db, key);
    Ok(())
}

/// The chosen members are propagated by name, in commands of bounded size.
fn propagate_removal(cx: &mut Ctx<'_>, key: &[u8], members: &[Vec<u8>]) {
    cx.propagate = Propagate::Never;
    for some in members.chunks(MEMBERS_PER_SREM) {
        let args: Vec<&[u8]> = [b"SREM".as_slice(), key]
            .into_iter()
            .chain(some.iter().map(Vec::as_slice))
            .collect();
        also(cx.srv, cx.db, args.into_iter());
    }
}

fn srandmember(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let count = match argv.len() {
        2 => None,
        3 => Some(random_count(&argv[2])?),
        _ => return Err(SYNTAX),
    };
    let mut rng = cx.srv.keys.rng.fork();
    let set = read_mut::<Set>(cx.srv, cx.db, &argv[1])?;
    match (set.map(Set::continuing_resize), count) {
        (None, None) => cx.reply.null(),
        (None, Some(_)) => cx.reply.array(0),
        (Some(set), None) => {
            if let Some(member) = set.random(&mut rng) {
                cx.reply.item(member);
            }
        }
        (Some(set), Some(count @ 0..)) => {
            let count = set.len().min(count as usize);
            cx.reply.array(count);
            set.sample(count, &mut rng, |member| cx.reply.item(member));
        }
        (Some(set), Some(count)) => {
            let mut left = count.unsigned_abs() as usize;
            cx.reply.array(left);
            while left > 0 && !cx.reply.overflow {
                let draws = left.min(DRAWS_PER_CHECK);
                set.draw(draws, &mut rng, |member| cx.reply.item(member));
                left -= draws;
            }
        }
    }
    Ok(())
}
