//! INFO keyspace.

use crate::report::info::Info;
use crate::server::Server;

/// Writes the section: a line per database that holds a key.
pub fn write(srv: &Server, info: &mut Info) {
    for (number, database) in srv.keys.dbs.iter().enumerate() {
        let (keys, expires) = (database.db.len(), database.db.expires_len());
        if keys > 0 {
            let ttl = database.avg_ttl_ms;
            info.field(
                format_args!("db{number}"),
                format_args!("keys={keys},expires={expires},avg_ttl={ttl}"),
            );
        }
    }
}
