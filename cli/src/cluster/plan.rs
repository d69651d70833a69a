//! Plans for slots: which slots leave which node in a reshard, and how many go from where to where in a rebalance.
//!
//! Everything here is arithmetic on numbers of slots; nothing is sent.

use crate::cluster::slots::{SLOTS, SlotSet};

/// A slot that is to leave a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// The node.
    pub from: usize,
    /// The slot.
    pub slot: u16,
}

/// Chooses `count` slots of several nodes, of each in proportion to what it has: the lowest ones, beginning with the
/// node that has most. Shares are rounded down, except for the first one, so that there may be fewer than `count`.
pub fn reshard(sources: &[(usize, &SlotSet)], count: u16) -> Vec<Leaving> {
    let mut sources = sources.to_vec();
    sources.sort_by_key(|(_, slots)| std::cmp::Reverse(slots.len()));
    let total: u32 = sources
        .iter()
        .map(|(_, slots)| u32::from(slots.len()))
        .sum();
    let mut leaving = Vec::new();
    for (at, (from, slots)) in sources.into_iter().enumerate() {
        // In single precision, as in Redis, so that the rounding is the same.
        let share = f32::from(count) / total.max(1) as f32 * f32::from(slots.len());
        let share = if at == 0 { share.ceil() } else { share.floor() };
        let left = usize::from(count) - leaving.len();
        let chosen = slots.iter().take((share as usize).min(left));
        leaving.extend(chosen.map(|slot| Leaving { from, slot }));
    }
    leaving
}

/// What a primary has and is to have.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The node.
    pub node: usize,
    /// The slots that it has.
    pub slots: u16,
    /// Its weight.
    pub weight: f32,
}

/// Slots that go from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The node that loses them.
    pub from: usize,
    /// The node that gets them.
    pub to: usize,
    /// How many.
    pub count: u16,
}

/// A plan of a rebalance.
#[derive(Debug, PartialEq, Eq)]
pub struct Balance {
    /// The nodes and the number of slots that they have too many, ascending.
    pub surplus: Vec<(usize, i32)>,
    /// What is to be done.
    pub shifts: Vec<Shift>,
}

/// Plans a rebalance; `None` if every node is within `threshold` percent of its share.
pub fn rebalance(shares: &[Share], threshold: f32) -> Option<Balance> {
    let total: f32 = shares.iter().map(|share| share.weight).sum();
    let mut is_out = false;
    let mut surplus: Vec<(usize, i32)> = Vec::new();
    for share in shares {
        let expected = (f32::from(SLOTS) / total * share.weight) as i32;
        surplus.push((share.node, i32::from(share.slots) - expected));
        is_out |= threshold > 0.0
            && if share.slots > 0 {
                let ratio = 100.0 * f64::from(expected) / f64::from(share.slots);
                (100.0 - ratio).abs() as f32 > threshold
            } else {
                expected > 1
            };
    }
    if !is_out {
        return None;
    }
    round_off(&mut surplus);
    surplus.sort_by_key(|&(_, surplus)| surplus);
    let shifts = shifts(surplus.clone());
    Some(Balance { surplus, shifts })
}

/// Shares are rounded down: what is left over goes to the nodes that get slots, one each in turn.
fn round_off(surplus: &mut [(usize, i32)]) {
    let mut left: i32 = surplus.iter().map(|&(_, surplus)| surplus).sum();
    while left > 0 {
        let before = left;
        for (_, surplus) in surplus.iter_mut() {
            if *surplus <= 0 && left > 0 {
                *surplus -= 1;
                left -= 1;
            }
        }
        if left == before {
            return;
        }
    }
}

/// Pairs the node that lacks most slots with the one that has most too many, and so on.
fn shifts(mut surplus: Vec<(usize, i32)>) -> Vec<Shift> {
    let mut shifts = Vec::new();
    let (mut low, mut high) = (0, surplus.len().saturating_sub(1));
    while low < high {
        let count = surplus[low].1.abs().min(surplus[high].1.abs());
        if count > 0 {
            shifts.push(Shift {
                from: surplus[high].0,
                to: surplus[low].0,
                count: count as u16,
            });
        }
        surplus[low].1 += count;
        surplus[high].1 -= count;
        let (low_done, high_done) = (surplus[low].1 >= 0, surplus[high].1 <= 0);
        low += usize::from(low_done);
        high -= usize::from(high_done);
    }
    shifts
}

#[cfg(test)]
mod tests {
    use super::{Leaving, Share, Shift, rebalance, reshard};
    use crate::cluster::slots::SlotSet;

    fn set(range: std::ops::Range<u16>) -> SlotSet {
        let mut set = SlotSet::new();
        range.for_each(|slot| set.insert(slot));
        set
    }

    #[test]
    fn slots_leave_in_proportion() {
        let (a, b, c) = (set(0..100), set(100..400), set(400..401));
        let plan = reshard(&[(0, &a), (1, &b), (2, &c)], 40);
        let of = |node| plan.iter().filter(|leaving| leaving.from == node).count();
        assert_eq!((of(0), of(1), of(2)), (9, 30, 0));
        assert_eq!(plan[0], Leaving { from: 1, slot: 100 });
        assert_eq!(plan[30], Leaving { from: 0, slot: 0 });
        // A single node gives what is asked for, and no more than it has.
        assert_eq!(reshard(&[(7, &c)], 40).len(), 1);
        assert_eq!(reshard(&[(7, &b)], 13).len(), 13);
        assert!(reshard(&[(7, &SlotSet::new())], 13).is_empty());
        assert!(reshard(&[], 13).is_empty());
    }

    #[test]
    fn equal_nodes_keep_their_order() {
        let (a, b) = (set(0..10), set(10..20));
        let plan = reshard(&[(3, &a), (4, &b)], 3);
        let expected = [(3, 0), (3, 1), (4, 10)].map(|(from, slot)| Leaving { from, slot });
        assert_eq!(plan, expected);
    }

    fn shares(rows: &[(u16, f32)]) -> Vec<Share> {
        let rows = rows.iter().enumerate();
        rows.map(|(node, &(slots, weight))| Share {
            node,
            slots,
            weight,
        })
        .collect()
    }

    type Rows = &'static [(u16, f32)];
    type Moves = &'static [(usize, usize, u16)];

    #[test]
    fn slots_go_to_where_they_lack() {
        let table: [(Rows, f32, Option<Moves>); 8] = [
            (&[(5461, 1.0), (5462, 1.0), (5461, 1.0)], 2.0, None),
            (
                &[(5461, 1.0), (5462, 1.0), (5461, 1.0)],
                0.01,
                Some(&[(1, 0, 1)]),
            ),
            (
                &[(5461, 2.0), (5462, 1.0), (5461, 1.0)],
                2.0,
                Some(&[(1, 0, 1366), (2, 0, 1365)]),
            ),
            (
                &[(8192, 1.0), (8192, 1.0), (0, 1.0)],
                2.0,
                Some(&[(1, 2, 2731), (0, 2, 2731)]),
            ),
            (&[(16384, 1.0), (0, 0.0)], 2.0, None),
            (&[(16384, 0.0), (0, 1.0)], 2.0, Some(&[(0, 1, 16384)])),
            (&[(16384, 1.0), (0, 1.0)], 0.0, None),
            (&[], 2.0, None),
        ];
        for (rows, threshold, expected) in table {
            let plan = rebalance(&shares(rows), threshold);
            let moves = expected.map(|moves| {
                let moves = moves.iter();
                moves
                    .map(|&(from, to, count)| Shift { from, to, count })
                    .collect::<Vec<_>>()
            });
            assert_eq!(plan.map(|plan| plan.shifts), moves, "{rows:?} {threshold}");
        }
    }

    #[test]
    fn incomplete_coverage_does_not_loop() {
        // Without weights that make sense the plan may be empty, but it ends.
        for rows in [
            &[(100, 0.0), (100, 0.0)][..],
            &[(1, 1.0), (1, 1.0)],
            &[(100, -1.0), (9000, 3.0)],
        ] {
            let _ = rebalance(&shares(rows), 2.0);
        }
    }
}
