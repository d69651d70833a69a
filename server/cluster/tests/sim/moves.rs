//! Slots that move while links break and nodes crash: in the end all agree about who has them.

use cluster::setslot::set_slot;

use crate::build;
use crate::chaos::on_seeds;
use crate::checks;
use crate::world::World;

const TIMEOUT_MS: i64 = 1000;

/// SETSLOT on a node, if it is up; a refusal is not a fault.
fn set(world: &mut World, node: usize, args: &[&str]) {
    if world.is_up(node) {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        let _ = world.with(node, |cluster, facts| set_slot(cluster, facts, &args, 0));
    }
}

/// Moves a slot from whoever has it to another node, in the steps of redis-cli, with disturbances between them.
fn move_slot(world: &mut World, slot: u16, to: usize) {
    let has = |node: &usize| {
        world
            .cluster(*node)
            .slots_of(world.cluster(*node).myself())
            .contains(slot)
    };
    let owner = world.up().into_iter().find(has);
    let Some(owner) = owner.filter(|owner| *owner != to && world.is_up(to)) else {
        return;
    };
    let slot = slot.to_string();
    let (from_name, to_name) = (name(world, owner), name(world, to));
    set(world, to, &[&slot, "importing", &from_name]);
    disturb(world);
    set(world, owner, &[&slot, "migrating", &to_name]);
    disturb(world);
    set(world, to, &[&slot, "node", &to_name]);
    disturb(world);
    set(world, owner, &[&slot, "node", &to_name]);
}

fn name(world: &World, node: usize) -> String {
    world.cluster(node).my_node().name.to_string()
}

fn disturb(world: &mut World) {
    let node = world.rng.below(world.nodes.len() as u64) as usize;
    match world.rng.below(8) {
        0 => world.break_link(),
        1 => world.delay_ms = 1 + world.rng.below(200),
        2 if world.is_up(node) => {
            world.crash(node);
            world.start(node);
        }
        3 => world.sides[node] = 1,
        4 => world.sides.fill(0),
        _ => {}
    }
    let ms = world.rng.below(500) as i64;
    world.run(ms);
}

fn moves(world: &mut World) -> Result<(), String> {
    let nodes = world.nodes.len();
    build::cluster(world, nodes);
    for _ in 0..8 {
        let slot = world.rng.below(6) as u16 * 3000;
        let to = world.rng.below(nodes as u64) as usize;
        move_slot(world, slot, to);
        world.run(TIMEOUT_MS);
        repair(world)?;
    }
    Ok(())
}

/// Ends all disturbances, closes slots that are still open, as `redis-cli --cluster fix` does, and sees that all agree.
fn repair(world: &mut World) -> Result<(), String> {
    world.sides.fill(0);
    world.delay_ms = 20;
    world.run(TIMEOUT_MS * 2);
    for node in 0..world.nodes.len() {
        for slot in (0..6).map(|at| (at * 3000).to_string()) {
            set(world, node, &[&slot, "stable"]);
        }
    }
    world.run_until(TIMEOUT_MS * 12, |world| checks::settled(world).is_ok());
    checks::settled(world)
}

#[test]
fn all_agree_about_slots_that_moved() {
    let make = |seed: u64| World::new(seed + 2_000_000, 3 + (seed % 3) as usize, TIMEOUT_MS);
    on_seeds(25, moves, make);
}
