//! Clients by the memory they use, so that the biggest are found without a walk over all.
//!
//! A class holds the sizes between two powers of two, from below 32 KiB to above 4 GiB. Within a class the order is
//! arbitrary: clients of a class differ by less than a factor of two, and which of them is closed does not matter.
//!
//! # Invariants
//! 1. Every client in a class has its [`SizePlace`], and a client has no place exactly if it is in no class.

use data::ds::slab::Slab;

use crate::state::client::{Client, SizePlace};
use crate::state::client_id::ClientId;

/// Sizes below two to this power share the first class.
const FIRST_LOG: u32 = 15;
/// Sizes from half of two to this power on share the last class.
const LAST_LOG: u32 = 33;
const CLASSES: usize = (LAST_LOG - FIRST_LOG + 1) as usize;

/// Clients that may be evicted, by size.
#[derive(Debug, Default)]
pub struct SizeClasses {
    classes: [Vec<ClientId>; CLASSES],
}

impl SizeClasses {
    /// Moves a client to the class of its size in bytes, or out of all classes.
    #[inline]
    pub fn set(&mut self, slab: &mut Slab<Client>, id: ClientId, bytes: Option<usize>) {
        let Some(client) = slab.get(id) else {
            return;
        };
        let class = bytes.map(class_of);
        if client.place.map(|place| place.class) != class {
            self.change(slab, id, class);
        }
    }

    /// A client of the highest class that is not empty.
    pub fn biggest(&self) -> Option<ClientId> {
        self.classes
            .iter()
            .rev()
            .find_map(|class| class.last().copied())
    }

    fn change(&mut self, slab: &mut Slab<Client>, id: ClientId, class: Option<u8>) {
        let Some(client) = slab.get_mut(id) else {
            return;
        };
        let before = client.place.take();
        if let Some(class) = class {
            let clients = &mut self.classes[class as usize];
            client.place = Some(SizePlace {
                class,
                at: clients.len() as u32,
            });
            clients.push(id);
        }
        if let Some(SizePlace { class, at }) = before {
            self.close_gap(slab, class, at);
        }
    }

    /// Removes the client at a place; the last one of the class takes its place.
    fn close_gap(&mut self, slab: &mut Slab<Client>, class: u8, at: u32) {
        let clients = &mut self.classes[class as usize];
        clients.swap_remove(at as usize);
        let moved = clients.get(at as usize);
        if let Some(client) = moved.and_then(|&id| slab.get_mut(id)) {
            client.place = Some(SizePlace { class, at });
        }
    }

    /// Forgets a client that has left the slab.
    pub fn forget(&mut self, slab: &mut Slab<Client>, client: &Client) {
        if let Some(SizePlace { class, at }) = client.place {
            self.close_gap(slab, class, at);
        }
    }

    /// Verifies invariant 1; panics on a violation. For tests.
    pub fn check(&self, slab: &Slab<Client>) {
        let mut placed = 0;
        for (class, clients) in self.classes.iter().enumerate() {
            for (at, &id) in clients.iter().enumerate() {
                let place = SizePlace {
                    class: class as u8,
                    at: at as u32,
                };
                assert_eq!(slab.get(id).and_then(|client| client.place), Some(place));
                placed += 1;
            }
        }
        let with_place = slab.iter().filter(|(_, client)| client.place.is_some());
        assert_eq!(with_place.count(), placed);
    }
}

/// The class of a size in bytes.
#[inline]
fn class_of(bytes: usize) -> u8 {
    let log = usize::BITS - bytes.leading_zeros();
    (log.clamp(FIRST_LOG, LAST_LOG) - FIRST_LOG) as u8
}

#[cfg(test)]
mod tests {
    use data::ds::slab::Slab;
    use data::util::rand::Rng;

    use super::{CLASSES, SizeClasses, class_of};
    use crate::state::client::Client;

    #[test]
    fn classes_are_powers_of_two() {
        let rows = [
            (0, 0),
            (32 * 1024 - 1, 0),
            (32 * 1024, 1),
            (64 * 1024 - 1, 1),
            (64 * 1024, 2),
            (1 << 20, 6),
            ((1 << 32) - 1, CLASSES - 2),
            (1 << 32, CLASSES - 1),
            (usize::MAX, CLASSES - 1),
        ];
        for (bytes, class) in rows {
            assert_eq!(class_of(bytes) as usize, class, "{bytes}");
        }
    }

    #[test]
    fn the_biggest_client_is_found_after_any_change() {
        let mut rng = Rng::new(3);
        let (mut slab, mut classes) = (Slab::<Client>::default(), SizeClasses::default());
        let mut model = Vec::new();
        for _ in 0..20_000 {
            match rng.below(4) {
                0 => model.push((slab.insert(Client::default()), None)),
                1 if !model.is_empty() => {
                    let at = rng.below(model.len() as u64) as usize;
                    let (id, _) = model.swap_remove(at);
                    let client = slab.remove(id).expect("it is there");
                    classes.forget(&mut slab, &client);
                }
                _ if !model.is_empty() => {
                    let at = rng.below(model.len() as u64) as usize;
                    let bytes = (rng.below(5) > 0).then(|| 1usize << rng.below(34));
                    model[at].1 = bytes;
                    classes.set(&mut slab, model[at].0, bytes);
                }
                _ => {}
            }
            let highest = model
                .iter()
                .filter_map(|(_, bytes)| *bytes)
                .map(class_of)
                .max();
            let biggest = classes.biggest().map(|id| {
                let known = model.iter().find(|(other, _)| *other == id);
                known.and_then(|(_, bytes)| *bytes).map(class_of)
            });
            assert_eq!(biggest, highest.map(Some));
        }
        classes.check(&slab);
    }
}
