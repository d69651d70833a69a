//! Why a connection failed, as a sentence that an operator can act on.
//!
//! An errno is read where the call failed and never later, so that a sentence is about this
//! failure; and it is never empty, `Success` or `(null)`.

use std::{fmt, io};

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Looking up a host name.
    Resolve,
    /// Reaching the peer.
    Connect,
    /// Taking an incoming connection.
    Accept,
    /// Agreeing on TLS.
    Handshake,
    /// Receiving.
    Read,
    /// Sending.
    Write,
    /// Loading certificates and keys.
    Load,
}

impl Step {
    /// The step as the beginning of a sentence, with and without whom it concerns.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Resolve => ("resolving", "name resolution"),
            Self::Connect => ("connecting to", "connect"),
            Self::Accept => ("accepting", "accept"),
            Self::Handshake => ("TLS handshake with", "TLS handshake"),
            Self::Read => ("reading from", "read"),
            Self::Write => ("writing to", "write"),
            Self::Load => ("loading", "TLS configuration"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    peer: String,
    step: Step,
    reason: String,
}

/// The failure of a connection: with whom, at which step, and why. One word wide, since it travels
/// inside every `Io`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnError(Box<Detail>);

impl ConnError {
    /// A failure at `step`; the peer may be added later.
    pub fn new(step: Step, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let reason = if reason.is_empty() {
            "unknown error".to_string()
        } else {
            reason
        };
        Self(Box::new(Detail {
            peer: String::new(),
            step,
            reason,
        }))
    }

    /// A failure at `step` for which the system gave the reason.
    pub fn io(step: Step, error: &io::Error) -> Self {
        Self::new(step, system_reason(error))
    }

    /// Adds with whom (or, for `Step::Load`, what), unless it is known already.
    #[must_use]
    pub fn with_peer(mut self, peer: &impl fmt::Display) -> Self {
        if self.0.peer.is_empty() {
            self.0.peer = peer.to_string();
        }
        self
    }

    /// With whom: an address, or the name that was dialled. Empty if it was never known.
    pub fn peer(&self) -> &str {
        &self.0.peer
    }

    /// At which step.
    pub fn step(&self) -> Step {
        self.0.step
    }

    /// Why, without peer and step: for log lines that bring their own.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

impl fmt::Display for ConnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { peer, step, reason } = &*self.0;
        let (with, without) = step.words();
        if peer.is_empty() {
            write!(f, "{without}: {reason}")
        } else {
            write!(f, "{with} {peer}: {reason}")
        }
    }
}

impl std::error::Error for ConnError {}

/// The system's words for an error, as strerror gives them, without the number that std appends.
pub(crate) fn system_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_peer_step_and_reason() {
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let error = ConnError::io(Step::Connect, &refused);
        assert_eq!(error.to_string(), "connect: Connection refused");
        let error = error.with_peer(&"10.0.0.1:6379").with_peer(&"another");
        assert_eq!(
            error.to_string(),
            "connecting to 10.0.0.1:6379: Connection refused"
        );
        assert_eq!(error.reason(), "Connection refused");
    }

    #[test]
    fn a_reason_is_never_empty() {
        assert_eq!(
            ConnError::new(Step::Read, "").to_string(),
            "read: unknown error"
        );
    }
}
