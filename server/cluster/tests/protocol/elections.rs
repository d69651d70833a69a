//! Votes, manual failover, epochs.

use cluster::action::{Action, Facts, Pause};
use cluster::packet::decode::decode;
use cluster::packet::{Kind, encode};

use crate::rig::{Rig, TIMEOUT_MS, conf, kinds_sent, name, replica_conf};

#[test]
fn a_vote_is_given_once_and_for_good_reasons() {
    let mut rig = Rig::new(&conf());
    rig.ask('c', |_| {});
    assert_eq!(rig.verdict('c'), "its master is up");
    rig.ask('c', |header| header.force_ack = true);
    assert_eq!(rig.verdict('c'), "granted");
    assert_eq!(rig.cluster.last_vote_epoch(), 11);
    rig.ask('d', |header| header.force_ack = true);
    assert_eq!(rig.verdict('d'), "already voted for epoch 11");
    rig.ask('d', |header| (header.epoch, header.force_ack) = (10, true));
    assert_eq!(rig.verdict('d'), "reqEpoch (10) < curEpoch(11)");
    rig.ask('c', |header| (header.epoch, header.force_ack) = (12, true));
    assert_eq!(
        rig.verdict('c'),
        "can't vote about this master before 2000 milliseconds"
    );
    rig.pass(TIMEOUT_MS * 2);
    rig.ask('c', |header| {
        (header.epoch, header.config_epoch, header.force_ack) = (12, 2, true);
    });
    assert_eq!(rig.verdict('c'), "slot 100 epoch (3) > reqEpoch (2)");
    rig.ask('a', |header| (header.epoch, header.force_ack) = (12, true));
    assert_eq!(rig.verdict('a'), "it is a master node");
    rig.fail('a');
    rig.logged();
    rig.ask('c', |header| header.epoch = 13);
    assert_eq!(rig.verdict('c'), "granted");
}

#[test]
fn a_vote_is_remembered_across_a_restart() {
    let mut rig = Rig::new(&conf());
    rig.ask('c', |header| header.force_ack = true);
    let save = rig
        .actions
        .iter()
        .position(|action| matches!(action, Action::Save { fsync: true }));
    let vote = rig.actions.iter().position(|action| match action {
        Action::Send { packet, .. } => {
            decode(packet).unwrap().header.kind == Kind::AuthAck.number()
        }
        _ => false,
    });
    assert!(
        save.unwrap() < vote.unwrap(),
        "it is on the disk before it is sent"
    );
    let file = String::from_utf8(rig.cluster.encode()).unwrap();
    let mut rig = Rig::new(&file);
    rig.ask('d', |header| header.force_ack = true);
    assert_eq!(rig.verdict('d'), "already voted for epoch 11");
}

#[test]
fn only_primaries_with_slots_vote() {
    let mut rig = Rig::new(&conf().replace(" connected 0-99", " connected"));
    rig.ask('c', |header| header.force_ack = true);
    assert_eq!(rig.verdict('c'), "ignored");
}

#[test]
fn a_manual_failover_waits_for_the_offset_of_the_paused_primary() {
    let mut rig = Rig::new(&replica_conf());
    rig.cluster.before_sleep(rig.facts());
    let facts = rig.facts();
    let how = cluster::admin::Failover::Agreed;
    cluster::admin::failover(&mut rig.cluster, facts, how).unwrap();
    rig.settle();
    assert!(rig.sent_to('a').contains(&Kind::ManualStart));
    // A PING from before the pause does not tell the offset that is waited for.
    rig.ping('a', Kind::Ping, &[]);
    let mut header = rig.header('a', Kind::Ping);
    header.paused = true;
    header.offset = 50;
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('a', &packet);
    rig.cron();
    assert!(
        !kinds_sent(&rig).contains(&Kind::AuthRequest),
        "it has executed less"
    );
    rig.offset = 50;
    rig.settle();
    assert!(kinds_sent(&rig).contains(&Kind::AuthRequest));
    let asked = rig.actions.iter().find_map(|action| match action {
        Action::Send { packet, .. } => {
            let header = decode(packet).unwrap().header;
            (header.kind == Kind::AuthRequest.number()).then_some(header.force_ack)
        }
        _ => None,
    });
    assert_eq!(asked, Some(true), "the primary has not failed");
    assert_eq!(
        rig.logged()
            .into_iter()
            .filter(|line| !line.contains("Cluster state"))
            .collect::<Vec<_>>(),
        [
            "Manual failover user request accepted.",
            "Received replication offset for paused master manual failover: 50",
            "All master replication stream processed, manual failover can start.",
            "Start of election delayed for 0 milliseconds (rank #0, offset 50).",
            "Starting a failover election for epoch 11.",
        ]
    );
    // Votes do not come, and it is given up.
    rig.pass(5001);
    rig.cron();
    assert!(
        rig.logged()
            .contains(&"Manual failover timed out.".to_owned())
    );
}

#[test]
fn clients_stay_paused_when_a_manual_failover_is_asked_for_again() {
    let mut rig = Rig::new(&conf());
    let packet = encode::empty(&rig.header('e', Kind::ManualStart));
    let link = rig.link('e');
    for _ in 0..2 {
        rig.ping('e', Kind::Ping, &[]);
        rig.cluster.received(link, &packet, rig.facts());
        let until = Pause::Until(rig.now_ms + 10_000);
        assert_eq!(rig.cluster.take_pause(), Some(until));
        rig.settle();
        assert_eq!(rig.cluster.take_pause(), None);
        rig.pass(1000);
    }
    // It was given up in the turn in which it is asked for again.
    rig.pass(5001);
    rig.cluster.cron(rig.facts());
    rig.cluster.received(link, &packet, rig.facts());
    let until = Pause::Until(rig.now_ms + 10_000);
    assert_eq!(rig.cluster.take_pause(), Some(until));
    rig.pass(5001);
    rig.cron();
    assert_eq!(rig.cluster.take_pause(), Some(Pause::End));
}

#[test]
fn an_old_data_set_does_not_replace_the_primary() {
    let mut rig = Rig::new(&replica_conf());
    rig.fail('a');
    rig.logged();
    let old = Facts {
        data_age_ms: TIMEOUT_MS * 11 + 10_001,
        ..rig.facts()
    };
    rig.cluster.cron(old);
    let scheduled = |rig: &mut Rig| {
        rig.settle();
        rig.logged()
            .iter()
            .any(|line| line.starts_with("Start of election delayed"))
    };
    assert!(!scheduled(&mut rig));
    let fresh = Facts {
        data_age_ms: TIMEOUT_MS * 11 + 10_000,
        ..rig.facts()
    };
    rig.cluster.cron(fresh);
    assert!(scheduled(&mut rig));
}

#[test]
fn of_two_primaries_in_one_epoch_the_one_with_the_smaller_name_takes_the_next() {
    for (other, epoch) in [('a', 1), ('z', 11)] {
        let line = format!(
            "{} 10.0.0.1:7000@17000 master - 0 0 1 connected 900\n",
            name('z')
        );
        let mut rig = Rig::new(&(conf() + &line));
        let mut header = rig.header(other, Kind::Ping);
        header.config_epoch = 1;
        let packet = encode::ping(&header, &[], &[]);
        if other == 'a' {
            // As if the table did not know better.
            rig = Rig::new(&conf().replace("0 0 3 connected 100-199", "0 0 1 connected 100-199"));
        }
        rig.receive(other, &packet);
        assert_eq!(rig.cluster.my_node().config_epoch, epoch, "{other}");
    }
}
