//! `import`: moves or copies all keys of a server without cluster mode into the cluster.
//!
//! The source is the server that `--cluster-from` names. With `--tls` the connection to it uses TLS as well, unless it is
//! given as a URL: `redis://host:port` is plain. Redis's own redis-cli never uses TLS for the source, not even to send
//! its password, and has no such URL.

use conn::resp::Value;
use slot::key_slot;

use crate::cluster::check::{Repair, check};
use crate::cluster::console::{Kind, bad, give_up, say, step, warn};
use crate::cluster::node::{Address, Dialer, Node, Refusal, login};
use crate::cluster::topology::{Cluster, entry, load};
use crate::cluster::transfer::extra;
use crate::editor::ask_password;
use crate::out::{Exit, complain, fail, print};

/// Keys per SCAN.
const PAGE: &str = "1000";

/// `import`
///
/// # Errors
/// Not everything was imported; a message was printed.
pub fn run(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    let known = entry(&cluster.asked.args)?;
    let Some(from) = &cluster.asked.from else {
        return fail("[ERR] Option '--cluster-from' is required for subcommand 'import'.");
    };
    let plain = from.strip_prefix("redis://");
    let Some(address) = Address::parse(plain.unwrap_or(from).as_bytes()) else {
        return fail(
            "[ERR] Invalid --cluster-from host. You need to pass a valid address (ie. 120.0.0.1:7000).",
        );
    };
    let password = if cluster.asked.from_askpass {
        ask_password("Please input import source node password: ")
    } else {
        cluster.asked.from_pass.clone()
    };
    step(format!(
        ">>> Importing data from {address} to cluster {known}"
    ));
    load(cluster, known)?;
    check(cluster, Repair::No, true)?;
    let mut source = Node::at(address);
    if plain.is_some() {
        let mut options = cluster.options.clone();
        options.tls = None;
        Dialer::new(&options)?.connect(&mut source)?;
    } else if let Err(exit) = cluster.dialer.connect(&mut source) {
        if cluster.options.tls.is_some() {
            complain(format!(
                "With --tls the source has to use TLS as well. If it does not, name it as redis://{source}."
            ));
        }
        return Err(exit);
    }
    let words = login(cluster.asked.from_user.as_deref(), password.as_deref());
    if !words.is_empty()
        && let Err(refusal) = source.call(&words)
    {
        return fail(format!("AUTH failed: {}", refusal.text()));
    }
    let info = source.text(&["INFO"]);
    let info = info.map_err(|refusal| refused(&source, &refusal))?;
    if info.lines().any(|line| line == "cluster_enabled:1") {
        return give_up("[ERR] The source node should not be a cluster node.");
    }
    let size = source.count(&["DBSIZE"])?;
    warn(format!("*** Importing {size} keys from DB 0"));
    transfer(cluster, &mut source)
}

fn refused(source: &Node, refusal: &Refusal) -> Exit {
    match refusal {
        Refusal::Error(text) => bad(format!("Source {source} replied with error:\n{text}")),
        Refusal::Lost(_) => refusal.show(source),
    }
    Exit(1)
}

fn transfer(cluster: &mut Cluster<'_>, source: &mut Node) -> Result<(), Exit> {
    let owners = owners(cluster);
    let mut cursor = "0".to_owned();
    loop {
        let reply = source.call(&["SCAN", &cursor, "COUNT", PAGE]);
        let reply = reply.map_err(|refusal| refused(source, &refusal))?;
        let Some([Value::Bulk(next), Value::Array(keys)]) = reply.elements() else {
            let text = "the reply to SCAN has an unknown form".to_owned();
            return Err(refused(source, &Refusal::Error(text)));
        };
        cursor = String::from_utf8_lossy(next).into_owned();
        for key in keys.iter().filter_map(Value::text) {
            let Some(target) = owners[usize::from(key_slot(key))] else {
                continue;
            };
            migrate(cluster, source, target, key)?;
        }
        if cursor == "0" {
            return Ok(());
        }
    }
}

fn migrate(
    cluster: &Cluster<'_>,
    source: &mut Node,
    target: usize,
    key: &[u8],
) -> Result<(), Exit> {
    let asked = cluster.asked;
    let node = &cluster.nodes[target];
    print([b"Migrating ", key, format!(" to {node}: ").as_bytes()].concat());
    let mut argv = vec![
        b"MIGRATE".to_vec(),
        node.address.host.clone().into_bytes(),
        node.address.port.to_string().into_bytes(),
        key.to_vec(),
        b"0".to_vec(),
        asked.timeout_ms.to_string().into_bytes(),
    ];
    argv.extend(cluster.dialer.migrate_login());
    for (is_wanted, word) in [(asked.copies, "COPY"), (asked.replaces, "REPLACE")] {
        argv.extend(is_wanted.then(|| word.as_bytes().to_vec()));
    }
    match source.call_for(&argv, extra(cluster)) {
        Ok(_) => {
            say(Kind::Good, "OK\n");
            Ok(())
        }
        Err(refusal) => Err(refused(source, &refusal)),
    }
}

/// The owner of each slot.
fn owners(cluster: &Cluster<'_>) -> Vec<Option<usize>> {
    let mut owners = vec![None; usize::from(crate::cluster::slots::SLOTS)];
    for at in cluster.primaries() {
        for slot in cluster.nodes[at].slots.iter() {
            owners[usize::from(slot)] = Some(at);
        }
    }
    owners
}
