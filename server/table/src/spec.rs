//! Definition of a command's row, and its builder.
//!
//! A row is a `static` built by `const fn`s. Each group's file has a function `row` that calls [`spec`] with its group;
//! each chained call sets or adds one property:
//!
//! ```text
//! pub static GET: Spec = row("get", 2)
//!     .since("1.0.0")
//!     .flags(READONLY | FAST)
//!     .acl(STRING)
//!     .key(RO | ACCESS, at(1), one())
//!     .summary("Return the string stored at a key.")
//!     .complexity("O(1)")
//!     .args(&[key("key", 0)]);
//! ```
//!
//! A subcommand is a separate row with a full name such as `config|get`.
//!
//! # Invariants
//!
//! 1. Derived values are never written: `MOVABLE_KEYS` and [`Spec::range`] come from the key specs,
//!    [`Spec::categories`] from the flags, the `deprecated` mark from [`Spec::deprecated`].
//! 2. The order of calls does not matter, except that key specs are kept in order and [`Spec::notes`] applies to the last
//!    one.

use crate::arg::Arg;
use crate::words::{Categories, ChannelFlags, Flags, KeyFlags};

/// The group of a command in the command reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Keys of any type.
    Generic,
    /// Strings.
    String,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Hashes.
    Hash,
    /// Pub/Sub.
    PubSub,
    /// Transactions.
    Transactions,
    /// The connection.
    Connection,
    /// The server.
    Server,
    /// Scripts and functions.
    Scripting,
    /// HyperLogLogs.
    HyperLogLog,
    /// Cluster.
    Cluster,
    /// Sentinel.
    Sentinel,
    /// Geospatial indexes.
    Geo,
    /// Streams.
    Stream,
    /// Bitmaps.
    Bitmap,
}

impl Group {
    /// The `group` that COMMAND DOCS reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Hash => "hash",
            Self::PubSub => "pubsub",
            Self::Transactions => "transactions",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Scripting => "scripting",
            Self::HyperLogLog => "hyperloglog",
            Self::Cluster => "cluster",
            Self::Sentinel => "sentinel",
            Self::Geo => "geo",
            Self::Stream => "stream",
            Self::Bitmap => "bitmap",
        }
    }
}

/// Where a key spec begins its search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this position of argv.
    Index(i16),
    /// After this word, in any case, searched from a position of argv; a negative position counts from the end and
    /// searches backwards.
    Keyword(&'static str, i16),
    /// Unknown.
    Unknown,
}

/// Which arguments are keys, relative to where the spec begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Every `step`-th argument up to `last`.
    Range {
        /// Relative to the first key; if negative, counted from the end of argv.
        last: i16,
        /// Distance between keys.
        step: i16,
        /// If `last` is -1: only the first `1/limit` of the remaining arguments are keys. 0 and 1 mean all.
        limit: i16,
    },
    /// As many as another argument specifies.
    Keynum {
        /// Position of the count, relative to the beginning.
        count: i16,
        /// Position of the first key, relative to the beginning.
        first: i16,
        /// Distance between keys.
        step: i16,
    },
    /// Unknown.
    Unknown,
}

/// A key spec: one way in which a command names keys.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// How the command accesses them.
    pub flags: KeyFlags,
    /// Where to begin.
    pub begin: Begin,
    /// Which arguments from there.
    pub find: Find,
    /// A note for readers of COMMAND INFO.
    pub notes: Option<&'static str>,
}

/// A procedure that finds keys if key specs do not suffice, or if Redis has always found them differently (`keys.rs`
/// has one function for each).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Procedure {
    /// A count at this position, followed by the keys, and optionally a destination at position 1.
    Numkeys {
        /// Position of the count.
        count: u8,
        /// Whether position 1 is a destination.
        store: bool,
    },
    /// SORT: the key and the last STORE.
    Sort,
    /// SORT_RO: the key only.
    SortRo,
    /// MIGRATE: one key, or those after KEYS.
    Migrate,
    /// GEORADIUS: the key and the last STORE or STOREDIST.
    GeoRadius,
    /// XREAD and XREADGROUP: the first half of the arguments after STREAMS.
    Xread,
    /// SET: also read if GET is among the options.
    Set,
    /// BITFIELD: read-only if all its operations are.
    Bitfield,
}

/// The channels among a command's arguments; they begin at position 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// How the command accesses them.
    pub flags: ChannelFlags,
    /// Whether all arguments are channels, or only the first.
    pub all: bool,
}

/// The positions of a command's keys as one range, as far as possible: COMMAND INFO reports it as first key, last key
/// and step. All zero if there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Range {
    /// Position of the first key.
    pub first: i16,
    /// Position of the last key; if negative, counted from the end of argv.
    pub last: i16,
    /// Distance between keys.
    pub step: i16,
}

/// A change in the history of a command: the version and the change.
pub type Change = (&'static str, &'static str);

/// Maximum number of key specs of a row.
const MAX_KEY_SPECS: usize = 3;

/// The row of a command or subcommand.
#[derive(Debug)]
pub struct Spec {
    /// In lower case; for a subcommand with its container: `config|get`.
    pub full_name: &'static str,
    /// Number of arguments including the name (and the container's name); if negative, the minimum number.
    pub arity: i16,
    /// Command flags.
    pub flags: Flags,
    /// The categories that the row names itself. [`Spec::categories`] returns all of them.
    pub acl: Categories,
    /// The keys as one range. Derived.
    pub range: Range,
    /// The procedure that finds keys in addition to the key specs.
    pub procedure: Option<Procedure>,
    /// Its channels.
    pub channels: Option<Channels>,
    /// Its group.
    pub group: Group,
    /// Whether only the server and its tools send it.
    pub syscmd: bool,
    /// The version that added it.
    pub since: &'static str,
    /// A one-sentence summary.
    pub summary: &'static str,
    /// Its time complexity.
    pub complexity: Option<&'static str>,
    /// The version that deprecated it.
    pub deprecated_since: Option<&'static str>,
    /// Its replacement.
    pub replaced_by: Option<&'static str>,
    /// Changes since it was added.
    pub history: &'static [Change],
    /// Hints for clients and proxies, such as `nondeterministic_output`.
    pub tips: &'static [&'static str],
    /// Its arguments, without its name.
    pub args: &'static [Arg],
    key_specs: [KeySpec; MAX_KEY_SPECS],
    key_specs_len: u8,
}

/// Starts a row.
#[must_use]
pub const fn spec(full_name: &'static str, arity: i16, group: Group) -> Spec {
    const NO_KEY: KeySpec = KeySpec {
        flags: KeyFlags::empty(),
        begin: Begin::Unknown,
        find: Find::Unknown,
        notes: None,
    };
    Spec {
        full_name,
        arity,
        flags: Flags::empty(),
        acl: Categories::empty(),
        range: Range {
            first: 0,
            last: 0,
            step: 0,
        },
        procedure: None,
        channels: None,
        group,
        syscmd: false,
        since: "",
        summary: "",
        complexity: None,
        deprecated_since: None,
        replaced_by: None,
        history: &[],
        tips: &[],
        args: &[],
        key_specs: [NO_KEY; MAX_KEY_SPECS],
        key_specs_len: 0,
    }
}

/// The key spec begins at this position of argv.
#[must_use]
pub const fn at(index: i16) -> Begin {
    Begin::Index(index)
}

/// The key spec begins after this word, searched from this position of argv.
#[must_use]
pub const fn after(keyword: &'static str, from: i16) -> Begin {
    Begin::Keyword(keyword, from)
}

/// One key, where the spec begins.
#[must_use]
pub const fn one() -> Find {
    range(0, 1, 0)
}

/// All arguments up to this one, counted from where the spec begins, or from the end if negative.
#[must_use]
pub const fn to(last: i16) -> Find {
    range(last, 1, 0)
}

/// Every `step`-th argument up to `last`, or only the first `1/limit` of them; as [`Find::Range`].
#[must_use]
pub const fn range(last: i16, step: i16, limit: i16) -> Find {
    Find::Range { last, step, limit }
}

/// A count where the spec begins, followed by the keys.
#[must_use]
pub const fn counted() -> Find {
    Find::Keynum {
        count: 0,
        first: 1,
        step: 1,
    }
}

/// A count at this position, followed by the keys.
#[must_use]
pub const fn numkeys(count: u8) -> Procedure {
    Procedure::Numkeys {
        count,
        store: false,
    }
}

/// The same, with a destination as the first argument.
#[must_use]
pub const fn store_and_numkeys(count: u8) -> Procedure {
    Procedure::Numkeys { count, store: true }
}

impl Spec {
    /// Sets the version that added it.
    #[must_use]
    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = version;
        self
    }

    /// Adds command flags: words of [`crate::words::flag`].
    #[must_use]
    pub const fn flags(mut self, flags: u64) -> Self {
        self.flags = self.flags.union(Flags::from_bits_retain(flags));
        self
    }

    /// Adds categories that are not derived from the flags: words of [`crate::words::category`].
    #[must_use]
    pub const fn acl(mut self, categories: u32) -> Self {
        self.acl = self.acl.union(Categories::from_bits_retain(categories));
        self
    }

    /// Adds a key spec: words of [`crate::words::access`], where it begins, and which arguments from there.
    #[must_use]
    pub const fn key(mut self, access: u16, begin: Begin, find: Find) -> Self {
        self.key_specs[self.key_specs_len as usize] = KeySpec {
            flags: KeyFlags::from_bits_retain(access),
            begin,
            find,
            notes: None,
        };
        self.key_specs_len += 1;
        let (range, movable) = range_of(self.key_specs());
        self.range = range;
        if movable {
            self.flags = self.flags.union(Flags::MOVABLE_KEYS);
        }
        self
    }

    /// Sets a note on the last key spec.
    #[must_use]
    pub const fn notes(mut self, notes: &'static str) -> Self {
        self.key_specs[self.key_specs_len as usize - 1].notes = Some(notes);
        self
    }

    /// Sets the procedure that finds keys in addition to the key specs.
    #[must_use]
    pub const fn procedure(mut self, procedure: Procedure) -> Self {
        self.procedure = Some(procedure);
        self
    }

    /// The first argument is a channel: words of [`crate::words::channel`].
    #[must_use]
    pub const fn channel(mut self, flags: u8) -> Self {
        self.channels = Some(Channels {
            flags: ChannelFlags::from_bits_retain(flags),
            all: false,
        });
        self
    }

    /// All arguments are channels: words of [`crate::words::channel`].
    #[must_use]
    pub const fn channels(mut self, flags: u8) -> Self {
        self.channels = Some(Channels {
            flags: ChannelFlags::from_bits_retain(flags),
            all: true,
        });
        self
    }

    /// Only the server and its tools send it.
    #[must_use]
    pub const fn syscmd(mut self) -> Self {
        self.syscmd = true;
        self
    }

    /// Sets the summary, one sentence.
    #[must_use]
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Sets the time complexity.
    #[must_use]
    pub const fn complexity(mut self, complexity: &'static str) -> Self {
        self.complexity = Some(complexity);
        self
    }

    /// Sets the version that deprecated it, and its replacement.
    #[must_use]
    pub const fn deprecated(mut self, version: &'static str, replaced_by: &'static str) -> Self {
        self.deprecated_since = Some(version);
        self.replaced_by = Some(replaced_by);
        self
    }

    /// Sets the changes since it was added, oldest first.
    #[must_use]
    pub const fn history(mut self, history: &'static [Change]) -> Self {
        self.history = history;
        self
    }

    /// Sets hints for clients and proxies.
    #[must_use]
    pub const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.tips = tips;
        self
    }

    /// Sets the arguments.
    #[must_use]
    pub const fn args(mut self, args: &'static [Arg]) -> Self {
        self.args = args;
        self
    }

    /// The key specs.
    #[must_use]
    pub const fn key_specs(&self) -> &[KeySpec] {
        self.key_specs.split_at(self.key_specs_len as usize).0
    }

    /// The name without the container: `get` for `config|get`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.full_name
            .split_once('|')
            .map_or(self.full_name, |(_, name)| name)
    }

    /// All ACL categories, including those derived from the flags.
    #[must_use]
    pub const fn categories(&self) -> Categories {
        let mut all = self.acl;
        if self.flags.contains(Flags::WRITE) {
            all = all.union(Categories::WRITE);
        }
        // EVAL_RO and similar commands are read-only, but what they read depends on the script.
        if self.flags.contains(Flags::READONLY) && !all.contains(Categories::SCRIPTING) {
            all = all.union(Categories::READ);
        }
        if self.flags.contains(Flags::ADMIN) {
            all = all.union(Categories::ADMIN).union(Categories::DANGEROUS);
        }
        if self.flags.contains(Flags::PUBSUB) {
            all = all.union(Categories::PUBSUB);
        }
        if self.flags.contains(Flags::BLOCKING) {
            all = all.union(Categories::BLOCKING);
        }
        if self.flags.contains(Flags::FAST) {
            all.union(Categories::FAST)
        } else {
            all.union(Categories::SLOW)
        }
    }

    /// The `doc_flags` that COMMAND DOCS reports.
    pub fn doc_labels(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.deprecated_since.is_some(), "deprecated"),
            (self.syscmd, "syscmd"),
        ]
        .into_iter()
        .filter_map(|(set, label)| set.then_some(label))
    }

    /// Whether `argc` arguments, including the name, satisfy the arity.
    #[must_use]
    pub const fn takes(&self, argc: usize) -> bool {
        if self.arity >= 0 {
            argc == self.arity as usize
        } else {
            argc >= self.arity.unsigned_abs() as usize
        }
    }

    /// Whether the command exists on a server in this mode.
    #[must_use]
    pub const fn exists(&self, sentinel: bool) -> bool {
        if sentinel {
            self.flags.contains(Flags::SENTINEL)
        } else {
            !self.flags.contains(Flags::ONLY_SENTINEL)
        }
    }
}

/// The key specs merged to one range, and whether the range misses keys.
///
/// A single range is used as it is. Of several, those whose single-step ranges are adjacent are merged (COPY: 1 and
/// 2); any other is omitted, and then the keys are movable.
const fn range_of(specs: &[KeySpec]) -> (Range, bool) {
    let mut joined = Range {
        first: 0,
        last: 0,
        step: 0,
    };
    let mut movable = false;
    let mut i = 0;
    while i < specs.len() {
        let spec = &specs[i];
        i += 1;
        movable |= spec.flags.contains(KeyFlags::INCOMPLETE);
        let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            movable = true;
            continue;
        };
        let last = if last < 0 { last } else { first + last };
        if specs.len() == 1 {
            return (Range { first, last, step }, movable);
        }
        if step != 1 || (joined.last != 0 && joined.last != first - 1) {
            movable = true;
            continue;
        }
        if joined.first == 0 || first < joined.first {
            joined.first = first;
        }
        // A position counted from the end is beyond any counted from the start.
        if last < 0 || (joined.last >= 0 && last > joined.last) {
            joined.last = last;
        }
        joined.step = 1;
    }
    (joined, movable)
}

#[cfg(test)]
mod tests {
    use super::{Begin, Find, Range};
    use crate::words::{Categories, Flags, KeyFlags};
    use crate::{iter, lookup_full, spec};

    fn row(name: &str) -> &'static super::Spec {
        spec(lookup_full(name.as_bytes()).expect("a command"))
    }

    #[test]
    fn categories_are_those_of_the_real_server() {
        let table = [
            ("get", "read string fast"),
            ("set", "write string slow"),
            ("del", "keyspace write slow"),
            ("keys", "keyspace read slow dangerous"),
            ("blpop", "write list slow blocking"),
            ("eval", "slow scripting"),
            ("eval_ro", "slow scripting"),
            ("fcall_ro", "slow scripting"),
            ("subscribe", "pubsub slow"),
            ("publish", "pubsub fast"),
            ("config|set", "admin slow dangerous"),
            ("client|kill", "admin slow dangerous connection"),
            ("client|id", "slow connection"),
            ("auth", "fast connection"),
            ("multi", "fast transaction"),
            ("flushall", "keyspace write slow dangerous"),
            ("xreadgroup", "write stream slow blocking"),
            ("georadius", "write geo slow"),
            ("pfcount", "read hyperloglog slow"),
            ("restore-asking", "keyspace write slow dangerous"),
        ];
        for (name, expected) in table {
            let labels: Vec<_> = row(name).categories().labels().collect();
            assert_eq!(labels.join(" "), expected, "{name}");
        }
    }

    #[test]
    fn no_row_writes_a_category_that_follows_from_its_flags() {
        let derived = Categories::READ
            | Categories::WRITE
            | Categories::FAST
            | Categories::SLOW
            | Categories::BLOCKING
            | Categories::PUBSUB;
        for id in iter() {
            assert!(!spec(id).acl.intersects(derived), "{}", spec(id).full_name);
        }
    }

    #[test]
    fn ranges_are_those_of_the_real_server() {
        let table = [
            ("get", (1, 1, 1), false),
            ("mset", (1, -1, 2), false),
            ("del", (1, -1, 1), false),
            ("copy", (1, 2, 1), false),
            ("bitop", (2, -1, 1), false),
            ("blpop", (1, -2, 1), false),
            ("zunionstore", (1, 1, 1), true),
            ("eval", (0, 0, 0), true),
            ("sort", (1, 1, 1), true),
            ("migrate", (3, 3, 1), true),
            ("xread", (0, 0, 0), true),
            ("spublish", (1, 1, 1), false),
            ("ping", (0, 0, 0), false),
        ];
        for (name, (first, last, step), movable) in table {
            assert_eq!(row(name).range, Range { first, last, step }, "{name}");
            assert_eq!(
                row(name).flags.contains(Flags::MOVABLE_KEYS),
                movable,
                "{name}"
            );
        }
    }

    #[test]
    fn key_specs_are_well_formed() {
        let kinds = KeyFlags::RO | KeyFlags::RW | KeyFlags::OW | KeyFlags::RM;
        for id in iter() {
            let row = spec(id);
            for key in row.key_specs() {
                let name = row.full_name;
                let kind = key.flags & kinds;
                let expected = u32::from(!key.flags.contains(KeyFlags::NOT_KEY));
                assert_eq!(kind.bits().count_ones(), expected, "{name}");
                if let Begin::Index(pos) = key.begin {
                    let least = row.arity.unsigned_abs();
                    assert!(pos > 0 && pos.unsigned_abs() <= least, "{name}");
                }
                if let Find::Range { last, step, limit } = key.find {
                    assert!(
                        step > 0 && limit >= 0 && (limit == 0 || last == -1),
                        "{name}"
                    );
                }
                // An unknown key spec requires a procedure, so that all keys are found.
                let unknown = key.begin == Begin::Unknown || key.find == Find::Unknown;
                assert!(!unknown || row.procedure.is_some(), "{name}");
            }
            let movable = row.flags.contains(Flags::MOVABLE_KEYS);
            assert!(!movable || row.procedure.is_some(), "{}", row.full_name);
        }
    }

    #[test]
    fn arity_counts_the_name_and_the_container() {
        let config_set = row("config|set");
        assert!(!config_set.takes(3) && config_set.takes(4) && config_set.takes(6));
        assert!(row("get").takes(2) && !row("get").takes(3) && !row("get").takes(0));
    }

    #[test]
    fn sentinel_has_its_own_commands_and_few_of_the_others() {
        assert!(row("ping").exists(true) && row("ping").exists(false));
        assert!(!row("get").exists(true) && row("get").exists(false));
        assert!(row("sentinel|masters").exists(true) && !row("sentinel|masters").exists(false));
    }
}
