//! Runs a test: starts the loops, waits for them, and adds up their results.
//!
//! Each thread owns a loop and its connections; the threads share only the tally. Without
//! `--threads` there is one loop, in the main thread.

use std::thread;
use std::time::Duration;

use conn::error::system_reason;

use crate::args::Options;
use crate::client::{Job, Part, drive};
use crate::cluster::Cluster;
use crate::probe::Endpoint;
use crate::report::{Outcome, fatal};
use crate::tally::Tally;
use crate::workload::Workload;

/// Minimum duration of a run, so that its rate is a finite number.
const SHORTEST: Duration = Duration::from_micros(1);

/// Where the load goes.
pub struct Target {
    /// A server, or the primaries of the cluster.
    pub endpoints: Vec<Endpoint>,
    /// The cluster.
    pub cluster: Option<Cluster>,
}

/// Runs one workload; without one, connects and stays idle forever.
pub fn run(options: &Options, target: &Target, workload: Option<&Workload>, seed: u64) -> Outcome {
    let tally = Tally::new(options.requests, options.clients);
    let job = Job {
        options,
        target,
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

/// Runs each loop in a thread, and combines the results.
fn drive_threads(job: Job<'_>) -> Part {
    thread::scope(|scope| {
        let start = |index| {
            let thread = thread::Builder::new().spawn_scoped(scope, move || drive(job, index));
            thread.unwrap_or_else(|error| {
                let reason = system_reason(&error);
                fatal(format!("FATAL: Failed to start thread {index}: {reason}"))
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use conn::encode;
    use conn::resp::{Decoder, Value};

    use super::{Target, run};
    use crate::args::{Options, parse};
    use crate::probe::probe;
    use crate::workload::command;

    /// Requests that the stand-in for a server got, one list per connection.
    type Log = Arc<Mutex<Vec<Vec<Value>>>>;

    /// Serves until the test program ends.
    fn start_server() -> (u16, Log) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let log = Log::default();
        let entries = Arc::clone(&log);
        thread::spawn(move || {
            for (index, socket) in listener.incoming().enumerate() {
                let entries = Arc::clone(&entries);
                entries.lock().expect("no panic").push(Vec::new());
                thread::spawn(move || serve(socket.expect("a connection"), index, &entries));
            }
        });
        (port, log)
    }

    fn serve(mut socket: TcpStream, index: usize, log: &Log) {
        let mut decoder = Decoder::default();
        let mut chunk = [0; 4096];
        while let Ok(len @ 1..) = socket.read(&mut chunk) {
            decoder.feed(&chunk[..len]);
            let mut replies = Vec::new();
            while let Some(request) = decoder.next_value().expect("a request") {
                let words = request.elements().expect("an array");
                match words[0].text() {
                    Some(b"CONFIG") => encode::request(["save", "60 1"].iter(), &mut replies),
                    _ => replies.extend_from_slice(b"$3\r\nabc\r\n"),
                }
                log.lock().expect("no panic")[index].push(request);
            }
            // The client may be gone: it has what it wanted.
            let _ = socket.write_all(&replies);
        }
    }

    fn options(line: &str) -> Options {
        match parse(line.split_whitespace().map(Into::into)) {
            Ok(options) => options,
            Err(stop) => panic!("{line}: {stop:?}"),
        }
    }

    #[test]
    fn every_request_is_sent_and_counted() {
        // Options, replies, connections that send something (one may come too late), and requests
        // that each of them sends first.
        let rows = [
            ("-c 3 -n 20", 20, 1..=3, 0),
            ("-c 3 -n 20 -P 8", 24, 1..=3, 0),
            ("-c 2 -n 5 -k 0 --dbnum 4", 5, 5..=5, 1),
            ("-c 5 -n 40 -P 4 --threads 3 -3", 40, 1..=5, 1),
            ("-c 1 -n 3 -d 500000", 3, 1..=1, 0),
        ];
        for (line, replies, connections, preceding) in rows {
            let (port, log) = start_server();
            let options = options(&format!("-p {port} {line} set key:__rand_int__ __data__"));
            let (endpoint, server) = probe(&options).expect("the server is there");
            assert_eq!(server.map(|config| config.save).as_deref(), Some("60 1"));
            let data = vec![b'x'; options.data_size];
            let workload = command(&options, None, &data);
            let target = Target {
                endpoints: vec![endpoint],
                cluster: None,
            };
            let outcome = run(&options, &target, Some(&workload), 7);
            assert_eq!(outcome.finished, replies, "{line}");
            let log = log.lock().expect("no panic");
            // The first connection is the probe's.
            let sent: Vec<_> = log[1..].iter().filter(|all| !all.is_empty()).collect();
            assert!(connections.contains(&sent.len()), "{line}: {}", sent.len());
            let count: usize = sent.iter().map(|requests| requests.len() - preceding).sum();
            assert_eq!(count as u64, replies, "{line}");
        }
    }

    #[test]
    fn random_numbers_depend_on_the_seed_alone() {
        let (port, log) = start_server();
        let options = options(&format!("-p {port} -c 1 -n 50 -r 1000 get __rand_int__"));
        let (endpoint, _) = probe(&options).expect("the server is there");
        let workload = command(&options, None, b"");
        let target = Target {
            endpoints: vec![endpoint],
            cluster: None,
        };
        for seed in [1, 1, 2] {
            run(&options, &target, Some(&workload), seed);
        }
        let log = log.lock().expect("no panic");
        assert_eq!(log[1].len(), 50);
        assert_eq!(log[1], log[2]);
        assert_ne!(log[1], log[3]);
    }
}
