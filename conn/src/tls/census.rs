//! Present connections, counted by what their handshakes came to, so that nobody has to walk them.
//!
//! A connection is counted from the end of its handshake until it is removed. What was negotiated does not change meanwhile:
//! renegotiation is off, and a key update keeps version, cipher and group.

use crate::tls::info::Sessions;
use crate::tls::stream::TlsStream;

/// The counts. Peers cannot make it long: there are only so many versions, ciphers and groups.
#[derive(Default)]
pub(crate) struct Census {
    /// In the order in which they came up first; those without connections are kept.
    kinds: Vec<Sessions>,
}

/// In which place of a [`Census`] a connection is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind(u16);

impl Census {
    /// Counts a connection whose handshake is done.
    pub(crate) fn enter(&mut self, tls: &TlsStream) -> Kind {
        let (version, cipher, group) = (tls.version(), tls.cipher(), tls.group());
        let is_same = |known: &Sessions| {
            known.version == version && known.cipher == cipher && known.group == group
        };
        let at = self.kinds.iter().position(is_same).unwrap_or_else(|| {
            self.kinds.push(Sessions {
                version,
                cipher,
                group: group.to_owned(),
                connections: 0,
            });
            self.kinds.len() - 1
        });
        self.kinds[at].connections += 1;
        Kind(at as u16)
    }

    /// A connection is removed.
    pub(crate) fn leave(&mut self, kind: Kind) {
        self.kinds[usize::from(kind.0)].connections -= 1;
    }

    /// What the handshake of a connection came to.
    pub(crate) fn get(&self, kind: Kind) -> &Sessions {
        &self.kinds[usize::from(kind.0)]
    }

    /// The kinds that have connections.
    pub(crate) fn present(&self) -> Vec<Sessions> {
        let has_some = |sessions: &&Sessions| sessions.connections > 0;
        self.kinds.iter().filter(has_some).cloned().collect()
    }
}
