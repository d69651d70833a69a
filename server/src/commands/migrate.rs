//! MIGRATE.

use table::generic as rows;

use crate::cluster::migrate::{at_once, begin};
use crate::commands::Family;
use crate::commands::args::int;
use crate::exec::options::{self, MigrateOption};
use crate::feed::propagate::instead;
use crate::keyspace::lookup::find_read;
use crate::server::{Ctx, Done};
use crate::state::blocked::Block;
use crate::state::migration::Order;
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[(&rows::MIGRATE, migrate)];

/// Milliseconds that stand for a time-out that makes no sense.
const DEFAULT_TIMEOUT_MS: i64 = 1000;
/// The longest time-out, a year: sums with it must not overflow.
const MAX_TIMEOUT_MS: i64 = 365 * 24 * 3600 * 1000;
/// Where the key stands; it is empty when KEYS names them.
const KEY: usize = 3;

fn migrate(cx: &mut Ctx<'_>) -> Done {
    let mut order = parse(cx.argv)?;
    order
        .keys
        .retain(|key| find_read(cx.srv, cx.db, key).is_some());
    if order.keys.is_empty() {
        cx.reply.status("NOKEY");
        return Ok(());
    }
    if cx.caller.may_block() {
        begin(cx.srv, cx.caller.client, cx.db, order);
        cx.block = Some(Box::new(Block::Migration));
        return Ok(());
    }
    at_once(cx, &order, |cx, gone| {
        instead(
            cx,
            [b"DEL".as_slice()].into_iter().chain(gone.iter().copied()),
        );
    })?;
    cx.reply.ok();
    Ok(())
}

fn parse(argv: &Argv) -> Result<Order, Fault> {
    let (mut copy, mut replace) = (false, false);
    let mut auth = Vec::new();
    let mut keys = vec![argv[KEY].into()];
    for option in options::migrate(argv) {
        match option {
            MigrateOption::Copy => copy = true,
            MigrateOption::Replace => replace = true,
            MigrateOption::Auth(at) => auth = vec![argv[at].to_vec()],
            MigrateOption::Auth2(at) => auth = vec![argv[at].to_vec(), argv[at + 1].to_vec()],
            MigrateOption::Keys(at) => {
                if !argv[KEY].is_empty() {
                    return Err(Fault::new(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                keys = argv.iter().skip(at).map(Into::into).collect();
            }
            MigrateOption::Unknown(_) => return Err(SYNTAX),
        }
    }
    let timeout_ms = int(&argv[5])?;
    let db = int(&argv[4])?;
    let timeout_ms = if timeout_ms > 0 {
        timeout_ms
    } else {
        DEFAULT_TIMEOUT_MS
    };
    // Nobody listens on port 0, which stands for an invalid one.
    let port = int(&argv[2]).ok().and_then(|port| u16::try_from(port).ok());
    Ok(Order {
        host: String::from_utf8_lossy(&argv[1]).into_owned(),
        port: port.unwrap_or(0),
        db,
        timeout_ms: timeout_ms.min(MAX_TIMEOUT_MS) as u64,
        copy,
        replace,
        auth,
        keys,
    })
}
