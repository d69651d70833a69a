//! The child process that works on a snapshot of the data set.
//!
//! There is at most one. It runs a closure over the server as it was at the fork, reports its progress through a pipe,
//! and exits with 0 if the closure succeeds. It never returns to the event loop.
//!
//! ```text
//! start ──fork──> parent: Some(Child) ── poll, by cron ──> reports read … reaped: None, and how it ended
//!            └──> child: work ──> last report ──> exit
//! ```

use std::io::{self, PipeWriter, Write};

use data::ds::resize_policy::{ResizePolicy, set_resize_policy};

use crate::report::title::set_title;
use crate::server::Server;
use crate::state::child::{Child, Purpose, Report};
use crate::state::latency::Event;
use crate::state::process::CHILD;
use crate::sys::affinity::{self, Processors};
use crate::sys::child::{self, Ended, Fork};
use crate::sys::{clock, host, log, memory};
use crate::{notice, verbose, warning};

/// Interval of progress reports, in microseconds.
const PERIOD_US: u64 = 1_000_000;
/// Measuring memory may take at most this fraction (1/n) of the child's time.
const MEASURE_SHARE: u64 = 100;
/// Keys between two readings of the clock.
const KEYS_PER_LOOK: u64 = 1024;

/// The child's end of the pipe.
pub struct Reporter {
    pipe: PipeWriter,
    name: &'static str,
    latest: Report,
    reported_us: u64,
    /// Duration of the last measurement of memory.
    cost_us: u64,
    peak: u64,
    sum: u64,
    count: u64,
}

impl Reporter {
    fn new(pipe: PipeWriter, name: &'static str) -> Self {
        Reporter {
            pipe,
            name,
            latest: Report::default(),
            reported_us: 0,
            cost_us: 0,
            peak: 0,
            sum: 0,
            count: 0,
        }
    }

    /// Called before each key.
    pub fn key(&mut self) {
        let keys = self.latest.keys;
        self.latest.keys += 1;
        if !keys.is_multiple_of(KEYS_PER_LOOK) {
            return;
        }
        let now_us = clock::monotonic_us();
        if now_us - self.reported_us >= PERIOD_US {
            self.reported_us = now_us;
            if now_us - self.latest.cow_at_us > self.cost_us * MEASURE_SHARE {
                self.measure();
                verbose!("{}", self.memory());
            }
            self.send();
        }
    }

    /// Sends the final report.
    fn finish(&mut self) {
        self.measure();
        notice!("{}", self.memory());
        self.send();
    }

    fn measure(&mut self) {
        let began_us = clock::monotonic_us();
        self.latest.cow = child::private_dirty();
        self.latest.cow_at_us = clock::monotonic_us();
        self.cost_us = self.latest.cow_at_us - began_us;
        self.peak = self.peak.max(self.latest.cow);
        self.sum += self.latest.cow;
        self.count += 1;
    }

    fn memory(&self) -> String {
        format!(
            "Fork CoW for {}: current {} MB, peak {} MB, average {} MB",
            self.name,
            self.latest.cow >> 20,
            self.peak >> 20,
            (self.sum / self.count.max(1)) >> 20
        )
    }

    fn send(&mut self) {
        if let Err(error) = self.pipe.write_all(&self.latest.encode()) {
            warning!(
                "Child failed reporting info to parent, exiting. {}",
                host::reason(&error)
            );
            child::exit(1);
        }
    }
}

/// Forks a child that runs `work`, which returns whether it succeeded.
///
/// # Errors
/// The system cannot create another process.
pub fn start(
    srv: &mut Server,
    purpose: Purpose,
    work: impl FnOnce(&mut Server, &mut Reporter) -> bool,
) -> io::Result<i32> {
    assert!(srv.child.is_none(), "there is a child");
    let (reader, writer) = io::pipe()?;
    child::set_nonblocking(&reader);
    let keys = srv.keys.total() as u64;
    let began_us = clock::monotonic_us();
    match child::fork()? {
        Fork::Child => {
            drop(reader);
            child::become_child(srv.el.registered());
            log::set_role(log::Role::Child);
            set_title(srv, purpose.title());
            let (directive, list) = match purpose {
                Purpose::Rewrite => ("aof_rewrite_cpulist", &srv.config.aof_rewrite_cpulist),
                Purpose::Save | Purpose::Stream => ("bgsave_cpulist", &srv.config.bgsave_cpulist),
            };
            affinity::bind(Processors::listed(directive, list));
            if let Some(score) = srv.process.oom_score(&srv.config, CHILD) {
                let _ = host::set_oom_score_adj(score);
            }
            let mut reporter = Reporter::new(writer, purpose.name());
            let good = work(srv, &mut reporter);
            if good {
                reporter.finish();
            }
            child::exit(i32::from(!good))
        }
        Fork::Parent(pid) => {
            let fork_us = clock::monotonic_us() - began_us;
            srv.stats.note_fork(fork_us, memory::used());
            srv.note_latency(Event::Fork, fork_us / 1000);
            srv.child = Some(Child::new(pid, purpose, keys, reader));
            // A table that moves entries now makes the system copy their pages.
            set_resize_policy(ResizePolicy::Avoid);
            Ok(pid)
        }
    }
}

/// Reads the child's reports; returns the child and how it has ended, once it has.
pub fn poll(srv: &mut Server) -> Option<(Child, Ended)> {
    let child = srv.child.as_mut()?;
    // Queried first, so that reports written before the end are still read below.
    let ended = child::reap(child.pid);
    child.hear();
    let ended = ended?;
    set_resize_policy(ResizePolicy::Allow);
    Some((srv.child.take()?, ended))
}

/// Waits for the end of a child that was killed.
pub fn wait(srv: &mut Server) {
    if let Some(child) = srv.child.take() {
        child::wait(child.pid);
        set_resize_policy(ResizePolicy::Allow);
    }
}

/// Kills the child if it has this purpose; [`poll`] reports its end.
pub fn kill(srv: &Server, purpose: Purpose) -> Option<i32> {
    let child = srv
        .child
        .as_ref()
        .filter(|child| child.purpose == purpose)?;
    child::kill_quietly(child.pid);
    Some(child.pid)
}
