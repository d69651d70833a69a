//! Functions: FCALL, and FUNCTION, which manages their libraries.

use data::rdb::decoder::check_payload;
use data::rdb::library::{codes, payload};
use data::util::glob::matches;
use table::scripting as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::exec::observe::show;
use crate::keyspace::change::count_changes;
use crate::script::kill::{Killer, kill};
use crate::script::{arguments, library, memory, run};
use crate::server::{Ctx, Done};
use crate::state::scripts::flags::NAMES;
use crate::state::scripts::libraries::{Function, Libraries};
use crate::state::scripts::run::{Name, Run};
use crate::sys::clock;
use crate::wire::fault::{BUSY_SCRIPT, Fault, subcommand_syntax};
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::FCALL, fcall),
    (&rows::FCALL_RO, fcall_ro),
    (&rows::FUNCTION_DELETE, delete),
    (&rows::FUNCTION_DUMP, dump),
    (&rows::FUNCTION_FLUSH, flush),
    (&rows::FUNCTION_HELP, help),
    (&rows::FUNCTION_KILL, kill_function),
    (&rows::FUNCTION_LIST, list),
    (&rows::FUNCTION_LOAD, load),
    (&rows::FUNCTION_RESTORE, restore),
    (&rows::FUNCTION_STATS, stats),
];

fn fcall(cx: &mut Ctx<'_>) -> Done {
    execute(cx, false)
}

fn fcall_ro(cx: &mut Ctx<'_>) -> Done {
    execute(cx, true)
}

fn execute(cx: &mut Ctx<'_>, read_only: bool) -> Done {
    show(cx.srv, cx.caller, cx.cmd, cx.argv);
    let argv = cx.argv;
    let libraries = &mut cx.srv.scripts.libraries;
    let found = libraries.find(&argv[1]).cloned();
    let found = found.ok_or_else(|| Fault::new("ERR Function not found"))?;
    let bad = Fault::new("ERR Bad number of keys provided");
    let keys = arguments::count_keys(argv, bad)?;
    let flags = run::prepare(cx.srv, cx.caller, found.flags, read_only)?;
    let Some(mut lua) = cx.srv.scripts.libraries.lua.take() else {
        return Err(Fault::new("ERR a function is being run"));
    };
    cx.srv.scripts.command.copy_from(argv);
    let this = Run::new(Name::Function(found.name), cx.caller, flags);
    run::run(cx, &mut lua, this, found.position, |stack| {
        arguments::push_lists(stack, argv, keys);
        2
    });
    cx.srv.scripts.command.release();
    let libraries = &mut cx.srv.scripts.libraries;
    memory::note(&mut lua, &mut libraries.heap, &mut libraries.runs);
    libraries.lua = Some(lua);
    Ok(())
}

fn load(cx: &mut Ctx<'_>) -> Done {
    let mut args = Args::from(cx.argv, 2);
    let mut replace = false;
    while args.left() > 1 {
        if !args.word("replace") {
            let option = args.need()?;
            return Err(Fault::quoting(&[b"ERR Unknown option given: ", option]));
        }
        replace = true;
    }
    let code = args.need()?;
    let timeout_ms = (!cx.caller.obeyed).then_some(library::TIMEOUT_MS);
    let loaded = library::change(cx.srv, |srv, libraries| {
        library::load(srv, libraries, code, replace, timeout_ms)
    });
    let name = loaded.map_err(|message| library::fault(&message))?;
    count_changes(cx.srv, 1);
    cx.reply.bulk(&name);
    Ok(())
}

fn delete(cx: &mut Ctx<'_>) -> Done {
    if !library::delete(&mut cx.srv.scripts.libraries, &cx.argv[2]) {
        return Err(Fault::new("ERR Library not found"));
    }
    count_changes(cx.srv, 1);
    cx.reply.ok();
    Ok(())
}

fn flush(cx: &mut Ctx<'_>) -> Done {
    if cx.argv.len() > 3 {
        return Err(subcommand_syntax(&cx.argv[0], &cx.argv[1]));
    }
    let bad = || Fault::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    let in_background = arguments::flushes_in_background(cx.srv, cx.argv).ok_or_else(bad)?;
    library::replace_all(cx.srv, Libraries::default(), in_background);
    count_changes(cx.srv, 1);
    cx.reply.ok();
    Ok(())
}

fn list(cx: &mut Ctx<'_>) -> Done {
    let mut args = Args::from(cx.argv, 2);
    let (mut with_code, mut pattern) = (false, None);
    while !args.is_done() {
        if !with_code && args.word("withcode") {
            with_code = true;
        } else if pattern.is_none() && args.word("libraryname") {
            let text = "ERR library name argument was not given";
            pattern = Some(args.take().ok_or_else(|| Fault::new(text))?);
        } else {
            let argument = args.need()?;
            return Err(Fault::quoting(&[b"ERR Unknown argument ", argument]));
        }
    }
    let mark = cx.reply.defer();
    let mut count = 0;
    for (name, library) in cx.srv.scripts.libraries.iter() {
        if pattern.is_some_and(|pattern| !matches(pattern, name, true)) {
            continue;
        }
        count += 1;
        cx.reply.map(if with_code { 4 } else { 3 });
        cx.reply.bulk(b"library_name");
        cx.reply.bulk(name);
        cx.reply.bulk(b"engine");
        cx.reply.bulk(b"LUA");
        cx.reply.bulk(b"functions");
        cx.reply.array(library.functions.len());
        library
            .functions
            .iter()
            .for_each(|function| write_function(cx.reply, function));
        if with_code {
            cx.reply.bulk(b"library_code");
            cx.reply.bulk(&library.code);
        }
    }
    cx.reply.close_array(mark, count);
    Ok(())
}

fn write_function(reply: &mut Reply, function: &Function) {
    reply.map(3);
    reply.bulk(b"name");
    reply.bulk(&function.name);
    reply.bulk(b"description");
    match &function.description {
        Some(description) => reply.bulk(description),
        None => reply.null(),
    }
    reply.bulk(b"flags");
    let flags = || {
        NAMES
            .iter()
            .filter(|(_, flag)| function.flags.contains(*flag))
    };
    reply.set(flags().count());
    flags().for_each(|(name, _)| reply.status(name));
}

fn dump(cx: &mut Ctx<'_>) -> Done {
    let libraries = cx.srv.scripts.libraries.iter();
    let codes = libraries.map(|(_, library)| library.code.as_slice());
    cx.reply.bulk(&payload(codes, cx.srv.config.rdbcompression));
    Ok(())
}

/// What happens to the libraries that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Append,
    Replace,
    Flush,
}

fn restore(cx: &mut Ctx<'_>) -> Done {
    let policy = match cx.argv.len() {
        3 => Policy::Append,
        4 if cx.argv[3].eq_ignore_ascii_case(b"append") => Policy::Append,
        4 if cx.argv[3].eq_ignore_ascii_case(b"replace") => Policy::Replace,
        4 if cx.argv[3].eq_ignore_ascii_case(b"flush") => Policy::Flush,
        4 => {
            return Err(Fault::new(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
        _ => return Err(subcommand_syntax(&cx.argv[0], &cx.argv[1])),
    };
    let sums = !cx.srv.debug.skip_checksums;
    let body = check_payload(&cx.argv[2], sums)
        .map_err(|_| Fault::new("ERR DUMP payload version or checksum are wrong"))?;
    // Redis knows no limit here, so a payload can stop it for good.
    let timeout_ms = (!cx.caller.obeyed).then_some(library::TIMEOUT_MS);
    let mut new = Libraries::default();
    for code in codes(body) {
        let code = code.map_err(|message| library::fault(message.as_bytes()))?;
        library::load(cx.srv, &mut new, &code, false, timeout_ms)
            .map_err(|message| library::fault(&message))?;
    }
    if policy == Policy::Flush {
        library::replace_all(cx.srv, new, false);
    } else {
        let joined = library::change(cx.srv, |srv, libraries| {
            let replace = policy == Policy::Replace;
            library::join(srv, libraries, &new, replace)
        });
        joined.map_err(|message| library::fault(&message))?;
    }
    count_changes(cx.srv, 1);
    cx.reply.ok();
    Ok(())
}

fn kill_function(cx: &mut Ctx<'_>) -> Done {
    kill(cx, Killer::Function)
}

fn stats(cx: &mut Ctx<'_>) -> Done {
    let scripts = &cx.srv.scripts;
    if scripts.run.as_ref().is_some_and(Run::is_eval) {
        return Err(BUSY_SCRIPT);
    }
    cx.reply.map(2);
    cx.reply.bulk(b"running_script");
    match &scripts.run {
        None => cx.reply.null(),
        Some(run) => {
            cx.reply.map(3);
            cx.reply.bulk(b"name");
            cx.reply.bulk(run.name.bytes());
            cx.reply.bulk(b"command");
            cx.reply.array(scripts.command.len());
            scripts
                .command
                .iter()
                .for_each(|argument| cx.reply.bulk(argument));
            cx.reply.bulk(b"duration_ms");
            let elapsed_us = clock::monotonic_us().saturating_sub(run.started_us);
            cx.reply.int((elapsed_us / 1000) as i64);
        }
    }
    cx.reply.bulk(b"engines");
    cx.reply.map(1);
    cx.reply.bulk(b"LUA");
    cx.reply.map(2);
    cx.reply.bulk(b"libraries_count");
    cx.reply.int(scripts.libraries.len() as i64);
    cx.reply.bulk(b"functions_count");
    cx.reply.int(scripts.libraries.functions() as i64);
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&HELP);
    Ok(())
}

const HELP: [&str; 34] = [
    "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LOAD [REPLACE] <FUNCTION CODE>",
    "    Create a new library with the given library name and code.",
    "DELETE <LIBRARY NAME>",
    "    Delete the given library.",
    "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    "    Return general information on all the libraries:",
    "    * Library name",
    "    * The engine used to run the Library",
    "    * Library description",
    "    * Functions list",
    "    * Library code (if WITHCODE is given)",
    "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
    "STATS",
    "    Return information about the current function running:",
    "    * Function name",
    "    * Command used to run the function",
    "    * Duration in MS that the function is running",
    "    If no function is running, return nil",
    "    In addition, returns a list of available engines.",
    "KILL",
    "    Kill the current running function.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all the libraries.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the libraries.",
    "    * SYNC: Synchronously flush the libraries.",
    "DUMP",
    "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
    "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    "    Restore the libraries represented by the given payload; what happens to existing ones is up to the policy (default: APPEND).",
    "HELP",
    "    Print this help.",
];
