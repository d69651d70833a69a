//! `reshard`: moves a number of slots to one node. What the options do not say is asked for.

use crate::cluster::check::{Repair, check};
use crate::cluster::console::{self, bad};
use crate::cluster::moving::{Manner, Move, move_slot};
use crate::cluster::plan::{Leaving, reshard};
use crate::cluster::slots::SLOTS;
use crate::cluster::topology::{Cluster, load_named};
use crate::out::{Exit, fail, print};

/// `reshard`
///
/// # Errors
/// Nothing, or not everything, was moved; a message was printed.
pub fn run(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    load_named(cluster, 2)?;
    let _ = check(cluster, Repair::No, true);
    if cluster.problems > 0 {
        return fail("*** Please fix your cluster problems before resharding");
    }
    let count = match cluster.asked.slots {
        Some(count) => count,
        None => ask_count()?,
    };
    let target = match &cluster.asked.to {
        Some(id) => id.clone(),
        None => ask_target()?,
    };
    let target = primary(cluster, &target)?;
    let sources = match &cluster.asked.from {
        Some(list) => listed_sources(cluster, target, list)?,
        None => ask_sources(cluster, target)?,
    };
    if sources.is_empty() {
        return fail("*** No source nodes given, operation aborted.");
    }
    print(format!("\nReady to move {count} slots.\n  Source nodes:\n"));
    for &source in &sources {
        print(format!("{}\n", cluster.nodes[source].describe(4)));
    }
    print(format!(
        "  Destination node:\n{}\n",
        cluster.nodes[target].describe(4)
    ));
    let slots: Vec<_> = sources
        .iter()
        .map(|&at| (at, &cluster.nodes[at].slots))
        .collect();
    let plan = reshard(&slots, count);
    print("  Resharding plan:\n");
    for &Leaving { from, slot } in &plan {
        print(format!(
            "    Moving slot {slot} from {}\n",
            cluster.nodes[from].id
        ));
    }
    if !cluster.asked.yes {
        let question = "Do you want to proceed with the proposed reshard plan (yes/no)? ";
        if console::ask(question).as_deref() != Some("yes") {
            return Err(Exit(1));
        }
    }
    execute(cluster, target, &plan)
}

fn execute(cluster: &mut Cluster<'_>, target: usize, plan: &[Leaving]) -> Result<(), Exit> {
    let manner = Manner {
        shows: true,
        keys_only: false,
        repair: Repair::No,
    };
    for &Leaving { from, slot } in plan {
        let task = Move {
            source: from,
            target,
            slot,
            manner,
        };
        if let Err(stuck) = move_slot(cluster, task) {
            if stuck.is_explained {
                return Err(Exit(1));
            }
            return console::give_up(format!(
                "clusterManagerMoveSlot failed: {}",
                stuck.refusal.text()
            ));
        }
    }
    Ok(())
}

fn ask_count() -> Result<u16, Exit> {
    loop {
        let question = format!("How many slots do you want to move (from 1 to {SLOTS})? ");
        let answer = console::demand(&question)?;
        match answer.trim().parse() {
            Ok(count) if (1..=SLOTS).contains(&count) => return Ok(count),
            _ => {}
        }
    }
}

fn ask_target() -> Result<String, Exit> {
    loop {
        let answer = console::demand("What is the receiving node ID? ")?;
        if !answer.is_empty() {
            return Ok(answer);
        }
    }
}

fn ask_sources(cluster: &Cluster<'_>, target: usize) -> Result<Vec<usize>, Exit> {
    print(
        "Please enter all the source node IDs.\n  Type 'all' to use all the nodes as source nodes for the hash slots.\n  \
         Type 'done' once you entered all the source nodes IDs.\n",
    );
    let mut sources = Vec::new();
    loop {
        let answer = console::demand(&format!("Source node #{}: ", sources.len() + 1))?;
        match answer.as_str() {
            "done" => return Ok(sources),
            "all" => return Ok(others(cluster, target)),
            id => add_source(cluster, target, id, &mut sources)?,
        }
    }
}

fn listed_sources(cluster: &Cluster<'_>, target: usize, list: &str) -> Result<Vec<usize>, Exit> {
    let mut sources = Vec::new();
    for id in list.split(',').filter(|id| !id.is_empty()) {
        if id == "all" {
            return Ok(others(cluster, target));
        }
        add_source(cluster, target, id, &mut sources)?;
    }
    Ok(sources)
}

fn others(cluster: &Cluster<'_>, target: usize) -> Vec<usize> {
    let primaries = cluster.primaries().into_iter();
    primaries.filter(|&at| at != target).collect()
}

fn add_source(
    cluster: &Cluster<'_>,
    target: usize,
    id: &str,
    sources: &mut Vec<usize>,
) -> Result<(), Exit> {
    let source = primary(cluster, id)?;
    if source == target {
        bad("*** It is not possible to use the target node as source node.");
    } else if !sources.contains(&source) {
        sources.push(source);
    }
    Ok(())
}

/// The primary with an id.
fn primary(cluster: &Cluster<'_>, id: &str) -> Result<usize, Exit> {
    match cluster.by_id(id) {
        Some(at) if !cluster.nodes[at].is_replica() => Ok(at),
        _ => console::give_up(format!(
            "*** The specified node ({id}) is not known or not a master, please retry."
        )),
    }
}
