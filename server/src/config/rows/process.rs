//! The process: directories, log, shutdown, statistics.

use crate::config::row::{
    Effect, Flags, INT, LONG, Row, choice, int, optional, special, text, yes_no,
};
use crate::config::special::{
    DIR, EVENTS, FACILITY, ON_SIGINT, ON_SIGTERM, OOM_VALUES, PERCENTILES,
};
use crate::config::title;
use crate::config::values::{OomScoreAdj, Supervised};
use crate::sys::log::Level;
use crate::{choice, field};

/// The rows.
pub static ROWS: &[Row] = &[
    yes_no("daemonize", field!(daemonize))
        .immutable()
        .default("no")
        .doc("The server goes into the background."),
    choice("supervised", choice!(supervised: Supervised))
        .immutable()
        .default("no")
        .doc("Who is told that the server is ready: systemd, upstart, whichever the environment names (auto), or no one."),
    optional("pidfile", field!(pidfile))
        .immutable()
        .doc("File that holds the process's number while it runs; in the background /var/run/redis.pid unless set."),
    special("dir", DIR)
        .flags(Flags::PROTECTED.union(Flags::DENY_LOADING))
        .effects(&[Effect::Dir])
        .doc("The working directory, where the files of the data set are; unset, the one that the server was started in."),
    choice("loglevel", choice!(loglevel: Level))
        .default("notice")
        .effects(&[Effect::LogLevel])
        .doc("The least important lines that are logged: debug, verbose, notice, warning, or nothing."),
    text("logfile", field!(logfile))
        .immutable()
        .doc("File that log lines are added to; the empty one is standard output."),
    yes_no("syslog-enabled", field!(syslog_enabled))
        .immutable()
        .default("no")
        .doc("The system log gets every line too."),
    text("syslog-ident", field!(syslog_ident))
        .immutable()
        .default("redis")
        .doc("The server's name in the system log."),
    choice("syslog-facility", FACILITY)
        .immutable()
        .default("local0")
        .doc("The facility of the system log: user or local0 to local7."),
    yes_no("always-show-logo", field!(always_show_logo))
        .immutable()
        .default("no")
        .doc("The logo is shown at start even when no terminal is looking."),
    yes_no("set-proc-title", field!(set_proc_title))
        .immutable()
        .default("yes")
        .doc("The process names itself in the system's list of processes."),
    text("proc-title-template", field!(proc_title_template))
        .default("{title} {listen-addr} {server-mode}")
        .check(check_title)
        .effects(&[Effect::ProcTitle])
        .doc(
            "That name; {title}, {listen-addr}, {server-mode}, {port}, {tls-port}, {unixsocket} \
             and {config-file} stand for what they say.",
        ),
    text("locale-collate", field!(locale_collate))
        .effects(&[Effect::Locale])
        .doc("Locale by which strings are compared; the empty one is that of the environment."),
    int("hz", field!(hz), 0, INT)
        .default("10")
        .doc("How often per second background work is done, 1 to 500."),
    yes_no("dynamic-hz", field!(dynamic_hz))
        .default("yes")
        .doc("With many clients background work is done more often than that."),
    int("databases", field!(databases), 1, INT)
        .immutable()
        .default("16")
        .doc("How many databases there are."),
    yes_no("crash-log-enabled", field!(crash_log_enabled))
        .default("yes")
        .effects(&[Effect::CrashLog])
        .doc("A crash leaves a report in the log."),
    yes_no("crash-memcheck-enabled", field!(crash_memcheck_enabled))
        .default("yes")
        .doc("Accepted for compatibility: the memory is not checked after a crash."),
    yes_no("use-exit-on-panic", field!(use_exit_on_panic))
        .hidden()
        .default("no")
        .doc("A failed assertion ends the process by exit and not by abort, for tests."),
    int("watchdog-period", field!(watchdog_period), 0, INT)
        .hidden()
        .effects(&[Effect::Watchdog])
        .default("0")
        .doc("Milliseconds after which a blocked event loop is reported in the log; 0 never is."),
    special("shutdown-on-sigint", ON_SIGINT)
        .flags(Flags::MULTI_ARG)
        .default("default")
        .doc("What SIGINT does: default, or any of save, nosave, now and force as SHUTDOWN takes them."),
    special("shutdown-on-sigterm", ON_SIGTERM)
        .flags(Flags::MULTI_ARG)
        .default("default")
        .doc("What SIGTERM does: default, or any of save, nosave, now and force as SHUTDOWN takes them."),
    int("shutdown-timeout", field!(shutdown_timeout), 0, INT)
        .default("10")
        .doc("Seconds that a shutdown waits for replicas that lag behind."),
    choice("oom-score-adj", choice!(oom_score_adj: OomScoreAdj))
        .default("no")
        .effects(&[Effect::OomScore])
        .doc(
            "The server tells the system whom to kill first when memory is short: no, relative to \
             the score it was started with (yes), or absolute.",
        ),
    special("oom-score-adj-values", OOM_VALUES)
        .flags(Flags::MULTI_ARG)
        .default("0 200 800")
        .effects(&[Effect::OomScore])
        .doc("The scores of a primary, of a replica and of background children, from -2000 to 2000."),
    yes_no("disable-thp", field!(disable_thp))
        .immutable()
        .default("yes")
        .doc("The server asks for no transparent huge pages, which make background saving costly."),
    optional("server_cpulist", field!(server_cpulist))
        .immutable()
        .doc("Processors for the server's own thread: 0,2-5 or 0-7:2."),
    optional("bio_cpulist", field!(bio_cpulist))
        .immutable()
        .doc("Processors for background threads."),
    optional("aof_rewrite_cpulist", field!(aof_rewrite_cpulist))
        .immutable()
        .doc("Processors for the child that rewrites the append-only file."),
    optional("bgsave_cpulist", field!(bgsave_cpulist))
        .immutable()
        .doc("Processors for the child that writes a snapshot."),
    text("ignore-warnings", field!(ignore_warnings))
        .doc("Names of warnings about the system that do not keep the server from starting."),
    int("busy-reply-threshold", field!(busy_reply_threshold), 0, LONG)
        .alias("lua-time-limit")
        .default("5000")
        .doc("Milliseconds after which a running script lets other clients hear that the server is busy; 0 never does."),
    int("slowlog-log-slower-than", field!(slowlog_log_slower_than), -1, LONG)
        .effects(&[Effect::Observers])
        .default("10000")
        .doc("Microseconds above which a command enters the slow log; -1 turns it off."),
    int("slowlog-max-len", field!(slowlog_max_len), 0, LONG)
        .effects(&[Effect::SlowLogLen])
        .default("128")
        .doc("How many commands the slow log keeps."),
    int("latency-monitor-threshold", field!(latency_monitor_threshold), 0, LONG)
        .effects(&[Effect::Observers])
        .default("0")
        .doc("Milliseconds above which an event enters the latency history; 0 turns it off."),
    yes_no("latency-tracking", field!(latency_tracking))
        .default("yes")
        .doc("The time that each command takes is kept as a distribution."),
    special("latency-tracking-info-percentiles", PERCENTILES)
        .flags(Flags::MULTI_ARG)
        .default("50 99 99.9")
        .doc("Percentiles of those distributions that INFO shows."),
    special("notify-keyspace-events", EVENTS)
        .doc(
            "Classes of events that are published: K and E say on which channels, and of g $ l s \
             h z x e t d m n each is a class, A all but the last two.",
        ),
];

fn check_title(template: &str) -> Result<(), &'static str> {
    if title::is_valid(template) {
        return Ok(());
    }
    Err("template format is invalid or contains unknown variables")
}
