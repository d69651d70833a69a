//! Which nodes of a new cluster become primaries, which slots they get, and which replicas follow whom.
//!
//! Nodes are taken from the hosts in turn, so that primaries are spread over them. A replica is then given to a primary on
//! another host where that is possible. What is left to improve is improved by swapping the primaries of two replicas, as
//! long as that does not make it worse; the best assignment that was seen counts. The random numbers are the same in every
//! run, so the same nodes always give the same cluster.
//!
//! The penalty of an assignment is a sum over hosts and primaries: where a host has a primary and replicas of it, 10,000
//! for each such replica; where it has several replicas of a primary but not that, 1 for each but the first.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::cluster::slots::SLOTS;

/// The penalty for a replica on the host of its primary.
pub const WITH_PRIMARY: u32 = 10_000;
/// Swaps that are tried per node.
const EFFORT: usize = 500;

/// A planned cluster. Nodes are referred to by their index in the list of hosts.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// The primaries and their slots.
    pub primaries: Vec<(usize, RangeInclusive<u16>)>,
    /// Replicas and their primaries, in the order of assignment.
    pub replicas: Vec<(usize, usize)>,
    /// The first of `replicas` that is one more than was asked for.
    pub extra_from: usize,
}

/// Plans a cluster of nodes on these hosts, with `replicas` for each primary and those that are left over as additional
/// ones. `None` for fewer than three primaries.
pub fn plan(hosts: &[&str], replicas: usize) -> Option<Layout> {
    let count = hosts.len() / (replicas + 1);
    if count < 3 {
        return None;
    }
    let order = interleave(hosts);
    let (primaries, rest) = order.split_at(count);
    let mut free: Vec<usize> = rest.to_vec();
    // Otherwise the first replica would go to the first primary, which tends to be on the same host.
    if !free.is_empty() {
        free.rotate_left(1);
    }
    let mut assigned = Vec::new();
    for &primary in primaries {
        for _ in 0..replicas {
            assigned.extend(take(hosts, &mut free, primary).map(|replica| (replica, primary)));
        }
    }
    let extra_from = assigned.len();
    for &primary in primaries {
        assigned.extend(take(hosts, &mut free, primary).map(|replica| (replica, primary)));
    }
    let ranges = ranges(count);
    Some(Layout {
        primaries: primaries.iter().copied().zip(ranges).collect(),
        replicas: assigned,
        extra_from,
    })
}

/// The nodes, taken from the hosts in turn.
fn interleave(hosts: &[&str]) -> Vec<usize> {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    for (node, host) in hosts.iter().enumerate() {
        match groups.iter_mut().find(|(name, _)| name == host) {
            Some((_, nodes)) => nodes.push(node),
            None => groups.push((host, vec![node])),
        }
    }
    let rounds = 0..hosts.len();
    rounds
        .flat_map(|round| groups.iter().filter_map(move |(_, nodes)| nodes.get(round)))
        .copied()
        .collect()
}

/// Takes the first free node on another host than that of the primary, or the first one.
fn take(hosts: &[&str], free: &mut Vec<usize>, primary: usize) -> Option<usize> {
    let elsewhere = free.iter().position(|&node| hosts[node] != hosts[primary]);
    let at = elsewhere.unwrap_or(0);
    (at < free.len()).then(|| free.remove(at))
}

/// The slots of each of `count` primaries.
fn ranges(count: usize) -> Vec<RangeInclusive<u16>> {
    // In single precision, as in Redis, so that the bounds are the same.
    let each = f32::from(SLOTS) / count as f32;
    let mut first = 0u16;
    let mut cursor = 0f32;
    let mut ranges = Vec::new();
    for number in 1..=count {
        let last = (cursor + each - 1.0).round() as u16;
        let last = if number == count {
            SLOTS - 1
        } else {
            last.clamp(first, SLOTS - 1)
        };
        ranges.push(first..=last);
        first = last.saturating_add(1);
        cursor += each;
    }
    ranges
}

/// The penalty of an assignment, and the replicas that cause it (indices of `replicas`).
pub fn penalty(hosts: &[&str], replicas: &[(usize, usize)]) -> (u32, Vec<usize>) {
    let mut groups: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    for (at, &(replica, primary)) in replicas.iter().enumerate() {
        groups
            .entry((hosts[replica], primary))
            .or_default()
            .push(at);
    }
    let mut sum = 0;
    let mut offenders = Vec::new();
    for ((host, primary), members) in groups {
        let is_together = hosts[primary] == host;
        let cost = if is_together {
            WITH_PRIMARY * members.len() as u32
        } else {
            members.len() as u32 - 1
        };
        if cost > 0 {
            sum += cost;
            offenders.extend(members);
        }
    }
    (sum, offenders)
}

/// Improves an assignment; returns its penalty.
pub fn improve(hosts: &[&str], replicas: &mut [(usize, usize)]) -> u32 {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |below: usize| {
        // Xorshift (Marsaglia, 2003).
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let (mut best, _) = penalty(hosts, replicas);
    let mut found = replicas.to_vec();
    let mut current = replicas.to_vec();
    for _ in 0..EFFORT * hosts.len() {
        let (before, offenders) = penalty(hosts, &current);
        if best == 0 || current.len() < 2 || offenders.is_empty() {
            break;
        }
        let first = offenders[roll(offenders.len())];
        let second = (first + 1 + roll(current.len() - 1)) % current.len();
        swap(&mut current, first, second);
        let (after, _) = penalty(hosts, &current);
        if after > before {
            swap(&mut current, first, second);
        } else if after < best {
            best = after;
            found.copy_from_slice(&current);
        }
    }
    replicas.copy_from_slice(&found);
    best
}

fn swap(replicas: &mut [(usize, usize)], first: usize, second: usize) {
    let primary = replicas[first].1;
    replicas[first].1 = replicas[second].1;
    replicas[second].1 = primary;
}

#[cfg(test)]
mod tests {
    use super::{WITH_PRIMARY, improve, penalty, plan};

    #[test]
    fn too_few_nodes_are_no_cluster() {
        for (nodes, replicas) in [(0, 0), (2, 0), (5, 1), (8, 2)] {
            assert!(
                plan(&vec!["a"; nodes], replicas).is_none(),
                "{nodes} {replicas}"
            );
        }
    }

    #[test]
    fn slots_are_divided_as_redis_does() {
        let of = |nodes| -> Vec<String> {
            let layout = plan(&vec!["a"; nodes], 0).expect("enough nodes");
            let ranges = layout.primaries.iter();
            ranges
                .map(|(_, range)| format!("{}-{}", range.start(), range.end()))
                .collect()
        };
        assert_eq!(of(3), ["0-5460", "5461-10922", "10923-16383"]);
        assert_eq!(of(4), ["0-4095", "4096-8191", "8192-12287", "12288-16383"]);
        assert_eq!(
            of(5),
            [
                "0-3276",
                "3277-6553",
                "6554-9829",
                "9830-13106",
                "13107-16383"
            ]
        );
        assert_eq!(of(7)[2..4], ["4681-7021", "7022-9361"]);
        assert_eq!(of(9)[1..3], ["1820-3640", "3641-5460"]);
        assert!(of(1000)[999].ends_with("-16383"));
    }

    #[test]
    fn replicas_go_to_other_hosts() {
        // Hosts, replicas, then replica and primary by index.
        type Case = (&'static [&'static str], usize, &'static [(usize, usize)]);
        let table: [Case; 4] = [
            (&["a"; 6], 1, &[(4, 0), (5, 1), (3, 2)]),
            (
                &["a", "a", "b", "b", "c", "c"],
                1,
                &[(3, 0), (5, 2), (1, 4)],
            ),
            (
                &["a", "b", "c", "a", "b", "c"],
                1,
                &[(4, 0), (5, 1), (3, 2)],
            ),
            (&["a", "b", "c", "d"], 0, &[]),
        ];
        for (hosts, replicas, expected) in table {
            let layout = plan(hosts, replicas).expect("enough nodes");
            assert_eq!(layout.replicas, expected, "{hosts:?}");
        }
    }

    #[test]
    fn surplus_nodes_become_additional_replicas() {
        let layout = plan(&["a"; 8], 1).expect("enough nodes");
        assert_eq!((layout.primaries.len(), layout.replicas.len()), (4, 4));
        let layout = plan(&["a"; 7], 1).expect("enough nodes");
        assert_eq!((layout.replicas.len(), layout.extra_from), (4, 3));
    }

    #[test]
    fn offences_have_their_price() {
        let hosts = ["a", "b", "c", "a", "a", "b"];
        for (replicas, expected) in [
            (&[][..], 0),
            (&[(3, 1)], 0),
            (&[(3, 0)], WITH_PRIMARY),
            (&[(3, 0), (4, 0)], 2 * WITH_PRIMARY),
            (&[(3, 1), (4, 1)], 1),
            (&[(3, 1), (4, 2), (5, 1)], WITH_PRIMARY),
        ] {
            assert_eq!(penalty(&hosts, replicas).0, expected, "{replicas:?}");
        }
    }

    #[test]
    fn a_bad_assignment_is_improved_and_the_best_kept() {
        let hosts = ["a", "b", "c", "a", "b", "c"];
        let mut replicas = [(3, 0), (4, 1), (5, 2)];
        assert_eq!(improve(&hosts, &mut replicas), 0);
        assert_eq!(penalty(&hosts, &replicas).0, 0);
        // On one host there is nothing to gain.
        let mut replicas = [(4, 0), (5, 1), (3, 2)];
        assert_eq!(improve(&["a"; 6], &mut replicas), 3 * WITH_PRIMARY);
        assert_eq!(replicas, [(4, 0), (5, 1), (3, 2)]);
    }
}
