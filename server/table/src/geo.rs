//! Rows of the commands on geospatial indexes, which are sorted sets.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, double, integer, key, one_of, string, token};
use crate::spec::{Group, Procedure, Spec, after, at, one, spec};
use crate::words::access::{ACCESS, OW, RO, RW, UPDATE};
use crate::words::category::GEO;
use crate::words::flag::{DENYOOM, READONLY, WRITE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &GEOADD,
    &GEODIST,
    &GEOHASH,
    &GEOPOS,
    &GEORADIUS,
    &GEORADIUS_RO,
    &GEORADIUSBYMEMBER,
    &GEORADIUSBYMEMBER_RO,
    &GEOSEARCH,
    &GEOSEARCHSTORE,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Geo)
}

pub static GEOADD: Spec = row("geoadd", -5)
    .since("3.2.0")
    .flags(WRITE | DENYOOM)
    .acl(GEO)
    .key(RW | UPDATE, at(1), one())
    .summary("Add members with their coordinates to a geospatial index.")
    .complexity("O(log(N)) per member, N the size of the index")
    .history(&[("6.2.0", "Knows `CH`, `NX` and `XX`.")])
    .args(&[
        key("key", 0),
        one_of("condition", &[token("nx", "NX"), token("xx", "XX")])
            .optional()
            .since("6.2.0"),
        token("change", "CH").optional().since("6.2.0"),
        block(
            "data",
            &[double("longitude"), double("latitude"), string("member")],
        )
        .multiple(),
    ]);

pub static GEODIST: Spec = row("geodist", -4)
    .since("3.2.0")
    .flags(READONLY)
    .acl(GEO)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the distance between two members of a geospatial index.")
    .complexity("O(1)")
    .args(&[
        key("key", 0),
        string("member1"),
        string("member2"),
        one_of(
            "unit",
            &[
                token("m", "M"),
                token("km", "KM"),
                token("ft", "FT"),
                token("mi", "MI"),
            ],
        )
        .optional(),
    ]);

pub static GEOHASH: Spec = row("geohash", -2)
    .since("3.2.0")
    .flags(READONLY)
    .acl(GEO)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the positions of members as geohash strings.")
    .complexity("O(1) per member")
    .args(&[key("key", 0), string("member").optional().multiple()]);

pub static GEOPOS: Spec = row("geopos", -2)
    .since("3.2.0")
    .flags(READONLY)
    .acl(GEO)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the coordinates of members.")
    .complexity("O(1) per member")
    .args(&[key("key", 0), string("member").optional().multiple()]);

pub static GEORADIUS: Spec = row("georadius", -6)
    .since("3.2.0")
    .flags(WRITE | DENYOOM)
    .acl(GEO)
    .key(RO | ACCESS, at(1), one())
    .key(OW | UPDATE, after("STORE", 6), one())
    .key(OW | UPDATE, after("STOREDIST", 6), one())
    .procedure(Procedure::GeoRadius)
    .summary("Find the members near a point, and return or store them.")
    .complexity("O(N+log(M)), N the members in the bounding box, M in the index")
    .deprecated("6.2.0", "`GEOSEARCH` or `GEOSEARCHSTORE` with `BYRADIUS`")
    .history(&[
        ("6.2.0", "`COUNT` knows `ANY`."),
        ("7.0.0", "Units may be in upper case."),
    ])
    .args(&[
        key("key", 0),
        double("longitude"),
        double("latitude"),
        double("radius"),
        one_of(
            "unit",
            &[
                token("m", "M"),
                token("km", "KM"),
                token("ft", "FT"),
                token("mi", "MI"),
            ],
        ),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
        block(
            "count-block",
            &[
                integer("count").token("COUNT"),
                token("any", "ANY").optional().since("6.2.0"),
            ],
        )
        .optional(),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        one_of(
            "store",
            &[
                key("storekey", 1).token("STORE").display("key"),
                key("storedistkey", 2).token("STOREDIST").display("key"),
            ],
        )
        .optional(),
    ]);

pub static GEORADIUS_RO: Spec = row("georadius_ro", -6)
    .since("3.2.10")
    .flags(READONLY)
    .acl(GEO)
    .key(RO | ACCESS, at(1), one())
    .summary("Find the members near a point.")
    .complexity("O(N+log(M)), N the members in the bounding box, M in the index")
    .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS`")
    .history(&[("6.2.0", "`COUNT` knows `ANY`.")])
    .args(&[
        key("key", 0),
        double("longitude"),
        double("latitude"),
        double("radius"),
        one_of(
            "unit",
            &[
                token("m", "M"),
                token("km", "KM"),
                token("ft", "FT"),
                token("mi", "MI"),
            ],
        ),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
        block(
            "count-block",
            &[
                integer("count").token("COUNT"),
                token("any", "ANY").optional().since("6.2.0"),
            ],
        )
        .optional(),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
    ]);

pub static GEORADIUSBYMEMBER: Spec = row("georadiusbymember", -5)
    .since("3.2.0")
    .flags(WRITE | DENYOOM)
    .acl(GEO)
    .key(RO | ACCESS, at(1), one())
    .key(OW | UPDATE, after("STORE", 5), one())
    .key(OW | UPDATE, after("STOREDIST", 5), one())
    .procedure(Procedure::GeoRadius)
    .summary("Find the members near another member, and return or store them.")
    .complexity("O(N+log(M)), N the members in the bounding box, M in the index")
    .deprecated(
        "6.2.0",
        "`GEOSEARCH` or `GEOSEARCHSTORE` with `FROMMEMBER` and `BYRADIUS`",
    )
    .history(&[("7.0.0", "Units may be in upper case.")])
    .args(&[
        key("key", 0),
        string("member"),
        double("radius"),
        one_of(
            "unit",
            &[
                token("m", "M"),
                token("km", "KM"),
                token("ft", "FT"),
                token("mi", "MI"),
            ],
        ),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
        block(
            "count-block",
            &[
                integer("count").token("COUNT"),
                token("any", "ANY").optional(),
            ],
        )
        .optional(),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        one_of(
            "store",
            &[
                key("storekey", 1).token("STORE").display("key"),
                key("storedistkey", 2).token("STOREDIST").display("key"),
            ],
        )
        .optional(),
    ]);

pub static GEORADIUSBYMEMBER_RO: Spec = row("georadiusbymember_ro", -5)
    .since("3.2.10")
    .flags(READONLY)
    .acl(GEO)
    .key(RO | ACCESS, at(1), one())
    .summary("Find the members near another member.")
    .complexity("O(N+log(M)), N the members in the bounding box, M in the index")
    .deprecated("6.2.0", "`GEOSEARCH` with `FROMMEMBER` and `BYRADIUS`")
    .args(&[
        key("key", 0),
        string("member"),
        double("radius"),
        one_of(
            "unit",
            &[
                token("m", "M"),
                token("km", "KM"),
                token("ft", "FT"),
                token("mi", "MI"),
            ],
        ),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
        block(
            "count-block",
            &[
                integer("count").token("COUNT"),
                token("any", "ANY").optional(),
            ],
        )
        .optional(),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
    ]);

pub static GEOSEARCH: Spec = row("geosearch", -7)
    .since("6.2.0")
    .flags(READONLY)
    .acl(GEO)
    .key(RO | ACCESS, at(1), one())
    .summary("Find the members inside a circle or a box.")
    .complexity("O(N+log(M)), N the members in the grid around the shape, M in it")
    .history(&[("7.0.0", "Units may be in upper case.")])
    .args(&[
        key("key", 0),
        one_of(
            "from",
            &[
                string("member").token("FROMMEMBER"),
                block("fromlonlat", &[double("longitude"), double("latitude")]).token("FROMLONLAT"),
            ],
        ),
        one_of(
            "by",
            &[
                block(
                    "circle",
                    &[
                        double("radius").token("BYRADIUS"),
                        one_of(
                            "unit",
                            &[
                                token("m", "M"),
                                token("km", "KM"),
                                token("ft", "FT"),
                                token("mi", "MI"),
                            ],
                        ),
                    ],
                ),
                block(
                    "box",
                    &[
                        double("width").token("BYBOX"),
                        double("height"),
                        one_of(
                            "unit",
                            &[
                                token("m", "M"),
                                token("km", "KM"),
                                token("ft", "FT"),
                                token("mi", "MI"),
                            ],
                        ),
                    ],
                ),
            ],
        ),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        block(
            "count-block",
            &[
                integer("count").token("COUNT"),
                token("any", "ANY").optional(),
            ],
        )
        .optional(),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
    ]);

pub static GEOSEARCHSTORE: Spec = row("geosearchstore", -8)
    .since("6.2.0")
    .flags(WRITE | DENYOOM)
    .acl(GEO)
    .key(OW | UPDATE, at(1), one())
    .key(RO | ACCESS, at(2), one())
    .summary("Find the members inside a circle or a box, and store them.")
    .complexity("O(N+log(M)), N the members in the grid around the shape, M in it")
    .history(&[("7.0.0", "Units may be in upper case.")])
    .args(&[
        key("destination", 0),
        key("source", 1),
        one_of(
            "from",
            &[
                string("member").token("FROMMEMBER"),
                block("fromlonlat", &[double("longitude"), double("latitude")]).token("FROMLONLAT"),
            ],
        ),
        one_of(
            "by",
            &[
                block(
                    "circle",
                    &[
                        double("radius").token("BYRADIUS"),
                        one_of(
                            "unit",
                            &[
                                token("m", "M"),
                                token("km", "KM"),
                                token("ft", "FT"),
                                token("mi", "MI"),
                            ],
                        ),
                    ],
                ),
                block(
                    "box",
                    &[
                        double("width").token("BYBOX"),
                        double("height"),
                        one_of(
                            "unit",
                            &[
                                token("m", "M"),
                                token("km", "KM"),
                                token("ft", "FT"),
                                token("mi", "MI"),
                            ],
                        ),
                    ],
                ),
            ],
        ),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        block(
            "count-block",
            &[
                integer("count").token("COUNT"),
                token("any", "ANY").optional(),
            ],
        )
        .optional(),
        token("storedist", "STOREDIST").optional(),
    ]);
