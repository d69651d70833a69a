//! Commands on keys of any type: existence, names, expiry, databases.

use super::Family;
use super::compare::As::{Exact, Groups, Ignored, Shape};

pub const FAMILY: Family = Family {
    name: "keys",
    config: &[],
    #[rustfmt::skip]
    rules: &[
        ("key", "{a|b|c|d|e|k<0..40>}"),
        ("seconds", "{9999999999|8888888888|7777777777|0|-1|x|9223372036854775807}"),
        ("when", "{NX|XX|GT|LT|nx|QQ|GT LT|NX GT}?"),
        ("type", "{string|list|set|zset|hash|stream|none|x}"),
    ],
    #[rustfmt::skip]
    rows: &[
        (4, Exact, "SET <key> <value>"),
        (1, Exact, "SET <key> <value> EXAT 9999999999"),
        (1, Exact, "RPUSH <key> {<value>}+5"),
        (1, Exact, "SADD <key> {<value>}+5"),
        (1, Exact, "ZADD <key> {<0..9> <value>}+5"),
        (1, Exact, "HSET <key> {<value> <value>}+5"),
        (1, Exact, "XADD <key> {<0..9>-<0..9>} f <value>"),
        (2, Exact, "{DEL|UNLINK} {<key>}+5"),
        (1, Exact, "{EXISTS|TOUCH} {<key>}+5"),
        (2, Exact, "{RENAME|RENAMENX} <key> <key>"),
        (2, Exact, "COPY <key> <key> {REPLACE}? {DB {0|1|2|99|x}}?"),
        (1, Exact, "MOVE <key> {0|1|2|99|x}"),
        (1, Exact, "SELECT {0|0|1|16|-1|x}"),
        (1, Exact, "SWAPDB {0|1|2|99|x} {0|1|2}"),
        (1, Exact, "DBSIZE"),
        (2, Exact, "EXPIREAT <key> <seconds> <when>"),
        (1, Exact, "PEXPIREAT <key> {9999999999000|<seconds>} <when>"),
        (1, Exact, "{EXPIRE|PEXPIRE} <key> {1000000|0|-1|x|9223372036854775807} {NX|XX|QQ}?"),
        (1, Exact, "{EXPIRETIME|PEXPIRETIME} nothing"),
        (1, Shape, "{EXPIRETIME|PEXPIRETIME|TTL|PTTL} <key>"),
        (1, Exact, "PERSIST <key>"),
        (2, Exact, "TYPE <key>"),
        (1, Groups(1), "KEYS {*|a*|k[1-3]*|k?|[^a]|x|\\k*}"),
        (1, Groups(1), "SCAN 0 COUNT 1000 {MATCH {*|k*}}? {TYPE <type>}?"),
        (1, Shape, "RANDOMKEY"),
        (1, Shape, "OBJECT {IDLETIME|FREQ} <key>"),
        // As the key name, junk may name an existing key.
        (1, Shape, "OBJECT {ENCODING|FREQ|IDLETIME|REFCOUNT|X} nothing"),
        // The payload contains the version of its writer.
        (1, Ignored, "DUMP <key>"),
        (1, Exact, "RESTORE <key> {0|-1|x|100} <bytes> {REPLACE|ABSTTL|IDLETIME 5|FREQ 300|X}?"),
    ],
    junk: true,
};
