//! Sorted sets: commands by score and rank, and, with all scores equal, by lexicographic order.

use super::Family;
use super::compare::As::{Exact, ScoreGroups, Scores, Shape};

const CONFIG: &[(&str, &str)] = &[
    ("zset-max-listpack-entries", "60"),
    ("zset-max-listpack-value", "40"),
];

pub const FAMILY: Family = Family {
    name: "zsets",
    config: CONFIG,
    #[rustfmt::skip]
    rules: &[
        ("member", "{<-10..10>|m<0..60>|<value>}"),
        ("score", "{<float>|<-5..5>|<0..100>}"),
        ("bound", "{<-10..10>|(<-10..10>|-inf|+inf|(1.5|{x|3|3}}"),
        ("keys", "{1 <key>|2 <key> <key>|3 <key> <key> <key>|<0..4> <key> <key>}"),
        ("weighed", "{1 <key> {WEIGHTS <float>}?|2 <key> <key> {WEIGHTS <float> <float>}?|3 <key> <key> <key> {WEIGHTS {0|1|x} 1 -1}?}"),
        ("by", "{AGGREGATE {SUM|MIN|MAX|x}}?"),
        ("with", "{WITHSCORES}?"),
        ("limit", "{LIMIT <number> <number>}?"),
        // Sums are stored in keys that are not summed again.
        ("sum", "{sum0|sum1}"),
        ("any", "{<key>|<key>|<key>|<sum>}"),
    ],
    #[rustfmt::skip]
    rows: &[
        (3, Scores, "ZADD <key> {NX|XX|GT|LT|CH|INCR|CH|CH}+2 {<score> <member>}+9"),
        (5, Scores, "ZADD <key> {<score> <member>}+50"),
        (1, Scores, "ZINCRBY <key> <score> <member>"),
        (2, Exact, "ZREM <key> {<member>}+30"),
        (1, Exact, "ZCARD <any>"),
        (1, Scores, "ZSCORE <any> <member>"),
        (1, Scores, "ZMSCORE <any> {<member>}+5"),
        (1, Exact, "{ZRANK|ZREVRANK} <any> <member>"),
        (1, Exact, "ZCOUNT <any> <bound> <bound>"),
        (1, Scores, "ZRANGE <any> 0 -1 WITHSCORES"),
        (1, Scores, "{ZRANGE|ZREVRANGE} <any> <number> <number> <with>"),
        (1, Scores, "{ZRANGEBYSCORE|ZREVRANGEBYSCORE} <any> <bound> <bound> <with> <limit>"),
        (1, Scores, "ZRANGE <any> <bound> <bound> BYSCORE {REV}? <limit> <with>"),
        (1, Scores, "ZRANGE <any> <number> <number> {REV}? <limit> <with>"),
        (1, Exact, "ZRANGESTORE <key> <key> <number> <number> {REV}?"),
        (1, Exact, "ZRANGESTORE <key> <key> <bound> <bound> BYSCORE {REV}? <limit>"),
        (1, Exact, "ZREMRANGEBYRANK <key> <number> <number>"),
        (1, Exact, "ZREMRANGEBYSCORE <key> <bound> <bound>"),
        (1, Scores, "{ZPOPMIN|ZPOPMAX} <any> {<number>}?"),
        (1, Scores, "ZMPOP <keys> {MIN|MAX|x} {COUNT <number>}?"),
        (1, Scores, "{BZPOPMIN|BZPOPMAX} {<key>}+3 0.001"),
        (1, Scores, "BZMPOP 0.001 <keys> {MIN|MAX} {COUNT <number>}?"),
        (2, Scores, "{ZUNION|ZINTER} <weighed> <by> <with>"),
        (1, Scores, "ZDIFF <keys> <with>"),
        (2, Exact, "{ZUNIONSTORE|ZINTERSTORE} <sum> <weighed> <by>"),
        (1, Exact, "{ZUNIONSTORE|ZINTERSTORE} <key> <keys> AGGREGATE {MIN|MAX}"),
        (1, Exact, "ZDIFFSTORE <key> <keys>"),
        (1, Exact, "ZINTERCARD <keys> {LIMIT <number>}?"),
        (1, ScoreGroups, "ZSCAN <any> 0 COUNT 1000000 {MATCH {*|m*|?}}?"),
        (1, Shape, "ZRANDMEMBER <key> {<-30..30>}?"),
        (2, Exact, "OBJECT ENCODING <key>"),
        (1, Exact, "{DEL|ZCARD|TYPE|ZCARD|ZCARD} <any>"),
        (1, Exact, "{SET <key> <value>|HSET <key> f 1|ZCARD <key>|ZCARD <key>}"),
        (1, Exact, "COPY <key> <key> REPLACE"),
    ],
    junk: true,
};

/// Lexicographic order is defined only while all scores are equal, so no word is replaced here.
pub const BY_NAME: Family = Family {
    name: "zsets by name",
    config: CONFIG,
    #[rustfmt::skip]
    rules: &[
        ("member", "{<-10..10>|m<0..60>|<value>}"),
        ("bound", "{-|+|[m<0..60>|(m<0..60>|[<member>|(<member>|[|{x|[5}}"),
        ("limit", "{LIMIT <number> <number>}?"),
    ],
    #[rustfmt::skip]
    rows: &[
        (4, Exact, "ZADD <key> {0 <member>}+30"),
        (1, Exact, "ZREM <key> {<member>}+5"),
        (2, Exact, "ZLEXCOUNT <key> <bound> <bound>"),
        (2, Exact, "{ZRANGEBYLEX|ZREVRANGEBYLEX} <key> <bound> <bound> <limit>"),
        (2, Exact, "ZRANGE <key> <bound> <bound> BYLEX {REV}? <limit> {WITHSCORES|}"),
        (1, Exact, "ZRANGESTORE <key> <key> <bound> <bound> BYLEX {REV}? <limit>"),
        (1, Exact, "ZREMRANGEBYLEX <key> <bound> <bound>"),
        (1, Exact, "{ZRANK|ZREVRANK} <key> <member>"),
        (1, Exact, "OBJECT ENCODING <key>"),
    ],
    junk: false,
};
