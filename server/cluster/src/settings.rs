//! What the configuration says about the cluster. The server replaces it as a whole when a directive changes
//! ([`crate::core::Cluster::configure`]).

use crate::action::Level;

/// Distance of the bus port from the port of clients, unless `cluster-port` is set.
pub const PORT_STEP: u16 = 10_000;

/// Values of directives; times in milliseconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `cluster-node-timeout`.
    pub node_timeout_ms: i64,
    /// `cluster-ping-interval`; 0 is half of the node timeout.
    pub ping_interval_ms: i64,
    /// `cluster-replica-validity-factor`.
    pub validity_factor: i64,
    /// `repl-ping-replica-period` in seconds.
    pub replication_ping_s: i64,
    /// `cluster-migration-barrier`.
    pub migration_barrier: usize,
    /// `cluster-allow-replica-migration`.
    pub allow_replica_migration: bool,
    /// `cluster-replica-no-failover`.
    pub no_failover: bool,
    /// `cluster-require-full-coverage`.
    pub require_full_coverage: bool,
    /// `tls-cluster`.
    pub tls_cluster: bool,
    /// `tls-replication`.
    pub tls_replication: bool,
    /// `port`.
    pub tcp_port: u16,
    /// `tls-port`.
    pub tls_port: u16,
    /// The port that the bus listens on: `cluster-port`, or [`derived_bus_port`].
    pub bus_port: u16,
    /// `cluster-announce-ip`; empty is unset.
    pub announce_ip: String,
    /// `cluster-announce-port`; 0 is unset.
    pub announce_tcp_port: u16,
    /// `cluster-announce-tls-port`; 0 is unset.
    pub announce_tls_port: u16,
    /// `cluster-announce-bus-port`; 0 is unset.
    pub announce_bus_port: u16,
    /// `cluster-announce-hostname`; empty is unset.
    pub announce_hostname: String,
    /// `cluster-announce-human-nodename`; empty is unset.
    pub announce_human_name: String,
    /// The lowest level of log lines that are wanted.
    pub log_level: Level,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            node_timeout_ms: 15_000,
            ping_interval_ms: 0,
            validity_factor: 10,
            replication_ping_s: 10,
            migration_barrier: 1,
            allow_replica_migration: true,
            no_failover: false,
            require_full_coverage: true,
            tls_cluster: false,
            tls_replication: false,
            tcp_port: 6379,
            tls_port: 0,
            bus_port: derived_bus_port(6379),
            announce_ip: String::new(),
            announce_tcp_port: 0,
            announce_tls_port: 0,
            announce_bus_port: 0,
            announce_hostname: String::new(),
            announce_human_name: String::new(),
            log_level: Level::Notice,
        }
    }
}

impl Settings {
    /// The TCP port that is announced to others.
    pub fn tcp_port_announced(&self) -> u16 {
        first_set([self.announce_tcp_port, self.tcp_port])
    }

    /// The TLS port that is announced to others.
    pub fn tls_port_announced(&self) -> u16 {
        first_set([self.announce_tls_port, self.tls_port])
    }

    /// The bus port that is announced to others.
    pub fn bus_port_announced(&self) -> u16 {
        first_set([self.announce_bus_port, self.bus_port])
    }
}

/// The port of the bus of a node whose clients use this port, unless it is configured.
pub fn derived_bus_port(clients: u16) -> u16 {
    clients.saturating_add(PORT_STEP)
}

/// The first number that is not 0.
fn first_set(ports: [u16; 2]) -> u16 {
    if ports[0] != 0 { ports[0] } else { ports[1] }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn announced_ports_fall_back_to_those_that_are_listened_on() {
        let mut settings = Settings {
            tcp_port: 7000,
            tls_port: 7100,
            bus_port: 9,
            ..Settings::default()
        };
        let ports = |settings: &Settings| {
            (
                settings.tcp_port_announced(),
                settings.tls_port_announced(),
                settings.bus_port_announced(),
            )
        };
        assert_eq!(ports(&settings), (7000, 7100, 9));
        settings.announce_tcp_port = 1;
        settings.announce_tls_port = 2;
        settings.announce_bus_port = 3;
        assert_eq!(ports(&settings), (1, 2, 3));
    }
}
