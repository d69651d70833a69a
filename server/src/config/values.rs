//! Types of directive values: lists of words, limits, classes of events.

use bitflags::bitflags;
use conn::tls::config::{AuthClients, CrlExpired};

use crate::choices;
use crate::config::choice::Choice;
use crate::sys::log::Level;

choices! {
    /// `tls-auth-clients-user`: the field of a client's certificate that names its user.
    CertificateUser {
        /// None: a client authenticates by password.
        #[default]
        Off = "off",
        /// The subject's common name.
        CommonName = "CN",
        /// The first URI of the subject's alternative names that is the name of an enabled user.
        Uri = "URI",
        /// The same among the DNS names.
        Dns = "DNS",
    }
}

choices! {
    /// `tls-auth-clients-user-unknown`: what a client is whose certificate names no enabled user.
    UnknownUser {
        /// The default user, as without a certificate.
        #[default]
        Default = "default",
        /// Refused.
        Refuse = "refuse",
    }
}

choices! {
    /// `maxmemory-policy`: which keys are evicted.
    MaxmemoryPolicy {
        /// Volatile keys, least recently used first.
        VolatileLru = "volatile-lru",
        /// Volatile keys, least frequently used first.
        VolatileLfu = "volatile-lfu",
        /// Volatile keys at random.
        VolatileRandom = "volatile-random",
        /// Volatile keys, shortest time to live first.
        VolatileTtl = "volatile-ttl",
        /// All keys, least recently used first.
        AllkeysLru = "allkeys-lru",
        /// All keys, least frequently used first.
        AllkeysLfu = "allkeys-lfu",
        /// All keys at random.
        AllkeysRandom = "allkeys-random",
        /// No eviction: writes are refused.
        #[default]
        Noeviction = "noeviction",
    }
}

impl MaxmemoryPolicy {
    /// The word of the policy.
    pub fn name(self) -> &'static str {
        self.word()
    }

    /// Whether the policy uses the access time of entries.
    pub fn is_lru(self) -> bool {
        matches!(
            self,
            MaxmemoryPolicy::VolatileLru | MaxmemoryPolicy::AllkeysLru
        )
    }

    /// Whether only keys with an expiry are evicted.
    pub fn is_volatile(self) -> bool {
        matches!(
            self,
            MaxmemoryPolicy::VolatileLru
                | MaxmemoryPolicy::VolatileLfu
                | MaxmemoryPolicy::VolatileRandom
                | MaxmemoryPolicy::VolatileTtl
        )
    }

    /// Whether entries hold an LFU counter instead of an access time.
    pub fn is_lfu(self) -> bool {
        matches!(
            self,
            MaxmemoryPolicy::VolatileLfu | MaxmemoryPolicy::AllkeysLfu
        )
    }
}

choices! {
    /// `appendfsync`: when the append-only file is synced to the disk.
    AppendFsync {
        /// Once per second.
        #[default]
        Everysec = "everysec",
        /// Before each reply.
        Always = "always",
        /// When the operating system does.
        No = "no",
    }
}

choices! {
    /// `repl-diskless-load`: how a replica receives a snapshot.
    DisklessLoad {
        /// By a file.
        #[default]
        Disabled = "disabled",
        /// From the socket, if the data set is empty.
        OnEmptyDb = "on-empty-db",
        /// From the socket, keeping the old data set meanwhile.
        Swapdb = "swapdb",
    }
}

choices! {
    /// `acl-pubsub-default`: channel permissions of a new user.
    AclPubsubDefault {
        /// All channels.
        Allchannels = "allchannels",
        /// No channels.
        #[default]
        Resetchannels = "resetchannels",
    }
}

choices! {
    /// `sanitize-dump-payload`: whose payloads are fully checked.
    SanitizeDumpPayload {
        /// Nobody's.
        #[default]
        No = "no",
        /// Everybody's.
        Yes = "yes",
        /// Those of clients, but not those of a primary or of files.
        Clients = "clients",
    }
}

choices! {
    /// `cluster-preferred-endpoint-type`: the endpoint that clients are told.
    EndpointType {
        /// The address.
        #[default]
        Ip = "ip",
        /// The announced name.
        Hostname = "hostname",
        /// Unknown: the client keeps using the name that it knows.
        UnknownEndpoint = "unknown-endpoint",
    }
}

choices! {
    /// `propagation-error-behavior`: the reaction to a failing replicated command.
    PropagationError {
        /// Ignore it.
        #[default]
        Ignore = "ignore",
        /// End the process.
        Panic = "panic",
        /// End the process on replicas.
        PanicOnReplicas = "panic-on-replicas",
    }
}

choices! {
    /// Who may use protected commands and directives.
    Allow {
        /// Nobody.
        #[default]
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Clients of this machine.
        Local = "local",
    }
}

choices! {
    /// `supervised`: which supervisor is notified.
    Supervised {
        /// upstart, by stopping once.
        Upstart = "upstart",
        /// systemd, over its notify socket.
        Systemd = "systemd",
        /// The one that the environment names.
        Auto = "auto",
        /// Nobody.
        #[default]
        No = "no",
    }
}

/// `oom-score-adj`: whether the server sets its own score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OomScoreAdj {
    /// The score is left alone.
    #[default]
    No,
    /// Values are added to the score at start.
    Relative,
    /// Values are set as they are.
    Absolute,
}

impl Choice for OomScoreAdj {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("no", OomScoreAdj::No),
        ("yes", OomScoreAdj::Relative),
        ("relative", OomScoreAdj::Relative),
        ("absolute", OomScoreAdj::Absolute),
    ];
}

impl Choice for Level {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("debug", Level::Debug),
        ("verbose", Level::Verbose),
        ("notice", Level::Notice),
        ("warning", Level::Warning),
        ("nothing", Level::Nothing),
    ];
}

impl Choice for CrlExpired {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("refuse", CrlExpired::Refuse),
        ("accept", CrlExpired::Accept),
    ];
}

impl Choice for AuthClients {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("no", AuthClients::No),
        ("yes", AuthClients::Yes),
        ("optional", AuthClients::Optional),
    ];
}

/// `client-output-buffer-limit` of one client class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes at which a client is closed at once; 0 means no limit.
    pub hard: u64,
    /// Bytes at which it is closed after `soft_seconds`; 0 means no limit.
    pub soft: u64,
    /// See `soft`.
    pub soft_seconds: i64,
}

/// Client classes with output limits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClass {
    /// All other clients.
    Normal = 0,
    /// Replicas.
    Replica = 1,
    /// Subscribers.
    PubSub = 2,
}

/// Options of a shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
    /// Save even when no save points are configured.
    pub save: bool,
    /// Do not save.
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Shut down even if saving fails.
    pub force: bool,
}

/// One `save` point: a snapshot is due after `seconds` with at least `changes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the latest snapshot.
    pub seconds: i64,
    /// Keys changed since then.
    pub changes: i64,
}

bitflags! {
    /// `notify-keyspace-events`: which events are published, and on which channels.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct EventClasses: u16 {
        /// `K`: on the channel of the key.
        const KEYSPACE = 1 << 0;
        /// `E`: on the channel of the event.
        const KEYEVENT = 1 << 1;
        /// `g`: DEL, EXPIRE, RENAME and other commands for any type.
        const GENERIC = 1 << 2;
        /// `$`: strings.
        const STRING = 1 << 3;
        /// `l`: lists.
        const LIST = 1 << 4;
        /// `s`: sets.
        const SET = 1 << 5;
        /// `h`: hashes.
        const HASH = 1 << 6;
        /// `z`: sorted sets.
        const ZSET = 1 << 7;
        /// `x`: a key expired.
        const EXPIRED = 1 << 8;
        /// `e`: a key was evicted.
        const EVICTED = 1 << 9;
        /// `t`: streams.
        const STREAM = 1 << 10;
        /// `d`: keys of modules.
        const MODULE = 1 << 11;
        /// `m`: a key that was looked up does not exist.
        const KEY_MISS = 1 << 12;
        /// `n`: a new key was created.
        const NEW = 1 << 13;
        /// `A`: the classes `g$lshzxetd`.
        const ALL = 0b1111_1111_1100;
    }
}

/// Letters of the classes in the order in which they are shown.
const LETTERS: [(u8, EventClasses); 14] = [
    (b'g', EventClasses::GENERIC),
    (b'$', EventClasses::STRING),
    (b'l', EventClasses::LIST),
    (b's', EventClasses::SET),
    (b'h', EventClasses::HASH),
    (b'z', EventClasses::ZSET),
    (b'x', EventClasses::EXPIRED),
    (b'e', EventClasses::EVICTED),
    (b't', EventClasses::STREAM),
    (b'd', EventClasses::MODULE),
    (b'n', EventClasses::NEW),
    (b'K', EventClasses::KEYSPACE),
    (b'E', EventClasses::KEYEVENT),
    (b'm', EventClasses::KEY_MISS),
];

impl EventClasses {
    /// Parses letters; `None` if one is unknown.
    pub fn of_letters(letters: &[u8]) -> Option<Self> {
        let mut classes = EventClasses::empty();
        for &letter in letters {
            classes |= match LETTERS.iter().find(|(known, _)| *known == letter) {
                Some((_, class)) => *class,
                None if letter == b'A' => EventClasses::ALL,
                None => return None,
            };
        }
        Some(classes)
    }

    /// The letters as CONFIG GET shows them: as in Redis 7.2, `n` is not shown beside `A`.
    pub fn shown(self) -> String {
        let covered = self.contains(EventClasses::ALL);
        let hidden = if covered {
            EventClasses::NEW
        } else {
            EventClasses::empty()
        };
        (self - hidden).letters()
    }

    /// The letters of the classes. `n` is also written beside `A`, where Redis 7.2 drops it from a rewritten file.
    pub fn letters(self) -> String {
        let all = self.contains(EventClasses::ALL);
        let shown = if all { self - EventClasses::ALL } else { self };
        let single = LETTERS.iter().filter(|(_, class)| shown.contains(*class));
        let single = single.map(|(letter, _)| char::from(*letter));
        all.then_some('A').into_iter().chain(single).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::EventClasses;

    #[test]
    fn event_classes_read_back() {
        let rows: &[(&str, &str)] = &[
            ("", ""),
            ("KEA", "AKE"),
            ("mKg", "gKm"),
            ("g$lshzxetd", "A"),
            ("AnK", "AnK"),
            ("Ex", "xE"),
            ("ggg", "g"),
        ];
        for (letters, shown) in rows {
            let classes = EventClasses::of_letters(letters.as_bytes());
            assert_eq!(classes.map(EventClasses::letters).as_deref(), Some(*shown));
        }
        assert_eq!(EventClasses::of_letters(b"Kq"), None);
    }
}
