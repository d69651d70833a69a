//! A set of clients: the subscribers of a channel, the followers of a prefix, the holders of a key.
//!
//! Most sets have one member, which takes no memory of its own, and some have all clients of the server. A small set is
//! searched; a large one has an index of the positions of its members. So adding and removing take constant time, and a
//! walk is a walk of an array.
//!
//! # Invariants
//! 1. `ids` has no duplicates.
//! 2. `places`, if there is one, maps each id to its position in `ids`. It exists above [`SEARCHED`] members.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::state::client_id::ClientId;

/// Maximum number of members that are searched one by one.
const SEARCHED: usize = 16;
/// The index is dropped below this many members; the gap keeps a set at the limit from building it again and again.
const DROP_BELOW: usize = SEARCHED / 2;

/// Hashes an id. Clients do not choose their ids, so a multiplication is enough.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(byte.into()));
    }

    fn write_u32(&mut self, half: u32) {
        // An odd multiplier near 2^64 divided by the golden ratio; the table uses the low and the high bits.
        let product = (self.0 ^ u64::from(half)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The position of each member.
type Places = HashMap<ClientId, u32, BuildHasherDefault<IdHasher>>;

/// A set of clients.
#[derive(Debug, Default)]
pub struct ClientSet(Members);

#[derive(Debug, Default)]
enum Members {
    #[default]
    None,
    One(ClientId),
    Many(Box<Many>),
}

#[derive(Debug, Default)]
struct Many {
    ids: Vec<ClientId>,
    places: Option<Places>,
}

impl ClientSet {
    /// A set of one client.
    pub fn of(id: ClientId) -> Self {
        ClientSet(Members::One(id))
    }

    /// The members, in no particular order.
    #[inline]
    pub fn ids(&self) -> &[ClientId] {
        match &self.0 {
            Members::None => &[],
            Members::One(id) => std::slice::from_ref(id),
            Members::Many(many) => &many.ids,
        }
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.ids().len()
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a client is a member.
    pub fn contains(&self, id: ClientId) -> bool {
        match &self.0 {
            Members::None => false,
            Members::One(other) => *other == id,
            Members::Many(many) => many.place(id).is_some(),
        }
    }

    /// Adds a client; false if it is a member already.
    pub fn insert(&mut self, id: ClientId) -> bool {
        match &mut self.0 {
            Members::None => self.0 = Members::One(id),
            Members::One(other) if *other == id => return false,
            Members::One(other) => {
                let ids = vec![*other, id];
                self.0 = Members::Many(Box::new(Many { ids, places: None }));
            }
            Members::Many(many) => return many.insert(id),
        }
        true
    }

    /// Removes a client; false if it is not a member.
    pub fn remove(&mut self, id: ClientId) -> bool {
        match &mut self.0 {
            Members::One(other) if *other == id => self.0 = Members::None,
            Members::None | Members::One(_) => return false,
            Members::Many(many) => {
                let removed = many.remove(id);
                if let [last] = *many.ids {
                    self.0 = Members::One(last);
                }
                return removed;
            }
        }
        true
    }
}

impl Many {
    fn place(&self, id: ClientId) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&id).map(|&place| place as usize),
            None => self.ids.iter().position(|&other| other == id),
        }
    }

    fn insert(&mut self, id: ClientId) -> bool {
        if self.place(id).is_some() {
            return false;
        }
        self.ids.push(id);
        let last = self.ids.len() - 1;
        if let Some(places) = &mut self.places {
            places.insert(id, last as u32);
        } else if self.ids.len() > SEARCHED {
            let places = (0..).zip(&self.ids).map(|(place, &id)| (id, place));
            self.places = Some(places.collect());
        }
        true
    }

    fn remove(&mut self, id: ClientId) -> bool {
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
