//! The protocol in simulated clusters. A seed that fails is printed with its number; `SIM_SEED` repeats it with a log,
//! `SIM_SEEDS` sets how many are run.

#![allow(clippy::unwrap_used)]

mod build;
mod chaos;
mod checks;
mod deeds;
mod world;
