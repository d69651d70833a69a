//! Packets: what real nodes sent is read and written again byte by byte; what is cut, changed or lies is refused.

#![allow(clippy::unwrap_used)]

use cluster::packet::decode::{Body, Packet, decode};
use cluster::packet::{HEADER_LEN, encode};
use data::util::rand::Rng;
use std::fs;
use std::path::Path;

/// Packets between nodes of Redis 7.2.6, by the name of their file: kind, number of gossip entries, of extensions.
fn real() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut packets: Vec<(String, Vec<u8>)> = files
        .filter(|path| path.extension().is_some_and(|ext| ext == "bin"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    packets.sort();
    assert!(packets.len() > 20);
    packets
}

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let header = &packet.header;
    match &packet.body {
        Body::Ping { gossip, extensions } => encode::ping(header, gossip, extensions),
        Body::Fail(name) => encode::fail(header, name),
        Body::Publish { channel, message } => encode::publish(header, channel, message).unwrap(),
        Body::Update {
            config_epoch,
            name,
            slots,
        } => encode::update(header, *config_epoch, name, slots),
        Body::Module | Body::Empty | Body::Unknown => encode::empty(header),
    }
}

#[test]
fn packets_of_redis_are_written_as_they_were_read() {
    let mut kinds = Vec::new();
    for (name, bytes) in real() {
        let packet = decode(&bytes).unwrap();
        assert_eq!(encoded(&packet), bytes, "{name}");
        let parts: Vec<&str> = name.rsplitn(3, '-').collect();
        if let Body::Ping { gossip, extensions } = &packet.body {
            assert_eq!(gossip.len().to_string(), parts[1], "{name}");
            assert_eq!(extensions.len().to_string(), parts[0], "{name}");
        }
        kinds.push(packet.header.kind);
    }
    kinds.dedup();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]);
}

/// Gives a packet another length, as its header says.
fn resized(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(len, b'a');
    bytes[4..8].copy_from_slice(&(len as u32).to_be_bytes());
    bytes
}

#[test]
fn packets_of_another_length_are_refused() {
    for (name, bytes) in real() {
        for len in HEADER_LEN..bytes.len() + 200 {
            if len != bytes.len() {
                assert!(decode(&resized(&bytes, len)).is_err(), "{name} {len}");
            }
        }
    }
}

#[test]
fn counts_and_lengths_that_lie_are_refused() {
    let find = |start: &str| {
        let all = real();
        let found = all.iter().find(|(name, _)| name.starts_with(start));
        found.unwrap().1.clone()
    };
    let with = |bytes: &[u8], at: usize, value: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + value.len()].copy_from_slice(value);
        decode(&bytes).err()
    };
    let ping = find("ping-3-3");
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(
        with(&ping, 14, &[0xff, 0xff]),
        Some(format!(
            "Received invalid ping packet of length {} but expected length {}",
            ping.len(),
            HEADER_LEN + 65_535 * 104
        ))
    );
    assert_eq!(
        with(&ping, 2214, &[0, 4]),
        Some(format!(
            "Received invalid ping packet with extension data that exceeds total packet length ({})",
            ping.len()
        ))
    );
    let extension = HEADER_LEN + 3 * 104;
    assert_eq!(
        with(&ping, extension, &[0, 0, 0, 9]),
        said("Received a ping packet without proper padding (9 bytes)")
    );
    assert!(
        with(&ping, extension, &[0, 1, 0, 32]).is_some(),
        "more than 16 bits"
    );
    assert!(
        with(&ping, extension, &[0, 0, 0, 0]).is_some(),
        "an endless list"
    );
    // A host's name without end.
    let len = usize::from(ping[extension + 3]);
    assert_eq!(
        with(&ping, extension + 8, &vec![b'a'; len - 8]),
        said("Received ping packet with invalid content")
    );
    let publish = find("publish-");
    for lens in [[0xff; 8], [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], [0; 8]] {
        assert!(with(&publish, HEADER_LEN, &lens).is_some());
    }
    for at in [40, 2128, 2168, HEADER_LEN, HEADER_LEN + 48] {
        assert_eq!(
            with(&ping, at, b"\n"),
            said("Received ping packet with invalid content"),
            "{at}"
        );
    }
}

#[test]
fn changed_bytes_are_refused_or_read_within_the_packet() {
    let mut rng = Rng::new(7);
    let packets = real();
    for round in 0..20_000 {
        let (_, bytes) = &packets[round % packets.len()];
        let mut bytes = bytes.clone();
        for _ in 0..=rng.below(4) {
            // Mostly in what has structure: numbers of the header, and the body.
            let at = match rng.below(4) {
                0 => rng.below(80),
                1 => 2128 + rng.below(128),
                _ => rng.below(bytes.len() as u64),
            } as usize;
            let at = at.min(bytes.len() - 1);
            bytes[at] = match rng.below(4) {
                0 => 0,
                1 => 0xff,
                _ => rng.below(256) as u8,
            };
        }
        if let Ok(packet) = decode(&bytes) {
            let again = encoded(&packet);
            if !matches!(packet.body, Body::Module | Body::Unknown) {
                let human =
                    |bytes: &[u8]| format!("{:?}", decode(bytes).map(|packet| packet.header));
                assert_eq!(human(&again), human(&bytes));
            }
        }
    }
}
