//! The output. Its format is an interface, which scripts parse.
//!
//! The progress line is overwritten after a carriage return, so each function that prints over one
//! needs its length.
//!
//! A failed write to standard output is ignored: its reader has closed it.

use std::fmt::Display;
use std::io::{self, Write};
use std::process;

use crate::args::Options;
use crate::histogram::{Latencies, Row, Summary};
use crate::probe::ServerConfig;
use crate::workload::Workload;

/// The columns of `--csv`.
const CSV_COLUMNS: [&str; 8] = [
    "test",
    "rps",
    "avg_latency_ms",
    "min_latency_ms",
    "p50_latency_ms",
    "p95_latency_ms",
    "p99_latency_ms",
    "max_latency_ms",
];

/// The result of a test.
#[derive(Debug)]
pub struct Outcome {
    /// Number of replies.
    pub finished: u64,
    /// Its duration.
    pub seconds: f64,
    /// The latencies of its requests.
    pub latencies: Latencies,
    /// Length of the progress line on the terminal.
    pub line_len: usize,
}

impl Outcome {
    fn per_second(&self) -> f64 {
        self.finished as f64 / self.seconds
    }
}

/// What the servers have told about their configuration.
#[derive(Clone, Copy, Debug)]
pub enum Servers<'a> {
    /// One server.
    One(Option<&'a ServerConfig>),
    /// The primaries of a cluster.
    Cluster(&'a [Option<ServerConfig>]),
}

/// Prints a message to standard error and ends the program: no result is better than a false one.
pub fn fatal(sentence: impl Display) -> ! {
    eprintln!("{sentence}");
    process::exit(1)
}

/// Calls `print` with standard output and flushes it. Returns the result of `print`, unless a write
/// failed.
pub fn to_stdout<T>(print: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> Option<T> {
    let mut out = io::stdout().lock();
    let answer = print(&mut out).ok()?;
    out.flush().ok()?;
    Some(answer)
}

/// The first line of `--csv`.
pub fn csv_header(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\"{}\"", CSV_COLUMNS.join("\",\""))
}

/// The report of a test, in the requested form.
pub fn outcome(
    out: &mut dyn Write,
    options: &Options,
    servers: Servers<'_>,
    workload: &Workload,
    outcome: &Outcome,
) -> io::Result<()> {
    let title = &workload.title;
    let per_second = outcome.per_second();
    let Summary {
        avg,
        min,
        p50,
        p95,
        p99,
        max,
    } = outcome.latencies.summary();
    if options.csv {
        return writeln!(
            out,
            "\"{title}\",\"{per_second:.2}\",\"{avg:.3}\",\"{min:.3}\",\"{p50:.3}\",\"{p95:.3}\",\"{p99:.3}\",\"{max:.3}\""
        );
    }
    blank(out, outcome.line_len)?;
    if options.quiet {
        return writeln!(
            out,
            "{title}: {per_second:.2} requests per second, p50={p50:.3} msec"
        );
    }
    circumstances(out, options, servers, workload, outcome)?;
    writeln!(out, "\nLatency by percentile distribution:")?;
    rows(out, &outcome.latencies.percentiles())?;
    writeln!(out, "\nCumulative distribution of latencies:")?;
    rows(out, &outcome.latencies.levels())?;
    writeln!(out, "\nSummary:")?;
    writeln!(
        out,
        "  throughput summary: {per_second:.2} requests per second"
    )?;
    writeln!(out, "  latency summary (msec):")?;
    let names = ["avg", "min", "p50", "p95", "p99", "max"];
    writeln!(
        out,
        "    {}",
        names.map(|name| format!("{name:>9}")).join(" ")
    )?;
    let values = [avg, min, p50, p95, p99, max];
    writeln!(
        out,
        "    {}",
        values.map(|value| format!("{value:9.3}")).join(" ")
    )
}

/// The progress line of a test: rates and mean latencies, since the last line and overall. Returns
/// its length.
pub fn progress(
    out: &mut dyn Write,
    title: &str,
    (rps_now, rps): (f64, f64),
    (ms_now, ms): (f64, f64),
    line_len: usize,
) -> io::Result<usize> {
    blank(out, line_len)?;
    let line = format!(
        "{title}: rps={rps_now:.1} (overall: {rps:.1}) avg_msec={ms_now:.3} (overall: {ms:.3})\r"
    );
    out.write_all(line.as_bytes())?;
    Ok(line.len())
}

/// The progress line of idle connections.
pub fn idle_progress(out: &mut dyn Write, clients: usize) -> io::Result<()> {
    write!(out, "clients: {clients}\r")
}

/// Overwrites a line of this length with spaces.
fn blank(out: &mut dyn Write, line_len: usize) -> io::Result<()> {
    write!(out, "{:>line_len$}\r", " ")
}

fn circumstances(
    out: &mut dyn Write,
    options: &Options,
    servers: Servers<'_>,
    workload: &Workload,
    outcome: &Outcome,
) -> io::Result<()> {
    writeln!(out, "====== {} ======", workload.title)?;
    writeln!(
        out,
        "  {} requests completed in {:.2} seconds",
        outcome.finished, outcome.seconds
    )?;
    writeln!(out, "  {} parallel clients", options.clients)?;
    writeln!(out, "  {} bytes payload", workload.payload)?;
    writeln!(out, "  keep alive: {}", options.keep_alive)?;
    match servers {
        Servers::One(Some(ServerConfig { save, appendonly })) => {
            writeln!(out, "  host configuration \"save\": {save}")?;
            writeln!(out, "  host configuration \"appendonly\": {appendonly}")?;
        }
        Servers::One(None) => {}
        Servers::Cluster(configs) => nodes(out, configs)?,
    }
    let is_threaded = options.threads > 0;
    writeln!(
        out,
        "  multi-thread: {}",
        if is_threaded { "yes" } else { "no" }
    )?;
    if is_threaded {
        writeln!(out, "  threads: {}", options.threads)?;
    }
    Ok(())
}

/// The configurations of the primaries of a cluster.
fn nodes(out: &mut dyn Write, configs: &[Option<ServerConfig>]) -> io::Result<()> {
    writeln!(out, "  cluster mode: yes ({} masters)", configs.len())?;
    for (number, config) in configs.iter().enumerate() {
        let Some(ServerConfig { save, appendonly }) = config else {
            continue;
        };
        let save = if save.is_empty() { "NONE" } else { save };
        writeln!(out, "  node [{number}] configuration:\n    save: {save}")?;
        writeln!(out, "    appendonly: {appendonly}")?;
    }
    Ok(())
}

fn rows(out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    for Row { percent, ms, count } in rows {
        writeln!(
            out,
            "{percent:.3}% <= {ms:.3} milliseconds (cumulative count {count})"
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Servers, csv_header, outcome, progress};
    use crate::args::{Options, parse};
    use crate::histogram::Latencies;
    use crate::probe::ServerConfig;
    use crate::workload::Workload;

    fn print(line: &str, server: Option<&ServerConfig>) -> String {
        print_with(line, Servers::One(server))
    }

    fn print_with(line: &str, server: Servers<'_>) -> String {
        let options: Options = match parse(line.split_whitespace().map(Into::into)) {
            Ok(options) => options,
            Err(stop) => panic!("{line}: {stop:?}"),
        };
        let workload = Workload {
            title: "GET".to_string(),
            payload: 3,
            request: Vec::new(),
        };
        let mut latencies = Latencies::new(3);
        latencies.record(143, 2);
        latencies.record(855, 6);
        let ended = Outcome {
            finished: 8,
            seconds: 0.5,
            latencies,
            line_len: 5,
        };
        let mut out = Vec::new();
        outcome(&mut out, &options, server, &workload, &ended).expect("a Vec takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn the_whole_report() {
        let server = ServerConfig {
            save: "3600 1".to_string(),
            appendonly: "no".to_string(),
        };
        let expected = "    \u{20}\r====== GET ======
  8 requests completed in 0.50 seconds
  50 parallel clients
  3 bytes payload
  keep alive: 1
  host configuration \"save\": 3600 1
  host configuration \"appendonly\": no
  multi-thread: no

Latency by percentile distribution:
0.000% <= 0.143 milliseconds (cumulative count 2)
50.000% <= 0.855 milliseconds (cumulative count 8)
100.000% <= 0.855 milliseconds (cumulative count 8)

Cumulative distribution of latencies:
0.000% <= 0.103 milliseconds (cumulative count 0)
25.000% <= 0.207 milliseconds (cumulative count 2)
100.000% <= 0.903 milliseconds (cumulative count 8)

Summary:
  throughput summary: 16.00 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        0.674     0.136     0.855     0.855     0.855     0.855
";
        assert_eq!(print("", Some(&server)), expected);
        let threaded = print("--threads 2 -k 0", None);
        assert!(threaded.contains("  keep alive: 0\n  multi-thread: yes\n  threads: 2\n\n"));
    }

    #[test]
    fn every_primary_shows_its_configuration() {
        let config = |save: &str| {
            Some(ServerConfig {
                save: save.to_string(),
                appendonly: "no".to_string(),
            })
        };
        let text = print_with("", Servers::Cluster(&[config(""), None, config("60 1")]));
        let expected = "  keep alive: 1
  cluster mode: yes (3 masters)
  node [0] configuration:
    save: NONE
    appendonly: no
  node [2] configuration:
    save: 60 1
    appendonly: no
  multi-thread: no
";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn the_short_forms() {
        assert_eq!(
            print("-q", None),
            "     \rGET: 16.00 requests per second, p50=0.855 msec\n"
        );
        assert_eq!(
            print("--csv -q", None),
            "\"GET\",\"16.00\",\"0.674\",\"0.136\",\"0.855\",\"0.855\",\"0.855\",\"0.855\"\n"
        );
        let mut out = Vec::new();
        csv_header(&mut out).expect("a Vec takes all");
        assert_eq!(
            out,
            b"\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
            \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n"
        );
    }

    #[test]
    fn the_progress_line_covers_its_predecessor() {
        let mut out = Vec::new();
        let len = progress(&mut out, "SET", (10.0, 20.04), (1.0, 0.12345), 0).expect("a Vec");
        assert_eq!(
            String::from_utf8_lossy(&out),
            " \rSET: rps=10.0 (overall: 20.0) avg_msec=1.000 (overall: 0.123)\r"
        );
        assert_eq!(len, out.len() - 2);
    }
}
