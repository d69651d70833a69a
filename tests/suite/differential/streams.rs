//! Streams and consumer groups, with few entries per node.

use super::Family;
use super::compare::As::{self, Exact, Ignored, Refused, Without};

/// Ignores the idle time in an entry of XPENDING.
const IDLE: As = Without { field: 2, of: 4 };
/// Ignores the number of consumers in XINFO GROUPS.
const CONSUMERS: As = Without { field: 3, of: 12 };

pub const FAMILY: Family = Family {
    name: "streams",
    config: &[
        ("stream-node-max-entries", "6"),
        ("stream-node-max-bytes", "300"),
    ],
    #[rustfmt::skip]
    rules: &[
        ("ms", "<0..400>"),
        ("id", "{<ms>-<0..3>|<ms>|0|0-0|5|7-1|{-|x|9}}"),
        ("new", "{<ms>-<0..3>|<ms>-*|<1..400>|9-*|<300..500>-1}"),
        // Above every ID that XDEL names: 7.0 allows a last ID below the highest deleted one.
        ("last", "{18446744073709551615-18446744073709551615|<401..499>-<0..2>}"),
        ("group", "{g1|g2}"),
        ("consumer", "{c1|c2|c3}"),
        ("trim", "{MAXLEN {=|~}? <0..30>|MINID {=|~}? <id>|{MAXLEN|MINID} ~ <0..50> LIMIT <0..100>|MAXLEN <0..9> LIMIT 1}"),
        ("fields", "{{f|g|<value>} <value>}+3"),
        ("bound", "{-|+|<id>|(<id>}"),
        ("idle", "{0|0|100000}"),
        ("count", "{COUNT <number>}?"),
    ],
    #[rustfmt::skip]
    rows: &[
        (2, Exact, "XADD <key> {NOMKSTREAM}? {<trim>}? <new> <fields>"),
        (6, Exact, "XADD <key> <new> <fields>"),
        (1, Exact, "XLEN <key>"),
        (2, Exact, "{XRANGE|XREVRANGE} <key> <bound> <bound> <count>"),
        (1, Exact, "XRANGE <key> - +"),
        (2, Exact, "XDEL <key> {<id>}+9"),
        (1, Exact, "XTRIM <key> <trim>"),
        (1, Exact, "XREAD {COUNT <0..5>}? {BLOCK 1}? STREAMS {<key> <id>|<key> <key> <id> {<id>|$}}"),
        (2, Exact, "XGROUP CREATE <key> <group> {$|0|<id>} {MKSTREAM}? {ENTRIESREAD <number>}?"),
        (1, Exact, "XGROUP SETID <key> <group> {$|<id>} {ENTRIESREAD <number>}?"),
        (1, Exact, "{XGROUP DESTROY <key> <group>|XLEN <key>|XLEN <key>|XLEN <key>|XLEN <key>}"),
        (1, Ignored, "XGROUP CREATECONSUMER <key> <group> <consumer>"),
        (1, Exact, "{XGROUP DELCONSUMER <key> <group> <consumer>|XLEN <key>|XLEN <key>}"),
        (3, Exact, "XREADGROUP GROUP <group> <consumer> COUNT <1..6> {NOACK}? STREAMS <key> {>|>|<id>}"),
        (1, Exact, "XREADGROUP GROUP <group> <consumer> {BLOCK 1}? STREAMS {<key> >|<key> <key> > {>|<id>}}"),
        (1, Exact, "XACK <key> <group> {<id>}+9"),
        (1, Exact, "XPENDING <key> <group>"),
        (2, IDLE, "XPENDING <key> <group> {IDLE {0|100000}}? <bound> <bound> <0..9> {<consumer>}?"),
        (2, Exact, "XCLAIM <key> <group> <consumer> <idle> {<id>}+4 {IDLE 200000}? {RETRYCOUNT <0..5>}? {FORCE}? {JUSTID}? {LASTID <id>}?"),
        (1, Exact, "XCLAIM <key> <group> <consumer> <idle> <id> {TIME 100000|IDLE -1|TIME x}"),
        (2, Exact, "XAUTOCLAIM <key> <group> <consumer> <idle> {0|<id>} {COUNT <0..9>}? {JUSTID}?"),
        (1, Refused, "{XSETID <key> <last> {ENTRIESADDED <number>}?|XSETID <key> 500-5 ENTRIESADDED <50..999> MAXDELETEDID <id>|XLEN <key>|XLEN <key>|XLEN <key>}"),
        (1, Exact, "XINFO STREAM <key>"),
        (1, CONSUMERS, "XINFO GROUPS <key>"),
        (1, Ignored, "XINFO CONSUMERS <key> <group>"),
        (1, Ignored, "XINFO STREAM <key> FULL {COUNT <0..5>}?"),
        (1, Exact, "COPY <key> <key> REPLACE"),
        (1, Exact, "{DEL|XLEN|TYPE|XLEN|XLEN} <key>"),
        (1, Exact, "OBJECT ENCODING <key>"),
        (1, Exact, "{SET <key> <value>|XLEN <key>|XLEN <key>|XLEN <key>}"),
    ],
    junk: true,
};
