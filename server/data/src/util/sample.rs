//! Random sampling from sequences that can only be iterated.

use crate::util::rand::Rng;

/// Passes `count` of the `total` elements of `all`, or all if there are fewer, to `each` in order. Each subset of that
/// size is equally likely (Knuth's Algorithm S).
pub fn choose<T>(
    all: impl IntoIterator<Item = T>,
    total: usize,
    count: usize,
    rng: &mut Rng,
    mut each: impl FnMut(T),
) {
    split(all, total, count, rng, |element, chosen| {
        if chosen {
            each(element);
        }
    });
}

/// Passes each of the `total` elements to `each`, with whether it is among the `count` chosen ones.
pub fn split<T>(
    all: impl IntoIterator<Item = T>,
    total: usize,
    count: usize,
    rng: &mut Rng,
    mut each: impl FnMut(T, bool),
) {
    let (mut left, mut wanted) = (total as u64, count as u64);
    for element in all {
        let chosen = left > 0 && rng.below(left) < wanted;
        each(element, chosen);
        left = left.saturating_sub(1);
        wanted -= u64::from(chosen);
    }
}

#[cfg(test)]
mod tests {
    use super::{choose, split};
    use crate::util::rand::Rng;

    #[test]
    fn pairs_are_sampled_uniformly() {
        let mut rng = Rng::new(3);
        let mut counts = [[0u32; 6]; 6];
        for _ in 0..15_000 {
            let mut pair = Vec::new();
            choose(0..6, 6, 2, &mut rng, |number| pair.push(number));
            counts[pair[0]][pair[1]] += 1;
        }
        for low in 0..6 {
            for high in 0..6 {
                let expected = if low < high { 850..1150 } else { 0..1 };
                assert!(expected.contains(&counts[low][high]), "{counts:?}");
            }
        }
    }

    #[test]
    fn marks_exactly_the_requested_number() {
        let mut rng = Rng::new(4);
        for (total, count) in [(0, 0), (0, 3), (1, 0), (1, 1), (5, 4), (5, 5), (5, 9)] {
            let (mut seen, mut chosen) = (0, 0);
            split(0..total, total, count, &mut rng, |_, is| {
                seen += 1;
                chosen += usize::from(is);
            });
            assert_eq!((seen, chosen), (total, count.min(total)));
        }
    }
}
