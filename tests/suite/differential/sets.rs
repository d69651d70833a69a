//! Sets of integers and of other members. No member is removed at random, since the data sets would diverge.

use super::Family;
use super::compare::As::{Exact, Groups, Shape};

pub const FAMILY: Family = Family {
    name: "sets",
    config: &[("set-max-intset-entries", "12")],
    #[rustfmt::skip]
    rules: &[
        ("edge", "{-7|70000|5000000000|9223372036854775807|-9223372036854775808|9223372036854775808|007|+5|-0}"),
        ("member", "{<-20..20>|<value>|m<0..200>|<edge>}"),
        ("some", "{<member>}+90"),
        ("keys", "{<key>}+4"),
    ],
    #[rustfmt::skip]
    rows: &[
        (3, Exact, "SADD <key> <some>"),
        (2, Exact, "SADD <key> {<-500..500>}+20"),
        (2, Exact, "SREM <key> <some>"),
        (1, Exact, "SISMEMBER <key> <member>"),
        (1, Exact, "SMISMEMBER <key> <some>"),
        (1, Exact, "SCARD <key>"),
        (1, Groups(1), "SMEMBERS <key>"),
        (1, Exact, "SMOVE <key> <key> <member>"),
        (3, Groups(1), "{SINTER|SUNION|SDIFF} <keys>"),
        (3, Exact, "{SINTERSTORE|SUNIONSTORE|SDIFFSTORE} <key> <keys>"),
        (1, Exact, "SINTERCARD {2 <key> <key>|1 <key>|<0..3> <key> <key>} {LIMIT <number>}?"),
        (1, Groups(1), "SPOP <key> {0|100000|-1|x}"),
        (1, Shape, "SRANDMEMBER <key> {<-100..100>|x|0}?"),
        (1, Groups(1), "SSCAN <key> 0 COUNT 1000000 {MATCH {*|[0-9]*|?}}?"),
        (1, Exact, "{DEL|SCARD|TYPE|SCARD} <key>"),
        (1, Exact, "{SET <key> <value>|SCARD <key>|SCARD <key>}"),
        (1, Exact, "COPY <key> <key> REPLACE"),
    ],
    junk: true,
};
