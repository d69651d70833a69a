//! This server as a replica: the link to its primary, from connecting to following the stream.

pub mod apply;
pub mod handshake;
pub mod link;
pub mod role;
pub mod transfer;
