//! This server as a replica: the link to its primary, from connecting to following the stream.
//!
//! Each of these uses only those before it: `line`, `discard`, `link`, `role`; `apply`, `transfer`, `handshake`,
//! `connect`.

pub mod apply;
pub mod connect;
pub mod discard;
pub mod handshake;
pub mod line;
pub mod link;
pub mod role;
pub mod transfer;
