//! TLS over OpenSSL.
//!
//! | file | what it holds |
//! |---|---|
//! | `info` | what is known about TLS: certificates, identities, statistics |
//! | `examine` | what a server shows of its TLS |
//! | `memory` | OpenSSL's allocations, counted in total and per connection |
//! | `bio` | our transport under OpenSSL: buffers, and one `recv` for many records |
//! | `config` | the directives that a context is loaded from |
//! | `context` | certificates, keys and settings, loaded and replaced as a unit |
//! | `own_chain` | the chain that is shown with a certificate whose file does not hold it |
//! | `crl` | certificate revocation lists |
//! | `tickets` | the keys of session tickets, and their rotation |
//! | `ticket_chain` | what a ticket says of the chain of its client |
//! | `stream` | one connection: handshake, read, write, shutdown |

pub mod bio;
pub mod config;
pub mod context;
pub(crate) mod crl;
pub mod examine;
pub mod info;
pub mod memory;
pub(crate) mod own_chain;
pub mod stream;
pub(crate) mod ticket_chain;
pub(crate) mod tickets;
