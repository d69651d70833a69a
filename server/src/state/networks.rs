//! Which networks cause most failures, in a bounded table.
//!
//! When the table is full, a new network takes the place of the one with the lowest rank and continues that rank ("space
//! saving"), so a network that causes more failures than the lowest rank is always there. What is shown is the number of
//! failures since a network took its place: never more than it has caused.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks held.
const SIZE: usize = 64;
/// Bits that make a network.
const IPV4_BITS: u32 = 24;
const IPV6_BITS: u32 = 64;

/// A network: its first address, and how many bits are fixed.
pub type Network = (IpAddr, u32);

#[derive(Clone, Copy, Debug)]
struct Entry {
    network: Network,
    /// Failures since it is in the table.
    failures: u64,
    /// The same and the rank of the network whose place it took.
    rank: u64,
}

/// The table.
#[derive(Debug, Default)]
pub struct Networks(Vec<Entry>);

impl Networks {
    /// Counts a failure of an address.
    pub fn count(&mut self, address: IpAddr) {
        let network = network_of(address);
        let mut new = Entry {
            network,
            failures: 1,
            rank: 1,
        };
        if let Some(known) = self.0.iter_mut().find(|known| known.network == network) {
            known.failures += 1;
            known.rank += 1;
        } else if self.0.len() < SIZE {
            self.0.push(new);
        } else if let Some(least) = self.0.iter_mut().min_by_key(|known| known.rank) {
            new.rank += least.rank;
            *least = new;
        }
    }

    /// The networks with most failures, the one with most of all first.
    pub fn top(&self, most: usize) -> Vec<(Network, u64)> {
        let mut top: Vec<_> = self.0.iter().map(|it| (it.network, it.failures)).collect();
        top.sort_by_key(|&(network, failures)| (Reverse(failures), network));
        top.truncate(most);
        top
    }
}

fn network_of(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let bits = address.to_bits() >> (32 - IPV4_BITS) << (32 - IPV4_BITS);
            (Ipv4Addr::from_bits(bits).into(), IPV4_BITS)
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> (128 - IPV6_BITS) << (128 - IPV6_BITS);
            (Ipv6Addr::from_bits(bits).into(), IPV6_BITS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Networks, SIZE, network_of};

    #[test]
    fn addresses_are_grouped_by_network() {
        for (address, expected) in [
            ("10.1.2.3", "10.1.2.0/24"),
            ("::ffff:10.1.2.3", "10.1.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("127.0.0.1", "127.0.0.0/24"),
        ] {
            let (first, bits) = network_of(address.parse().expect("an address"));
            assert_eq!(format!("{first}/{bits}"), expected);
        }
    }

    #[test]
    fn frequent_networks_stay_in_a_full_table() {
        let mut networks = Networks::default();
        for round in 0..10_000u32 {
            let rare = format!("10.{}.{}.1", round / 200, round % 200);
            networks.count(rare.parse().expect("an address"));
            if round % 10 == 0 {
                networks.count("192.0.2.7".parse().expect("an address"));
            }
        }
        let top = networks.top(3);
        assert_eq!((top.len(), networks.top(1000).len()), (3, SIZE));
        let (network, count) = top[0];
        assert_eq!(
            network,
            network_of("192.0.2.1".parse().expect("an address"))
        );
        assert_eq!(count, 1000);
        assert!(top[1].1 <= 2, "{top:?}");
    }
}
