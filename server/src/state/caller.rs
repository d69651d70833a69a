//! The caller of a command: for whom it is executed, and what follows from that.
//!
//! | caller | limits of this server apply | may block | changes its client's session | observed as | propagated to |
//! |---|---|---|---|---|---|
//! | client | yes | yes | yes | its client | AOF, replicas |
//! | transaction of it | as for the one that queued it | no | yes | its client | as for the one that queued it |
//! | script of it | as for the one that runs it, once per run | no | no | a script | as for the one that runs it |
//! | primary | no | no | yes | its client | AOF |
//! | append-only file | no | no | yes | nobody | nowhere |
//!
//! A caller is built for each request and owns all that the gate, the call, propagation and the reply need to know about
//! the client behind it, so none of these looks into the client itself.

use bitflags::bitflags;
use table::words::Flags;

use crate::state::client::{Class, Client, ClientFlags};
use crate::state::client_id::ClientId;
use crate::state::multi::Summary;
use crate::state::session::Session;

/// An id that finds no client.
pub const NO_CLIENT: ClientId = ClientId {
    index: u32::MAX,
    generation: u32::MAX,
};

bitflags! {
    /// Where the writes of a command are propagated to.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Targets: u8 {
        /// The append-only file.
        const AOF = 1;
        /// The stream of writes that replicas follow.
        const REPLICAS = 1 << 1;
    }
}

/// What kind of caller it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client's own request.
    Client,
    /// A command that EXEC takes from the queue.
    Transaction,
    /// A command that a script calls.
    Script,
    /// A request of the primary that this server is a replica of.
    Primary,
    /// A command of the append-only file that is being loaded.
    Aof,
}

/// For whom a command is executed.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// What kind of caller it is.
    pub kind: Kind,
    /// The client behind it; for a primary the one that stands for the link, for the append-only file none.
    pub client: ClientId,
    /// What its commands start from.
    pub session: Session,
    /// Which output limit counts, and whether it is a replica.
    pub class: Class,
    /// It is in MONITOR, so it may not use the keyspace.
    pub is_monitor: bool,
    /// The command was executed already, by the primary or before a restart, so this server must follow whatever its own
    /// limits say.
    pub obeyed: bool,
    /// Where its writes go.
    pub targets: Targets,
    /// In a cluster it may read on a replica what its primary owns (READONLY).
    pub reads_replica: bool,
    /// In a cluster it is served although the slot is still moving here (ASKING).
    pub asking: bool,
    /// The transaction that it is putting together: the flags of what is queued.
    pub queued: Option<Summary>,
}

impl Caller {
    /// The caller behind a client's request.
    #[inline]
    pub fn of(id: ClientId, client: &Client) -> Self {
        let class = client.class();
        let is_primary = class == Class::Primary;
        Caller {
            kind: if is_primary {
                Kind::Primary
            } else {
                Kind::Client
            },
            client: id,
            session: client.session,
            class,
            is_monitor: client.flags.contains(ClientFlags::MONITOR),
            obeyed: is_primary,
            // Replicas of a replica are sent the primary's own bytes.
            targets: if is_primary {
                Targets::AOF
            } else {
                Targets::all()
            },
            reads_replica: client.flags.contains(ClientFlags::READS_REPLICA),
            asking: client.flags.contains(ClientFlags::ASKING),
            queued: client.multi.as_ref().map(|multi| multi.summary),
        }
    }

    /// The caller behind an append-only file.
    pub fn aof() -> Self {
        Caller {
            kind: Kind::Aof,
            client: NO_CLIENT,
            session: Session {
                authenticated: true,
                ..Session::default()
            },
            class: Class::Normal,
            is_monitor: false,
            obeyed: true,
            targets: Targets::empty(),
            reads_replica: false,
            asking: false,
            queued: None,
        }
    }

    /// The same caller, executing what it has queued.
    pub fn in_transaction(&self) -> Self {
        Caller {
            kind: Kind::Transaction,
            queued: None,
            ..*self
        }
    }

    /// The caller of a script's commands.
    pub fn in_script(&self) -> Self {
        Caller {
            kind: Kind::Script,
            queued: None,
            ..*self
        }
    }

    /// Whether a command that finds nothing may block.
    pub fn may_block(&self) -> bool {
        self.kind == Kind::Client
    }

    /// Whether what its commands change of the session stays with the client.
    #[inline]
    pub fn changes_session(&self) -> bool {
        self.kind != Kind::Script
    }

    /// Whether MONITOR and the slow log show the client behind it, and not that a script has called the command.
    #[inline]
    pub fn shows_client(&self) -> bool {
        self.kind != Kind::Script
    }

    /// Whether a command (`flags`) is of a kind, or is EXEC (`is_exec`) of a transaction that holds one of that kind.
    #[inline]
    pub fn does_any(&self, flags: Flags, is_exec: bool, kind: Flags) -> bool {
        let queued = self.queued.filter(|_| is_exec);
        flags.intersects(kind) || queued.is_some_and(|queued| queued.any.intersects(kind))
    }

    /// Whether a command lacks a flag, or is EXEC of a transaction that holds one that lacks it.
    #[inline]
    pub fn lacks(&self, flags: Flags, is_exec: bool, flag: Flags) -> bool {
        let queued = self.queued.filter(|_| is_exec);
        !flags.contains(flag) || queued.is_some_and(|queued| queued.lacking.contains(flag))
    }
}
