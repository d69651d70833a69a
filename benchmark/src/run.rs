//! A test from its beginning to its outcome: starts the loops, waits for them, adds up.
//!
//! Each thread owns a loop and the connections on it; they have only the tally in common. Without
//! `--threads` the one loop runs in the first thread.

use std::thread;
use std::time::Duration;

use crate::args::Options;
use crate::client::{Job, Part, drive};
use crate::probe::Endpoint;
use crate::report::{Outcome, fatal};
use crate::tally::Tally;
use crate::workload::Workload;

/// What a run that took no time is said to have taken, so that its rate is a number.
const SHORTEST: Duration = Duration::from_micros(1);

/// Runs one workload; without one, connects and stays idle for ever.
pub fn run(
    options: &Options,
    endpoint: &Endpoint,
    workload: Option<&Workload>,
    seed: u64,
) -> Outcome {
    let tally = Tally::new(options.requests, options.clients);
    let job = Job {
        options,
        endpoint,
        workload,
        tally: &tally,
        seed,
    };
    let part = if options.threads == 0 {
        drive(job, 0)
    } else {
        drive_threads(job)
    };
    let took = part.ended.duration_since(tally.began).max(SHORTEST);
    Outcome {
        finished: tally.finished(),
        seconds: took.as_secs_f64(),
        latencies: part.latencies,
        line_len: part.line_len,
    }
}

/// All loops at once, each in a thread; their parts as one.
fn drive_threads(job: Job<'_>) -> Part {
    thread::scope(|scope| {
        let start = |index| {
            let thread = thread::Builder::new().spawn_scoped(scope, move || drive(job, index));
            thread.unwrap_or_else(|error| {
                fatal(format!("FATAL: Failed to start thread {index}: {error}"))
            })
        };
        let threads: Vec<_> = (0..job.options.threads).map(start).collect();
        let parts = threads.into_iter().filter_map(|thread| thread.join().ok());
        let total = parts.reduce(|mut total, part| {
            total.latencies.add(&part.latencies);
            total.ended = total.ended.max(part.ended);
            total.line_len = total.line_len.max(part.line_len);
            total
        });
        total.unwrap_or_else(|| fatal("FATAL: No thread came to its end."))
    })
}
