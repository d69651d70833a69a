//! CLUSTER: nodes that join and leave, roles, epochs.

use cluster::admin;
use table::cluster as rows;

use crate::commands::Family;
use crate::commands::args::int;
use crate::commands::cluster::{node, order_ok, rest};
use crate::keyspace::lookup::db;
use crate::server::{Ctx, Done};
use crate::wire::fault::{SYNTAX, subcommand_syntax};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::CLUSTER_MEET, meet),
    (&rows::CLUSTER_FORGET, forget),
    (&rows::CLUSTER_REPLICATE, replicate),
    (&rows::CLUSTER_RESET, reset),
    (&rows::CLUSTER_SET_CONFIG_EPOCH, set_config_epoch),
    (&rows::CLUSTER_FAILOVER, failover),
];

fn meet(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    let args = rest(cx, 2);
    let bus_port = match args.len() {
        2 => None,
        3 => Some(args[2]),
        _ => return Err(subcommand_syntax(b"CLUSTER", &cx.argv[1])),
    };
    order_ok(cx, |core, facts| {
        admin::meet(core, facts, args[0], args[1], bus_port)
    })
}

fn forget(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    order_ok(cx, |core, facts| admin::forget(core, facts, &argv[2]))
}

fn replicate(cx: &mut Ctx<'_>) -> Done {
    let (argv, keys) = (cx.argv, db(cx.srv, 0).len());
    order_ok(cx, |core, facts| {
        admin::replicate(core, facts, &argv[2], keys)
    })
}

fn reset(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    let hard = match cx.argv.len() {
        2 => false,
        3 if cx.argv[2].eq_ignore_ascii_case(b"hard") => true,
        3 if cx.argv[2].eq_ignore_ascii_case(b"soft") => false,
        3 => return Err(SYNTAX),
        _ => return Err(subcommand_syntax(b"CLUSTER", &cx.argv[1])),
    };
    let keys = db(cx.srv, 0).len();
    order_ok(cx, |core, facts| admin::reset(core, facts, hard, keys))
}

fn set_config_epoch(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    let epoch = int(&cx.argv[2])?;
    order_ok(cx, |core, facts| {
        admin::set_config_epoch(core, facts, epoch)
    })
}

fn failover(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    let how = match cx.argv.len() {
        2 => admin::Failover::Agreed,
        3 if cx.argv[2].eq_ignore_ascii_case(b"force") => admin::Failover::Force,
        3 if cx.argv[2].eq_ignore_ascii_case(b"takeover") => admin::Failover::Takeover,
        3 => return Err(SYNTAX),
        _ => return Err(subcommand_syntax(b"CLUSTER", &cx.argv[1])),
    };
    order_ok(cx, |core, facts| admin::failover(core, facts, how))
}
