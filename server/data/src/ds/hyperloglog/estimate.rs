//! The number of elements, estimated from how many registers have each value.

use crate::ds::hyperloglog::{REGISTERS, RUN_BITS};

/// Histogram of the register values of the dense encoding. Four tables alternate, because reloading a counter right
/// after its store stalls, and consecutive registers often have the same value.
pub(super) struct Histogram([[u32; 64]; 4]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram([[0; 64]; 4])
    }
}

impl Histogram {
    #[inline]
    pub(super) fn add(&mut self, values: [u8; 4]) {
        for (part, value) in self.0.iter_mut().zip(values) {
            part[usize::from(value & 63)] += 1;
        }
    }

    pub(super) fn total(&self) -> [u32; 64] {
        let mut total = [0; 64];
        for part in &self.0 {
            total.iter_mut().zip(part).for_each(|(sum, n)| *sum += n);
        }
        total
    }
}

/// Ertl's estimator ("Algorithm 6" of the paper) on a histogram of register values.
pub(super) fn estimate(histogram: &[u32; 64]) -> u64 {
    const ALPHA_INFINITY: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let mut z = m * tau((m - f64::from(histogram[RUN_BITS + 1])) / m);
    for &registers in histogram[1..=RUN_BITS].iter().rev() {
        z += f64::from(registers);
        z *= 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    let estimate = (ALPHA_INFINITY * m * m / z).round();
    // Forged registers can make the estimate infinite, which llroundl converts to the minimum integer on x86.
    if estimate < i64::MAX as f64 {
        estimate as u64
    } else {
        i64::MIN as u64
    }
}

/// The contribution of the registers that are 0, by their share.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// The contribution of the registers with the greatest value, by the share of the others.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
