//! Cron: `hz` times per second, each step with the period of its row.

use ae::time::{Next, TimerId};
use conn::connection::State;
use conn::conns::Conns;

use crate::cluster::{drive, migrate, slots};
use crate::egress::account::account;
use crate::egress::invalidate::limit_table;
use crate::egress::limits::{close_over_limit, over_output_limit};
use crate::house::certificates::{rotate_tickets, take_reloads};
use crate::house::revocation::{disconnect_revoked, log_expired};
use crate::house::shutdown::{ShutdownOutcome, shut_down, tend_shutdown};
use crate::ingress::refusals::tell_left_out;
use crate::keyspace::defrag::defrag_cycle;
use crate::keyspace::expire::slow_cycle;
use crate::replication::cron::replication_cron;
use crate::replication::primary::snapshot::tend;
use crate::script::debug::session;
use crate::script::memory as memory_of_scripts;
use crate::server::Server;
use crate::session::close::close_now;
use crate::state::client::{Class, Client, ClientFlags, Closing};
use crate::state::client_id::ClientId;
use crate::state::clients::{Clients, Peak};
use crate::sys::{clock, memory, process, watchdog};
use crate::wire::output::KEEP_TAIL;
use crate::{verbose, warning};

/// How long a client whose peer sends nothing more may leave its last replies untouched.
const LINGER_SECONDS: i64 = 10;

/// A step of cron and its period, in milliseconds; 0 is every time.
struct Step {
    period_ms: u64,
    run: fn(&mut Server),
}

static STEPS: &[Step] = &[
    Step {
        period_ms: 0,
        run: keep_watchdog,
    },
    Step {
        period_ms: 0,
        run: heed_signals,
    },
    Step {
        period_ms: 0,
        run: tend_shutdown,
    },
    Step {
        period_ms: 100,
        run: sample_rates,
    },
    Step {
        period_ms: 5000,
        run: sample_memory,
    },
    Step {
        period_ms: 0,
        run: visit_clients,
    },
    Step {
        period_ms: 0,
        run: tend_databases,
    },
    Step {
        period_ms: 0,
        run: limit_tracking,
    },
    Step {
        period_ms: 0,
        run: memory_of_scripts::collect,
    },
    Step {
        period_ms: 0,
        run: tend,
    },
    Step {
        period_ms: 0,
        run: session::reap,
    },
    Step {
        period_ms: 1000,
        run: replication_cron,
    },
    Step {
        period_ms: 1000,
        run: migrate::cron,
    },
    Step {
        period_ms: 100,
        run: drive::cron,
    },
    Step {
        period_ms: 5000,
        run: log_clients,
    },
    Step {
        period_ms: 1000,
        run: rotate_tickets,
    },
    Step {
        period_ms: 1000,
        run: tell_left_out,
    },
    Step {
        period_ms: 0,
        run: take_reloads,
    },
    Step {
        period_ms: 0,
        run: disconnect_revoked,
    },
    Step {
        period_ms: 60_000,
        run: watch_certificates,
    },
];

/// Clients visited per second at least; with many clients, each is visited once per second.
const MIN_VISITS: usize = 5;
/// Idle time in seconds after which a query buffer is freed.
const QBUF_IDLE_SECONDS: i64 = 2;
/// A query buffer above this size is shrunk if recent requests were smaller, in bytes.
const QBUF_BIG: usize = 32 * 1024;
/// The smallest reply buffer, in bytes.
const MIN_REPLY: usize = 1024;

/// The timer proc.
pub fn cron(srv: &mut Server, _timer: TimerId, _data: u64) -> Next {
    let period_ms = 1000 / hz(srv);
    srv.unit.now_ms = srv.turn.refresh();
    let began_us = srv.turn.clock_ns / 1000;
    if !srv.debug.pause_cron {
        let ticks = srv.turn.cron_ticks;
        for step in STEPS {
            let every = (step.period_ms / period_ms).max(1);
            if ticks.is_multiple_of(every) {
                (step.run)(srv);
            }
        }
        srv.turn.cron_ticks += 1;
    }
    srv.stats.cron_us += clock::monotonic_us().saturating_sub(began_us);
    Next::In(period_ms)
}

/// Calls of cron per second: more with many clients, if `dynamic-hz` allows.
fn hz(srv: &Server) -> u64 {
    let mut hz = srv.config.hz as u64;
    if srv.config.dynamic_hz {
        while srv.clients.len() as u64 / hz > 200 && hz < 500 {
            hz = (hz * 2).min(500);
        }
    }
    hz
}

fn keep_watchdog(srv: &mut Server) {
    if srv.config.watchdog_period > 0 {
        watchdog::postpone(srv.config.watchdog_period);
    }
}

fn heed_signals(srv: &mut Server) {
    let Some(name) = process::shutdown_signal() else {
        return;
    };
    if srv.shutdown.asap.is_some() || srv.shutdown.waiting.is_some() {
        return;
    }
    warning!("Received {name} scheduling shutdown...");
    let flags = if name == "SIGINT" {
        srv.config.shutdown_on_sigint
    } else {
        srv.config.shutdown_on_sigterm
    };
    if shut_down(srv, flags) == ShutdownOutcome::Refused {
        warning!(
            "{name} received but errors trying to shut down the server, check the logs for more information"
        );
        process::forget_shutdown_signal();
    }
}

fn sample_rates(srv: &mut Server) {
    let now_ms = clock::monotonic_ms();
    let stats = &mut srv.stats;
    stats.command_rate.sample(stats.commands, now_ms);
    stats.input_rate.sample(stats.input_bytes, now_ms);
    stats.output_rate.sample(stats.output_bytes, now_ms);
    stats.loop_rate.sample(stats.loop_turns, now_ms);
    stats.loop_time_rate.sample(stats.loop_us, now_ms);
}

/// For the crash report, which must not ask the allocator.
fn sample_memory(srv: &mut Server) {
    srv.memory.refresh();
}

/// Visits a share of the clients, so that each is visited about once per second.
fn visit_clients(srv: &mut Server) {
    let total = srv.clients.len();
    let share = (total as u64 / hz(srv)).max(MIN_VISITS.min(total) as u64) as usize;
    let cursor = srv.clients.cron_cursor;
    let order = srv
        .clients
        .by_number
        .range(cursor + 1..)
        .chain(srv.clients.by_number.range(..=cursor));
    let visited: Vec<(u64, ClientId)> = order
        .take(share)
        .map(|(&number, &id)| (number, id))
        .collect();
    for (number, id) in visited {
        srv.clients.cron_cursor = number;
        visit(srv, id);
        account(srv, id);
    }
}

/// Whether the peer has ended its direction of a connection, which is only kept until the peer has the last replies.
fn has_left(conns: &Conns<Server>, client: &Client) -> bool {
    let is_ended = |conn| conns.state(conn) == State::Closed;
    client.closing == Closing::AfterReply && client.conn.is_some_and(is_ended)
}

fn visit(srv: &mut Server, id: ClientId) {
    let now_ms = srv.unit.now_ms;
    let timeout = srv.config.timeout;
    let Some(client) = srv.clients.get(id) else {
        return;
    };
    let idle = now_ms / 1000 - client.last_active;
    if idle > LINGER_SECONDS && client.io.out.held() == 0 && has_left(&srv.conns, client) {
        verbose!("Closing client that takes no more replies");
        return close_now(srv, id);
    }
    // A client whose reply is held waits for the disk.
    let may_time_out = client.blocked.is_none()
        && client.io.out.held() == 0
        && client.class() == Class::Normal
        && !client.flags.contains(ClientFlags::MONITOR);
    if timeout > 0 && idle > timeout && may_time_out {
        verbose!("Closing idle client");
        return close_now(srv, id);
    }
    if srv.cluster.is_some() {
        slots::redirect_if_blocked(srv, id);
    }
    if over_output_limit(srv, id) {
        return close_over_limit(srv, id);
    }
    let Clients { slab, peaks, .. } = &mut srv.clients;
    let Some(client) = slab.get_mut(id) else {
        return;
    };
    let peak = Peak {
        input: client.qbuf_peak,
        output: client.output_bytes(),
    };
    peaks.note(now_ms / 1000, peak);
    shrink_query_buffer(client, idle);
    if srv.debug.reply_resizing {
        let (shrunk, grown) = resize_reply_buffer(client, now_ms, srv.debug.reply_peak_reset_ms);
        srv.stats.reply_buffer_shrinks += u64::from(shrunk);
        srv.stats.reply_buffer_expands += u64::from(grown);
    }
}

/// Shrinks a query buffer that is idle, or much bigger than recent requests need.
fn shrink_query_buffer(client: &mut Client, idle: i64) {
    let request = &mut client.io.request;
    let (used, free) = request.sizes();
    if idle > QBUF_IDLE_SECONDS && used + free > 0 {
        request.shrink(0);
    } else if used + free > QBUF_BIG
        && client.qbuf_peak < (used + free) / 2
        && !request.is_incomplete()
    {
        request.shrink(client.qbuf_peak.max(crate::wire::request::READ_CHUNK));
    }
    client.qbuf_peak = used;
}

/// Adapts the size of the reply buffer to recent replies; returns whether it was shrunk, and whether it was enlarged.
fn resize_reply_buffer(client: &mut Client, now_ms: i64, reset_ms: i64) -> (bool, bool) {
    let before = client.reply_size;
    if client.reply_peak == client.reply_size {
        client.reply_size = (client.reply_size * 2).min(KEEP_TAIL);
    } else if client.reply_peak < client.reply_size / 2 {
        client.reply_size = (client.reply_size / 2).max(MIN_REPLY);
    }
    if reset_ms >= 0 && now_ms - client.reply_peak_at > reset_ms {
        client.reply_peak = client.io.out.tail_len();
        client.reply_peak_at = now_ms;
    }
    if client.io.out.is_empty() && client.io.out.tail.capacity() > client.reply_size {
        client.io.out.tail = Vec::new();
    }
    (client.reply_size < before, client.reply_size > before)
}

fn tend_databases(srv: &mut Server) {
    slow_cycle(srv);
    let hz = hz(srv);
    defrag_cycle(srv, hz);
    if srv.config.activerehashing {
        for database in &mut srv.keys.dbs {
            database.db.step(1000);
        }
    }
}

/// Evicts tracked keys above the limit even if no command follows.
fn limit_tracking(srv: &mut Server) {
    if srv.tracking.over_limit {
        limit_table(srv);
    }
}

fn log_clients(srv: &mut Server) {
    verbose!(
        "{} clients connected ({} replicas), {} bytes in use",
        srv.clients.len() - srv.replication.replicas.len(),
        srv.replication.replicas.len(),
        memory::used()
    );
}

fn watch_certificates(srv: &mut Server) {
    crate::house::certificates::warn_daily(srv);
    log_expired(srv);
}
