//! A set of clients: the subscribers of a channel, the followers of a prefix.
//!
//! Most sets have one member, and some have all clients of the server. A small set is searched; a large one has an index
//! of the positions of its members. So adding and removing take constant time, and a walk is a walk of an array.
//!
//! # Invariants
//! 1. `ids` has no duplicates.
//! 2. `places`, if there is one, maps each id to its position in `ids`. It exists above [`SEARCHED`] members.

use std::collections::HashMap;

use crate::state::client_id::ClientId;

/// Up to so many members are searched one by one.
const SEARCHED: usize = 16;
/// The index is dropped below so many members; the gap keeps a set at the limit from building it again and again.
const DROP_BELOW: usize = SEARCHED / 2;

/// A set of clients.
#[derive(Debug, Default)]
pub struct ClientSet {
    ids: Vec<ClientId>,
    #[expect(
        clippy::box_collection,
        reason = "most sets have one member and no index"
    )]
    places: Option<Box<HashMap<ClientId, u32>>>,
}

impl ClientSet {
    /// The members, in no particular order.
    pub fn ids(&self) -> &[ClientId] {
        &self.ids
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn place(&self, id: ClientId) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&id).map(|&place| place as usize),
            None => self.ids.iter().position(|&other| other == id),
        }
    }

    /// Whether a client is a member.
    pub fn contains(&self, id: ClientId) -> bool {
        self.place(id).is_some()
    }

    /// Adds a client; false if it is a member already.
    pub fn insert(&mut self, id: ClientId) -> bool {
        if self.contains(id) {
            return false;
        }
        if self.ids.is_empty() {
            self.ids.reserve_exact(1);
        }
        self.ids.push(id);
        let last = self.ids.len() - 1;
        if let Some(places) = &mut self.places {
            places.insert(id, last as u32);
        } else if self.ids.len() > SEARCHED {
            let places = (0..).zip(&self.ids).map(|(place, &id)| (id, place));
            self.places = Some(Box::new(places.collect()));
        }
        true
    }

    /// Removes a client; false if it is not a member.
    pub fn remove(&mut self, id: ClientId) -> bool {
        let Some(place) = self.place(id) else {
            return false;
        };
        self.ids.swap_remove(place);
        if let Some(places) = &mut self.places {
            places.remove(&id);
            if let Some(&moved) = self.ids.get(place) {
                places.insert(moved, place as u32);
            }
            if self.ids.len() < DROP_BELOW {
                self.places = None;
                self.ids.shrink_to_fit();
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use data::util::rand::Rng;

    use super::{ClientSet, SEARCHED};
    use crate::state::client_id::ClientId;

    #[test]
    fn it_behaves_like_a_set_at_every_size() {
        for most in [1, 3, SEARCHED as u64, 4 * SEARCHED as u64] {
            let (mut set, mut model, mut rng) =
                (ClientSet::default(), BTreeSet::new(), Rng::new(most));
            for _ in 0..4000 {
                let id = ClientId::from_word(rng.below(most));
                if rng.below(2) == 0 {
                    assert_eq!(set.insert(id), model.insert(id));
                } else {
                    assert_eq!(set.remove(id), model.remove(&id));
                }
                assert_eq!(set.contains(id), model.contains(&id));
                assert_eq!(set.len(), model.len());
                let ids: BTreeSet<ClientId> = set.ids().iter().copied().collect();
                assert_eq!(ids, model);
            }
        }
    }
}
