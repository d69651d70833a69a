//! LATENCY DOCTOR: the series of the latency monitor in sentences, and what may help.

use crate::server::Server;
use crate::state::latency::Event;
use crate::sys::host;

/// What may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Advice {
    BetterMachine,
    EnableSlowLog,
    LowerSlowLog,
    ReadSlowLog,
    Scheduler,
    LocalDisk,
    NoFsyncOnRewrite,
    RaiseHz,
    BigValues,
    MassEviction,
    HugePages,
}

/// The report.
pub fn report(srv: &Server) -> String {
    let monitor = &srv.latency;
    if monitor.series().len() == 0 && srv.config.latency_monitor_threshold == 0 {
        return "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. \
                You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it.\n"
            .into();
    }
    let mut text = String::new();
    let mut advice = Vec::new();
    for (index, (event, series)) in monitor.series().enumerate() {
        if index == 0 {
            text.push_str(
                "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do you \
                 Dave?\n\n",
            );
        }
        let summary = series.summary(srv.unit.now_s());
        text.push_str(&format!(
            "{}. {}: {} latency spikes (average {}ms, mean deviation {}ms, period {:.2} sec). Worst all time event \
             {}ms.",
            index + 1,
            event.name(),
            summary.count,
            summary.mean_ms,
            summary.deviation_ms,
            summary.seconds as f64 / summary.count as f64,
            series.max_ms,
        ));
        if event == Event::Fork {
            text.push_str(&fork_quality(srv));
        }
        text.push('\n');
        advice.extend(advice_on(srv, event));
    }
    if host::anonymous_huge_pages() > 0 {
        advice.push(Advice::HugePages);
    }
    advice.sort_unstable();
    advice.dedup();
    match (monitor.series().len(), advice.is_empty()) {
        (0, true) => text.push_str(
            "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest bit.\n",
        ),
        (_, true) => text.push_str("\nThere are latency events, but nothing that would obviously help.\n"),
        (_, false) => {
            text.push_str("\nI have a few advices for you:\n\n");
            text.extend(advice.iter().map(|&each| sentence(srv, each)));
        }
    }
    text
}

/// How fast the latest fork copied the page tables.
fn fork_quality(srv: &Server) -> String {
    let rate = srv.stats.fork_rate;
    let quality = match rate {
        ..10.0 => "terrible",
        ..25.0 => "poor",
        ..100.0 => "good",
        _ => "excellent",
    };
    format!(" Fork rate is {rate:.2} GB/sec ({quality}).")
}

fn advice_on(srv: &Server, event: Event) -> Vec<Advice> {
    match event {
        Event::Command => {
            let slower_than = srv.config.slowlog_log_slower_than;
            let mut advice = vec![Advice::ReadSlowLog, Advice::BigValues];
            if slower_than < 0 {
                advice.push(Advice::EnableSlowLog);
            } else if slower_than / 1000 > srv.config.latency_monitor_threshold {
                advice.push(Advice::LowerSlowLog);
            }
            advice
        }
        Event::FastCommand => vec![Advice::Scheduler],
        Event::Fork if srv.stats.fork_rate < 25.0 => vec![Advice::BetterMachine],
        Event::RdbUnlinkTempFile
        | Event::AofFsyncAlways
        | Event::AofRename
        | Event::AofWriteAlone
        | Event::AofWritePendingFsync => vec![Advice::LocalDisk],
        Event::AofWriteActiveChild => vec![Advice::NoFsyncOnRewrite, Advice::LocalDisk],
        Event::ExpireCycle if srv.config.hz < 100 => vec![Advice::RaiseHz, Advice::BigValues],
        Event::ExpireCycle | Event::EvictionDel => vec![Advice::BigValues],
        Event::EvictionCycle => vec![Advice::MassEviction],
        // The event for the circumstances of the write has the advice.
        Event::ActiveDefragCycle
        | Event::AofWrite
        | Event::Fork
        | Event::EvictionLazyfree
        | Event::ExpireDel
        | Event::WhileBlockedCron => Vec::new(),
    }
}

fn sentence(srv: &Server, advice: Advice) -> String {
    let threshold_us = srv.config.latency_monitor_threshold.saturating_mul(1000);
    let text = match advice {
        Advice::BetterMachine => {
            "fork() is slow here. A machine, or a hypervisor, with faster forks would help: the same \
             provider often has both."
        }
        Advice::EnableSlowLog => {
            return format!(
                "- Commands are slow, and the slow log is off. Use 'CONFIG SET slowlog-log-slower-than {threshold_us}'.\n"
            );
        }
        Advice::LowerSlowLog => {
            return format!(
                "- The slow log only has commands slower than the threshold of the latency monitor. Use 'CONFIG SET \
                 slowlog-log-slower-than {threshold_us}'.\n"
            );
        }
        Advice::ReadSlowLog => "SLOWLOG GET shows which commands are slow.",
        Advice::Scheduler => {
            "Commands that do little work are slow, so this process does not get the processor for long \
             periods. Lower the load of the machine, use one for this server alone, look for noisy neighbours, and \
             measure with 'redis-cli --intrinsic-latency 100'."
        }
        Advice::LocalDisk => {
            "The disk is slow. Use a local one with fewer other users, best a solid-state one."
        }
        Advice::NoFsyncOnRewrite => {
            "Writes to the append-only file are slow while a child is writing. If the last seconds of data may be lost in \
             a crash at such a time, use 'CONFIG SET no-appendfsync-on-rewrite yes'."
        }
        Advice::RaiseHz => {
            "Expired keys are deleted in bigger steps than necessary. Use 'CONFIG SET hz 100'."
        }
        Advice::BigValues => {
            "Deleting, expiring or evicting a big value blocks the server. Split such values, or let them be \
             freed in the background (the lazyfree-lazy-* directives, UNLINK)."
        }
        Advice::MassEviction => {
            "Many keys are evicted at once, as after lowering maxmemory or writing a big value. Leave more \
             memory free."
        }
        Advice::HugePages => {
            "This process uses transparent huge pages, which makes copies after a fork slow. Disable them \
             with 'echo never > /sys/kernel/mm/transparent_hugepage/enabled', at each start of the machine, and restart \
             the server."
        }
    };
    format!("- {text}\n")
}
