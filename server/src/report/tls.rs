//! INFO tls: connections, handshakes, traffic, certificates.

use conn::error::Cause;
use conn::tls::context::TlsContext;
use conn::tls::info::{CertInfo, CertRole, TlsStats};

use crate::report::info::Info;
use crate::server::Server;
use crate::sys::clock;

/// Networks shown of those with failed handshakes.
const NETWORKS: usize = 5;

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    let stats = srv.conns.stats();
    let total: usize = stats
        .current
        .iter()
        .map(|sessions| sessions.connections)
        .sum();
    info.field("tls_enabled", u8::from(srv.tls.context.is_some()));
    info.field("tls_connections", total);
    for (number, sessions) in stats.current.iter().enumerate() {
        info.field(
            format_args!("tls_connections{number}"),
            format_args!(
                "version={},cipher={},connections={},group={}",
                sessions.version, sessions.cipher, sessions.connections, sessions.group
            ),
        );
    }
    write_handshakes(srv, &stats, info);
    info.field("tls_bytes_in", stats.traffic.bytes_in);
    info.field("tls_bytes_out", stats.traffic.bytes_out);
    info.field("tls_records_in", stats.traffic.records_in);
    info.field("tls_records_out", stats.traffic.records_out);
    info.field("tls_pending_passes", stats.pending_passes);
    info.field("tls_memory", conn::tls::memory::allocated());
    info.field("tls_reloads", srv.tls.reloads);
    info.field("tls_reloads_failed", srv.tls.failed_reloads);
    info.field("tls_last_reload_time", srv.tls.last_reload);
    let has_failed = !srv.tls.last_error.is_empty();
    info.field(
        "tls_last_reload_status",
        if has_failed { "err" } else { "ok" },
    );
    info.field("tls_last_reload_error", &srv.tls.last_error);
    info.field("tls_auto_reload", u8::from(srv.tls.watch.is_some()));
    let context = srv.tls.context.as_ref();
    info.field(
        "tls_ticket_rotations",
        context.map_or(0, TlsContext::ticket_rotations),
    );
    info.field(
        "tls_tickets_issued",
        context.map_or(0, TlsContext::tickets_issued),
    );
    write_certificates(srv, info);
    write_lists(srv, info);
}

/// Handshakes: how many, how long they took, and failures by reason and network.
fn write_handshakes(srv: &Server, stats: &TlsStats, info: &mut Info) {
    info.field("tls_handshakes_done", stats.handshakes_done);
    info.field("tls_handshakes_resumed", stats.resumed);
    info.field("tls_handshakes_in_flight", stats.in_flight);
    info.field("tls_handshakes_waiting", stats.waiting);
    info.field("tls_handshakes_failed", stats.failed.iter().sum::<u64>());
    for (reason, count) in Cause::ALL.iter().zip(stats.failed) {
        info.field(
            format_args!("tls_handshakes_failed_{}", reason.name()),
            count,
        );
    }
    let (sentence, time) = stats
        .last_failure
        .as_ref()
        .map_or(("", 0), |last| (&*last.sentence, last.unix_time));
    info.field("tls_last_handshake_error", sentence);
    info.field("tls_last_handshake_error_time", time);
    for (number, ((first, bits), failures)) in srv.tls.failures.top(NETWORKS).iter().enumerate() {
        info.field(
            format_args!("tls_handshakes_failed_network{number}"),
            format_args!("network={first}/{bits},failures={failures}"),
        );
    }
    let usec = |percentile| srv.stats.handshakes.percentile(percentile) as f64 / 1000.0;
    info.field(
        "tls_handshakes_percentiles_usec",
        format_args!(
            "p50={:.3},p99={:.3},p99.9={:.3}",
            usec(50.0),
            usec(99.0),
            usec(99.9)
        ),
    );
    info.field("tls_log_lines_left_out", srv.tls.throttle.total());
}

/// Certificate revocation lists.
fn write_lists(srv: &Server, info: &mut Info) {
    let lists = srv.tls.context.as_ref().map_or(&[][..], TlsContext::crls);
    info.field("tls_crls", lists.len());
    info.field("tls_crl_ended_connections", srv.tls.revoked_connections);
    if lists.is_empty() {
        return;
    }
    let revoked: usize = lists.iter().map(|list| list.revoked).sum();
    info.field("tls_crl_revoked_certs", revoked);
    if let Some(next) = lists.iter().filter_map(|list| list.next_update).min() {
        let now = clock::unix_ms() / 1000;
        info.field("tls_crl_expires_in_seconds", next - now);
    }
}

fn write_certificates(srv: &Server, info: &mut Info) {
    let certs: &[CertInfo] = srv.tls.context.as_ref().map_or(&[], TlsContext::certs);
    for (role, name) in [
        (CertRole::Server, "server"),
        (CertRole::Client, "client"),
        (CertRole::Ca, "ca"),
    ] {
        // Of a CA bundle, the certificate that expires first is shown.
        if let Some(cert) = certs
            .iter()
            .filter(|cert| cert.role == role)
            .min_by_key(|cert| cert.not_after)
        {
            info.field(format_args!("tls_{name}_cert_serial"), &cert.serial);
            info.field(format_args!("tls_{name}_cert_subject"), &cert.subject);
            info.field(format_args!("tls_{name}_cert_names"), cert.names.join(","));
            let left = cert.not_after - clock::unix_ms() / 1000;
            info.field(format_args!("tls_{name}_cert_expires_in_seconds"), left);
            info.field(
                format_args!("tls_{name}_cert_expires_in_days"),
                left.div_euclid(86_400),
            );
        }
    }
}
