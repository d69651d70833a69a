//! Access control: users, what each may do, and the log of refusals.

pub mod arguments;
pub mod command_set;
pub mod file;
pub mod log;
pub mod passwords;
pub mod patterns;
pub mod rule;
pub mod selector;
pub mod user;
pub mod users;
