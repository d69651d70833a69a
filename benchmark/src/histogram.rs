//! The latencies of a test and the statistics of the report.
//!
//! They are kept in an HDR histogram from 10 µs to 3 s. The two tables are computed here and not by
//! the iterators of the crate, whose steps differ from the rows that redis-benchmark prints and
//! scripts parse.

use hdrhistogram::Histogram;

/// The lowest discernible latency in microseconds.
const LOWEST_US: u64 = 10;
/// The highest latency in microseconds; longer ones count as this.
const HIGHEST_US: u64 = 3_000_000;
/// Steps between the levels of the second table, in microseconds; the wide one is used after the
/// first level above [`NARROW_UP_TO_US`].
const NARROW_US: u64 = 100;
const WIDE_US: u64 = 1000;
const NARROW_UP_TO_US: u64 = 2000;

/// A row of a table: `percent` of the requests, which is `count`, took `ms` or less.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Percent.
    pub percent: f64,
    /// Milliseconds.
    pub ms: f32,
    /// Requests.
    pub count: u64,
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Mean.
    pub avg: f32,
    /// The fastest.
    pub min: f32,
    /// Half of them were not slower.
    pub p50: f32,
    /// 95 percent were not slower.
    pub p95: f32,
    /// 99 percent were not slower.
    pub p99: f32,
    /// The slowest.
    pub max: f32,
}

/// The latencies of a test.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// An empty histogram with this many significant digits.
    pub fn new(digits: u8) -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST_US, HIGHEST_US, digits);
        Self(histogram.expect("the bounds are constants, and the digits at most four"))
    }

    /// Records `count` requests that took `us` microseconds.
    pub fn record(&mut self, us: u64, count: u64) {
        self.0.saturating_record_n(us.min(HIGHEST_US), count);
    }

    /// Adds those of another loop.
    pub fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        debug_assert!(
            added.is_ok(),
            "all histograms of a run have the same bounds"
        );
    }

    /// The last line of the report.
    pub fn summary(&self) -> Summary {
        let total = self.0.len();
        if total == 0 {
            return Summary::default();
        }
        let sum = |(value, count)| u128::from(self.0.median_equivalent(value)) * u128::from(count);
        let sum: u128 = self.buckets().map(sum).sum();
        Summary {
            avg: (sum as f64 / total as f64 / 1000.0) as f32,
            min: ms(self.0.min()),
            p50: ms(self.at_percentile(50.0)),
            p95: ms(self.at_percentile(95.0)),
            p99: ms(self.at_percentile(99.0)),
            max: ms(self.0.max()),
        }
    }

    /// The first table: each step covers half of the distance to 100 percent, until a bucket holds
    /// the slowest request, which gets one more row.
    pub fn percentiles(&self) -> Vec<Row> {
        let total = self.0.len();
        let mut rows = Vec::new();
        let (mut percent, mut count, mut slowest) = (0.0, 0, 0);
        for (value, here) in self.buckets() {
            slowest = self.0.highest_equivalent(value);
            let is_new = |rows: &[Row], count| rows.last().is_none_or(|row| row.count != count);
            count += here;
            while percent <= 100.0 * count as f64 / total as f64 {
                if count == total || is_new(&rows, count) {
                    rows.push(Row {
                        percent,
                        ms: ms(slowest),
                        count,
                    });
                }
                percent += 100.0 / halvings(percent);
                if count == total {
                    break;
                }
            }
        }
        rows.push(Row {
            percent: 100.0,
            ms: ms(slowest),
            count: total,
        });
        rows
    }

    /// The second table: how many requests had been served at each level.
    pub fn levels(&self) -> Vec<Row> {
        let total = self.0.len();
        let mut rows: Vec<Row> = Vec::new();
        let mut buckets = self.buckets().peekable();
        let (mut level, mut step) = (NARROW_US, NARROW_US);
        let (mut count, mut bucket) = (0, 0);
        while count < total || self.0.lowest_equivalent(level) == bucket {
            bucket = self.0.lowest_equivalent(level).max(bucket);
            let top = self.0.highest_equivalent(bucket);
            while let Some((_, here)) = buckets.next_if(|&(value, _)| value <= top) {
                count += here;
            }
            if count == total || rows.last().is_none_or(|row| row.count != count) {
                let percent = count as f64 / total as f64 * 100.0;
                rows.push(Row {
                    percent,
                    ms: ms(top),
                    count,
                });
            }
            level += step;
            if top > NARROW_UP_TO_US {
                step = WIDE_US;
            }
        }
        rows
    }

    /// The largest value of the bucket in which this percentage is reached.
    fn at_percentile(&self, percent: f64) -> u64 {
        let wanted = (percent / 100.0 * self.0.len() as f64 + 0.5) as u64;
        let mut count = 0;
        let reaches = |&(_, here): &(u64, u64)| {
            count += here;
            count >= wanted.max(1)
        };
        let found = self.buckets().find(reaches);
        found.map_or(0, |(value, _)| self.0.highest_equivalent(value))
    }

    /// The buckets that are not empty: a value of each, and its count.
    fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let recorded = self.0.iter_recorded();
        recorded.map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
    }
}

/// The smallest power of two above the quotient of 100 percent and what is left of it.
fn halvings(percent: f64) -> f64 {
    let done = ((100.0 / (100.0 - percent)).ln() / 2f64.ln()).floor();
    2f64.powf(done + 1.0)
}

/// Microseconds to milliseconds.
fn ms(us: u64) -> f32 {
    us as f32 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::{Latencies, Row, Summary};

    fn latencies(digits: u8, recorded: &[(u64, u64)]) -> Latencies {
        let mut latencies = Latencies::new(digits);
        for &(us, count) in recorded {
            latencies.record(us, count);
        }
        latencies
    }

    fn told(rows: &[Row]) -> Vec<String> {
        rows.iter()
            .map(|row| format!("{:.3} {:.3} {}", row.percent, row.ms, row.count))
            .collect()
    }

    #[test]
    fn rows_stop_where_redis_stops() {
        let some = latencies(3, &[(143, 2), (855, 501), (1063, 249), (2463, 30)]);
        assert_eq!(
            told(&some.percentiles()),
            [
                "0.000 0.143 2",
                "50.000 0.855 503",
                "75.000 1.063 752",
                "96.875 2.463 782",
                "100.000 2.463 782",
            ]
        );
        assert_eq!(
            told(&some.levels()),
            [
                "0.000 0.103 0",
                "0.256 0.207 2",
                "64.322 0.903 503",
                "96.164 1.103 752",
                "100.000 3.103 782",
            ]
        );
        let Summary {
            avg,
            min,
            p50,
            p95,
            p99,
            max,
        } = some.summary();
        let columns = [avg, min, p50, p95, p99, max].map(|ms| format!("{ms:.3}"));
        assert_eq!(columns.join(" "), "0.978 0.136 0.855 1.063 2.463 2.463");
    }

    #[test]
    fn a_bucket_wider_than_a_level_is_told_for_each_level_in_it() {
        let slow = latencies(3, &[(2_500_000, 1), (5, 3), (700, 2), (1900, 1)]);
        assert_eq!(
            told(&slow.percentiles()),
            [
                "0.000 0.007 3",
                "50.000 0.703 5",
                "75.000 1.903 6",
                "87.500 2500.607 7",
                "100.000 2500.607 7",
            ]
        );
        assert_eq!(
            told(&slow.levels()),
            [
                "42.857 0.103 3",
                "71.429 0.703 5",
                "85.714 1.903 6",
                "100.000 2500.607 7",
                "100.000 2500.607 7",
            ]
        );
        let coarse = latencies(1, &[(2_500_000, 1), (700, 4)]).levels();
        assert_eq!(coarse.len(), 133);
        assert_eq!(
            told(&coarse[..3]),
            ["0.000 0.103 0", "80.000 0.703 4", "100.000 2621.439 5"]
        );
    }

    #[test]
    fn what_took_too_long_counts_as_the_longest() {
        let mut one = latencies(3, &[(u64::MAX, 1)]);
        one.add(&latencies(3, &[(100, 1)]));
        assert_eq!(told(&one.percentiles()[..1]), ["0.000 0.103 1"]);
        assert_eq!(one.summary().max, 3000.319);
    }

    #[test]
    fn nothing_recorded_is_told_as_such() {
        let none = Latencies::new(0);
        assert_eq!(told(&none.percentiles()), ["100.000 0.000 0"]);
        assert_eq!(none.levels(), []);
        assert_eq!(none.summary(), Summary::default());
    }
}
