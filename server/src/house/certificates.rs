//! Loading certificates, also when their files change; warning before they expire; rotating the keys of session tickets.
//!
//! With `tls-auto-reload` a thread watches the files (`sys::file_watch`) and loads them; cron takes what it has loaded. A pair
//! that does not fit together, or a chain that does not build, leaves the present context in use; the files are loaded
//! again when they change, and every few seconds until that succeeds. Established connections keep the context that they
//! began with; outgoing links take the new one when they connect next.
//!
//! A load begun under other directives is never used: each change of a directive ends the watch and begins another one.

use std::sync::Arc;
use std::time::Duration;

use conn::tls::config::TlsConfig;
use conn::tls::context::TlsContext;
use conn::tls::info::{CertInfo, CertRole};
use crossbeam_channel::unbounded;

use crate::house::revocation;
use crate::server::Server;
use crate::state::tls::{Load, Watch};
use crate::sys::clock;
use crate::sys::file_watch::{FileWatch, Snapshot};
use crate::{notice, warning};

/// A certificate is logged from this many days before it expires.
const WARN_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;

/// Builds a context from the configuration, which new connections then use.
///
/// # Errors
/// A sentence that names the file and the cause; the present context stays.
pub fn load(srv: &mut Server) -> Result<(), String> {
    let seen = Snapshot::of(&srv.config.tls.paths());
    let loaded = TlsContext::load(&srv.config.tls, srv.tls.context.as_ref());
    let context = loaded.map_err(|error| error.to_string());
    take(srv, Load { seen, context })?;
    watch(srv);
    Ok(())
}

/// Uses a context that was loaded, and records the outcome.
fn take(srv: &mut Server, load: Load) -> Result<(), String> {
    srv.tls.last_reload = clock::unix_ms() / 1000;
    match load.context {
        Ok(context) => {
            srv.tls.seen = load.seen;
            let previous = srv.tls.context.replace(context);
            revocation::context_changed(srv, previous.as_ref());
            srv.tls.reloads += 1;
            srv.tls.last_error.clear();
            warn_expiring(srv);
            Ok(())
        }
        Err(why) => {
            srv.tls.failed_reloads += 1;
            srv.tls.last_error.clone_from(&why);
            Err(why)
        }
    }
}

/// Watches the files of the present configuration for changes since the context was loaded, or watches none any more.
pub fn watch(srv: &mut Server) {
    end_watch(srv);
    let Some(context) = srv.tls.context.clone() else {
        return;
    };
    if !srv.config.tls_auto_reload || !srv.config.uses_tls() {
        return;
    }
    let (config, (sender, loads)) = (srv.config.tls.clone(), unbounded());
    let (mut present, loading) = (context, Arc::clone(&srv.tls.loading));
    let mut failed = None;
    let on_change = move |seen: &Snapshot| {
        let context = {
            let _held = loading.lock();
            load_changed(&config, &present)
        };
        let failure = context
            .as_ref()
            .err()
            .map(|why| (seen.clone(), why.clone()));
        if let Ok(context) = &context {
            present = context.clone();
        }
        let is_done = failure.is_none();
        // The same failure of the same files is told once.
        if is_done || failure != failed {
            let seen = seen.clone();
            // The server may have ended this watch meanwhile.
            let _ = sender.send(Load { seen, context });
        }
        failed = failure;
        is_done
    };
    let seen = srv.tls.seen.clone();
    match FileWatch::start(srv.config.tls.paths(), seen, on_change) {
        Ok(files) => {
            srv.tls.watch = Some(Watch {
                files,
                loads,
                logged: None,
            });
        }
        Err(error) => warning!("TLS: cannot watch the files of certificates: {error}"),
    }
}

/// Watches no files any more.
pub fn end_watch(srv: &mut Server) {
    srv.tls.watch = None;
}

/// Loads files that have changed. A chain that peers may fail to verify, or a certificate or a list that is not valid at
/// present, is refused if the present one is better.
fn load_changed(config: &TlsConfig, present: &TlsContext) -> Result<TlsContext, String> {
    let context = TlsContext::load(config, Some(present)).map_err(|error| error.to_string())?;
    let now = clock::unix_ms() / 1000;
    let faults = |context: &TlsContext| {
        [
            context.chain_fault().map(str::to_owned),
            date_fault(context, now),
            list_fault(context, now),
        ]
    };
    let pairs = faults(&context).into_iter().zip(faults(present));
    let mut worse = pairs.filter_map(|(new, before)| new.filter(|_| before.is_none()));
    let lost = || context.lost_issuer(present).map(str::to_owned);
    worse.next().or_else(lost).map_or(Ok(()), Err)?;
    Ok(context)
}

/// The certificates of this server.
fn own(context: &TlsContext) -> impl Iterator<Item = &CertInfo> {
    context
        .certs()
        .iter()
        .filter(|cert| cert.role != CertRole::Ca)
}

/// A revocation list that is not in force at this Unix time: OpenSSL would refuse the peers of its issuer.
fn list_fault(context: &TlsContext, now: i64) -> Option<String> {
    let early = context.crls().iter().find(|list| list.last_update > now);
    early.map(|list| {
        let date = clock::utc_date(list.last_update);
        format!(
            "the revocation list {} is not valid before {date}",
            list.file
        )
    })
}

/// A certificate of this server that is not valid at this Unix time.
fn date_fault(context: &TlsContext, now: i64) -> Option<String> {
    let is_invalid = |cert: &&CertInfo| !(cert.not_before..=cert.not_after).contains(&now);
    own(context).find(is_invalid).map(|cert| {
        let (fault, time) = match cert.not_after < now {
            true => ("expired on", cert.not_after),
            false => ("is not valid before", cert.not_before),
        };
        let (role, date) = (role(cert.role), clock::utc_date(time));
        format!("the {role} certificate {} {fault} {date}", cert.file)
    })
}

/// Cron: uses what the watch has loaded.
pub fn take_reloads(srv: &mut Server) {
    while let Some(watch) = &mut srv.tls.watch
        && let Ok(load) = watch.loads.try_recv()
    {
        let logged = watch.logged.take();
        match take(srv, load) {
            Ok(()) => notice!("TLS: changed certificates were loaded"),
            Err(why) => {
                if logged.as_ref() != Some(&why) {
                    warning!(
                        "TLS: changed certificates are not used, the present ones stay: {why}"
                    );
                }
                if let Some(watch) = &mut srv.tls.watch {
                    watch.logged = Some(why);
                }
            }
        }
    }
}

/// Replaces the key of session tickets when it is older than `tls-session-ticket-rotation`.
pub fn rotate_tickets(srv: &mut Server) {
    let seconds = u64::try_from(srv.config.tls_ticket_rotation).unwrap_or(0);
    if seconds == 0 {
        return;
    }
    if let Some(context) = &srv.tls.context {
        context.rotate_tickets(Duration::from_secs(seconds));
    }
}

/// Once a day: certificates that have expired, or soon will.
pub fn warn_daily(srv: &mut Server) {
    let day = srv.unit.now_s() / DAY_SECONDS;
    if day != srv.tls.warned_day {
        warn_expiring(srv);
    }
}

fn warn_expiring(srv: &mut Server) {
    let now = clock::unix_ms() / 1000;
    srv.tls.warned_day = now / DAY_SECONDS;
    let Some(context) = &srv.tls.context else {
        return;
    };
    for cert in context.certs() {
        warn_one(cert, now);
    }
}

fn warn_one(cert: &CertInfo, now: i64) {
    let left = cert.not_after - now;
    let date = clock::utc_date(cert.not_after);
    let what = format!(
        "{} certificate {} ({})",
        role(cert.role),
        cert.file,
        cert.subject
    );
    if left < 0 {
        let effect = match cert.role {
            CertRole::Server => "clients that verify it will refuse this server",
            CertRole::Client => "servers that verify it will refuse links from this one",
            CertRole::Ca => "peers whose certificates depend on it are refused",
        };
        warning!("TLS: the {what} expired on {date}: {effect}");
    } else if cert.not_before > now {
        warning!(
            "TLS: the {what} is not valid before {}",
            clock::utc_date(cert.not_before)
        );
    } else if left < WARN_DAYS * DAY_SECONDS {
        let days = left / DAY_SECONDS;
        notice!("TLS: the {what} expires on {date}, in {days} day(s)");
    }
}

fn role(role: CertRole) -> &'static str {
    match role {
        CertRole::Server => "server",
        CertRole::Client => "client",
        CertRole::Ca => "CA",
    }
}
