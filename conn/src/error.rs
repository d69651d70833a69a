//! Why a connection or its handshake failed: a cause for statistics, and a sentence that an operator
//! can act on.
//!
//! `ConnError` is the one type for both. An errno is read right after the call that failed, so the
//! sentence is about this failure; and it is never empty, `Success` or `(null)`.

use std::{fmt, io};

/// What was being done when it failed.
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
    /// The beginning of the sentence, with and without a peer.
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

/// Whose doing a failure was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A deadline passed.
    Timeout,
    /// What the peer sent is not TLS.
    NotTls,
    /// The peer closed the connection, or the network failed.
    Closed,
    /// The peer's certificate was not accepted.
    Certificate,
    /// The peer refused, by a TLS alert.
    Alert,
    /// The peer violated the protocol, or there is no common version or cipher.
    Protocol,
    /// This side: configuration, names, memory.
    Local,
}

impl Cause {
    /// All of them, in the order in which `TlsStats::failed` counts.
    pub const ALL: [Self; 7] = [
        Self::Timeout,
        Self::NotTls,
        Self::Closed,
        Self::Certificate,
        Self::Alert,
        Self::Protocol,
        Self::Local,
    ];

    /// A word for statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NotTls => "not_tls",
            Self::Closed => "closed",
            Self::Certificate => "certificate",
            Self::Alert => "alert",
            Self::Protocol => "protocol",
            Self::Local => "local",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    peer: String,
    step: Step,
    cause: Cause,
    reason: String,
}

/// The failure of a connection: peer, step, cause and reason. One word wide, because it is part of
/// every `Io`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnError(Box<Detail>);

impl ConnError {
    /// A failure of this side at `step`; the peer may be added later.
    pub fn new(step: Step, reason: impl Into<String>) -> Self {
        Self::because(Cause::Local, step, reason)
    }

    /// A failure at `step` with another cause.
    pub fn because(cause: Cause, step: Step, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let reason = if reason.is_empty() {
            "unknown error".to_string()
        } else {
            reason
        };
        Self(Box::new(Detail {
            peer: String::new(),
            step,
            cause,
            reason,
        }))
    }

    /// A failure of a system call at `step`.
    pub fn io(step: Step, error: &io::Error) -> Self {
        let cause = match step {
            Step::Load => Cause::Local,
            _ => Cause::Closed,
        };
        Self::because(cause, step, system_reason(error))
    }

    /// Adds the peer (for `Step::Load`, the file or directive), unless it is known already.
    #[must_use]
    pub fn with_peer(mut self, peer: &impl fmt::Display) -> Self {
        if self.0.peer.is_empty() {
            self.0.peer = peer.to_string();
        }
        self
    }

    /// The peer: an address, or the name that was dialed. Empty if it was never known.
    pub fn peer(&self) -> &str {
        &self.0.peer
    }

    /// What was being done.
    pub fn step(&self) -> Step {
        self.0.step
    }

    /// Whose doing it was.
    pub fn cause(&self) -> Cause {
        self.0.cause
    }

    /// Why, without peer and step: for log lines that name those themselves.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

impl fmt::Display for ConnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail {
            peer, step, reason, ..
        } = &*self.0;
        let (with, without) = step.words();
        if peer.is_empty() {
            write!(f, "{without}: {reason}")
        } else {
            write!(f, "{with} {peer}: {reason}")
        }
    }
}

impl std::error::Error for ConnError {}

/// The text of strerror for an error, without the number that std appends.
pub fn system_reason(error: &io::Error) -> String {
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
