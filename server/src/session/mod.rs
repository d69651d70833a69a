//! Operations on a client's own state that more than one command needs.

pub mod auth;
pub mod block;
pub mod certificate;
pub mod client_eviction;
pub mod close;
pub mod deadline;
pub mod name;
pub mod reset;
pub mod subscribe;
pub mod track;
pub mod transaction;
