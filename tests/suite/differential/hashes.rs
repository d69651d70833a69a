//! Hashes, in listpacks and in tables.

use super::Family;
use super::compare::As::{Exact, Groups, Shape};

pub const FAMILY: Family = Family {
    name: "hashes",
    config: &[
        ("hash-max-listpack-entries", "60"),
        ("hash-max-listpack-value", "40"),
    ],
    #[rustfmt::skip]
    rules: &[
        ("field", "{<-10..10>|f<0..40>|<value>}"),
        ("more", "{0.1|1.5|-3|5.0e-5|abc|1e400|inf|-inf|nan|3.000000000001|<-9..9>}"),
    ],
    #[rustfmt::skip]
    rows: &[
        (3, Exact, "{HSET|HMSET} <key> {<field> <value>}+60"),
        (1, Exact, "{HSET|HMSET} <key> <field> {<value> <field>}?"),
        (1, Exact, "HSETNX <key> <field> <value>"),
        (1, Exact, "HGET <key> <field>"),
        (1, Exact, "HMGET <key> {<field>}+9"),
        (2, Exact, "HDEL <key> {<field>}+40"),
        (1, Exact, "HLEN <key>"),
        (1, Exact, "{HSTRLEN|HEXISTS} <key> <field>"),
        (1, Exact, "HINCRBY <key> <field> <number>"),
        (1, Exact, "HINCRBYFLOAT <key> <field> <more>"),
        (1, Groups(2), "HGETALL <key>"),
        (1, Groups(1), "{HKEYS|HVALS} <key>"),
        (1, Groups(2), "HSCAN <key> {0|0|x} COUNT 1000000 {MATCH {*|[0-9]*|f?}}?"),
        (1, Shape, "HRANDFIELD <key> {<-100..100> {WITHVALUES|x}?}?"),
        (2, Exact, "OBJECT ENCODING <key>"),
        (1, Exact, "{DEL|HLEN|TYPE|HLEN} <key>"),
        (1, Exact, "{SET <key> <value>|HLEN <key>|HLEN <key>}"),
        (1, Exact, "COPY <key> <key> REPLACE"),
    ],
    junk: true,
};
