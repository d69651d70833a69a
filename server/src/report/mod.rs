//! Reports: INFO, CLIENT LIST, DEBUG output.

pub mod bug;
pub mod client_line;
pub mod clients;
pub mod commandstats;
pub mod connection;
pub mod cpu;
pub mod doctor;
pub mod info;
pub mod keyspace;
pub mod latency_doctor;
pub mod latency_graph;
pub mod layout;
pub mod memory;
pub mod persistence;
pub mod replica;
pub mod replicas;
pub mod replication;
pub mod sections;
pub mod server;
pub mod stats;
pub mod title;
pub mod tls;
