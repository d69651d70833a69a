//! One node that gets packets made by hand.

#![allow(clippy::unwrap_used)]

mod announced;
mod elections;
mod gossip;
mod hostile;
mod links;
mod rig;
mod slots;
