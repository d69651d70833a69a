//! Tests of the B+ tree against a model: a sorted vector, and predicates that know which handles are live.

use std::collections::HashSet;

use data::ds::sorted::{LEAF, Pair, Sorted};
use data::util::rand::Rng;

/// A tree, its model (a sorted vector) and the live handles. The predicates fail on any other handle, as dereferencing
/// it would. Every operation is followed by a check of the whole tree.
#[derive(Default)]
struct Pairs {
    tree: Sorted,
    model: Vec<Pair>,
    alive: HashSet<u64>,
}

/// Order of the tests: by score, then by handle.
fn before(alive: &HashSet<u64>, of: Pair) -> impl FnMut(f64, u64) -> bool + '_ {
    move |score, handle| {
        assert!(alive.contains(&handle), "a predicate saw a dead handle");
        (score, handle) < of
    }
}

impl Pairs {
    fn insert(&mut self, pair: Pair) {
        let at = self.model.partition_point(|known| *known < pair);
        assert_eq!(self.tree.rank(before(&self.alive, pair)), at);
        self.tree.insert(pair, before(&self.alive, pair));
        self.model.insert(at, pair);
        self.alive.insert(pair.1);
        self.check();
    }

    fn remove(&mut self, at: usize) {
        let pair = self.model.remove(at);
        assert_eq!(self.tree.remove(before(&self.alive, pair)), Some(pair));
        self.alive.remove(&pair.1);
        self.check();
    }

    fn remove_range(&mut self, ranks: std::ops::Range<usize>) {
        self.tree.remove_range(ranks.clone());
        for (_, handle) in self.model.drain(ranks) {
            self.alive.remove(&handle);
        }
        self.check();
    }

    fn check(&self) {
        self.tree.check();
        assert_eq!(self.tree.len(), self.model.len());
    }

    fn compare(&self, rng: &mut Rng) {
        let (tree, model) = (&self.tree, &self.model);
        assert!(tree.range(0).eq(model.iter().copied()));
        assert!(
            tree.range_back(model.len().wrapping_sub(1))
                .eq(model.iter().rev().copied())
        );
        let rank = rng.below(model.len() as u64 + 2) as usize;
        assert_eq!(tree.get(rank), model.get(rank).copied());
        let some: Vec<Pair> = tree.range_back(rank).take(40).collect();
        let expected: Vec<Pair> = match model.get(..=rank) {
            Some(part) => part.iter().rev().take(40).copied().collect(),
            None => Vec::new(),
        };
        assert_eq!(some, expected);
    }
}

/// The score of the next element: random, ascending or descending, by phases.
fn score(rng: &mut Rng, round: u64, scores: u64) -> f64 {
    match round / 700 % 3 {
        0 => rng.below(scores) as f64,
        1 => (scores + round) as f64,
        _ => -(round as f64),
    }
}

fn walk(seed: u64, scores: u64, size: u64) {
    println!("seed {seed}");
    let mut rng = Rng::new(seed);
    let mut pairs = Pairs::default();
    for round in 0..size * 4 {
        // The tree grows, keeps its size, and shrinks to nothing.
        let grow = if round < size * 2 { 70 } else { 25 };
        let len = pairs.model.len() as u64;
        match rng.below(100) {
            draw if draw < grow || len == 0 => {
                let pair = (score(&mut rng, round, scores), rng.next_u64());
                pairs.insert(pair);
            }
            // Removals at the ends reach the nodes that edge splits started.
            draw if draw % 4 == 0 => pairs.remove(len as usize - 1),
            draw if draw % 4 == 1 => pairs.remove(0),
            99 => {
                let start = rng.below(len) as usize;
                let most = if rng.below(8) == 0 { len } else { 100 };
                let end = (start + rng.below(most + 1) as usize).min(len as usize);
                pairs.remove_range(start..end);
            }
            _ => pairs.remove(rng.below(len) as usize),
        }
        if round % (size / 20) == 0 {
            pairs.compare(&mut rng);
        }
    }
    while !pairs.model.is_empty() {
        pairs.remove(pairs.model.len() - 1);
    }
    pairs.compare(&mut rng);
}

#[test]
fn behaves_like_a_sorted_vector() {
    for (seed, scores, size) in [(1, 4, 300), (2, 1000, 2000), (3, 1_000_000, 6000)] {
        walk(seed, scores, size);
    }
}

#[test]
fn nodes_of_edge_splits_are_removed_when_empty() {
    // 64 full leaves and one more element: a second inner node with one leaf of one element.
    let full = (64 * LEAF) as u64;
    for (sign, end) in [(1.0, full as usize), (-1.0, 0)] {
        let mut pairs = Pairs::default();
        for number in 0..=full {
            pairs.insert((number as f64 * sign, number));
        }
        pairs.remove(end);
        pairs.insert((full as f64 * sign, full + 1));
        pairs.remove(end);
        pairs.remove_range(0..pairs.model.len());
        assert!(pairs.tree.is_empty());
    }
}

#[test]
fn a_range_of_ranks_is_removed_from_any_tree() {
    for len in [1, 31, 32, 500, 5000] {
        for (start, end) in [(0, len), (0, len / 2), (len / 2, len), (len / 3, len / 2)] {
            let mut pairs = Pairs::default();
            for number in 0..len as u64 {
                let pair = ((number % 7) as f64, number);
                pairs.tree.insert(pair, before(&pairs.alive, pair));
                pairs.alive.insert(number);
            }
            pairs.model = pairs.tree.range(0).collect();
            pairs.remove_range(start..end);
            pairs.compare(&mut Rng::new(len as u64));
        }
    }
}

#[test]
fn elements_in_order_fill_their_leaves() {
    for descending in [false, true] {
        let mut tree = Sorted::new();
        for number in 0..100_000u64 {
            let score = if descending { 100_000 - number } else { number } as f64;
            tree.insert((score, number), |other, handle| {
                (other, handle) < (score, number)
            });
        }
        tree.check();
        let per_element = tree.memory() as f64 / 100_000.0;
        assert!(per_element < 19.5, "{per_element}");
    }
}

#[test]
fn ranks_past_the_end_are_not_found() {
    let mut tree = Sorted::new();
    assert_eq!((tree.get(0), tree.remove(|_, _| false)), (None, None));
    tree.insert((1.0, 1), |_, _| true);
    assert_eq!(tree.rank(|_, _| true), 1);
    assert_eq!(tree.remove(|_, _| true), None);
    assert_eq!(tree.range(1).next(), None);
    assert_eq!(tree.range_back(1).next(), None);
}
