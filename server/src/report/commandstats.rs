//! INFO commandstats, errorstats and latencystats: a line per command or error code that occurred.

use std::fmt::Write;

use table::CmdId;

use crate::report::info::Info;
use crate::server::Server;
use crate::state::stats::CommandStats;

fn seen(srv: &Server) -> impl Iterator<Item = (&'static str, &CommandStats)> {
    srv.stats
        .by_command
        .iter()
        .enumerate()
        .filter(|(_, stats)| stats.calls + stats.rejected + stats.failed > 0)
        .map(|(index, stats)| (table::full_name(CmdId::from_index(index)), stats))
}

/// Writes calls, time, rejected and failed calls.
pub fn write_calls(srv: &Server, info: &mut Info) {
    for (name, stats) in seen(srv) {
        let usec = stats.time_ns / 1000;
        let per_call = if stats.calls == 0 {
            0.0
        } else {
            stats.time_ns as f64 / 1000.0 / stats.calls as f64
        };
        info.field(
            format_args!("cmdstat_{name}"),
            format_args!(
                "calls={},usec={usec},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
                stats.calls, stats.rejected, stats.failed
            ),
        );
    }
}

/// Writes the number of replies per error code.
pub fn write_errors(srv: &Server, info: &mut Info) {
    for (code, count) in &srv.stats.errors {
        // A script names its codes, and must not add fields of its own.
        let code = String::from_utf8_lossy(code).replace(['#', ':', '\n', '\r'], "_");
        info.field(
            format_args!("errorstat_{code}"),
            format_args!("count={count}"),
        );
    }
}

/// Writes the percentiles that `latency-tracking-info-percentiles` names.
pub fn write_latency(srv: &Server, info: &mut Info) {
    for (name, stats) in seen(srv).filter(|(_, stats)| stats.latency.count() > 0) {
        let mut line = String::new();
        for percentile in &srv.config.latency_tracking_info_percentiles {
            let separator = if line.is_empty() { "" } else { "," };
            let usec = stats.latency.percentile(*percentile) as f64 / 1000.0;
            let _ = write!(line, "{separator}p{percentile}={usec:.3}");
        }
        info.field(format_args!("latency_percentiles_usec_{name}"), line);
    }
}
