//! Connections: TCP, Unix sockets and TLS behind one face, evented by `ae`. OpenSSL lives here and
//! nowhere else.
//!
//! | file | what it holds |
//! |---|---|
//! | `addr`, `error` | who, and why not |
//! | `listener` | listening sockets |
//! | `tls/` | contexts, the stream over OpenSSL, our own BIO, memory accounting |
//! | `stream` | one transport: plain or TLS; `Io`, the answer of every read and write |
//! | `connection` | one connection: its id, its phases, what its socket is watched for |
//! | `admission` | which incoming handshakes may go on |
//! | `resolve`, `dial` | outgoing connections: from a name to addresses, from an address to a socket |
//! | `names` | which name a server's certificate has to carry |
//! | `conns` | the slab of a loop's connections, and what can be done with one |
//! | `inspect` | what can be asked about one |
//! | `url` | `redis://` URLs |
//! | `resp`, `blocking` | the protocol from the client's side, and a client that blocks |
//! | `drive` | what happens to them: accept, connect, handshakes, handlers, the pending pass |

pub mod addr;
pub mod admission;
pub mod blocking;
pub mod connection;
pub mod conns;
pub mod dial;
pub mod drive;
pub mod error;
pub mod inspect;
pub mod listener;
pub mod names;
pub mod resolve;
pub mod resp;
pub mod stream;
pub mod tls;
pub mod url;
