//! Geospatial indexes: sorted sets whose scores are coordinates (`data/util/geo`).

pub mod args;
pub mod position;
pub mod query;
pub mod search;
