//! The table of nodes: a slab, a list for walks and random choice, and an index by name.
//!
//! # Invariants
//! 1. `order`, `by_name` and the slab list the same nodes.
//! 2. `order[places[ix]] == ix` for every node.
//! 3. Walks follow `order`, which depends only on the history of changes, so a run on a seed can be repeated.
//!
//! An index of a removed node is reused. Whoever removes a node must therefore remove every reference to it
//! (`membership::delete_node`).

use std::collections::HashMap;
use std::ops::{Index, IndexMut};

use data::util::rand::Rng;

use crate::ids::NodeIx;
use crate::name::Name;
use crate::node::Node;

/// Maximum number of nodes: a packet counts its gossip entries in 16 bits, and the owner of a slot is kept in as many.
pub const MAX_NODES: usize = u16::MAX as usize;

/// The table of nodes.
#[derive(Debug, Default)]
pub struct Nodes {
    slab: Vec<Option<Node>>,
    /// Place of a node in `order`.
    places: Vec<u16>,
    free: Vec<NodeIx>,
    order: Vec<NodeIx>,
    by_name: HashMap<Name, NodeIx>,
}

impl Nodes {
    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether no node can be added.
    pub fn is_full(&self) -> bool {
        self.len() >= MAX_NODES
    }

    /// Adds a node; `None` if its name is taken or the table is full.
    pub fn insert(&mut self, node: Node) -> Option<NodeIx> {
        if self.is_full() || self.by_name.contains_key(&node.name) {
            return None;
        }
        let ix = self.free.pop().unwrap_or_else(|| {
            self.slab.push(None);
            self.places.push(0);
            NodeIx((self.slab.len() - 1) as u16)
        });
        self.by_name.insert(node.name, ix);
        self.places[usize::from(ix.0)] = self.order.len() as u16;
        self.order.push(ix);
        self.slab[usize::from(ix.0)] = Some(node);
        Some(ix)
    }

    /// Removes a node.
    pub fn remove(&mut self, ix: NodeIx) -> Option<Node> {
        let node = self.slab.get_mut(usize::from(ix.0))?.take()?;
        self.by_name.remove(&node.name);
        let place = usize::from(self.places[usize::from(ix.0)]);
        self.order.swap_remove(place);
        if let Some(moved) = self.order.get(place) {
            self.places[usize::from(moved.0)] = place as u16;
        }
        self.free.push(ix);
        Some(node)
    }

    /// Gives a node another name; whether that was free.
    pub fn rename(&mut self, ix: NodeIx, name: Name) -> bool {
        if self.by_name.contains_key(&name) {
            return false;
        }
        let old = std::mem::replace(&mut self[ix].name, name);
        self.by_name.remove(&old);
        self.by_name.insert(name, ix);
        true
    }

    /// The node with a name.
    pub fn find(&self, name: &Name) -> Option<NodeIx> {
        self.by_name.get(name).copied()
    }

    /// All nodes, in an order that changes only when nodes come or go.
    pub fn list(&self) -> &[NodeIx] {
        &self.order
    }

    /// All nodes with their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (NodeIx, &Node)> {
        self.order.iter().map(|&ix| (ix, &self[ix]))
    }

    /// A node chosen at random.
    pub fn random(&self, rng: &mut Rng) -> NodeIx {
        self.order[rng.below(self.order.len() as u64) as usize]
    }

    /// Whether an index belongs to a node.
    pub fn contains(&self, ix: NodeIx) -> bool {
        self.slab
            .get(usize::from(ix.0))
            .is_some_and(Option::is_some)
    }
}

impl Index<NodeIx> for Nodes {
    type Output = Node;

    fn index(&self, ix: NodeIx) -> &Node {
        let node = self.slab[usize::from(ix.0)].as_ref();
        node.expect("references to a removed node are removed with it")
    }
}

impl IndexMut<NodeIx> for Nodes {
    fn index_mut(&mut self, ix: NodeIx) -> &mut Node {
        let node = self.slab[usize::from(ix.0)].as_mut();
        node.expect("references to a removed node are removed with it")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Nodes;
    use crate::name::Name;
    use crate::node::{Flags, Node};
    use data::util::rand::Rng;

    #[test]
    fn table_agrees_with_a_list_of_names() {
        let mut rng = Rng::new(3);
        let (mut nodes, mut model) = (Nodes::default(), Vec::<Name>::new());
        for _ in 0..2000 {
            let name = Name::random(&mut rng);
            match rng.below(5) {
                0 | 1 => {
                    let node = Node::new(name, name, Flags::PRIMARY, 0);
                    assert!(nodes.insert(node.clone()).is_some());
                    assert!(nodes.insert(node).is_none(), "the name is taken");
                    model.push(name);
                }
                2 if !model.is_empty() => {
                    let old = model.swap_remove(rng.below(model.len() as u64) as usize);
                    let ix = nodes.find(&old).unwrap();
                    assert_eq!(nodes.remove(ix).unwrap().name, old);
                    assert!(!nodes.contains(ix) && nodes.find(&old).is_none());
                }
                3 if model.len() > 1 => {
                    let ix = nodes.find(&model[0]).unwrap();
                    assert!(!nodes.rename(ix, model[1]));
                    assert!(nodes.rename(ix, name));
                    model[0] = name;
                }
                _ => {}
            }
            let mut names: Vec<Name> = nodes.iter().map(|(_, node)| node.name).collect();
            names.sort();
            model.sort();
            assert_eq!(names, model);
            for name in &model {
                assert_eq!(nodes[nodes.find(name).unwrap()].name, *name);
            }
        }
    }
}
