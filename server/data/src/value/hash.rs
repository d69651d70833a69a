//! The hash type: fields with one value each, in one of two encodings.
//!
//! [`Hash::Packed`] holds a few short fields, each followed by its value, in one listpack. When a field or value
//! exceeds the limit, or the number of fields does, it becomes a [`Hash::Table`] and stays one. Clients see the
//! encoding (OBJECT ENCODING), so the rules are Redis's.

use crate::ds::item::Item;
use crate::ds::listpack::Listpack;
use crate::ds::relocation::{Relocator, relocate_box};
use crate::ds::table::TableStats;
use crate::util::rand::Rng;
use crate::util::sample::choose;
use crate::value::record::FieldRef;
use crate::value::records::Records;
use crate::value::{Encoding, Scratch};

/// Limits of the listpack encoding.
#[derive(Clone, Copy, Debug)]
pub struct HashLimits {
    /// `hash-max-listpack-entries`: number of fields.
    pub max_entries: usize,
    /// `hash-max-listpack-value`: bytes of a field or value.
    pub max_value: usize,
}

/// Elements per field in a packed hash: the name and the value.
const STEP: usize = 2;

/// A field and its value.
pub type Pair<'a> = (Item<'a>, Item<'a>);

/// A hash.
#[derive(Clone)]
pub enum Hash {
    /// Few and short fields and values.
    Packed(Listpack),
    /// Any fields and values.
    Table(Box<Records<2>>),
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Hash {
    /// An empty hash.
    pub fn new() -> Self {
        Hash::Packed(Listpack::new())
    }

    /// Number of fields.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Hash::Packed(pairs) => pairs.len() / STEP,
            Hash::Table(fields) => fields.len(),
        }
    }

    /// Whether the hash is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding that OBJECT ENCODING reports.
    pub fn encoding(&self) -> Encoding {
        match self {
            Hash::Packed(_) => Encoding::Listpack,
            Hash::Table(_) => Encoding::Hashtable,
        }
    }

    /// Verifies the structure; panics on a violation. For tests.
    pub fn check(&self) {
        match self {
            Hash::Packed(pack) => {
                pack.check();
                assert_eq!(pack.len() % STEP, 0, "a field without a value");
            }
            Hash::Table(table) => table.check(),
        }
    }

    /// Memory beyond the entry, estimated from `samples` fields; 0 visits all of them.
    pub fn memory(&self, samples: usize) -> usize {
        match self {
            Hash::Packed(pairs) => pairs.memory(),
            Hash::Table(fields) => fields.memory(samples),
        }
    }

    /// Moves the allocations of about `count` fields from `cursor` on. Returns the next cursor, 0 at the end.
    pub fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        match self {
            Hash::Packed(pairs) => {
                pairs.relocate(relocator);
                0
            }
            Hash::Table(fields) => {
                if cursor == 0 {
                    relocate_box(fields, relocator, || Records::with_room(0));
                }
                fields.relocate(cursor, count, relocator)
            }
        }
    }

    /// The hash for a reader, after a step of a resize of its table in progress: a hash that is only read would keep
    /// two arrays.
    #[inline]
    pub fn continuing_resize(&mut self) -> &Self {
        if let Hash::Table(fields) = self {
            fields.continue_resize();
        }
        self
    }

    /// Statistics of the table, if the hash is one.
    pub fn table_stats(&self) -> Option<TableStats> {
        match self {
            Hash::Table(fields) => Some(fields.stats()),
            Hash::Packed(_) => None,
        }
    }

    /// Reserves capacity for `count` fields if they are too many for a packed hash.
    pub fn reserve(&mut self, count: usize, limits: &HashLimits) {
        if count > limits.max_entries {
            self.make_table(count);
        }
    }

    /// Chooses the encoding for names and values, in alternation, that are about to be set.
    pub fn choose_encoding<'a>(
        &mut self,
        texts: impl ExactSizeIterator<Item = &'a [u8]>,
        limits: &HashLimits,
    ) {
        let Hash::Packed(pairs) = self else { return };
        let fields = texts.len() / STEP;
        if fields > limits.max_entries {
            self.make_table(fields);
            return;
        }
        let mut bytes = 0;
        for text in texts {
            if text.len() > limits.max_value {
                self.make_table(fields);
                return;
            }
            bytes += text.len();
        }
        if !pairs.has_room(bytes) {
            self.make_table(fields);
        }
    }

    /// Sets the value of a field. Returns whether the field is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], limits: &HashLimits) -> bool {
        let Hash::Packed(pairs) = self else {
            return self.make_table(0).set(name, value);
        };
        if name.len().max(value.len()) > limits.max_value
            || !pairs.has_room(name.len() + value.len())
        {
            return self.make_table(1).set(name, value);
        }
        let found = pairs.find_every(Item::Bytes(name), STEP);
        match found.and_then(|at| pairs.next(at)) {
            Some(at) => {
                pairs.replace(at, Item::Bytes(value));
            }
            None => {
                pairs.push_back(Item::Bytes(name));
                pairs.push_back(Item::Bytes(value));
            }
        }
        if self.len() > limits.max_entries {
            self.make_table(0);
        }
        found.is_none()
    }

    /// Removes a field. Returns whether it existed.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        match self {
            Hash::Table(fields) => fields.remove(name).is_some(),
            Hash::Packed(pairs) => match pairs.find_every(Item::Bytes(name), STEP) {
                Some(at) => {
                    pairs.remove_run(at, STEP);
                    true
                }
                None => false,
            },
        }
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Item<'_>> {
        match self {
            Hash::Table(fields) => fields.find(name).map(|field| Item::Bytes(field.value())),
            Hash::Packed(pairs) => {
                let at = pairs.find_every(Item::Bytes(name), STEP)?;
                pairs.next(at).map(|at| pairs.get(at))
            }
        }
    }

    /// Whether a field exists.
    pub fn contains(&self, name: &[u8]) -> bool {
        match self {
            Hash::Table(fields) => fields.find(name).is_some(),
            Hash::Packed(pairs) => pairs.find_every(Item::Bytes(name), STEP).is_some(),
        }
    }

    /// All fields with their values: in insertion order if packed, else in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Pair<'_>> {
        match self {
            Hash::Packed(pairs) => Each::Packed(packed_pairs(pairs)),
            Hash::Table(fields) => Each::Table(fields.iter().map(items)),
        }
    }

    /// Visits about `count` fields from a cursor on. Returns the next cursor; 0 at the end. A table gives the
    /// guarantee of `Table::scan`; a packed hash is visited as a whole.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, each: &mut dyn FnMut(Pair<'a>)) -> u64 {
        if let Hash::Table(fields) = self {
            return fields.scan(cursor, count, &mut |field| each(items(field)));
        }
        self.iter().for_each(each);
        0
    }

    /// A field chosen uniformly at random; `None` only if the hash is empty.
    pub fn random(&self, rng: &mut Rng) -> Option<Pair<'_>> {
        match self {
            Hash::Packed(_) if self.is_empty() => None,
            Hash::Packed(pairs) => {
                let at = pairs.nth((STEP as u64 * rng.below(self.len() as u64)) as i64)?;
                let value = pairs.next(at)?;
                Some((pairs.get(at), pairs.get(value)))
            }
            Hash::Table(fields) => fields.random(rng).map(items),
        }
    }

    /// Passes `count` independent random fields to `each`.
    pub fn draw<'a>(&'a self, count: usize, rng: &mut Rng, mut each: impl FnMut(Pair<'a>)) {
        if let Hash::Packed(pairs) = self
            && count > 1
            && !self.is_empty()
        {
            // Finding each of them in the listpack would be slower.
            let all: Vec<Pair<'a>> = packed_pairs(pairs).collect();
            (0..count).for_each(|_| each(all[rng.below(all.len() as u64) as usize]));
            return;
        }
        (0..count).filter_map(|_| self.random(rng)).for_each(each);
    }

    /// Passes `count` distinct fields to `each`, or all if there are fewer; each subset is equally likely.
    pub fn sample<'a>(&'a self, count: usize, rng: &mut Rng, mut each: impl FnMut(Pair<'a>)) {
        match self {
            Hash::Packed(pairs) => choose(packed_pairs(pairs), self.len(), count, rng, each),
            Hash::Table(fields) => fields.sample(count, rng, |field| each(items(field))),
        }
    }

    /// Converts a packed hash to a table with capacity for `more` more fields.
    fn make_table(&mut self, more: usize) -> &mut Records<2> {
        if let Hash::Packed(pairs) = self {
            let mut fields = Records::with_room(pairs.len() / STEP + more);
            let mut scratch = (Scratch::default(), Scratch::default());
            for (name, value) in packed_pairs(pairs) {
                fields.set(name.bytes(&mut scratch.0), value.bytes(&mut scratch.1));
            }
            *self = Hash::Table(Box::new(fields));
        }
        match self {
            Hash::Table(fields) => fields,
            Hash::Packed(_) => unreachable!("it was just made a table"),
        }
    }
}

fn items(field: FieldRef<'_>) -> Pair<'_> {
    let (name, value) = field.pair();
    (Item::Bytes(name), Item::Bytes(value))
}

fn packed_pairs(pairs: &Listpack) -> impl Iterator<Item = Pair<'_>> {
    let mut elements = pairs.iter();
    std::iter::from_fn(move || Some((elements.next()?, elements.next()?)))
}

/// Iterator over the fields of either encoding.
enum Each<P, T> {
    Packed(P),
    Table(T),
}

impl<'a, P, T> Iterator for Each<P, T>
where
    P: Iterator<Item = Pair<'a>>,
    T: Iterator<Item = Pair<'a>>,
{
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        match self {
            Each::Packed(pairs) => pairs.next(),
            Each::Table(fields) => fields.next(),
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, Pair<'a>) -> B>(self, start: B, each: F) -> B {
        match self {
            Each::Packed(pairs) => pairs.fold(start, each),
            Each::Table(fields) => fields.fold(start, each),
        }
    }
}
