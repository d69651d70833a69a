//! The command table of Redis 7.2.6: one row per command and subcommand, used by the server, the cli and the
//! benchmark.
//!
//! A row is a `static` in the file of its group (`string::GET`, `server::CONFIG_GET`); `spec` defines a row and its
//! builder, `words` and `arg` its vocabulary. COMMAND INFO and DOCS, ACL categories, cluster routing (`keys`), and the
//! hints and help of the cli (`hints`) are all derived from it. To add a command, add its row and list it at the top
//! of the file.
//!
//! Rows have dense ids, numbered across the groups. All tables below are computed at compile time: there is no
//! initialisation, and a malformed list does not compile.
//!
//! # Invariants
//!
//! 1. `spec(id).full_name` is unique; a subcommand follows its container with only siblings between them.
//! 2. An id is an index below [`COUNT`], so it can index an array of that length.
//! 3. Names are stored in lower case and found regardless of the case of ASCII letters.

use crate::name::Key;
use crate::spec::Spec;

pub mod arg;
pub mod hints;
pub mod keys;
mod name;
pub mod spec;
pub mod words;

pub mod bitmap;
pub mod cluster;
pub mod connection;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod list;
pub mod pubsub;
pub mod scripting;
pub mod sentinel;
pub mod server;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod transactions;

/// The rows by group; ids are assigned in this order.
static GROUPS: [&[&Spec]; 17] = [
    string::ROWS,
    generic::ROWS,
    list::ROWS,
    set::ROWS,
    sorted_set::ROWS,
    hash::ROWS,
    stream::ROWS,
    bitmap::ROWS,
    hyperloglog::ROWS,
    geo::ROWS,
    pubsub::ROWS,
    transactions::ROWS,
    scripting::ROWS,
    connection::ROWS,
    server::ROWS,
    cluster::ROWS,
    sentinel::ROWS,
];

/// Number of commands and subcommands.
pub const COUNT: usize = {
    let mut count = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        count += GROUPS[group].len();
        group += 1;
    }
    count
};

/// Id of a command or subcommand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CmdId(u16);

impl CmdId {
    /// Its index, below [`COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The id with an index below [`COUNT`].
    ///
    /// # Panics
    ///
    /// There is no such row.
    #[must_use]
    pub const fn from_index(index: usize) -> Self {
        assert!(index < COUNT, "no command has this index");
        Self(index as u16)
    }
}

/// Every row by id.
static ALL: [&Spec; COUNT] = {
    let mut all = [GROUPS[0][0]; COUNT];
    let mut id = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].len() {
            all[id] = GROUPS[group][row];
            id += 1;
            row += 1;
        }
        group += 1;
    }
    all
};

/// Marks the absence of an id.
const NONE: u16 = u16::MAX;

/// The container of each row by id, or [`NONE`].
static PARENTS: [u16; COUNT] = {
    let mut parents = [NONE; COUNT];
    let mut container = NONE;
    let mut id = 0;
    while id < COUNT {
        let name = ALL[id].full_name.as_bytes();
        match bar(name) {
            None => container = id as u16,
            Some(at) => {
                assert!(container != NONE, "a subcommand heads the table");
                let parent = ALL[container as usize].full_name.as_bytes();
                assert!(
                    parent.eq_ignore_ascii_case(name.split_at(at).0),
                    "a subcommand stands apart from its container"
                );
                parents[id] = container;
            }
        }
        id += 1;
    }
    parents
};

/// The name of each row by id, without its container.
static KEYS: [Key; COUNT] = {
    let mut keys = [NO_KEY; COUNT];
    let mut id = 0;
    while id < COUNT {
        keys[id] = match Key::of(own_name(ALL[id].full_name.as_bytes())) {
            Some(key) => key,
            None => panic!("a name is empty or too long"),
        };
        id += 1;
    }
    keys
};

/// Stands in `KEYS` until a row's own key does.
const NO_KEY: Key = match Key::of(b"none") {
    Some(key) => key,
    None => panic!("the name is short enough"),
};

/// Slots of [`INDEX`]: a power of two, sparse enough that most lookups need a single probe.
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 11;

/// Hash table of ids by container and name, with linear probing.
static INDEX: [u16; SLOTS] = {
    let mut index = [NONE; SLOTS];
    let mut id = 0;
    while id < COUNT {
        assert!(
            find(&index, PARENTS[id], &KEYS[id]).is_none(),
            "two rows have one name"
        );
        let mut slot = KEYS[id].hash(PARENTS[id], SLOT_BITS);
        while index[slot] != NONE {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = id as u16;
        id += 1;
    }
    index
};

/// The command with a name, in any case; never a subcommand.
#[must_use]
#[inline]
pub const fn lookup(name: &[u8]) -> Option<CmdId> {
    match Key::of(name) {
        Some(key) => find(&INDEX, NONE, &key),
        None => None,
    }
}

/// The subcommand with a name, in any case.
#[must_use]
pub const fn sub(parent: CmdId, name: &[u8]) -> Option<CmdId> {
    match Key::of(name) {
        Some(key) => find(&INDEX, parent.0, &key),
        None => None,
    }
}

/// The command or subcommand with a full name (`get`, `config|get`), in any case.
#[must_use]
pub const fn lookup_full(full_name: &[u8]) -> Option<CmdId> {
    let Some(at) = bar(full_name) else {
        return lookup(full_name);
    };
    let (parent, _) = full_name.split_at(at);
    match lookup(parent) {
        Some(parent) => sub(parent, own_name(full_name)),
        None => None,
    }
}

/// The id of a row: `const EXEC: CmdId = table::id(&table::transactions::EXEC)`.
///
/// # Panics
///
/// The row is not in this table.
#[must_use]
pub const fn id(spec: &Spec) -> CmdId {
    match lookup_full(spec.full_name.as_bytes()) {
        Some(id) => id,
        None => panic!("the row is in no list of its group"),
    }
}

/// The row of a command.
#[must_use]
pub const fn spec(id: CmdId) -> &'static Spec {
    ALL[id.0 as usize]
}

/// The full name; for a subcommand with its container: `config|get`.
#[must_use]
pub const fn full_name(id: CmdId) -> &'static str {
    spec(id).full_name
}

/// The container of a subcommand.
#[must_use]
pub const fn parent(id: CmdId) -> Option<CmdId> {
    match PARENTS[id.0 as usize] {
        NONE => None,
        parent => Some(CmdId(parent)),
    }
}

/// All ids in order, each command followed by its subcommands.
pub fn iter() -> impl DoubleEndedIterator<Item = CmdId> + ExactSizeIterator {
    (0..COUNT as u16).map(CmdId)
}

/// The ids of the subcommands of a container, in order; empty for any other command.
pub fn subcommands(id: CmdId) -> impl Iterator<Item = CmdId> {
    (id.0 + 1..COUNT as u16)
        .take_while(move |&sub| PARENTS[usize::from(sub)] == id.0)
        .map(CmdId)
}

#[inline]
const fn find(index: &[u16; SLOTS], parent: u16, key: &Key) -> Option<CmdId> {
    let mut slot = key.hash(parent, SLOT_BITS);
    loop {
        let id = index[slot];
        if id == NONE {
            return None;
        }
        if KEYS[id as usize].is(key) && PARENTS[id as usize] == parent {
            return Some(CmdId(id));
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The part of a full name after the bar.
const fn own_name(full_name: &[u8]) -> &[u8] {
    match bar(full_name) {
        Some(at) => full_name.split_at(at + 1).1,
        None => full_name,
    }
}

const fn bar(full_name: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < full_name.len() {
        if full_name[at] == b'|' {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{
        COUNT, CmdId, full_name, id, iter, lookup, lookup_full, parent, spec, sub, subcommands,
    };
    use crate::name::NAME_MAX;
    use crate::{connection, server, string};

    #[test]
    fn every_name_is_found_in_any_case() {
        for id in iter() {
            let name = full_name(id);
            assert_eq!(lookup_full(name.as_bytes()), Some(id), "{name}");
            assert_eq!(
                lookup_full(name.to_uppercase().as_bytes()),
                Some(id),
                "{name}"
            );
            let mixed: Vec<u8> = name
                .bytes()
                .enumerate()
                .map(|(i, byte)| {
                    if i % 2 == 0 {
                        byte.to_ascii_uppercase()
                    } else {
                        byte
                    }
                })
                .collect();
            assert_eq!(lookup_full(&mixed), Some(id), "{name}");
        }
    }

    #[test]
    fn unknown_commands_are_not_found() {
        let long = vec![b'a'; 100_000];
        let names: [&[u8]; 10] = [
            b"",
            b"ge",
            b"gett",
            b"GET ",
            b"config|get|",
            b"config|",
            b"|get",
            b"g\x45\0",
            b"restore\rasking",
            &long,
        ];
        for name in names {
            assert_eq!(lookup_full(name), None, "{name:?}");
        }
        assert_eq!(lookup(b"config|get"), None);
        assert_eq!(sub(id(&server::CONFIG), b"list"), None);
        assert_eq!(sub(id(&string::GET), b"help"), None);
    }

    #[test]
    fn subcommands_follow_their_container() {
        const CONFIG: CmdId = id(&server::CONFIG);
        let names: Vec<_> = subcommands(CONFIG).map(|id| spec(id).name()).collect();
        assert_eq!(names, ["get", "help", "resetstat", "rewrite", "set"]);
        for id in iter() {
            for sub in subcommands(id) {
                assert_eq!(parent(sub), Some(id));
                assert_eq!(spec(sub).group, spec(id).group);
                assert_eq!(
                    full_name(sub),
                    format!("{}|{}", full_name(id), spec(sub).name())
                );
            }
            assert_eq!(parent(id).is_some(), full_name(id).contains('|'));
        }
        assert_eq!(subcommands(id(&connection::PING)).count(), 0);
    }

    #[test]
    fn the_table_has_every_command_of_7_2_6() {
        let outside_sentinel = iter().filter(|&id| parent(id).is_none() && spec(id).exists(false));
        assert_eq!(outside_sentinel.count(), 241);
        assert_eq!(iter().len(), COUNT);
        assert_eq!(COUNT, 392);
    }

    #[test]
    fn rows_are_consistent() {
        for id in iter() {
            let row = spec(id);
            let name = row.full_name;
            assert!(row.name().len() <= NAME_MAX, "{name}");
            assert_eq!(name, name.to_ascii_lowercase());
            assert!(row.arity != 0, "{name}");
            assert!(
                row.summary.ends_with('.') && row.summary.len() > 8,
                "{name}"
            );
            assert!(
                row.summary.starts_with(|c: char| c.is_ascii_uppercase()),
                "{name}"
            );
            assert_eq!(row.since.split('.').count(), 3, "{name}");
            assert!(
                row.history.iter().all(|(_, text)| text.ends_with('.')),
                "{name}"
            );
            if row.full_name.contains('|') {
                assert!(row.arity.unsigned_abs() >= 2, "{name}");
            }
        }
    }
}
