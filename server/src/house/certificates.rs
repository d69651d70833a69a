//! Loading certificates, also when their files change; warning before they expire; rotating the keys of session tickets.
//!
//! With `tls-auto-reload` a thread watches the files (`sys::file_watch`) and loads them; cron takes what it has loaded. A pair
//! that does not fit together, or a chain that does not build, leaves the present context in use until the files
//! change again. Established connections keep the context that they began with; outgoing links take the new one when
//! they connect next.
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
use crate::state::tls::Watch;
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
    take(srv, loaded.map_err(|error| error.to_string()))?;
    watch(srv, seen);
    Ok(())
}

/// Uses a context that was loaded, and records the outcome.
fn take(srv: &mut Server, loaded: Result<TlsContext, String>) -> Result<(), String> {
    srv.tls.last_reload = clock::unix_ms() / 1000;
    match loaded {
        Ok(context) => {
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

/// A change of the configuration was taken back, and the context from before it is in use again. What the files hold now is
/// not known, so they are loaded again if they are watched.
pub fn restored(srv: &mut Server) {
    watch(srv, Snapshot::default());
}

/// Watches the files of the present configuration for changes since `seen`, or watches none any more.
fn watch(srv: &mut Server, seen: Snapshot) {
    end_watch(srv);
    let Some(context) = srv.tls.context.clone() else {
        return;
    };
    if !srv.config.tls_auto_reload || !srv.config.uses_tls() {
        return;
    }
    let (config, (sender, loads)) = (srv.config.tls.clone(), unbounded());
    let (mut present, loading) = (context, Arc::clone(&srv.tls.loading));
    let on_change = move || {
        let loaded = {
            let _held = loading.lock();
            load_changed(&config, &present)
        };
        if let Ok(context) = &loaded {
            present = context.clone();
        }
        // The server may have ended this watch meanwhile.
        let _ = sender.send(loaded);
    };
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

/// Loads files that have changed. A chain that peers may fail to verify, or a certificate that is not valid at present, is
/// refused if the present one is better.
fn load_changed(config: &TlsConfig, present: &TlsContext) -> Result<TlsContext, String> {
    let context = TlsContext::load(config, Some(present)).map_err(|error| error.to_string())?;
    let now = clock::unix_ms() / 1000;
    match (context.chain_fault(), date_fault(&context, now)) {
        (Some(why), _) if present.chain_fault().is_none() => Err(why.to_owned()),
        (_, Some(why)) if date_fault(present, now).is_none() => Err(why),
        _ => Ok(context),
    }
}

/// A certificate of this server that is not valid at this Unix time.
fn date_fault(context: &TlsContext, now: i64) -> Option<String> {
    let mut own = context.certs().iter();
    let invalid = |cert: &&CertInfo| {
        cert.role != CertRole::Ca && !(cert.not_before..=cert.not_after).contains(&now)
    };
    own.find(invalid).map(|cert| {
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
        && let Ok(loaded) = watch.loads.try_recv()
    {
        let logged = watch.logged.take();
        match take(srv, loaded) {
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
