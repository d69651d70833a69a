//! Limits of compact encodings, as configured.

use data::ds::node;
use data::rdb::value::Options;
use data::value::{hash, set, stream_node, zset};

use crate::config::params::Params;

/// `set-max-*`.
pub fn set_limits(config: &Params) -> set::SetLimits {
    set::SetLimits {
        max_ints: size(config.set_max_intset_entries),
        max_entries: size(config.set_max_listpack_entries),
        max_value: size(config.set_max_listpack_value),
    }
}

/// `hash-max-*`.
pub fn hash_limits(config: &Params) -> hash::HashLimits {
    hash::HashLimits {
        max_entries: size(config.hash_max_listpack_entries),
        max_value: size(config.hash_max_listpack_value),
    }
}

/// `zset-max-*`.
pub fn zset_limits(config: &Params) -> zset::ZsetLimits {
    zset::ZsetLimits {
        max_entries: size(config.zset_max_listpack_entries),
        max_value: size(config.zset_max_listpack_value),
    }
}

/// `stream-node-max-*`.
pub fn stream_limits(config: &Params) -> stream_node::StreamLimits {
    stream_node::StreamLimits {
        max_bytes: size(config.stream_node_max_bytes),
        max_entries: size(config.stream_node_max_entries),
    }
}

/// All limits, for values read from an RDB file; those of lists are in `state/debug`.
pub fn rdb_options(config: &Params, list: node::ListLimits) -> Options {
    Options {
        list,
        set: set_limits(config),
        hash: hash_limits(config),
        zset: zset_limits(config),
        twice: false,
    }
}

/// The rows refuse values below 0.
fn size(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}
