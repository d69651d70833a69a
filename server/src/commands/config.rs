//! CONFIG: reading, changing and rewriting the configuration at run time.
//!
//! A CONFIG SET of several directives is one change: all values are parsed into a copy, which then replaces the
//! current values; then each effect is applied once, in the order of the directives. If one fails, the old values and
//! their effects are restored. The TLS context is not loaded again but put back as it was: its files may have changed
//! since it was loaded.

use std::env::set_current_dir;
use std::path::Path;

use data::util::glob;
use table::server as rows;

use crate::cluster::start::configure;
use crate::commands::Family;
use crate::config::rewrite::rewrite;
use crate::config::row::{Effect, Flags, Row};
use crate::config::table::{Named, find, names};
use crate::egress::account::account_all;
use crate::egress::invalidate::note_overflow;
use crate::exec::gate::allowed;
use crate::exec::observe::{thresholds_changed, trim_slow_log};
use crate::house::start::{adjust_oom_score, make_room, set_watchdog};
use crate::house::users::{config_lines, set_default_password};
use crate::house::{certificates, crash};
use crate::ingress::listen::reopen;
use crate::keyspace::evict::limit_changed;
use crate::persist::aof::rewrite::delete_history;
use crate::persist::aof::switch;
use crate::report::title::set_title;
use crate::server::{Ctx, Done, Server};
use crate::state::caller;
use crate::state::listeners::Kind;
use crate::state::networks::Networks;
use crate::sys::host::{self, reason};
use crate::sys::{log, memory};
use crate::wire::fault::{Fault, LOADING, SYNTAX};
use crate::{notice, warning};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::CONFIG_GET, get),
    (&rows::CONFIG_SET, set),
    (&rows::CONFIG_RESETSTAT, resetstat),
    (&rows::CONFIG_REWRITE, rewrite_file),
    (&rows::CONFIG_HELP, help),
];

fn get(cx: &mut Ctx<'_>) -> Done {
    let all = names();
    let mut found: Vec<(&[u8], &Row)> = Vec::new();
    for at in 2..cx.argv.len() {
        let pattern = &cx.argv[at];
        let mut add = |name, row| {
            if !found
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                found.push((name, row));
            }
        };
        if pattern.iter().any(|byte| b"*?[".contains(byte)) {
            let shown = all
                .iter()
                .filter(|named| !named.row.flags.contains(Flags::HIDDEN));
            let fitting = shown.filter(|named| glob::matches(pattern, named.name.as_bytes(), true));
            fitting.for_each(|named| add(named.name.as_bytes(), named.row));
        } else if let Some(named) = find(pattern) {
            add(pattern, named.row);
        }
    }
    cx.reply.map(found.len());
    for (name, row) in found {
        cx.reply.bulk(name);
        cx.reply.bulk(&row.get(&cx.srv.config));
    }
    Ok(())
}

/// A directive and its new value.
struct Change<'a> {
    named: Named,
    value: &'a [u8],
}

fn set(cx: &mut Ctx<'_>) -> Done {
    if !cx.argv.len().is_multiple_of(2) {
        return Err(SYNTAX);
    }
    let changes = changes(cx)?;
    apply_all(
        cx.srv,
        &changes,
        cx.caller.kind == caller::Kind::Transaction,
    )?;
    cx.reply.ok();
    Ok(())
}

/// The directives to be set; the first one that may not be set is an error.
fn changes<'a>(cx: &Ctx<'a>) -> Result<Vec<Change<'a>>, Fault> {
    let client = cx.srv.clients.get(cx.caller.client);
    let allow = cx.srv.config.enable_protected_configs;
    let may_protected = client.is_some_and(|client| allowed(cx.srv, client, allow));
    let mut changes: Vec<Change<'a>> = Vec::new();
    for at in (2..cx.argv.len()).step_by(2) {
        let (name, value) = (&cx.argv[at], &cx.argv[at + 1]);
        let Some(named) = find(name) else {
            let text = [
                b"ERR Unknown option or number of arguments for CONFIG SET - '",
                name,
                b"'",
            ];
            return Err(Fault::quoting(&text));
        };
        let flags = named.row.flags;
        if flags.contains(Flags::IMMUTABLE) {
            return Err(failed(name, "can't set immutable config"));
        }
        if flags.contains(Flags::PROTECTED) && !may_protected {
            return Err(failed(name, "can't set protected config"));
        }
        if flags.contains(Flags::DENY_LOADING) && cx.srv.snapshot.loading.is_some() {
            return Err(LOADING);
        }
        if changes.iter().any(|change| change.named.name == named.name) {
            return Err(failed(name, "duplicate parameter"));
        }
        changes.push(Change { named, value });
    }
    Ok(changes)
}

fn failed(name: &[u8], why: &str) -> Fault {
    let text = [
        b"ERR CONFIG SET failed (possibly related to argument '",
        name,
        b"') - ",
        why.as_bytes(),
    ];
    Fault::quoting(&text)
}

fn apply_all(srv: &mut Server, changes: &[Change<'_>], in_transaction: bool) -> Done {
    let mut new = srv.config.clone();
    // Effects to be applied, each with the first directive that caused it.
    let mut due: Vec<(Effect, &'static str)> = Vec::new();
    for Change {
        named: Named { name, row },
        value,
    } in changes
    {
        let before = row.get(&new);
        row.set_text(&mut new, value)
            .map_err(|why| failed(name.as_bytes(), &why))?;
        if !row.flags.contains(Flags::VOLATILE) && row.get(&new) == before {
            continue;
        }
        for effect in row.effects {
            if !due.iter().any(|(known, _)| known == effect) {
                due.push((*effect, name));
            }
        }
    }
    new.normalize();
    let context = srv.tls.context.clone();
    let old = std::mem::replace(&mut srv.config, new);
    for (at, (effect, name)) in due.iter().enumerate() {
        if let Err(why) = apply(srv, *effect, in_transaction) {
            warning!(
                "Failed applying new configuration. Possibly related to new {name} setting. Restoring previous settings."
            );
            srv.config = old;
            srv.tls.context = context;
            certificates::watch(srv);
            restore(srv, &due[..=at], in_transaction);
            return Err(failed(name.as_bytes(), &why));
        }
    }
    configure(srv);
    Ok(())
}

/// Restores the effects of the old values up to the one that failed.
fn restore(srv: &mut Server, done: &[(Effect, &'static str)], in_transaction: bool) {
    for (effect, _) in done {
        if *effect == Effect::Tls {
            continue;
        }
        if let Err(why) = apply(srv, *effect, in_transaction) {
            warning!("Failed applying restored failed CONFIG SET command: {why}");
        }
    }
}

/// Applies one effect. A failure is logged, and the previous state kept.
fn apply(srv: &mut Server, effect: Effect, in_transaction: bool) -> Result<(), String> {
    match effect {
        Effect::Port => listen(
            srv,
            &[Kind::Tcp],
            "Unable to listen on this port. Check server logs.",
        )?,
        Effect::TlsPort => listen(
            srv,
            &[Kind::Tls],
            "Unable to listen on this port. Check server logs.",
        )?,
        Effect::Bind => listen(
            srv,
            &[Kind::Tcp, Kind::Tls],
            "Failed to bind to specified addresses.",
        )?,
        Effect::Tls => load_certificates(srv)?,
        Effect::Maxclients => make_room(srv)?,
        Effect::LogLevel => log::set_threshold(srv.config.loglevel),
        Effect::OomScore => adjust_oom_score(srv)?,
        Effect::ProcTitle => set_title(srv, &srv.process.executable),
        Effect::Dir => set_current_dir(&srv.config.dir).map_err(|error| reason(&error))?,
        Effect::AllocatorThread => memory::set_background_thread(srv.config.jemalloc_bg_thread),
        Effect::Locale if host::set_collation(&srv.config.locale_collate) => {}
        Effect::Locale => return Err("Invalid locale name".into()),
        Effect::Watchdog => set_watchdog(srv),
        Effect::CrashLog => crash::enable(srv.config.crash_log_enabled),
        Effect::Maxmemory => limit_changed(srv),
        Effect::MaxmemoryClients => account_all(srv),
        Effect::Observers => thresholds_changed(srv),
        Effect::SlowLogLen => trim_slow_log(srv),
        Effect::TrackingLimit => note_overflow(srv),
        Effect::RequirePass => set_default_password(srv),
        Effect::AppendOnlyHistory => delete_history(srv),
        Effect::AppendOnly if !srv.config.appendonly => switch::stop(srv),
        Effect::AppendOnly if srv.aof.is_on() => {}
        Effect::AppendOnly if switch::start(srv, in_transaction) => {}
        Effect::AppendOnly => return Err("Unable to turn on AOF. Check server logs.".into()),
    }
    Ok(())
}

/// Reopens the sockets of these kinds; the process title may contain their ports.
fn listen(srv: &mut Server, kinds: &[Kind], complaint: &str) -> Result<(), String> {
    for kind in kinds {
        if let Err(why) = reopen(srv, *kind) {
            warning!("{why}");
            return Err(complaint.into());
        }
    }
    set_title(srv, &srv.process.executable);
    Ok(())
}

/// Certificates are loaded only while something uses them.
fn load_certificates(srv: &mut Server) -> Result<(), String> {
    if !srv.config.uses_tls() {
        certificates::end_watch(srv);
        return Ok(());
    }
    certificates::load(srv).map_err(|why| {
        warning!("Failed to configure TLS: {why}");
        "Unable to update TLS configuration. Check server logs.".into()
    })
}

fn resetstat(cx: &mut Ctx<'_>) -> Done {
    cx.srv.stats.reset();
    cx.srv.conns.reset_stats();
    cx.srv.tls.failures = Networks::default();
    cx.srv.defrag.running_since_us = None;
    cx.srv.eviction.exceeded_since_us = None;
    cx.srv.background.reset_freed();
    cx.reply.ok();
    Ok(())
}

fn rewrite_file(cx: &mut Ctx<'_>) -> Done {
    let path = &cx.srv.process.config_file;
    if path.is_empty() {
        return Err(Fault::new(
            "ERR The server is running without a config file",
        ));
    }
    let users = config_lines(cx.srv);
    match rewrite(Path::new(path), &cx.srv.config, &users, false) {
        Ok(()) => {
            notice!("CONFIG REWRITE executed with success.");
            cx.reply.ok();
            Ok(())
        }
        Err(error) => {
            let why = reason(&error);
            warning!("CONFIG REWRITE failed: {why}");
            Err(Fault::new(format!("ERR Rewriting config file: {why}")))
        }
    }
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern> [<pattern> ...]",
        "    The directives whose names fit, and their values.",
        "HELP",
        "    This text.",
        "RESETSTAT",
        "    Count from zero again what INFO counts.",
        "REWRITE",
        "    Bring the configuration file up to date.",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Change directives, all or none.",
    ]);
    Ok(())
}
