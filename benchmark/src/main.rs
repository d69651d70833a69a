//! redis-benchmark: measures the throughput and the latency of a server under load.
//!
//! ```text
//!   args ──► probe ──► workload ──► run ──► client (a loop per thread) ──► report
//!                                                  │ tally, histogram
//! ```
//!
//! `args` parses the command line, `probe` connects once, `workload` generates requests, `client`
//! sends them and counts replies, `run` adds up the results of the loops, `report` prints them. `cluster` takes the place
//! of `probe` for the primaries of a cluster, whose `slots` have tags.

mod args;
mod client;
mod cluster;
mod histogram;
mod probe;
mod report;
mod run;
mod slots;
mod tally;
mod usage;
mod workload;

use std::env;
use std::io::{self, Read};
use std::process::{self, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

use conn::error::system_reason;
use nix::sys::signal::{SigSet, Signal};

use crate::args::{Options, Stop};
use crate::cluster::Cluster;
use crate::probe::ServerConfig;
use crate::report::{Servers, fatal, to_stdout};
use crate::run::Target;
use crate::workload::{Data, Workload};

fn main() -> ExitCode {
    match args::parse(env::args_os().skip(1)) {
        Ok(options) => start(&options),
        Err(Stop::Help) => {
            to_stdout(|out| out.write_all(usage::TEXT.as_bytes()));
            return ExitCode::SUCCESS;
        }
        Err(Stop::Version) => {
            to_stdout(|out| writeln!(out, "redis-benchmark {}", env!("CARGO_PKG_VERSION")));
            return ExitCode::SUCCESS;
        }
        Err(Stop::Invalid(option)) => {
            let text = usage::TEXT;
            to_stdout(|out| {
                write!(
                    out,
                    "Invalid option \"{option}\" or option argument missing\n\n{text}"
                )
            });
            return ExitCode::FAILURE;
        }
        Err(Stop::Refused(sentence)) => fatal(sentence),
    }
    ExitCode::SUCCESS
}

fn start(options: &Options) {
    // The benchmark continues when its terminal is closed. Threads inherit the mask.
    let mut hangup = SigSet::empty();
    hangup.add(Signal::SIGHUP);
    let _ = hangup.thread_block();
    for warning in &options.warnings {
        eprintln!("{warning}");
    }
    let (target, server) = match find(options) {
        Ok(found) => found,
        Err(sentence) => fatal(sentence),
    };
    let mut options = options.clone();
    if let Some(cluster) = &target.cluster
        && options.threads == 0
    {
        options.threads = cluster.primaries.len();
    }
    let options = &options;
    warn(&target, server.as_ref());
    if options.keep_alive == 0 {
        eprintln!(
            "WARNING: Keepalive disabled. You probably need 'echo 1 > /proc/sys/net/ipv4/tcp_tw_reuse' \
             for Linux and 'sudo sysctl -w net.inet.tcp.msl=1000' for Mac OS X in order to use a lot of \
             clients/requests"
        );
    }
    if !options.command.is_empty() && options.tests.is_some() {
        eprintln!("WARNING: Option -t is ignored.");
    }
    let mut session = Session {
        options,
        target,
        server,
        seed: seed(options),
    };
    if options.idle {
        session.stay_idle();
    }
    if options.csv {
        to_stdout(report::csv_header);
    }
    if options.command.is_empty() {
        session.run_suite();
    } else {
        session.run_command();
    }
}

/// Finds the server or the primaries of the cluster.
fn find(options: &Options) -> Result<(Target, Option<ServerConfig>), String> {
    if options.cluster {
        let (cluster, endpoints) = Cluster::load(options)?;
        let cluster = Some(cluster);
        return Ok((Target { endpoints, cluster }, None));
    }
    let (endpoint, server) = probe::probe(options)?;
    let target = Target {
        endpoints: vec![endpoint],
        cluster: None,
    };
    Ok((target, server))
}

/// Warns of servers that do not tell their configuration.
fn warn(target: &Target, server: Option<&ServerConfig>) {
    let Some(cluster) = &target.cluster else {
        if server.is_none() {
            eprintln!("WARNING: Could not fetch server CONFIG");
        }
        return;
    };
    for (endpoint, _) in target
        .endpoints
        .iter()
        .zip(&cluster.configs)
        .filter(|(_, config)| config.is_none())
    {
        eprintln!("WARNING: Could not fetch node CONFIG {}", endpoint.place);
    }
}

/// The state that is shared by consecutive tests.
struct Session<'a> {
    options: &'a Options,
    target: Target,
    server: Option<ServerConfig>,
    seed: u64,
}

impl Session<'_> {
    fn stay_idle(&self) {
        let clients = self.options.clients;
        to_stdout(|out| {
            writeln!(
                out,
                "Creating {clients} idle connections and waiting forever (Ctrl+C when done)"
            )
        });
        run::run(self.options, &self.target, None, self.seed);
    }

    fn run_command(&mut self) {
        let last = self.options.reads_stdin.then(|| {
            let mut text = Vec::new();
            match io::stdin().read_to_end(&mut text) {
                Ok(_) => text,
                Err(error) => fatal(format!(
                    "Reading from standard input: {}",
                    system_reason(&error)
                )),
            }
        });
        let data = Data::new().take(self.options.data_size);
        let workload = workload::command(self.options, last, &data);
        loop {
            self.run(&workload);
            if !self.options.repeats {
                break;
            }
        }
    }

    fn run_suite(&mut self) {
        let mut data = Data::new();
        loop {
            for workload in workload::suite(self.options, &data.take(self.options.data_size)) {
                self.run(&workload);
            }
            if !self.options.csv {
                to_stdout(|out| writeln!(out));
            }
            if !self.options.repeats {
                break;
            }
        }
    }

    fn run(&mut self, workload: &Workload) {
        let outcome = run::run(self.options, &self.target, Some(workload), self.seed);
        // The next test uses other random numbers, so that it does not only hit the keys of this one.
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let servers = match &self.target.cluster {
            Some(cluster) => Servers::Cluster(&cluster.configs),
            None => Servers::One(self.server.as_ref()),
        };
        to_stdout(|out| report::outcome(out, self.options, servers, workload, &outcome));
    }
}

fn seed(options: &Options) -> u64 {
    options.seed.unwrap_or_else(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        since.as_nanos() as u64 ^ u64::from(process::id()) << 32
    })
}
