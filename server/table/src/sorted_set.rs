//! Rows of the sorted set commands, including the blocking ones.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, double, integer, key, one_of, pattern, string, token};
use crate::spec::{Group, Spec, at, counted, numkeys, one, spec, store_and_numkeys, to};
use crate::words::access::{ACCESS, DELETE, OW, RO, RW, UPDATE};
use crate::words::category::SORTEDSET;
use crate::words::flag::{BLOCKING, DENYOOM, FAST, READONLY, WRITE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &BZMPOP,
    &BZPOPMAX,
    &BZPOPMIN,
    &ZADD,
    &ZCARD,
    &ZCOUNT,
    &ZDIFF,
    &ZDIFFSTORE,
    &ZINCRBY,
    &ZINTER,
    &ZINTERCARD,
    &ZINTERSTORE,
    &ZLEXCOUNT,
    &ZMPOP,
    &ZMSCORE,
    &ZPOPMAX,
    &ZPOPMIN,
    &ZRANDMEMBER,
    &ZRANGE,
    &ZRANGEBYLEX,
    &ZRANGEBYSCORE,
    &ZRANGESTORE,
    &ZRANK,
    &ZREM,
    &ZREMRANGEBYLEX,
    &ZREMRANGEBYRANK,
    &ZREMRANGEBYSCORE,
    &ZREVRANGE,
    &ZREVRANGEBYLEX,
    &ZREVRANGEBYSCORE,
    &ZREVRANK,
    &ZSCAN,
    &ZSCORE,
    &ZUNION,
    &ZUNIONSTORE,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::SortedSet)
}

pub static BZMPOP: Spec = row("bzmpop", -5)
    .since("7.0.0")
    .flags(WRITE | BLOCKING)
    .acl(SORTEDSET)
    .key(RW | ACCESS | DELETE, at(2), counted())
    .procedure(numkeys(2))
    .summary("Pop members from the first sorted set that has any, waiting for one.")
    .complexity("O(K)+O(M*log(N)), K the keys given, N the members, M those popped")
    .args(&[
        double("timeout"),
        integer("numkeys"),
        key("key", 0).multiple(),
        one_of("where", &[token("min", "MIN"), token("max", "MAX")]),
        integer("count").token("COUNT").optional(),
    ]);

pub static BZPOPMAX: Spec = row("bzpopmax", -3)
    .since("5.0.0")
    .flags(WRITE | FAST | BLOCKING)
    .acl(SORTEDSET)
    .key(RW | ACCESS | DELETE, at(1), to(-2))
    .summary("Pop the member of highest score, waiting for one.")
    .complexity("O(log(N)), N the members")
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[key("key", 0).multiple(), double("timeout")]);

pub static BZPOPMIN: Spec = row("bzpopmin", -3)
    .since("5.0.0")
    .flags(WRITE | FAST | BLOCKING)
    .acl(SORTEDSET)
    .key(RW | ACCESS | DELETE, at(1), to(-2))
    .summary("Pop the member of lowest score, waiting for one.")
    .complexity("O(log(N)), N the members")
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[key("key", 0).multiple(), double("timeout")]);

pub static ZADD: Spec = row("zadd", -4)
    .since("1.2.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(SORTEDSET)
    .key(RW | UPDATE, at(1), one())
    .summary("Add members to a sorted set, or change their scores.")
    .complexity("O(log(N)) per member given, N the members")
    .history(&[
        ("2.4.0", "Takes several members."),
        ("3.0.2", "Knows `XX`, `NX`, `CH` and `INCR`."),
        ("6.2.0", "Knows `GT` and `LT`."),
    ])
    .args(&[
        key("key", 0),
        one_of("condition", &[token("nx", "NX"), token("xx", "XX")])
            .optional()
            .since("3.0.2"),
        one_of("comparison", &[token("gt", "GT"), token("lt", "LT")])
            .optional()
            .since("6.2.0"),
        token("change", "CH").optional().since("3.0.2"),
        token("increment", "INCR").optional().since("3.0.2"),
        block("data", &[double("score"), string("member")]).multiple(),
    ]);

pub static ZCARD: Spec = row("zcard", 2)
    .since("1.2.0")
    .flags(READONLY | FAST)
    .acl(SORTEDSET)
    .key(RO, at(1), one())
    .summary("Return the number of members of a sorted set.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static ZCOUNT: Spec = row("zcount", 4)
    .since("2.0.0")
    .flags(READONLY | FAST)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Count the members whose scores are in a range.")
    .complexity("O(log(N)), N the members")
    .args(&[key("key", 0), double("min"), double("max")]);

pub static ZDIFF: Spec = row("zdiff", -3)
    .since("6.2.0")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), counted())
    .procedure(numkeys(1))
    .summary("Return the members of a sorted set that no other one has.")
    .complexity("O(L+(N-K)*log(N)) at worst, L all members, N of the first, K the result")
    .args(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        token("withscores", "WITHSCORES").optional(),
    ]);

pub static ZDIFFSTORE: Spec = row("zdiffstore", -4)
    .since("6.2.0")
    .flags(WRITE | DENYOOM)
    .acl(SORTEDSET)
    .key(OW | UPDATE, at(1), one())
    .key(RO | ACCESS, at(2), counted())
    .procedure(store_and_numkeys(2))
    .summary("Store the members of a sorted set that no other one has.")
    .complexity("O(L+(N-K)*log(N)) at worst, L all members, N of the first, K the result")
    .args(&[
        key("destination", 0),
        integer("numkeys"),
        key("key", 1).multiple(),
    ]);

pub static ZINCRBY: Spec = row("zincrby", 4)
    .since("1.2.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(SORTEDSET)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Add to the score of a member.")
    .complexity("O(log(N)), N the members")
    .args(&[key("key", 0), integer("increment"), string("member")]);

pub static ZINTER: Spec = row("zinter", -3)
    .since("6.2.0")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), counted())
    .procedure(numkeys(1))
    .summary("Return the members that all sorted sets have.")
    .complexity("O(N*K)+O(M*log(M)) at worst, N the smallest of K sets, M the result")
    .args(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        integer("weight").token("WEIGHTS").optional().multiple(),
        one_of(
            "aggregate",
            &[
                token("sum", "SUM"),
                token("min", "MIN"),
                token("max", "MAX"),
            ],
        )
        .token("AGGREGATE")
        .optional(),
        token("withscores", "WITHSCORES").optional(),
    ]);

pub static ZINTERCARD: Spec = row("zintercard", -3)
    .since("7.0.0")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), counted())
    .procedure(numkeys(1))
    .summary("Count the members that all sorted sets have.")
    .complexity("O(N*K) at worst, N the smallest of K sets")
    .args(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        integer("limit").token("LIMIT").optional(),
    ]);

pub static ZINTERSTORE: Spec = row("zinterstore", -4)
    .since("2.0.0")
    .flags(WRITE | DENYOOM)
    .acl(SORTEDSET)
    .key(OW | UPDATE, at(1), one())
    .key(RO | ACCESS, at(2), counted())
    .procedure(store_and_numkeys(2))
    .summary("Store the members that all sorted sets have.")
    .complexity("O(N*K)+O(M*log(M)) at worst, N the smallest of K sets, M the result")
    .args(&[
        key("destination", 0),
        integer("numkeys"),
        key("key", 1).multiple(),
        integer("weight").token("WEIGHTS").optional().multiple(),
        one_of(
            "aggregate",
            &[
                token("sum", "SUM"),
                token("min", "MIN"),
                token("max", "MAX"),
            ],
        )
        .token("AGGREGATE")
        .optional(),
    ]);

pub static ZLEXCOUNT: Spec = row("zlexcount", 4)
    .since("2.8.9")
    .flags(READONLY | FAST)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Count the members in a range of the alphabet.")
    .complexity("O(log(N)), N the members")
    .args(&[key("key", 0), string("min"), string("max")]);

pub static ZMPOP: Spec = row("zmpop", -4)
    .since("7.0.0")
    .flags(WRITE)
    .acl(SORTEDSET)
    .key(RW | ACCESS | DELETE, at(1), counted())
    .procedure(numkeys(1))
    .summary("Pop members from the first of several sorted sets that has any.")
    .complexity("O(K)+O(M*log(N)), K the keys given, N the members, M those popped")
    .args(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        one_of("where", &[token("min", "MIN"), token("max", "MAX")]),
        integer("count").token("COUNT").optional(),
    ]);

pub static ZMSCORE: Spec = row("zmscore", -3)
    .since("6.2.0")
    .flags(READONLY | FAST)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the scores of several members.")
    .complexity("O(N), N the members given")
    .args(&[key("key", 0), string("member").multiple()]);

pub static ZPOPMAX: Spec = row("zpopmax", -2)
    .since("5.0.0")
    .flags(WRITE | FAST)
    .acl(SORTEDSET)
    .key(RW | ACCESS | DELETE, at(1), one())
    .summary("Pop the members of highest score.")
    .complexity("O(M*log(N)), N the members, M those popped")
    .args(&[key("key", 0), integer("count").optional()]);

pub static ZPOPMIN: Spec = row("zpopmin", -2)
    .since("5.0.0")
    .flags(WRITE | FAST)
    .acl(SORTEDSET)
    .key(RW | ACCESS | DELETE, at(1), one())
    .summary("Pop the members of lowest score.")
    .complexity("O(M*log(N)), N the members, M those popped")
    .args(&[key("key", 0), integer("count").optional()]);

pub static ZRANDMEMBER: Spec = row("zrandmember", -2)
    .since("6.2.0")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return members of a sorted set picked at random.")
    .complexity("O(N), N the members returned")
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        block(
            "options",
            &[
                integer("count"),
                token("withscores", "WITHSCORES").optional(),
            ],
        )
        .optional(),
    ]);

pub static ZRANGE: Spec = row("zrange", -4)
    .since("1.2.0")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the members in a range of ranks, scores or the alphabet.")
    .complexity("O(log(N)+M), N the members, M those returned")
    .history(&[("6.2.0", "Knows `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")])
    .args(&[
        key("key", 0),
        string("start"),
        string("stop"),
        one_of(
            "sortby",
            &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")],
        )
        .optional()
        .since("6.2.0"),
        token("rev", "REV").optional().since("6.2.0"),
        block("limit", &[integer("offset"), integer("count")])
            .token("LIMIT")
            .optional()
            .since("6.2.0"),
        token("withscores", "WITHSCORES").optional(),
    ]);

pub static ZRANGEBYLEX: Spec = row("zrangebylex", -4)
    .since("2.8.9")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the members in a range of the alphabet.")
    .complexity("O(log(N)+M), N the members, M those returned")
    .deprecated("6.2.0", "`ZRANGE` with `BYLEX`")
    .args(&[
        key("key", 0),
        string("min"),
        string("max"),
        block("limit", &[integer("offset"), integer("count")])
            .token("LIMIT")
            .optional(),
    ]);

pub static ZRANGEBYSCORE: Spec = row("zrangebyscore", -4)
    .since("1.0.5")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the members in a range of scores.")
    .complexity("O(log(N)+M), N the members, M those returned")
    .deprecated("6.2.0", "`ZRANGE` with `BYSCORE`")
    .history(&[("2.0.0", "Knows `WITHSCORES`.")])
    .args(&[
        key("key", 0),
        double("min"),
        double("max"),
        token("withscores", "WITHSCORES").optional().since("2.0.0"),
        block("limit", &[integer("offset"), integer("count")])
            .token("LIMIT")
            .optional(),
    ]);

pub static ZRANGESTORE: Spec = row("zrangestore", -5)
    .since("6.2.0")
    .flags(WRITE | DENYOOM)
    .acl(SORTEDSET)
    .key(OW | UPDATE, at(1), one())
    .key(RO | ACCESS, at(2), one())
    .summary("Store the members in a range of ranks, scores or the alphabet.")
    .complexity("O(log(N)+M), N the members, M those stored")
    .args(&[
        key("dst", 0),
        key("src", 1),
        string("min"),
        string("max"),
        one_of(
            "sortby",
            &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")],
        )
        .optional(),
        token("rev", "REV").optional(),
        block("limit", &[integer("offset"), integer("count")])
            .token("LIMIT")
            .optional(),
    ]);

pub static ZRANK: Spec = row("zrank", -3)
    .since("2.0.0")
    .flags(READONLY | FAST)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the rank of a member, counted from the lowest score.")
    .complexity("O(log(N)), N the members")
    .history(&[("7.2.0", "Knows `WITHSCORE`.")])
    .args(&[
        key("key", 0),
        string("member"),
        token("withscore", "WITHSCORE").optional(),
    ]);

pub static ZREM: Spec = row("zrem", -3)
    .since("1.2.0")
    .flags(WRITE | FAST)
    .acl(SORTEDSET)
    .key(RW | DELETE, at(1), one())
    .summary("Remove members of a sorted set, and the set once it is empty.")
    .complexity("O(M*log(N)), N the members, M those removed")
    .history(&[("2.4.0", "Takes several members.")])
    .args(&[key("key", 0), string("member").multiple()]);

pub static ZREMRANGEBYLEX: Spec = row("zremrangebylex", 4)
    .since("2.8.9")
    .flags(WRITE)
    .acl(SORTEDSET)
    .key(RW | DELETE, at(1), one())
    .summary("Remove the members in a range of the alphabet.")
    .complexity("O(log(N)+M), N the members, M those removed")
    .args(&[key("key", 0), string("min"), string("max")]);

pub static ZREMRANGEBYRANK: Spec = row("zremrangebyrank", 4)
    .since("2.0.0")
    .flags(WRITE)
    .acl(SORTEDSET)
    .key(RW | DELETE, at(1), one())
    .summary("Remove the members in a range of ranks.")
    .complexity("O(log(N)+M), N the members, M those removed")
    .args(&[key("key", 0), integer("start"), integer("stop")]);

pub static ZREMRANGEBYSCORE: Spec = row("zremrangebyscore", 4)
    .since("1.2.0")
    .flags(WRITE)
    .acl(SORTEDSET)
    .key(RW | DELETE, at(1), one())
    .summary("Remove the members in a range of scores.")
    .complexity("O(log(N)+M), N the members, M those removed")
    .args(&[key("key", 0), double("min"), double("max")]);

pub static ZREVRANGE: Spec = row("zrevrange", -4)
    .since("1.2.0")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the members in a range of ranks, highest score first.")
    .complexity("O(log(N)+M), N the members, M those returned")
    .deprecated("6.2.0", "`ZRANGE` with `REV`")
    .args(&[
        key("key", 0),
        integer("start"),
        integer("stop"),
        token("withscores", "WITHSCORES").optional(),
    ]);

pub static ZREVRANGEBYLEX: Spec = row("zrevrangebylex", -4)
    .since("2.8.9")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the members in a range of the alphabet, last first.")
    .complexity("O(log(N)+M), N the members, M those returned")
    .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYLEX`")
    .args(&[
        key("key", 0),
        string("max"),
        string("min"),
        block("limit", &[integer("offset"), integer("count")])
            .token("LIMIT")
            .optional(),
    ]);

pub static ZREVRANGEBYSCORE: Spec = row("zrevrangebyscore", -4)
    .since("2.2.0")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the members in a range of scores, highest first.")
    .complexity("O(log(N)+M), N the members, M those returned")
    .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`")
    .history(&[("2.1.6", "`min` and `max` may be exclusive.")])
    .args(&[
        key("key", 0),
        double("max"),
        double("min"),
        token("withscores", "WITHSCORES").optional(),
        block("limit", &[integer("offset"), integer("count")])
            .token("LIMIT")
            .optional(),
    ]);

pub static ZREVRANK: Spec = row("zrevrank", -3)
    .since("2.0.0")
    .flags(READONLY | FAST)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the rank of a member, counted from the highest score.")
    .complexity("O(log(N)), N the members")
    .history(&[("7.2.0", "Knows `WITHSCORE`.")])
    .args(&[
        key("key", 0),
        string("member"),
        token("withscore", "WITHSCORE").optional(),
    ]);

pub static ZSCAN: Spec = row("zscan", -3)
    .since("2.8.0")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Walk the members and scores of a sorted set in steps.")
    .complexity("O(1) per call, O(N) for a whole walk, N the members")
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
    ]);

pub static ZSCORE: Spec = row("zscore", 3)
    .since("1.2.0")
    .flags(READONLY | FAST)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the score of a member.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("member")]);

pub static ZUNION: Spec = row("zunion", -3)
    .since("6.2.0")
    .flags(READONLY)
    .acl(SORTEDSET)
    .key(RO | ACCESS, at(1), counted())
    .procedure(numkeys(1))
    .summary("Return the members that any of the sorted sets has.")
    .complexity("O(N)+O(M*log(M)), N all members, M the result")
    .args(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        integer("weight").token("WEIGHTS").optional().multiple(),
        one_of(
            "aggregate",
            &[
                token("sum", "SUM"),
                token("min", "MIN"),
                token("max", "MAX"),
            ],
        )
        .token("AGGREGATE")
        .optional(),
        token("withscores", "WITHSCORES").optional(),
    ]);

pub static ZUNIONSTORE: Spec = row("zunionstore", -4)
    .since("2.0.0")
    .flags(WRITE | DENYOOM)
    .acl(SORTEDSET)
    .key(OW | UPDATE, at(1), one())
    .key(RO | ACCESS, at(2), counted())
    .procedure(store_and_numkeys(2))
    .summary("Store the members that any of the sorted sets has.")
    .complexity("O(N)+O(M*log(M)), N all members, M the result")
    .args(&[
        key("destination", 0),
        integer("numkeys"),
        key("key", 1).multiple(),
        integer("weight").token("WEIGHTS").optional().multiple(),
        one_of(
            "aggregate",
            &[
                token("sum", "SUM"),
                token("min", "MIN"),
                token("max", "MAX"),
            ],
        )
        .token("AGGREGATE")
        .optional(),
    ]);
