//! Rows of the bitmap commands on strings.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, integer, key, one_of, string, token};
use crate::spec::{Group, Procedure, Spec, at, one, spec, to};
use crate::words::access::{ACCESS, OW, RO, RW, UPDATE, VARIABLE_FLAGS};
use crate::words::category::BITMAP;
use crate::words::flag::{DENYOOM, FAST, READONLY, WRITE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &BITCOUNT,
    &BITFIELD,
    &BITFIELD_RO,
    &BITOP,
    &BITPOS,
    &GETBIT,
    &SETBIT,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Bitmap)
}

pub static BITCOUNT: Spec = row("bitcount", -2)
    .since("2.6.0")
    .flags(READONLY)
    .acl(BITMAP)
    .key(RO | ACCESS, at(1), one())
    .summary("Count the bits of a string that are 1.")
    .complexity("O(N), N the bytes looked at")
    .history(&[("7.0.0", "Knows `BYTE` and `BIT`.")])
    .args(&[
        key("key", 0),
        block(
            "range",
            &[
                integer("start"),
                integer("end"),
                one_of("unit", &[token("byte", "BYTE"), token("bit", "BIT")])
                    .optional()
                    .since("7.0.0"),
            ],
        )
        .optional(),
    ]);

pub static BITFIELD: Spec = row("bitfield", -2)
    .since("3.2.0")
    .flags(WRITE | DENYOOM)
    .acl(BITMAP)
    .key(RW | UPDATE | ACCESS | VARIABLE_FLAGS, at(1), one())
    .notes("It may both read and write the key.")
    .procedure(Procedure::Bitfield)
    .summary("Read and write integers of any width inside a string.")
    .complexity("O(1) for each operation")
    .args(&[
        key("key", 0),
        one_of(
            "operation",
            &[
                block("get-block", &[string("encoding"), integer("offset")]).token("GET"),
                block(
                    "write",
                    &[
                        one_of(
                            "overflow-block",
                            &[
                                token("wrap", "WRAP"),
                                token("sat", "SAT"),
                                token("fail", "FAIL"),
                            ],
                        )
                        .token("OVERFLOW")
                        .optional(),
                        one_of(
                            "write-operation",
                            &[
                                block(
                                    "set-block",
                                    &[string("encoding"), integer("offset"), integer("value")],
                                )
                                .token("SET"),
                                block(
                                    "incrby-block",
                                    &[string("encoding"), integer("offset"), integer("increment")],
                                )
                                .token("INCRBY"),
                            ],
                        ),
                    ],
                ),
            ],
        )
        .optional()
        .multiple(),
    ]);

pub static BITFIELD_RO: Spec = row("bitfield_ro", -2)
    .since("6.0.0")
    .flags(READONLY | FAST)
    .acl(BITMAP)
    .key(RO | ACCESS, at(1), one())
    .summary("Read integers of any width inside a string.")
    .complexity("O(1) for each operation")
    .args(&[
        key("key", 0),
        block("get-block", &[string("encoding"), integer("offset")])
            .token("GET")
            .optional()
            .multiple_token(),
    ]);

pub static BITOP: Spec = row("bitop", -4)
    .since("2.6.0")
    .flags(WRITE | DENYOOM)
    .acl(BITMAP)
    .key(OW | UPDATE, at(2), one())
    .key(RO | ACCESS, at(3), to(-1))
    .summary("Combine strings bit by bit and store the result.")
    .complexity("O(N), N the bytes of the longest string")
    .args(&[
        one_of(
            "operation",
            &[
                token("and", "AND"),
                token("or", "OR"),
                token("xor", "XOR"),
                token("not", "NOT"),
            ],
        ),
        key("destkey", 0),
        key("key", 1).multiple(),
    ]);

pub static BITPOS: Spec = row("bitpos", -3)
    .since("2.8.7")
    .flags(READONLY)
    .acl(BITMAP)
    .key(RO | ACCESS, at(1), one())
    .summary("Find the first bit of a string that is 0, or 1.")
    .complexity("O(N), N the bytes looked at")
    .history(&[("7.0.0", "Knows `BYTE` and `BIT`.")])
    .args(&[
        key("key", 0),
        integer("bit"),
        block(
            "range",
            &[
                integer("start"),
                block(
                    "end-unit-block",
                    &[
                        integer("end"),
                        one_of("unit", &[token("byte", "BYTE"), token("bit", "BIT")])
                            .optional()
                            .since("7.0.0"),
                    ],
                )
                .optional(),
            ],
        )
        .optional(),
    ]);

pub static GETBIT: Spec = row("getbit", 3)
    .since("2.2.0")
    .flags(READONLY | FAST)
    .acl(BITMAP)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the bit at an offset of a string.")
    .complexity("O(1)")
    .args(&[key("key", 0), integer("offset")]);

pub static SETBIT: Spec = row("setbit", 4)
    .since("2.2.0")
    .flags(WRITE | DENYOOM)
    .acl(BITMAP)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Set or clear the bit at an offset of a string and return the old one.")
    .complexity("O(1)")
    .args(&[key("key", 0), integer("offset"), integer("value")]);
