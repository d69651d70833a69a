//! TLS over OpenSSL.
//!
//! | file | what it holds |
//! |---|---|
//! | `info` | what can be told about TLS: certificates, identities, statistics |
//! | `memory` | OpenSSL's allocations: whose they are, how many bytes |
//! | `bio` | our transport under OpenSSL: buffers, and one `recv` for many records |
//! | `context` | certificates, keys and settings, loaded as one and replaced as one |
//! | `stream` | one connection: handshake, read, write, shutdown |

pub mod bio;
pub mod context;
pub mod info;
pub mod memory;
pub mod stream;
