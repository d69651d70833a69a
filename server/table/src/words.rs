//! Vocabulary of a row: command flags, ACL categories, key access flags, channel access flags.
//!
//! Each vocabulary is one list that generates two things: a module of integers (`flag::WRITE`), so that a row can
//! write `READONLY | FAST` inside a `static`, where trait operators are not available, and a set type ([`Flags`]) for
//! code that reads rows. The integers of the vocabularies have different widths on purpose: a key access flag in the
//! place of a command flag does not compile.
//!
//! # Invariants
//!
//! 1. Bits have Redis's order, since COMMAND INFO lists the words of a set in the order of the bits.
//! 2. A word with an empty label is internal: COMMAND INFO does not show it.

use bitflags::bitflags;

macro_rules! vocabulary {
    (
        $(#[doc = $about:literal])*
        $module:ident $set:ident: $bits:ty {
            $($(#[doc = $doc:literal])* $name:ident = $bit:literal, $label:literal;)*
        }
    ) => {
        $(#[doc = $about])*
        pub mod $module {
            $($(#[doc = $doc])* pub const $name: $bits = 1 << $bit;)*
        }

        bitflags! {
            $(#[doc = $about])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
            pub struct $set: $bits {
                $($(#[doc = $doc])* const $name = 1 << $bit;)*
            }
        }

        impl $set {
            /// Every word with the label that replies show, in the order of replies.
            pub const LABELS: &[(Self, &'static str)] = &[$((Self::$name, $label)),*];

            /// The labels of the words in this set, in the order of replies, without internal words.
            pub fn labels(self) -> impl Iterator<Item = &'static str> {
                Self::LABELS
                    .iter()
                    .filter(move |(word, label)| self.contains(*word) && !label.is_empty())
                    .map(|(_, label)| *label)
            }
        }
    };
}

vocabulary! {
    /// Command flags: what a command does and when it may run.
    flag Flags: u64 {
        /// May change the keyspace.
        WRITE = 0, "write";
        /// Reads keys and changes none.
        READONLY = 1, "readonly";
        /// May use more memory, so it is refused when the server is over `maxmemory`.
        DENYOOM = 2, "denyoom";
        /// Belongs to a module.
        MODULE = 3, "module";
        /// Administrative, like SAVE or SHUTDOWN.
        ADMIN = 4, "admin";
        /// Belongs to Pub/Sub.
        PUBSUB = 5, "pubsub";
        /// Refused inside scripts.
        NOSCRIPT = 6, "noscript";
        /// May block the client.
        BLOCKING = 8, "blocking";
        /// Allowed while the dataset is loading.
        LOADING = 9, "loading";
        /// Allowed on a replica whose data is stale.
        STALE = 10, "stale";
        /// Not shown to MONITOR.
        SKIP_MONITOR = 11, "skip_monitor";
        /// Not recorded in the slow log, since its arguments may be secret.
        SKIP_SLOWLOG = 12, "skip_slowlog";
        /// Runs as if the client had sent ASKING before.
        ASKING = 13, "asking";
        /// Takes constant or logarithmic time.
        FAST = 14, "fast";
        /// Allowed before the client has authenticated.
        NO_AUTH = 15, "no_auth";
        /// May write to the replication stream although it is not a write command.
        MAY_REPLICATE = 16, "";
        /// Exists in Sentinel mode.
        SENTINEL = 17, "";
        /// Exists only in Sentinel mode.
        ONLY_SENTINEL = 18, "";
        /// Has key arguments that may all be absent.
        NO_MANDATORY_KEYS = 19, "no_mandatory_keys";
        /// Must be enabled by a configuration directive (DEBUG, MODULE).
        PROTECTED = 20, "";
        /// Refused during an asynchronous load of the primary's dataset.
        NO_ASYNC_LOADING = 23, "no_async_loading";
        /// Refused inside a transaction.
        NO_MULTI = 24, "no_multi";
        /// Its keys are not all covered by (first, last, step). Derived from the key specs.
        MOVABLE_KEYS = 25, "movablekeys";
        /// Allowed while a slow script or module is running.
        ALLOW_BUSY = 26, "allow_busy";
        /// Accesses keys that its arguments do not name.
        TOUCHES_ARBITRARY_KEYS = 28, "";
    }
}

vocabulary! {
    /// ACL categories, as in rules like `+@read`.
    category Categories: u32 {
        /// Keys of any type: DEL, EXPIRE, SCAN.
        KEYSPACE = 0, "keyspace";
        /// Reads data. Derived.
        READ = 1, "read";
        /// Writes data. Derived.
        WRITE = 2, "write";
        /// Sets.
        SET = 3, "set";
        /// Sorted sets.
        SORTEDSET = 4, "sortedset";
        /// Lists.
        LIST = 5, "list";
        /// Hashes.
        HASH = 6, "hash";
        /// Strings.
        STRING = 7, "string";
        /// Bitmaps.
        BITMAP = 8, "bitmap";
        /// HyperLogLogs.
        HYPERLOGLOG = 9, "hyperloglog";
        /// Geospatial indexes.
        GEO = 10, "geo";
        /// Streams.
        STREAM = 11, "stream";
        /// Pub/Sub. Derived.
        PUBSUB = 12, "pubsub";
        /// Administration. Derived, except in two rows that name it themselves.
        ADMIN = 13, "admin";
        /// Constant or logarithmic time. Derived.
        FAST = 14, "fast";
        /// Everything that is not fast. Derived.
        SLOW = 15, "slow";
        /// May block the client. Derived.
        BLOCKING = 16, "blocking";
        /// Potentially dangerous for an ordinary application to use.
        DANGEROUS = 17, "dangerous";
        /// The connection.
        CONNECTION = 18, "connection";
        /// Transactions.
        TRANSACTION = 19, "transaction";
        /// Scripts and functions.
        SCRIPTING = 20, "scripting";
    }
}

vocabulary! {
    /// Key access flags. Exactly one of the first four is set (none for NOT_KEY): they describe access to the key's metadata and
    /// value as the server sees them, the others access to the data as the user sees it.
    access KeyFlags: u16 {
        /// Reads the value and does not change it.
        RO = 0, "RO";
        /// Changes the value.
        RW = 1, "RW";
        /// Overwrites the value without reading it.
        OW = 2, "OW";
        /// Deletes the key.
        RM = 3, "RM";
        /// Returns, copies or uses user data of the value.
        ACCESS = 4, "access";
        /// Changes user data in a way that may depend on it.
        UPDATE = 5, "update";
        /// Adds user data, without changing or deleting any.
        INSERT = 6, "insert";
        /// Deletes user data, or the key.
        DELETE = 7, "delete";
        /// Not a key, but routed like one in a cluster (a shard channel).
        NOT_KEY = 8, "not_key";
        /// The spec does not cover all the keys that it should.
        INCOMPLETE = 9, "incomplete";
        /// The access depends on other arguments.
        VARIABLE_FLAGS = 10, "variable_flags";
    }
}

vocabulary! {
    /// Access to the channels among a command's arguments, for ACL channel rules.
    channel ChannelFlags: u8 {
        /// The argument is a pattern.
        PATTERN = 0, "";
        /// Subscribes.
        SUBSCRIBE = 1, "";
        /// Unsubscribes.
        UNSUBSCRIBE = 2, "";
        /// Publishes.
        PUBLISH = 3, "";
    }
}

#[cfg(test)]
mod tests {
    use super::{Categories, Flags, KeyFlags};

    #[test]
    fn labels_are_in_reply_order_without_internal_words() {
        let flags = Flags::FAST | Flags::READONLY | Flags::MAY_REPLICATE | Flags::SENTINEL;
        assert_eq!(flags.labels().collect::<Vec<_>>(), ["readonly", "fast"]);
        let access = KeyFlags::UPDATE | KeyFlags::RW | KeyFlags::ACCESS;
        assert_eq!(
            access.labels().collect::<Vec<_>>(),
            ["RW", "access", "update"]
        );
        assert_eq!(Categories::LABELS.len(), 21);
    }

    #[test]
    fn labels_are_in_the_order_of_their_bits() {
        assert!(Flags::LABELS.is_sorted_by_key(|(word, _)| word.bits()));
        assert!(Categories::LABELS.is_sorted_by_key(|(word, _)| word.bits()));
        assert!(KeyFlags::LABELS.is_sorted_by_key(|(word, _)| word.bits()));
    }
}
