//! The node's start: configuration, nodes.conf, and the check of the data set against it.

use std::path::Path;

use cluster::action::Level;
use cluster::settings::{PORT_STEP, Settings, derived_bus_port};
use cluster::state::Cluster;
use data::util::rand::Rng;

use crate::cluster::drive::settle;
use crate::cluster::events::{facts, tell};
use crate::cluster::file;
use crate::config::params::Params;
use crate::keyspace::lookup::db;
use crate::server::Server;
use crate::state::cluster::ClusterNode;
use crate::state::replication::link::Link;
use crate::sys::{log, process};

/// A port of the configuration.
fn port(number: i64) -> u16 {
    u16::try_from(number).unwrap_or(0)
}

/// The port of clients from which that of the bus is derived.
fn base_port(config: &Params) -> u16 {
    port(if config.tls_cluster {
        config.tls_port
    } else {
        config.plain_port()
    })
}

/// The port that the bus is to listen on. It stays when the ports of clients change.
fn bus_port(config: &Params) -> u16 {
    match port(config.cluster_port) {
        0 => derived_bus_port(base_port(config)),
        configured => configured,
    }
}

/// What the protocol needs to know of the configuration, with the port that the bus listens on.
fn settings(config: &Params, bus_port: u16) -> Settings {
    let level = match config.loglevel {
        log::Level::Debug => Level::Debug,
        log::Level::Verbose => Level::Verbose,
        log::Level::Notice => Level::Notice,
        _ => Level::Warning,
    };
    Settings {
        node_timeout_ms: config.cluster_node_timeout,
        ping_interval_ms: config.cluster_ping_interval,
        validity_factor: config.cluster_replica_validity_factor,
        replication_ping_s: config.repl_ping_replica_period,
        migration_barrier: config.cluster_migration_barrier as usize,
        allow_replica_migration: config.cluster_allow_replica_migration,
        no_failover: config.cluster_replica_no_failover,
        require_full_coverage: config.cluster_require_full_coverage,
        tls_cluster: config.tls_cluster,
        tls_replication: config.tls_replication,
        tcp_port: port(config.plain_port()),
        tls_port: port(config.tls_port),
        bus_port,
        announce_ip: config.cluster_announce_ip.clone(),
        announce_tcp_port: port(config.cluster_announce_port),
        announce_tls_port: port(config.cluster_announce_tls_port),
        announce_bus_port: port(config.cluster_announce_bus_port),
        announce_hostname: config.cluster_announce_hostname.clone(),
        announce_human_name: config.cluster_announce_human_nodename.clone(),
        log_level: level,
    }
}

/// Locks and loads nodes.conf. Without `cluster-enabled` nothing is done.
///
/// # Errors
/// A sentence: the configuration does not allow a cluster, or the file is broken or in use.
pub fn load(srv: &mut Server) -> Result<(), String> {
    if !srv.config.cluster_enabled {
        return Ok(());
    }
    check(&srv.config)?;
    let path = srv.config.cluster_config_file.clone();
    let (lock, text) = file::open(Path::new(&path))?;
    let rng = Rng::new(u64::from_le_bytes(process::random_bytes()));
    let bus_port = bus_port(&srv.config);
    let (settings, facts) = (settings(&srv.config, bus_port), facts(srv));
    let core = if text.is_empty() {
        Cluster::new(rng, settings, facts)
    } else {
        Cluster::load(&text, rng, settings, facts).map_err(|error| {
            format!("Unrecoverable error: corrupted cluster config file \"{path}\": {error}")
        })?
    };
    follow(srv, &core);
    srv.cluster = Some(Box::new(ClusterNode::new(core, bus_port, lock)));
    settle(srv);
    Ok(())
}

/// A node that was a replica is one from the beginning: what it loads must keep keys that have expired, and it can continue from
/// there.
fn follow(srv: &mut Server, core: &Cluster) {
    let primary = core.my_node().primary.map(|ix| core.node(ix));
    let Some(primary) = primary.filter(|primary| !primary.ip.is_empty()) else {
        return;
    };
    let port = primary.port(srv.config.tls_replication);
    srv.replication.link = Some(Box::new(Link::new(primary.ip.to_string(), port)));
    log::set_role(log::Role::Replica);
}

/// What the configuration of a node must not say.
fn check(config: &Params) -> Result<(), String> {
    if config.replicaof.is_some() {
        return Err("replicaof directive not allowed in cluster mode".into());
    }
    if config.cluster_port == 0 && base_port(config) > u16::MAX - PORT_STEP {
        return Err(format!(
            "Redis port number too high for cluster mode. Cluster bus port number is {PORT_STEP} + port number, which must \
             not exceed {}.",
            u16::MAX
        ));
    }
    if config.port == 0 && config.tls_port == 0 {
        return Err("A node of a cluster needs a port for clients.".into());
    }
    if config.tls_cluster && config.tls_port == 0 && config.cluster_port == 0 {
        return Err(
            "tls-cluster needs tls-port or cluster-port, from which the port of the bus follows."
                .into(),
        );
    }
    Ok(())
}

/// Compares the loaded data set with the slots of this node: a primary takes over what has no owner.
pub fn adopt_keys(srv: &mut Server) {
    let Some(mut node) = srv.cluster.take() else {
        return;
    };
    let facts = facts(srv);
    node.core
        .adopt_keys(facts, &|slot| db(srv, 0).slot_len(slot));
    node.is_stirred = true;
    srv.cluster = Some(node);
    settle(srv);
}

/// Tells the protocol that directives have changed.
pub fn configure(srv: &mut Server) {
    let Some(node) = &srv.cluster else {
        return;
    };
    let settings = settings(&srv.config, node.bus_port);
    tell(srv, |core, facts| core.configure(settings, facts));
}
