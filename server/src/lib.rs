//! The Redis server. (Architecture follows.)

pub mod commands;
pub mod config;
pub mod egress;
pub mod exec;
pub mod house;
pub mod ingress;
pub mod keyspace;
pub mod report;
pub mod server;
pub mod session;
pub mod state;
pub mod sys;
pub mod wire;
