//! Geospatial commands. Results without a sort order come in the order of the searched areas, which is the same in
//! both servers.

use super::Family;
use super::compare::As::{Exact, Scores};

pub const FAMILY: Family = Family {
    name: "geos",
    config: &[],
    #[rustfmt::skip]
    rules: &[
        ("member", "p<0..30>"),
        ("lon", "{<-179..179>.<0..999999>|<-179..179>.<0..999999>|<13..14>.<0..999>|{0|200|180|1}}"),
        ("lat", "{<-85..84>.<0..999999>|<-85..84>.<0..999999>|<38..39>.<0..999>|{0|90|85|1}}"),
        ("unit", "{m|km|ft|mi|km|km|{x|km}}"),
        ("radius", "{<0..9000>|<0..200>|<0..30000>}"),
        ("with", "{WITHCOORD}? {WITHDIST}? {WITHHASH}?"),
        ("order", "{ASC|DESC}"),
        ("from", "{FROMMEMBER <member>|FROMLONLAT <lon> <lat>}"),
        ("by", "{BYRADIUS <radius> <unit>|BYBOX <radius> <radius> <unit>}"),
        ("count", "{COUNT <0..5>}?"),
        ("store", "{STORE|STOREDIST} s<key>"),
    ],
    #[rustfmt::skip]
    rows: &[
        (2, Exact, "GEOADD <key> <lon> <lat> <member>"),
        (2, Exact, "GEOADD <key> {NX|XX}? {CH}? {<lon> <lat> <member>}+9"),
        (1, Exact, "GEOPOS <key> {<member>}+4"),
        (1, Exact, "GEOHASH <key> {<member>}+4"),
        (1, Exact, "GEODIST <key> <member> <member> {<unit>}?"),
        (3, Exact, "GEOSEARCH <key> <from> <by> <order> <count> <with>"),
        (1, Exact, "GEOSEARCH <key> <from> <by> <with>"),
        (1, Exact, "GEOSEARCH <key> <by> {COUNT 100 ANY}? <from> <order>"),
        (1, Exact, "GEOSEARCHSTORE {<key>|s<key>} <key> <from> <by> <order> <count>"),
        // The distances are not short decimal fractions, so the key is deleted again.
        (1, Exact, "GEOSEARCHSTORE distance <key> <from> <by> <order> <count> STOREDIST"),
        (1, Scores, "{ZRANGE distance 0 -1 WITHSCORES|DEL distance}"),
        (1, Exact, "{GEORADIUS|GEORADIUS_RO} <key> <lon> <lat> <radius> <unit> <with> <count> <order>"),
        (1, Exact, "{GEORADIUSBYMEMBER|GEORADIUSBYMEMBER_RO} <key> <member> <radius> <unit> <with> <count> <order>"),
        (1, Exact, "GEORADIUS <key> <lon> <lat> <radius> <unit> {<with>|<order>} STORE s<key>"),
        (1, Exact, "GEORADIUSBYMEMBER <key> <member> <radius> <unit> <order> STORE s<key>"),
        (1, Exact, "ZRANGE {<key>|s<key>} 0 -1 WITHSCORES"),
        (1, Exact, "{DEL|ZCARD|TYPE|ZCARD} <key>"),
    ],
    junk: true,
};
