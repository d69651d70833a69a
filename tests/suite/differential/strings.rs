//! Strings, at the limits of their encodings and of numbers.

use super::Family;
use super::compare::As::{Exact, Shape};

pub const FAMILY: Family = Family {
    name: "strings",
    config: &[],
    #[rustfmt::skip]
    rules: &[
        ("odd", "{<empty>|007|+5|<blank>5|5<blank>|3.0|3.10|1e3|-0|0x10|nan|inf|-inf|a\r\nb|1.17549435e-38}"),
        ("edge", "{9223372036854775807|-9223372036854775808|9223372036854775808|18446744073709551615}"),
        // Redis's embstr encoding ends at 44 bytes.
        ("text", "{<value>|<odd>|<edge>|<0..9>|12345678901234567890123456789012345678901234|123456789012345678901234567890123456789012345}"),
        ("at", "{<number>|<edge>|1.5|x}"),
        // Far enough in the future for both servers to see the same TTL.
        ("time", "{9999999999000|0|-1|x|<empty>|9223372036854775807|-9223372036854775808}"),
        ("seconds", "{9999999999|0|-1|x|9223372036854775807}"),
        ("more", "{0.1|1.5|-3|1e10|5.0e-5|abc|1e400|inf|nan|3.000000000001|17179869184.25}"),
    ],
    #[rustfmt::skip]
    rows: &[
        (6, Exact, "SET <key> <text>"),
        (2, Exact, "SET <key> <text> {NX|XX|GET|KEEPTTL} {GET|NX|XX}?"),
        (1, Exact, "SET <key> <text> {EXAT <seconds>|PXAT <time>} {GET|KEEPTTL|NX}?"),
        // A relative expire time differs between the servers.
        (1, Exact, "SET t<key> <text> {EX 100000|PX 100000000|EX <at>} {GET|NX}?"),
        (1, Exact, "SETNX <key> <text>"),
        (1, Exact, "SETEX t<key> {100000|0|-1|x|9223372036854775807} <text>"),
        (1, Exact, "PSETEX t<key> {100000000|0|-1|x|9223372036854775807} <text>"),
        (2, Exact, "GET <key>"),
        (1, Exact, "GETSET <key> <text>"),
        (1, Exact, "GETDEL <key>"),
        (1, Exact, "GETEX <key> {PERSIST|PXAT <time>|EXAT <seconds>|PX x}?"),
        (1, Exact, "APPEND <key> <text>"),
        (1, Exact, "STRLEN <key>"),
        (1, Exact, "SETRANGE <key> {0|1|5|100|-1|536870912|x} <text>"),
        (1, Exact, "GETRANGE <key> <at> <at>"),
        (1, Exact, "SUBSTR <key> <at> <at>"),
        (1, Exact, "INCR <key>"),
        (1, Exact, "DECR <key>"),
        (1, Exact, "INCRBY <key> <at>"),
        (1, Exact, "DECRBY <key> <at>"),
        (1, Exact, "INCRBYFLOAT <key> <more>"),
        (1, Exact, "MSET {<key> <text>}+4"),
        (1, Exact, "MSETNX {<key> <text>}+4 <key>?"),
        (1, Exact, "MGET {<key>}+5 nothing"),
        (1, Exact, "LCS <key> <key>"),
        (1, Exact, "LCS <key> <key> {LEN|IDX} {MINMATCHLEN <at>}? {WITHMATCHLEN}?"),
        (1, Exact, "HSET <key> f <text>"),
        (1, Exact, "DEL <key> <key>"),
        (1, Exact, "COPY <key> <key> {REPLACE}?"),
        (1, Exact, "RENAME <key> <key>"),
        (1, Exact, "EXPIREAT <key> {8888888888|0|-1|x|7777777777} {NX|XX|GT|LT|nx|QQ}?"),
        (1, Exact, "PEXPIRETIME <key>"),
        (1, Exact, "PERSIST <key>"),
        (1, Exact, "TYPE <key>"),
        (1, Exact, "GETEX t<key> EX 100000"),
        (1, Shape, "{PTTL|PEXPIRETIME|TTL} t<key>"),
        (2, Exact, "OBJECT ENCODING <key>"),
    ],
    junk: true,
};
