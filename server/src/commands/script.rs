//! EVAL and its variants, and SCRIPT.

use table::scripting as rows;

use crate::commands::Family;
use crate::exec::observe::show;
use crate::script::debug::session;
use crate::script::debug::stop::trace;
use crate::script::kill::{Killer, kill};
use crate::script::{arguments, cache, memory, run};
use crate::server::{Ctx, Done};
use crate::state::scripts::cache::{Sha, digest_of};
use crate::state::scripts::run::{Name, Run};
use crate::wire::fault::{Fault, NOT_INTEGER};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::EVAL, eval),
    (&rows::EVAL_RO, eval_ro),
    (&rows::EVALSHA, evalsha),
    (&rows::EVALSHA_RO, evalsha_ro),
    (&rows::SCRIPT_DEBUG, debug),
    (&rows::SCRIPT_EXISTS, exists),
    (&rows::SCRIPT_FLUSH, flush),
    (&rows::SCRIPT_HELP, help),
    (&rows::SCRIPT_KILL, kill_script),
    (&rows::SCRIPT_LOAD, load),
];

fn eval(cx: &mut Ctx<'_>) -> Done {
    show(cx.srv, cx.caller, cx.cmd, cx.argv);
    by_source(cx, false)
}

fn eval_ro(cx: &mut Ctx<'_>) -> Done {
    show(cx.srv, cx.caller, cx.cmd, cx.argv);
    by_source(cx, true)
}

fn evalsha(cx: &mut Ctx<'_>) -> Done {
    show(cx.srv, cx.caller, cx.cmd, cx.argv);
    by_digest(cx, false)
}

fn evalsha_ro(cx: &mut Ctx<'_>) -> Done {
    show(cx.srv, cx.caller, cx.cmd, cx.argv);
    by_digest(cx, true)
}

fn by_source(cx: &mut Ctx<'_>, read_only: bool) -> Done {
    if let Some((conn, is_sync)) = session::wanted(cx) {
        return session::run(cx, conn, is_sync, |cx| evaluate(cx, read_only));
    }
    evaluate(cx, read_only)
}

fn evaluate(cx: &mut Ctx<'_>, read_only: bool) -> Done {
    let keys = arguments::count_keys(cx.argv, NOT_INTEGER)?;
    let source = &cx.argv[1];
    let sha = cache::digest(cx.srv, source);
    cache::add(cx.srv, sha, source)?;
    cx.srv.scripts.cache.remember(sha);
    execute(cx, sha, keys, read_only)
}

fn by_digest(cx: &mut Ctx<'_>, read_only: bool) -> Done {
    let missing = || Fault::new("NOSCRIPT No matching script. Please use EVAL.");
    let sha = digest_of(&cx.argv[1]).ok_or_else(missing)?;
    if session::wanted(cx).is_some() {
        return Err(Fault::new(
            "ERR Please use EVAL instead of EVALSHA for debugging",
        ));
    }
    let keys = arguments::count_keys(cx.argv, NOT_INTEGER)?;
    if cx.srv.scripts.cache.find(&sha).is_none() {
        return Err(missing());
    }
    execute(cx, sha, keys, read_only)
}

/// Runs a script of the cache.
fn execute(cx: &mut Ctx<'_>, sha: Sha, keys: usize, read_only: bool) -> Done {
    let cache = &mut cx.srv.scripts.cache;
    let (Some(script), true) = (cache.find(&sha), cache.lua.is_some()) else {
        return Err(Fault::new("ERR a script is being run"));
    };
    let flags = run::prepare(cx.srv, cx.caller, script.flags, read_only)?;
    let Some(mut lua) = cx.srv.scripts.cache.lua.take() else {
        return Ok(());
    };
    let this = Run::new(Name::Script(sha), cx.caller, flags);
    let argv = cx.argv;
    let is_debugged = cx.srv.scripts.debug.session.is_some();
    lua.set_trace(is_debugged.then_some(trace));
    run::run(cx, &mut lua, this, script.position, |stack| {
        arguments::set_globals(stack, argv, keys);
        0
    });
    let cache = &mut cx.srv.scripts.cache;
    memory::note(&mut lua, &mut cache.heap, &mut cache.runs);
    cache.lua = Some(lua);
    Ok(())
}

fn load(cx: &mut Ctx<'_>) -> Done {
    let source = &cx.argv[2];
    let sha = cache::digest(cx.srv, source);
    cache::add(cx.srv, sha, source)?;
    cx.reply.bulk(&sha);
    Ok(())
}

/// SCRIPT DEBUG YES|SYNC|NO
fn debug(cx: &mut Ctx<'_>) -> Done {
    let id = cx.caller.client;
    let is_pipelined = !cx.reply.out.is_empty()
        || (cx.srv.clients.get(id)).is_some_and(|client| !client.io.out.is_empty());
    if is_pipelined {
        return Err(Fault::new(
            "ERR SCRIPT DEBUG must be called outside a pipeline",
        ));
    }
    match cx.argv[2].to_ascii_lowercase().as_slice() {
        b"no" => session::disable(cx.srv, id),
        b"yes" => session::enable(cx.srv, id, false),
        b"sync" => session::enable(cx.srv, id, true),
        _ => return Err(Fault::new("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    }
    cx.reply.ok();
    Ok(())
}

fn exists(cx: &mut Ctx<'_>) -> Done {
    cx.reply.array(cx.argv.len() - 2);
    for text in cx.argv.iter().skip(2) {
        let found = digest_of(text).is_some_and(|sha| cx.srv.scripts.cache.has(&sha));
        cx.reply.int(i64::from(found));
    }
    Ok(())
}

fn flush(cx: &mut Ctx<'_>) -> Done {
    let bad = || Fault::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    let in_background = arguments::flushes_in_background(cx.srv, cx.argv).ok_or_else(bad)?;
    cache::flush(cx.srv, in_background);
    cx.reply.ok();
    Ok(())
}

fn kill_script(cx: &mut Ctx<'_>) -> Done {
    kill(cx, Killer::Script)
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DEBUG (YES|SYNC|NO)",
        "    Set the debug mode for subsequent scripts executed.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Return information about the existence of the scripts in the script cache.",
        "FLUSH [ASYNC|SYNC]",
        "    Flush the Lua scripts cache. Very dangerous on replicas.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the scripts cache.",
        "    * SYNC: Synchronously flush the scripts cache.",
        "KILL",
        "    Kill the currently executing Lua script.",
        "LOAD <script>",
        "    Load a script into the scripts cache without executing it.",
        "HELP",
        "    Print this help.",
    ]);
    Ok(())
}
