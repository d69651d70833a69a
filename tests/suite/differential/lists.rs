//! Lists, with few elements per node.

use super::Family;
use super::compare::As::Exact;

pub const FAMILY: Family = Family {
    name: "lists",
    config: &[
        ("list-max-listpack-size", "5"),
        ("list-compress-depth", "1"),
    ],
    #[rustfmt::skip]
    rules: &[
        ("end", "{LEFT|RIGHT|left|x}"),
        ("item", "{<value>|<0..9>|<long><long><long>}"),
    ],
    #[rustfmt::skip]
    rows: &[
        (4, Exact, "{LPUSH|RPUSH} <key> {<item>}+40"),
        (1, Exact, "{LPUSHX|RPUSHX} <key> {<item>}+5"),
        (2, Exact, "{LPOP|RPOP} <key> {<number>}?"),
        (1, Exact, "LLEN <key>"),
        (1, Exact, "LINDEX <key> <number>"),
        (1, Exact, "LSET <key> <number> <item>"),
        (2, Exact, "LINSERT <key> {BEFORE|AFTER|z} <item> <item>"),
        (1, Exact, "LREM <key> <number> <item>"),
        (1, Exact, "LTRIM <key> <number> <number>"),
        (1, Exact, "LRANGE <key> 0 -1"),
        (1, Exact, "LRANGE <key> <number> <number>"),
        (1, Exact, "LPOS <key> <item> {RANK <number>}? {COUNT <number>}? {MAXLEN <number>}?"),
        (1, Exact, "LMOVE <key> <key> <end> <end>"),
        (1, Exact, "RPOPLPUSH <key> <key>"),
        (1, Exact, "LMPOP <0..3> <key> <key> <end> {COUNT <number>}?"),
        (1, Exact, "LMPOP 1 <key> <end>"),
        (1, Exact, "{BLPOP|BRPOP} {<key>}+3 0.001"),
        (1, Exact, "{BLMOVE <key> <key> <end> <end> 0.001|BRPOPLPUSH <key> <key> 0.001|BLMPOP 0.001 2 <key> <key> <end> {COUNT <number>}?}"),
        (1, Exact, "{LLEN|TYPE|DEL} <key>"),
        (1, Exact, "COPY <key> <key> REPLACE"),
        (1, Exact, "RENAME <key> <key>"),
        (1, Exact, "{SET <key> <value>|DEL <key>|LLEN <key>}"),
    ],
    junk: true,
};
