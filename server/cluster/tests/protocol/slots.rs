//! Who owns which slots.

use cluster::action::Action;
use cluster::packet::{Kind, encode};
use cluster::slots::SlotSet;

use crate::rig::{Rig, conf, name};

#[test]
fn of_two_announcements_the_higher_epoch_prevails() {
    let owner = |rig: &Rig, slot| rig.cluster.owner(slot).map(|ix| rig.cluster.node(ix).name);
    for (epoch, taken) in [(1, false), (2, false), (3, true)] {
        let mut rig = Rig::new(&conf());
        let mut header = rig.header('a', Kind::Ping);
        header.config_epoch = epoch;
        header.slots = (100..210).collect();
        let packet = encode::ping(&header, &[], &[]);
        rig.receive('a', &packet);
        let expected = if taken { 'a' } else { 'b' };
        assert_eq!(owner(&rig, 205), Some(name(expected)), "epoch {epoch}");
        // Who announces what another has with a newer epoch is told so.
        assert_eq!(rig.sent_to('a').contains(&Kind::Update), epoch < 2);
    }
}

#[test]
fn slots_that_are_lost_are_cleared_of_keys_and_left_slots_are_told() {
    let mut rig = Rig::new(&conf());
    let mut header = rig.header('a', Kind::Ping);
    header.config_epoch = 4;
    header.slots = (90..200).collect();
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('a', &packet);
    let expected: SlotSet = (90..100).collect();
    let dropped = Action::DropKeys {
        slots: Box::new(expected.clone()),
    };
    let left = Action::SlotsLeft {
        slots: Box::new(expected),
    };
    assert!(
        rig.actions.contains(&dropped) && rig.actions.contains(&left),
        "{:?}",
        rig.actions
    );
    // The rest as well: now it is a replica, and its keys are replaced by those of its primary.
    rig.actions.clear();
    let packet = encode::update(
        &rig.header('b', Kind::Update),
        5,
        &name('a'),
        &(0..200).collect(),
    );
    rig.receive('b', &packet);
    assert!(rig.cluster.my_node().is_replica());
    let follows = Action::Replicate {
        ip: "10.0.0.97".to_owned(),
        port: 7000,
    };
    assert!(rig.actions.contains(&follows));
    assert!(
        !rig.actions
            .iter()
            .any(|action| matches!(action, Action::DropKeys { .. }))
    );
    assert_eq!(rig.cluster.my_epoch(), 5);
}

#[test]
fn an_owner_that_no_longer_announces_a_slot_is_not_passed_on() {
    let mut rig = Rig::new(&conf());
    let mut header = rig.header('a', Kind::Ping);
    header.slots = (100..199).collect();
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('a', &packet);
    let a = rig.cluster.find(name('a').as_bytes());
    assert_eq!(rig.cluster.owner(199), a, "clients are still sent there");
    // With an older epoch, another one can have it.
    let mut header = rig.header('b', Kind::Ping);
    header.slots = (199..300).collect();
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('b', &packet);
    assert_eq!(
        rig.cluster.owner(199),
        rig.cluster.find(name('b').as_bytes())
    );
}

#[test]
fn a_slot_that_is_imported_is_assigned_by_hand_only() {
    let mut rig = Rig::new(&conf());
    let facts = rig.facts();
    let source = name('a');
    let args: [&[u8]; 3] = [b"100", b"importing", source.as_bytes()];
    cluster::setslot::set_slot(&mut rig.cluster, facts, &args, 0).unwrap();
    let mut header = rig.header('b', Kind::Ping);
    header.config_epoch = 9;
    header.slots = [100, 101].into_iter().collect();
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('b', &packet);
    let owner = |slot| rig.cluster.owner(slot);
    assert_eq!(owner(100), rig.cluster.find(name('a').as_bytes()));
    assert_eq!(owner(101), rig.cluster.find(name('b').as_bytes()));
}
