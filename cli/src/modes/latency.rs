//! `--latency`, `--latency-history`, `--latency-dist`: the latency of PING, measured continuously.

use std::thread;
use std::time::{Duration, Instant};

use crate::format::Output;
use crate::modes::retry;
use crate::options::Options;
use crate::out::{Exit, print};
use crate::session::Session;

/// Pause between two samples.
const SAMPLE_PAUSE: Duration = Duration::from_millis(10);
/// Duration of a single report.
const SINGLE: Duration = Duration::from_secs(1);
/// Duration of a line of the history.
const HISTORY: Duration = Duration::from_secs(15);
/// Duration of a line of the spectrum.
const SPECTRUM: Duration = Duration::from_secs(1);
/// Lines of the spectrum between two legends.
const LINES_PER_LEGEND: u64 = 20;

const CLEAR_LINE: &str = "\x1b[0G\x1b[2K";

/// The buckets of the spectrum: the upper bound in microseconds and the letter. Anything slower is `?`.
const BUCKETS: [(u128, char); 29] = [
    (10, '.'),
    (125, '-'),
    (250, '*'),
    (500, '#'),
    (1_000, '1'),
    (2_000, '2'),
    (3_000, '3'),
    (4_000, '4'),
    (5_000, '5'),
    (6_000, '6'),
    (7_000, '7'),
    (8_000, '8'),
    (9_000, '9'),
    (10_000, 'A'),
    (20_000, 'B'),
    (30_000, 'C'),
    (40_000, 'D'),
    (50_000, 'E'),
    (100_000, 'F'),
    (200_000, 'G'),
    (300_000, 'H'),
    (400_000, 'I'),
    (500_000, 'J'),
    (1_000_000, 'K'),
    (2_000_000, 'L'),
    (4_000_000, 'M'),
    (8_000_000, 'N'),
    (16_000_000, 'O'),
    (30_000_000, 'P'),
];
const MINUTE: (u128, char) = (60_000_000, 'Q');

/// Colours of a 256-colour terminal, from no samples to all samples.
const COLOURS: [u8; 19] = [
    0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 144, 143, 142, 184, 226, 214, 208, 202, 196,
];
/// Shades of grey, likewise.
const GREYS: [u8; 13] = [
    0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 249, 251, 253,
];

/// Milliseconds of the samples so far.
#[derive(Default)]
struct Samples {
    min: u128,
    max: u128,
    total: u128,
    count: u64,
}

impl Samples {
    fn add(&mut self, ms: u128) {
        self.min = if self.count == 0 {
            ms
        } else {
            self.min.min(ms)
        };
        self.max = self.max.max(ms);
        self.total += ms;
        self.count += 1;
    }

    fn line(&self, output: Output) -> String {
        let Self {
            min, max, count, ..
        } = self;
        let average = self.total as f64 / self.count.max(1) as f64;
        match output {
            Output::Standard => {
                format!("min: {min}, max: {max}, avg: {average:.2} ({count} samples)")
            }
            Output::Csv => format!("{min},{max},{average:.2},{count}\n"),
            Output::Raw => format!("{min} {max} {average:.2} {count}\n"),
            Output::Json | Output::QuotedJson => {
                format!(
                    "{{\"min\": {min}, \"max\": {max}, \"avg\": {average:.2}, \"count\": {count}}}\n"
                )
            }
        }
    }
}

/// Samples forever on a terminal; otherwise prints one report after an interval.
///
/// # Errors
/// The server cannot be used; a message was printed.
pub fn run(session: &mut Session, options: &Options, history: bool) -> Result<(), Exit> {
    session.connect_or_exit()?;
    let given = (!options.interval.is_zero()).then_some(options.interval);
    let output = options.format.output;
    let mut samples = Samples::default();
    let mut begun = Instant::now();
    loop {
        samples.add(ping(session)?.as_millis());
        if output == Output::Standard {
            print(format!("{CLEAR_LINE}{}", samples.line(output)));
        } else if history {
            print(samples.line(output));
        } else if begun.elapsed() > given.unwrap_or(SINGLE) {
            print(samples.line(output));
            return Ok(());
        }
        if history && begun.elapsed() > given.unwrap_or(HISTORY) {
            let seconds = begun.elapsed().as_secs_f64();
            print(format!(" -- {seconds:.2} seconds range\n"));
            begun = Instant::now();
            samples = Samples::default();
        }
        thread::sleep(SAMPLE_PAUSE);
    }
}

/// Draws a line of coloured letters for every interval.
///
/// # Errors
/// The server cannot be used; a message was printed.
pub fn spectrum(session: &mut Session, options: &Options, mono: bool) -> Result<(), Exit> {
    session.connect_or_exit()?;
    let palette: &[u8] = if mono { &GREYS } else { &COLOURS };
    let interval = if options.interval.is_zero() {
        SPECTRUM
    } else {
        options.interval
    };
    let mut counts = [0; BUCKETS.len() + 2];
    let mut begun = Instant::now();
    let mut lines = 0;
    loop {
        counts[bucket(ping(session)?.as_micros())] += 1;
        if begun.elapsed() > interval {
            if lines % LINES_PER_LEGEND == 0 {
                print(legend(palette));
            }
            lines += 1;
            print(draw(&counts, palette));
            counts.fill(0);
            begun = Instant::now();
        }
        thread::sleep(SAMPLE_PAUSE);
    }
}

fn ping(session: &mut Session) -> Result<Duration, Exit> {
    let start = Instant::now();
    retry::call(session, &["PING"])?;
    Ok(start.elapsed())
}

fn buckets() -> impl Iterator<Item = (u128, char)> {
    BUCKETS.into_iter().chain([MINUTE, (u128::MAX, '?')])
}

fn bucket(us: u128) -> usize {
    buckets().take_while(|&(max, _)| us > max).count()
}

/// A line of the spectrum. The colour of a letter shows its share of the samples.
fn draw(counts: &[u64], palette: &[u8]) -> String {
    let total: u64 = counts.iter().sum();
    let mut line = String::from("\x1b[38;5;0m");
    for (&count, (_, letter)) in counts.iter().zip(buckets()) {
        let share = count as f64 / total.max(1) as f64;
        let colour = palette[(share * (palette.len() - 1) as f64).ceil() as usize];
        line.push_str(&format!("\x1b[48;5;{colour}m{letter}"));
    }
    line.push_str("\x1b[0m\n");
    line
}

fn legend(palette: &[u8]) -> String {
    let rule = "---------------------------------------------\n";
    let colours: String = palette
        .iter()
        .map(|colour| format!("\x1b[48;5;{colour}m "))
        .collect();
    format!(
        "{rule}\
         . - * #          .01 .125 .25 .5 milliseconds\n\
         1,2,3,...,9      from 1 to 9     milliseconds\n\
         A,B,C,D,E        10,20,30,40,50  milliseconds\n\
         F,G,H,I,J        .1,.2,.3,.4,.5       seconds\n\
         K,L,M,N,O,P,Q,?  1,2,4,8,16,30,60,>60 seconds\n\
         From 0 to 100%: {colours}\x1b[0m\n{rule}"
    )
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, GREYS, Samples, bucket, buckets, draw};
    use crate::format::Output;

    #[test]
    fn a_report_in_every_form() {
        let mut samples = Samples::default();
        for ms in [2, 1, 4] {
            samples.add(ms);
        }
        let table = [
            (Output::Standard, "min: 1, max: 4, avg: 2.33 (3 samples)"),
            (Output::Raw, "1 4 2.33 3\n"),
            (Output::Csv, "1,4,2.33,3\n"),
            (
                Output::Json,
                "{\"min\": 1, \"max\": 4, \"avg\": 2.33, \"count\": 3}\n",
            ),
        ];
        for (output, expected) in table {
            assert_eq!(samples.line(output), expected);
        }
    }

    #[test]
    fn every_time_has_a_bucket() {
        let letter = |us| buckets().nth(bucket(us)).map(|(_, letter)| letter);
        let table = [
            (0, '.'),
            (10, '.'),
            (11, '-'),
            (1_000, '1'),
            (60_000_000, 'Q'),
            (60_000_001, '?'),
        ];
        for (us, expected) in table {
            assert_eq!(letter(us), Some(expected), "{us}");
        }
        assert!(buckets().is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn shares_become_colours() {
        let mut counts = [0; BUCKETS.len() + 2];
        counts[0] = 1;
        counts[1] = 1;
        let line = draw(&counts, &GREYS);
        assert!(line.starts_with("\x1b[38;5;0m\x1b[48;5;241m.\x1b[48;5;241m-\x1b[48;5;0m*"));
        assert!(draw(&[0; BUCKETS.len() + 2], &GREYS).ends_with("\x1b[48;5;0m?\x1b[0m\n"));
    }
}
