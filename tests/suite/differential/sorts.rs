//! SORT of lists, sorted sets and sets. Where SORT does not sort, the keys have an order that is the same in both
//! servers.

use super::Family;
use super::compare::As::Exact;

pub const FAMILY: Family = Family {
    name: "sorts",
    config: &[],
    #[rustfmt::skip]
    rules: &[
        ("set", "set<0..2>"),
        ("list", "list<0..2>"),
        ("item", "{<0..30>|<0..9>.5|<0..9>|<0..9>|<0..9>|{s<0..9>|1}}"),
        ("limit", "{LIMIT <number> <number>}?"),
        ("order", "{ASC|DESC}?"),
        ("alpha", "{ALPHA}?"),
        ("weight", "{BY {w_*|h_*->f|x*_y|w_*->}}?"),
        ("get", "{GET {#|w_*|h_*->f|h_*->|*}}? {GET {#|w_*}}?"),
    ],
    #[rustfmt::skip]
    rows: &[
        (3, Exact, "RPUSH {<key>|<list>} {<item>}+6"),
        (2, Exact, "ZADD <key> {<0..9> <item>}+6"),
        (2, Exact, "SADD <set> {<item>}+6"),
        (2, Exact, "SET w_<0..30> <item>"),
        (2, Exact, "HSET h_<0..30> f <item>"),
        (2, Exact, "SORT {<key>|<set>} <weight> <limit> <get> <order>"),
        (2, Exact, "SORT <key> <limit> <get> <order> ALPHA"),
        // With text weights, elements of equal weight keep the order of the source, which for a sorted set is that of
        // its table.
        (2, Exact, "SORT <list> <weight> <limit> <get> <order> ALPHA"),
        (1, Exact, "SORT <set> <limit> <get> <order> ALPHA"),
        (2, Exact, "SORT <key> BY nosort <limit> <get> <order> <alpha>"),
        (1, Exact, "SORT_RO <list> <weight> <limit> <get> <order> <alpha>"),
        (1, Exact, "SORT_RO <set> <weight> <limit> <get> <order>"),
        (1, Exact, "SORT <list> <weight> <limit> <get> <order> <alpha> STORE <key>"),
        (1, Exact, "SORT <set> <weight> <limit> <get> <order> STORE <key>"),
        (1, Exact, "SORT <key> BY nosort <limit> <get> STORE <key>"),
        (1, Exact, "SORT <list> {LIMIT <junk> <junk>|BY|GET|STORE|<junk>|BY <junk>|GET <junk>}"),
        (1, Exact, "LRANGE <key> 0 -1"),
        (1, Exact, "DEL {<key>|<set>|<list>}"),
    ],
    // Junk would make sets under other names, which have no defined order.
    junk: false,
};
