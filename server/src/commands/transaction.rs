//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use table::transactions as rows;

use crate::commands::Family;
use crate::exec::transaction::execute;
use crate::server::{Ctx, Done};
use crate::session::transaction::{begin, is_dirty, show_executing, take, unwatch, watch};
use crate::wire::fault::{EXECABORT, Fault};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::MULTI, multi),
    (&rows::EXEC, exec),
    (&rows::DISCARD, discard),
    (&rows::WATCH, watch_keys),
    (&rows::UNWATCH, unwatch_all),
];

fn multi(cx: &mut Ctx<'_>) -> Done {
    let id = cx.caller.client;
    if !cx.srv.clients.get_mut(id).is_some_and(begin) {
        return Err(Fault::new("ERR MULTI calls can not be nested"));
    }
    cx.reply.ok();
    Ok(())
}

fn in_multi(cx: &Ctx<'_>) -> bool {
    let client = cx.srv.clients.get(cx.caller.client);
    client.is_some_and(|client| client.multi.is_some())
}

fn exec(cx: &mut Ctx<'_>) -> Done {
    if !in_multi(cx) {
        return Err(Fault::new("ERR EXEC without MULTI"));
    }
    let id = cx.caller.client;
    let dirty = is_dirty(cx.srv, id);
    let Some(multi) = take(&mut cx.srv.watch, &mut cx.srv.clients, id) else {
        return Ok(());
    };
    if multi.aborted {
        return Err(EXECABORT);
    }
    if dirty {
        cx.reply.null_array();
        return Ok(());
    }
    show_executing(cx.srv, id, Some(&multi));
    execute(cx, &multi);
    show_executing(cx.srv, id, None);
    Ok(())
}

fn discard(cx: &mut Ctx<'_>) -> Done {
    if !in_multi(cx) {
        return Err(Fault::new("ERR DISCARD without MULTI"));
    }
    let id = cx.caller.client;
    take(&mut cx.srv.watch, &mut cx.srv.clients, id);
    cx.reply.ok();
    Ok(())
}

fn watch_keys(cx: &mut Ctx<'_>) -> Done {
    if in_multi(cx) {
        return Err(Fault::new("ERR WATCH inside MULTI is not allowed"));
    }
    let (argv, id) = (cx.argv, cx.caller.client);
    // A transaction that will fail needs no further watches.
    let dirty = cx
        .srv
        .clients
        .get(id)
        .is_some_and(|client| client.dirty_cas);
    if !dirty {
        argv.iter()
            .skip(1)
            .for_each(|key| watch(cx.srv, id, cx.db, key));
    }
    cx.reply.ok();
    Ok(())
}

fn unwatch_all(cx: &mut Ctx<'_>) -> Done {
    let id = cx.caller.client;
    unwatch(cx.srv, id);
    cx.reply.ok();
    Ok(())
}
