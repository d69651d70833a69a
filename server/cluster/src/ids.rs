//! What nodes and links are addressed by.

use data::ds::slab::Id;

/// Index of a node in the table of nodes (`nodes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(pub(crate) u16);

/// Id of a link; the server keeps it with the connection.
pub type LinkId = Id;
