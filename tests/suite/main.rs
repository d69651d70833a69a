//! The suite: behaviour through sockets, over every transport by the same body.

mod clients;
mod cve;
mod differential;
mod fuzz;
mod keys;
mod migrate;
mod peers;
mod persistence;
mod propagation;
mod protocol;
mod redis_cli;
mod reload;
mod replication;
mod replication_faults;
mod replication_fuzz;
mod replication_replica;
mod sorted_sets;
mod startup;
mod storm;
mod streams;
mod strings;
mod tidy;
mod tls;
mod tls_matrix;
mod tls_session;
mod transactions;
