//! Connections: TCP, Unix sockets and TLS behind one interface, driven by `ae`. This is the only
//! crate that uses OpenSSL.
//!
//! | file | what it holds |
//! |---|---|
//! | `addr`, `error` | addresses of peers; why a connection failed |
//! | `listener` | listening sockets |
//! | `tls/` | contexts, the stream over OpenSSL, our own BIO, memory accounting |
//! | `stream` | one transport, plain or TLS; `Io`, the result of every read and write |
//! | `io` | moving bytes through a transport without a loop, within a budget per turn |
//! | `connection` | one connection: its id, its phases, what its socket is watched for |
//! | `admission` | which incoming handshakes may proceed |
//! | `resolve`, `dial` | outgoing connections: from a name to addresses, from an address to a socket |
//! | `names` | which name a server's certificate has to carry |
//! | `conns` | the slab of a loop's connections, and what can be done with one |
//! | `lend` | connections lent to another thread |
//! | `wait` | one connection without its loop: calls that wait, and one that a forked child goes on with |
//! | `inspect` | questions about a connection |
//! | `drive` | what runs when: accept, connect, handshakes, handlers, the pending pass |
//! | `url` | `redis://` URLs |
//! | `encode`, `resp` | the elements of the protocol; commands and replies as a client sees them |
//! | `blocking` | a blocking client |

pub mod addr;
pub mod admission;
pub mod blocking;
pub mod connection;
pub mod conns;
pub mod dial;
pub mod drive;
pub mod encode;
pub mod error;
pub mod inspect;
pub mod io;
pub mod lend;
pub mod listener;
pub mod names;
pub mod resolve;
pub mod resp;
pub mod stream;
pub mod tls;
pub mod url;
pub mod wait;
