//! The words of a row: command flags, ACL categories, key access, channel access.
//!
//! Each vocabulary is one list that yields two things: a module of integers (`flag::WRITE`), so that a row can say
//! `READONLY | FAST` inside a `static`, where the operators of a type do not run yet, and a set type ([`Flags`]) for
//! everybody who reads a row. The integers of the vocabularies differ in width on purpose: a key access where a command
//! flag belongs does not compile.
//!
//! # Invariants
//!
//! 1. Bits and their order are Redis's, since `COMMAND INFO` lists the words of a set in the order of the bits.
//! 2. A word with an empty label is one that Redis keeps to itself: `COMMAND INFO` does not show it.

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
            /// Every word of this vocabulary with the label that replies show, in the order of replies.
            pub const LABELS: &[(Self, &'static str)] = &[$((Self::$name, $label)),*];

            /// The labels of the words in this set, in the order of replies; hidden words are left out.
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
    /// What a command does and when it may run.
    flag Flags: u64 {
        /// May change the keyspace.
        WRITE = 0, "write";
        /// Reads keys and changes none.
        READONLY = 1, "readonly";
        /// May take memory, so it is refused when the server is over `maxmemory`.
        DENYOOM = 2, "denyoom";
        /// Comes from a module.
        MODULE = 3, "module";
        /// Administrative, like SAVE or SHUTDOWN.
        ADMIN = 4, "admin";
        /// Belongs to Pub/Sub.
        PUBSUB = 5, "pubsub";
        /// Refused inside scripts.
        NOSCRIPT = 6, "noscript";
        /// May park the client.
        BLOCKING = 8, "blocking";
        /// Allowed while the data set is loading.
        LOADING = 9, "loading";
        /// Allowed on a replica whose data is stale.
        STALE = 10, "stale";
        /// Not shown to MONITOR.
        SKIP_MONITOR = 11, "skip_monitor";
        /// Not recorded in the slow log, since its arguments may be secret.
        SKIP_SLOWLOG = 12, "skip_slowlog";
        /// Runs as if the client had said ASKING before.
        ASKING = 13, "asking";
        /// Takes constant or logarithmic time.
        FAST = 14, "fast";
        /// Allowed before the client has authenticated.
        NO_AUTH = 15, "no_auth";
        /// May write to the replication stream although it is no write command.
        MAY_REPLICATE = 16, "";
        /// Exists in Sentinel mode.
        SENTINEL = 17, "";
        /// Exists in Sentinel mode and nowhere else.
        ONLY_SENTINEL = 18, "";
        /// Has key arguments that may all be absent.
        NO_MANDATORY_KEYS = 19, "no_mandatory_keys";
        /// Needs a configuration directive to be allowed at all (DEBUG, MODULE).
        PROTECTED = 20, "";
        /// Refused while a replica loads its primary's data beside its own.
        NO_ASYNC_LOADING = 23, "no_async_loading";
        /// Refused inside a transaction.
        NO_MULTI = 24, "no_multi";
        /// A plain (first, last, step) does not reach all its keys. Derived from the key specs.
        MOVABLE_KEYS = 25, "movablekeys";
        /// Allowed while a slow script or module holds the server.
        ALLOW_BUSY = 26, "allow_busy";
        /// Touches keys that its arguments do not name.
        TOUCHES_ARBITRARY_KEYS = 28, "";
    }
}

vocabulary! {
    /// Where ACL rules like `+@read` find a command.
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
        /// Administration. Derived, but for two commands that say so themselves.
        ADMIN = 13, "admin";
        /// Constant or logarithmic time. Derived.
        FAST = 14, "fast";
        /// Everything that is not fast. Derived.
        SLOW = 15, "slow";
        /// May park the client. Derived.
        BLOCKING = 16, "blocking";
        /// What an ordinary application should not be allowed.
        DANGEROUS = 17, "dangerous";
        /// About the connection itself.
        CONNECTION = 18, "connection";
        /// MULTI and its companions.
        TRANSACTION = 19, "transaction";
        /// Scripts and functions.
        SCRIPTING = 20, "scripting";
    }
}

vocabulary! {
    /// How a command treats a key. One of the first four is always there: they speak of the key's metadata and value as
    /// the server sees them, the others of the data as the user sees it.
    access KeyFlags: u16 {
        /// Reads the value and may not change it.
        RO = 0, "RO";
        /// Changes the value.
        RW = 1, "RW";
        /// Replaces the value without looking at it.
        OW = 2, "OW";
        /// Deletes the key.
        RM = 3, "RM";
        /// Returns, copies or uses user data of the value.
        ACCESS = 4, "access";
        /// Changes the value in a way that may depend on what it was.
        UPDATE = 5, "update";
        /// Adds data and can neither change nor delete what is there.
        INSERT = 6, "insert";
        /// Deletes content, or the key.
        DELETE = 7, "delete";
        /// Is no key, and yet is routed like one in a cluster (a shard channel).
        NOT_KEY = 8, "not_key";
        /// The spec does not reach all the keys that it stands for.
        INCOMPLETE = 9, "incomplete";
        /// The access depends on other arguments.
        VARIABLE_FLAGS = 10, "variable_flags";
    }
}

vocabulary! {
    /// How a command treats the channels among its arguments, for ACL's channel rules.
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
    fn labels_come_in_the_order_of_replies_and_hide_what_is_internal() {
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
