//! Geospatial indexes: sorted sets whose scores are places (`data/util/geo`).

pub mod args;
pub mod position;
pub mod query;
pub mod search;
