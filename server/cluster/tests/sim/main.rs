//! The protocol in simulated clusters. A seed that fails is printed with its number; `SIM_SEED` repeats it with a log,
//! `SIM_SEEDS` sets how many are run, `SIM_NODES` how many nodes the large cluster has.

#![allow(clippy::unwrap_used)]

mod build;
mod chaos;
mod checks;

mod large;
mod moves;
mod scenarios;
mod world;
