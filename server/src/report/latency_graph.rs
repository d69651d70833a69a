//! LATENCY GRAPH: a series as columns of characters, four lines high, each column with its age below it.

use crate::state::latency::{Sample, Series};

/// Columns per line of the graph.
const COLUMNS: usize = 80;
/// Lines of the graph.
const ROWS: usize = 4;
/// Heights that a line can show, lowest first.
const LEVELS: [char; 3] = ['_', 'o', '#'];

/// The graph of an event at a time in Unix seconds.
pub fn draw(event: &str, series: &Series, now: i64) -> String {
    let all = || series.samples.iter().map(|sample| sample.ms);
    let (low, high) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let mut text = format!(
        "{event} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        series.max_ms,
        "-".repeat(COLUMNS)
    );
    let samples: Vec<Sample> = series.samples.iter().copied().collect();
    for (index, part) in samples.chunks(COLUMNS).enumerate() {
        if index > 0 {
            text.push('\n');
        }
        draw_part(&mut text, part, (low, high), now);
    }
    text
}

fn draw_part(text: &mut String, part: &[Sample], (low, high): (u64, u64), now: i64) {
    let steps = (ROWS * LEVELS.len()) as u64;
    let range = (high - low).max(1);
    let heights: Vec<u64> = part
        .iter()
        .map(|sample| ((sample.ms - low) * steps / range).min(steps - 1))
        .collect();
    for row in (0..ROWS).rev() {
        let base = (row * LEVELS.len()) as u64;
        let line = heights
            .iter()
            .map(|&height| match height.checked_sub(base) {
                None => ' ',
                Some(above) => *LEVELS.get(above as usize).unwrap_or(&'|'),
            });
        text.extend(line);
        text.push('\n');
    }
    text.push_str(&" ".repeat(part.len()));
    text.push('\n');
    let ages: Vec<String> = part.iter().map(|sample| age(now - sample.time)).collect();
    let longest = ages.iter().map(String::len).max().unwrap_or(0);
    for at in 0..longest {
        text.extend(ages.iter().map(|age| age.chars().nth(at).unwrap_or(' ')));
        text.push('\n');
    }
}

/// An age in the biggest unit that fits.
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::state::latency::{Event, LatencyMonitor};

    #[test]
    fn a_graph_shows_heights_and_ages() {
        let mut monitor = LatencyMonitor::default();
        for (time, ms) in [(0, 100), (3600, 150), (7100, 200)] {
            monitor.note(Event::Command, 1, ms, time);
        }
        let (event, series) = monitor.named(b"command").expect("a series");
        let graph = draw(event.name(), series, 7200);
        let lines: Vec<&str> = graph.lines().collect();
        assert_eq!(
            lines[0],
            "command - high 200 ms, low 100 ms (all time high 200 ms)"
        );
        assert_eq!(lines[1], "-".repeat(80));
        let expected = ["  #", " _|", " ||", "_||", "   ", "211", "hhm"];
        assert_eq!(lines[2..], expected);
    }
}
