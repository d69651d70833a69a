//! The replicas of this server as INFO, ROLE and the log show them.

use conn::addr::Addr;

use crate::report::info::Info;
use crate::server::Server;
use crate::state::client_id::ClientId;
use crate::state::replication::replica::{Replica, ReplicaStage};

/// The name of a replica in the log: its listening address if known.
pub fn name(srv: &Server, id: ClientId) -> String {
    let Some(client) = srv.clients.get(id) else {
        return "that is gone".into();
    };
    let Some(ip) = address(srv, id) else {
        return format!("client id #{}", client.id);
    };
    match client.replica.as_ref().map_or(0, |replica| replica.port) {
        0 => format!("{ip}:<unknown-replica-port>"),
        port if ip.contains(':') => format!("[{ip}]:{port}"),
        port => format!("{ip}:{port}"),
    }
}

/// The announced address, or the peer's.
pub fn address(srv: &Server, id: ClientId) -> Option<String> {
    let client = srv.clients.get(id)?;
    let announced = client.replica.as_ref().map(|replica| replica.ip.as_str());
    if let Some(ip) = announced.filter(|ip| !ip.is_empty()) {
        return Some(ip.to_owned());
    }
    match srv.conns.peer(client.conn?)? {
        Addr::Tcp(addr) => Some(addr.ip().to_string()),
        // Redis's name for a peer on a Unix socket.
        Addr::Unix(_) => Some("/unixsocket".to_owned()),
    }
}

/// All replicas with their addresses.
pub fn all(srv: &Server) -> impl Iterator<Item = (ClientId, String, &Replica)> {
    srv.replication.replicas.iter().filter_map(|&id| {
        let replica = srv.clients.replica(id)?;
        Some((id, address(srv, id)?, replica))
    })
}

/// Writes a line for each replica.
pub fn write(srv: &Server, info: &mut Info) {
    let now = srv.unit.now_s();
    let shown = all(srv).filter(|(_, _, replica)| !replica.state_name().is_empty());
    for (number, (_, ip, replica)) in shown.enumerate() {
        let lag = match replica.stage {
            ReplicaStage::Online => now - replica.ack_at,
            _ => 0,
        };
        info.field(
            format_args!("slave{number}"),
            format_args!(
                "ip={ip},port={},state={},offset={},lag={lag}",
                replica.port,
                replica.state_name(),
                replica.ack_offset
            ),
        );
    }
}
