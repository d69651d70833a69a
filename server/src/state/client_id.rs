//! The name of a client inside the server.

use data::ds::slab;

/// Place of a client in the slab; a stale one finds nothing.
pub type ClientId = slab::Id;
