//! Loading certificates, warning before they expire, and rotating the keys of session tickets.

use std::time::Duration;

use conn::tls::context::TlsContext;
use conn::tls::info::{CertInfo, CertRole};

use crate::server::Server;
use crate::sys::clock;
use crate::{notice, warning};

/// A certificate is logged from this many days before it expires.
const WARN_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;

/// Builds a context from the configuration, which new connections then use.
///
/// # Errors
/// A sentence that names the file and the cause; the present context stays.
pub fn load(srv: &mut Server) -> Result<(), String> {
    match TlsContext::load(&srv.config.tls, srv.tls.context.as_ref()) {
        Ok(context) => {
            srv.tls.context = Some(context);
            srv.tls.reloads += 1;
            srv.tls.last_error.clear();
            warn_expiring(srv);
            Ok(())
        }
        Err(error) => {
            srv.tls.last_error = error.to_string();
            Err(srv.tls.last_error.clone())
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
    let day = srv.unit.now_ms / 1000 / DAY_SECONDS;
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
        warning!(
            "TLS: the {what} has expired on {date}: clients that verify it will refuse this server"
        );
    } else if cert.not_before > now {
        warning!(
            "TLS: the {what} is not valid before {}",
            clock::utc_date(cert.not_before)
        );
    } else if left < WARN_DAYS * DAY_SECONDS {
        notice!(
            "TLS: the {what} expires on {date}, in {} days",
            left / DAY_SECONDS
        );
    }
}

fn role(role: CertRole) -> &'static str {
    match role {
        CertRole::Server => "server",
        CertRole::Client => "client",
        CertRole::Ca => "CA",
    }
}
