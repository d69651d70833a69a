//! `--intrinsic-latency`: the latency that the kernel and the hypervisor add to a busy process.
//!
//! A computation without system calls is timed repeatedly. A run that takes longer than the others was interrupted.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::interrupt::Interrupts;
use crate::out::print;

/// Steps of the computation: a few tenths of a microsecond, with the table.
const STEPS: usize = 50;

/// Measures for this long, or until Ctrl-C.
pub fn run(duration: Duration) {
    let interrupts = Interrupts::for_loop();
    let begun = Instant::now();
    let mut worst_us = 0;
    let mut runs = 0u64;
    loop {
        let start = Instant::now();
        black_box(compute());
        let us = start.elapsed().as_micros();
        runs += 1;
        if us > worst_us {
            worst_us = us;
            print(format!("Max latency so far: {us} microseconds.\n"));
        }
        let interrupted = interrupts.as_ref().is_some_and(Interrupts::pressed);
        if interrupted || begun.elapsed() > duration {
            break;
        }
    }
    let average_us = begun.elapsed().as_secs_f64() * 1e6 / runs as f64;
    print(format!(
        "\n{runs} total runs (avg latency: {average_us:.4} microseconds / {:.2} nanoseconds per run).\n\
         Worst run took {:.0}x longer than the average latency.\n",
        average_us * 1e3,
        worst_us as f64 / average_us
    ));
}

/// Shuffles a table in a way that the compiler cannot compute in advance.
fn compute() -> u64 {
    let mut table: [u8; 256] = std::array::from_fn(|at| at as u8);
    let (mut left, mut right) = (0u8, 0u8);
    let mut sum = 0;
    for _ in 0..STEPS {
        left = left.wrapping_add(1);
        right = right.wrapping_add(table[usize::from(left)]);
        table.swap(usize::from(left), usize::from(right));
        sum += u64::from(table[usize::from(table[usize::from(left)] ^ table[usize::from(right)])]);
    }
    sum
}
