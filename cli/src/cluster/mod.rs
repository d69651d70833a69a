//! `--cluster`: creates, checks, repairs and changes clusters.
//!
//! | file | what it holds |
//! |---|---|
//! | `flags` | the options |
//! | `console` | messages and questions |
//! | `slots`, `nodes` | sets of slots; the reply of CLUSTER NODES |
//! | `node`, `topology` | a node and its connection; all nodes |
//! | `check`, `owners`, `fix`, `owner` | what is wrong with a cluster, and repairs |
//! | `affinity`, `plan` | plans for replicas and slots |
//! | `moving`, `transfer` | moving a slot; its keys |
//! | `create`, `reshard`, `rebalance`, `manage`, `import`, `backup` | the other commands |

mod affinity;
mod backup;
mod check;
mod console;
mod create;
mod fix;
pub mod flags;
mod import;
mod manage;
mod moving;
mod node;
pub mod nodes;
mod owner;
mod owners;
mod plan;
mod rebalance;
mod reshard;
mod slots;
mod topology;
mod transfer;

use crate::cluster::flags::ClusterOptions;
use crate::cluster::topology::Cluster;
use crate::oneshot::with_stdin;
use crate::options::Options;
use crate::out::{Exit, fail, print};

/// How many arguments a command takes.
#[derive(Clone, Copy)]
enum Arity {
    /// This many.
    Exactly(usize),
    /// This many or more.
    AtLeast(usize),
}

type Run = fn(&mut Cluster<'_>) -> Result<(), Exit>;

/// A command.
struct Row {
    name: &'static str,
    arity: Arity,
    run: Run,
    args: &'static str,
    options: &'static [&'static str],
}

const fn row(
    name: &'static str,
    arity: Arity,
    run: Run,
    args: &'static str,
    options: &'static [&'static str],
) -> Row {
    Row {
        name,
        arity,
        run,
        args,
        options,
    }
}

const HOST: &str = "<host:port> or <host> <port> - separated by either colon or space";

const ROWS: [Row; 13] = [
    row(
        "create",
        Arity::AtLeast(2),
        create::run,
        "host1:port1 ... hostN:portN",
        &["replicas <arg>"],
    ),
    row(
        "check",
        Arity::AtLeast(1),
        check::run,
        HOST,
        &["search-multiple-owners"],
    ),
    row("info", Arity::AtLeast(1), check::info, HOST, &[]),
    row(
        "fix",
        Arity::AtLeast(1),
        check::fix,
        HOST,
        &["search-multiple-owners", "fix-with-unreachable-masters"],
    ),
    row(
        "reshard",
        Arity::AtLeast(1),
        reshard::run,
        HOST,
        &[
            "from <arg>",
            "to <arg>",
            "slots <arg>",
            "yes",
            "timeout <arg>",
            "pipeline <arg>",
            "replace",
        ],
    ),
    row(
        "rebalance",
        Arity::AtLeast(1),
        rebalance::run,
        HOST,
        &[
            "weight <node1=w1...nodeN=wN>",
            "use-empty-masters",
            "timeout <arg>",
            "simulate",
            "pipeline <arg>",
            "threshold <arg>",
            "replace",
        ],
    ),
    row(
        "add-node",
        Arity::Exactly(2),
        manage::add,
        "new_host:new_port existing_host:existing_port",
        &["slave", "master-id <arg>"],
    ),
    row(
        "del-node",
        Arity::Exactly(2),
        manage::delete,
        "host:port node_id",
        &[],
    ),
    row(
        "call",
        Arity::AtLeast(2),
        manage::call,
        "host:port command arg arg .. arg",
        &["only-masters", "only-replicas"],
    ),
    row(
        "set-timeout",
        Arity::Exactly(2),
        manage::set_timeout,
        "host:port milliseconds",
        &[],
    ),
    row(
        "import",
        Arity::Exactly(1),
        import::run,
        "host:port",
        &[
            "from <arg>",
            "from-user <arg>",
            "from-pass <arg>",
            "from-askpass",
            "copy",
            "replace",
        ],
    ),
    row(
        "backup",
        Arity::Exactly(2),
        backup::run,
        "host:port backup_directory",
        &[],
    ),
    row("help", Arity::AtLeast(0), help, "", &[]),
];

/// Runs a command.
///
/// # Errors
/// It does not exist or has failed; a message was printed.
pub fn run(options: &Options, asked: &ClusterOptions) -> Result<(), Exit> {
    let Some(row) = ROWS.iter().find(|row| row.name == asked.name) else {
        return fail("Unknown --cluster subcommand");
    };
    let mut asked = asked.clone();
    let words = asked.args.len();
    asked.args = with_stdin(options, asked.args)?;
    let is_right = match row.arity {
        Arity::Exactly(count) => asked.args.len() == count,
        // Standard input may name the node, but it is never a command for all nodes.
        Arity::AtLeast(1) => !asked.args.is_empty(),
        Arity::AtLeast(count) => words >= count,
    };
    if !is_right {
        return fail("[ERR] Wrong number of arguments for specified --cluster sub command");
    }
    (row.run)(&mut Cluster::new(options, &asked)?)
}

/// `help`, which fails as in Redis.
fn help(_: &mut Cluster<'_>) -> Result<(), Exit> {
    let mut text = "Cluster Manager Commands:\n".to_owned();
    for row in &ROWS {
        text += &format!("  {:<15}{}\n", row.name, row.args);
        for option in row.options {
            text += &format!("{:17}--cluster-{option}\n", "");
        }
    }
    text += "\nFor check, fix, reshard, del-node, set-timeout, info, rebalance, call, import, backup you can specify the host \
        and port of any working node in the cluster.\n\nCluster Manager Options:\n  \
        --cluster-yes  Automatic yes to cluster commands prompts\n\n";
    print(text);
    Err(Exit(1))
}
