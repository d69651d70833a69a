//! Bitmaps and bit fields.

use super::Family;
use super::compare::As::Exact;

pub const FAMILY: Family = Family {
    name: "bits",
    config: &[],
    #[rustfmt::skip]
    rules: &[
        ("offset", "{<0..40>|<0..300>|<0..5000>}"),
        ("type", "{i|u}{<1..64>|8|16|5|64|63}"),
        ("at", "{<offset>|#<0..20>}"),
        ("read", "GET <type> <at>"),
        ("write", "{SET <type> <at> <number>|INCRBY <type> <at> <number>|OVERFLOW {WRAP|SAT|FAIL|x}}"),
    ],
    #[rustfmt::skip]
    rows: &[
        (3, Exact, "SETBIT <key> <offset> {0|1}"),
        (1, Exact, "GETBIT <key> <offset>"),
        (1, Exact, "BITCOUNT <key>"),
        (1, Exact, "BITCOUNT <key> <number> <number> {BIT|BYTE|z}?"),
        (1, Exact, "BITPOS <key> {0|1} {<number>}?"),
        (1, Exact, "BITPOS <key> {0|1} <number> <number> {BIT|BYTE|z}?"),
        (1, Exact, "BITOP {AND|OR|XOR} <key> {<key>}+4"),
        (1, Exact, "BITOP NOT <key> <key> {<key>|}"),
        (4, Exact, "BITFIELD <key> {<read>|<write>|<write>}+6"),
        (1, Exact, "BITFIELD_RO <key> {<read>|<read>|<read>|<write>}+4"),
        (1, Exact, "SET <key> <value>"),
        (1, Exact, "GET <key>"),
        (1, Exact, "DEL <key>"),
        (1, Exact, "STRLEN <key>"),
        (1, Exact, "SETBIT <key> <junk> <junk>"),
        (1, Exact, "{RPUSH|SADD} <key> 1"),
    ],
    junk: true,
};
