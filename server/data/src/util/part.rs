//! Partial sorting: the quicksort of Bentley and McIlroy ("Engineering a Sort Function", 1993), restricted to a range
//! of positions.
//!
//! It is not stable but deterministic: clients see the order of equal elements, and it must be Redis's. So the choice
//! of the pivot and the order of exchanges are those of the paper. Beyond some depth, which only an input constructed
//! against the choice of pivots reaches, another sort takes over to avoid quadratic time.

use std::cmp::Ordering;
use std::ops::Range;

/// Up to this many elements, insertion sort is used.
const FEW: usize = 6;
/// Above this many elements, the pivot is the median of three medians.
const MANY: usize = 40;

/// Sorts `slice` so that at least the positions in `part` hold their final elements.
pub fn sort_part<T>(
    slice: &mut [T],
    part: Range<usize>,
    mut compare: impl FnMut(&T, &T) -> Ordering,
) {
    let depth = 4 * (usize::BITS - slice.len().leading_zeros());
    let mut todo = vec![(0..slice.len(), depth)];
    while let Some((range, depth)) = todo.pop() {
        if range.len() < 2 || range.start >= part.end || range.end <= part.start {
            continue;
        }
        let here = &mut slice[range.clone()];
        if here.len() <= FEW {
            insert(here, &mut compare);
        } else if depth == 0 {
            here.sort_by(&mut compare);
        } else {
            let (less, greater) = partition(here, &mut compare);
            todo.push((range.end - greater..range.end, depth - 1));
            todo.push((range.start..range.start + less, depth - 1));
        }
    }
}

fn insert<T>(slice: &mut [T], compare: &mut impl FnMut(&T, &T) -> Ordering) {
    for end in 1..slice.len() {
        let mut at = end;
        while at > 0 && compare(&slice[at - 1], &slice[at]).is_gt() {
            slice.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Partitions by a pivot: smaller elements first, greater ones last. Returns the number of each.
fn partition<T>(slice: &mut [T], compare: &mut impl FnMut(&T, &T) -> Ordering) -> (usize, usize) {
    let len = slice.len();
    let pivot = choose(slice, compare);
    slice.swap(0, pivot);
    // Meanwhile: equal 0..a, less a..b, unknown b..c, greater c..d, equal d..len.
    let (mut a, mut b, mut c, mut d) = (1, 1, len, len);
    loop {
        while b < c {
            match compare(&slice[b], &slice[0]) {
                Ordering::Less => {}
                Ordering::Equal => {
                    slice.swap(a, b);
                    a += 1;
                }
                Ordering::Greater => break,
            }
            b += 1;
        }
        while b < c {
            match compare(&slice[c - 1], &slice[0]) {
                Ordering::Greater => {}
                Ordering::Equal => {
                    d -= 1;
                    slice.swap(c - 1, d);
                }
                Ordering::Less => break,
            }
            c -= 1;
        }
        if b >= c {
            break;
        }
        slice.swap(b, c - 1);
        b += 1;
        c -= 1;
    }
    exchange(slice, 0, b, a.min(b - a));
    exchange(slice, b, len, (d - c).min(len - d));
    (b - a, d - c)
}

/// Exchanges `count` elements from `front` on with the last ones before `end`.
fn exchange<T>(slice: &mut [T], front: usize, end: usize, count: usize) {
    for index in 0..count {
        slice.swap(front + index, end - count + index);
    }
}

/// Chooses the index of the pivot.
fn choose<T>(slice: &[T], compare: &mut impl FnMut(&T, &T) -> Ordering) -> usize {
    let len = slice.len();
    let middle = len / 2;
    if len == FEW + 1 {
        return middle;
    }
    let mut median = |[one, two, three]: [usize; 3]| {
        let mut order = |left: usize, right: usize| compare(&slice[left], &slice[right]);
        if order(one, two).is_lt() {
            if order(two, three).is_lt() {
                two
            } else if order(one, three).is_lt() {
                three
            } else {
                one
            }
        } else if order(two, three).is_gt() {
            two
        } else if order(one, three).is_lt() {
            one
        } else {
            three
        }
    };
    if len <= MANY {
        return median([0, middle, len - 1]);
    }
    let step = len / 8;
    let thirds = [
        median([0, step, 2 * step]),
        median([middle - step, middle, middle + step]),
        median([len - 1 - 2 * step, len - 1 - step, len - 1]),
    ];
    median(thirds)
}

#[cfg(test)]
mod tests {
    use super::sort_part;
    use crate::util::rand::Rng;

    #[test]
    fn part_equals_that_of_a_full_sort() {
        let mut rng = Rng::new(1);
        for len in 0..300 {
            for values in [3, 1000] {
                let numbers: Vec<u64> = (0..len).map(|_| rng.below(values)).collect();
                let mut sorted = numbers.clone();
                sorted.sort_unstable();
                let start = rng.below(len + 1) as usize;
                let end = start + rng.below(len - start as u64 + 1) as usize;
                let mut partly = numbers.clone();
                sort_part(&mut partly, start..end, Ord::cmp);
                assert_eq!(partly[start..end], sorted[start..end]);
                partly.sort_unstable();
                assert_eq!(partly, sorted, "nothing is lost");
            }
        }
    }

    #[test]
    fn adversarial_input_is_not_quadratic() {
        // McIlroy's adversary decides comparisons as they are made, so that each pivot is one of the smallest
        // elements.
        let len = 20_000;
        let mut values = vec![None; len];
        let (mut solid, mut candidate, mut comparisons) = (0, 0, 0u64);
        let mut slice: Vec<usize> = (0..len).collect();
        sort_part(&mut slice, 0..len, |&one, &two| {
            comparisons += 1;
            if values[one].is_none() && values[two].is_none() {
                let freeze = if one == candidate { one } else { two };
                values[freeze] = Some(solid);
                solid += 1;
            }
            if values[one].is_none() {
                candidate = one;
            } else if values[two].is_none() {
                candidate = two;
            }
            let value = |index: usize| values[index].unwrap_or(len);
            value(one).cmp(&value(two))
        });
        assert!(comparisons < 100 * len as u64, "{comparisons}");
    }
}
