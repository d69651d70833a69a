//! A slab whose ids carry a generation, so a stale id never finds a newer value.
//!
//! Slots are reused in LIFO order, so the slab stays as small as its peak. Each reuse increments the slot's
//! generation; an id is a slot and the generation for which it was issued.
//!
//! Invariant: `free` lists exactly the slots without a value.

/// Id of a value in a slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// The slot.
    pub index: u32,
    /// Generation: number of values that the slot held before.
    pub generation: u32,
}

impl Id {
    /// The id packed into one word, for interfaces that carry a number.
    #[inline]
    pub fn to_word(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// Inverse of [`Id::to_word`].
    #[inline]
    pub fn from_word(word: u64) -> Self {
        Id {
            index: word as u32,
            generation: (word >> 32) as u32,
        }
    }
}

/// A collection of values addressed by [`Id`].
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    /// An empty slab.
    pub const fn new() -> Self {
        Slab {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether the slab is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inserts a value and returns its id.
    pub fn insert(&mut self, value: T) -> Id {
        self.insert_with(|_| value)
    }

    /// Inserts a value that is constructed from its own id.
    pub fn insert_with(&mut self, make: impl FnOnce(Id) -> T) -> Id {
        let index = self.free.last().copied().unwrap_or_else(|| {
            let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 values");
            self.slots.push(Slot {
                generation: 0,
                value: None,
            });
            self.free.push(index);
            index
        });
        let slot = &mut self.slots[index as usize];
        let id = Id {
            index,
            generation: slot.generation,
        };
        // If `make` panics, the slot stays free.
        slot.value = Some(make(id));
        self.free.pop();
        id
    }

    /// The value with an id, unless it was removed.
    pub fn get(&self, id: Id) -> Option<&T> {
        self.slots
            .get(id.index as usize)
            .filter(|slot| slot.generation == id.generation)?
            .value
            .as_ref()
    }

    /// The value with an id for modification, unless it was removed.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)?
            .value
            .as_mut()
    }

    /// Whether an id is still valid.
    pub fn contains(&self, id: Id) -> bool {
        self.get(id).is_some()
    }

    /// Removes a value; its id becomes stale.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self
            .slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)?;
        let value = slot.value.take()?;
        // Generations wrap after 2^32 values of one slot; no id is kept for that long.
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(value)
    }

    /// Iterator over all values with their ids, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            Some((
                Id {
                    index,
                    generation: slot.generation,
                },
                slot.value.as_ref()?,
            ))
        })
    }

    /// Mutable iterator over all values with their ids, in slot order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut T)> {
        self.slots.iter_mut().zip(0..).filter_map(|(slot, index)| {
            Some((
                Id {
                    index,
                    generation: slot.generation,
                },
                slot.value.as_mut()?,
            ))
        })
    }

    /// Verifies the invariant; panics on a violation. For tests.
    pub fn check(&self) {
        let mut free = self.free.clone();
        free.sort_unstable();
        let empty = self.slots.iter().zip(0..);
        let empty = empty.filter_map(|(slot, index)| slot.value.is_none().then_some(index));
        assert!(empty.eq(free), "the free slots are those without a value");
    }

    /// The ids in use as a separate list, so that values can be inserted and removed during iteration.
    pub fn ids(&self) -> Vec<Id> {
        self.iter().map(|(id, _)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Id, Slab};
    use crate::util::rand::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn stale_ids_are_not_found() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(
            (second.index, second.generation),
            (first.index, first.generation + 1)
        );
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(
            slab.get(Id {
                index: 9,
                generation: 0
            }),
            None
        );
    }

    #[test]
    fn a_value_may_hold_its_id() {
        let mut slab = Slab::new();
        let id = slab.insert_with(|id| id);
        assert_eq!(slab.get(id), Some(&id));
    }

    #[test]
    fn random_walk_against_a_map() {
        let (mut slab, mut model, mut rng) = (Slab::new(), BTreeMap::new(), Rng::new(11));
        let mut gone = Vec::new();
        for step in 0..20_000 {
            if rng.below(100) < 52 {
                model.insert(slab.insert(step), step);
            } else if let Some(&id) = model
                .keys()
                .nth(rng.below(model.len().max(1) as u64) as usize)
            {
                assert_eq!(slab.remove(id), model.remove(&id));
                gone.push(id);
            }
            assert_eq!(slab.len(), model.len());
            if step % 64 == 0 {
                slab.check();
            }
        }
        slab.check();
        assert!(gone.iter().all(|&id| !slab.contains(id)));
        assert_eq!(
            slab.iter()
                .map(|(id, value)| (id, *value))
                .collect::<BTreeMap<_, _>>(),
            model
        );
        slab.iter_mut().for_each(|(_, value)| *value += 1);
        assert!(
            model
                .iter()
                .all(|(&id, value)| slab.get(id) == Some(&(value + 1)))
        );
    }
}
