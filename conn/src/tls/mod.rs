//! TLS over OpenSSL.
//!
//! | file | what it holds |
//! |---|---|
//! | `info` | what is known about TLS: certificates, identities, statistics |
//! | `examine` | what a server shows of its TLS |
//! | `memory` | OpenSSL's allocations, counted in total and per connection |
//! | `bio` | our transport under OpenSSL: buffers, and one `recv` for many records |
//! | `config` | the directives that a context is loaded from |
//! | `file` | files that a context is loaded from, and the sentences for what is wrong with them |
//! | `settings` | the settings of a context that do not depend on certificates |
//! | `verdict` | OpenSSL's verdict on the certificates of a peer |
//! | `trusted` | the certificates of the authorities that are trusted |
//! | `keypair` | a certificate of our own with its key and its chain |
//! | `context` | certificates, keys and settings, loaded and replaced as a unit |
//! | `crl` | certificate revocation lists |
//! | `tickets` | the keys of session tickets, and their rotation |
//! | `ticket_chain` | what a ticket says of the chain of its client |
//! | `explain` | failures of OpenSSL in words |
//! | `stream` | one connection: handshake, read, write, shutdown |

pub mod bio;
pub(crate) mod census;
pub mod config;
pub mod context;
pub(crate) mod crl;
pub mod examine;
mod explain;
mod file;
pub mod info;
mod keypair;
pub mod memory;
mod settings;
pub mod stream;
pub(crate) mod ticket_chain;
pub(crate) mod tickets;
mod trusted;
mod verdict;
