//! Discarding an incomplete snapshot, wherever its parts are.

use std::fs;

use crate::keyspace::delete::flush;
use crate::notice;
use crate::persist::load;
use crate::server::Server;
use crate::state::replication::link::{Destination, IncomingSnapshot};

/// A transfer was aborted.
pub fn discard(srv: &mut Server, transfer: IncomingSnapshot) {
    match transfer.destination {
        Destination::None => {}
        Destination::Spool(spool) | Destination::Syncing(spool, _) => {
            let _ = fs::remove_file(&spool.name);
        }
        Destination::Loading(..) => load::end(srv),
        Destination::Parser(mut session, _) => {
            match session.beside.take() {
                Some(dbs) => {
                    notice!("MASTER <-> REPLICA sync: Discarding temporary DB in background");
                    let keys = dbs.iter().map(|database| database.db.len() as u64).sum();
                    srv.background.free(Box::new(dbs), keys);
                }
                // Half a data set is useless.
                None => drop(flush(srv, None, srv.config.replica_lazy_flush)),
            }
            load::end(srv);
        }
    }
}
