//! HyperLogLogs, sparse and dense, compared by their bytes.

use super::Family;
use super::compare::As::Exact;

pub const FAMILY: Family = Family {
    name: "hyperloglogs",
    config: &[("hll-sparse-max-bytes", "600")],
    rules: &[("item", "{<value>|u<0..100000>|u<0..100000>}")],
    #[rustfmt::skip]
    rows: &[
        (4, Exact, "PFADD <key> {<item>}+100"),
        (1, Exact, "PFADD <key>"),
        (2, Exact, "PFCOUNT {<key>}+4"),
        (2, Exact, "PFMERGE <key> {<key>}+4"),
        (1, Exact, "GET <key>"),
        (2, Exact, "PFDEBUG ENCODING <key>"),
        (1, Exact, "{PFDEBUG TODENSE|STRLEN|STRLEN|STRLEN|STRLEN} <key>"),
        (1, Exact, "{PFDEBUG GETREG|STRLEN|STRLEN|STRLEN} <key>"),
        (1, Exact, "PFDEBUG DECODE <key>"),
        (1, Exact, "{DEL|STRLEN} <key>"),
        (1, Exact, "{SET <key> <value>|COPY <key> <key> REPLACE|STRLEN <key>|STRLEN <key>|STRLEN <key>}"),
    ],
    junk: true,
};
