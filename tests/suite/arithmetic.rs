//! Numbers at the ends of their ranges, in every command that takes one. The profile of the tests checks overflow and
//! debug assertions, so arithmetic that would wrap in a release build crashes the server here.

use data::util::rand::Rng;
use tests::client::{Transport, encoded};
use tests::server::Server;

/// Numbers on which sums, differences, negations and conversions overflow, and some ordinary ones.
const NUMBERS: &[&str] = &[
    "-9223372036854775808",
    "-9223372036854775807",
    "-4611686018427387905",
    "-4294967297",
    "-2147483649",
    "-2147483648",
    "-129",
    "-2",
    "-1",
    "0",
    "1",
    "2",
    "7",
    "127",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "4611686018427387904",
    "9223372036854775",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-1e308",
    "1e308",
    "-inf",
    "0.5",
];

/// The keys that the commands use: one of each type, small and big.
const KEYS: &[&str] = &[
    "SET s some-text",
    "SET n 9223372036854775807",
    "SET t v",
    "RPUSH l a b 3 a c a",
    "SADD set a b c",
    "SADD ints -9223372036854775808 1 2 9223372036854775807",
    "HSET h f 9223372036854775807 g -9223372036854775808 e x",
    "ZADD z 1 a 2 b 2 c inf d -inf e",
    "GEOADD g 13.36 38.11 a 15.08 37.5 b",
    "XADD x 1-1 f v",
    "XADD x 5-9223372036854775807 f v",
    "XGROUP CREATE x g 0",
    "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
    "PFADD p a b c",
];

/// Command templates: `#` stands for any number, `@` for a non-negative one (a negative count of random elements asks
/// for that many elements, in Redis as well).
const COMMANDS: &str = "
GETRANGE s # # | SUBSTR s # # | SETRANGE s # x | INCRBY n # | DECRBY n # | INCRBYFLOAT n # | SETBIT s # 1 | GETBIT s #
BITCOUNT s # # | BITCOUNT s # # BIT | BITPOS s 1 # # | BITPOS s 0 # # BIT | LCS s n MINMATCHLEN # IDX WITHMATCHLEN
BITFIELD s SET i64 # # | BITFIELD s INCRBY u63 # # | BITFIELD s OVERFLOW SAT INCRBY i8 # # GET u1 # | BITFIELD s GET i# 0
BITFIELD s OVERFLOW FAIL INCRBY i64 0 # | BITFIELD_RO s GET u63 #
SETEX t # v | PSETEX t # v | SET t v EX # | SET t v PX # | SET t v EXAT # | SET t v PXAT # | GETEX t EX # | GETEX t PXAT #
EXPIRE t # | PEXPIRE t # | EXPIREAT t # | PEXPIREAT t # | EXPIRE t # GT | TTL t | PTTL t | EXPIRETIME t | PEXPIRETIME t
LRANGE l # # | LTRIM l # # | LINDEX l # | LSET l # v | LREM l # a | LPOS l a RANK # COUNT # MAXLEN # | LPOP l # | RPOP l #
LMPOP # l LEFT COUNT # | LMPOP 1 l RIGHT COUNT # | SORT l ALPHA LIMIT # # | SORT ints LIMIT # # DESC | SORT z ALPHA LIMIT # #
SRANDMEMBER set @ | SPOP set # | SSCAN ints # COUNT # | SINTERCARD # set ints LIMIT # | SADD ints # # | SREM ints #
HINCRBY h f # | HINCRBY h g # | HINCRBYFLOAT h f # | HRANDFIELD h @ WITHVALUES | HSCAN h # COUNT #
ZADD z # m | ZADD z INCR # a | ZINCRBY z # a | ZRANGE z # # | ZRANGE z # # REV WITHSCORES | ZREVRANGE z # #
ZRANGE z # # BYSCORE LIMIT # # | ZRANGEBYSCORE z # # LIMIT # # | ZREVRANGEBYSCORE z (# # LIMIT # # | ZCOUNT z # #
ZRANGEBYLEX z - + LIMIT # # | ZRANDMEMBER z @ WITHSCORES | ZPOPMIN z # | ZPOPMAX z # | ZMPOP # z MIN COUNT #
ZREMRANGEBYRANK z # # | ZREMRANGEBYSCORE z # # | ZINTERCARD # z z LIMIT # | ZUNION # z z WEIGHTS # # | ZDIFF # z
ZUNIONSTORE d 2 z z WEIGHTS # # AGGREGATE SUM | ZRANGESTORE d z # # | ZSCAN z # COUNT # | ZINTER 2 z z WEIGHTS # # WITHSCORES
SCAN # COUNT # | MEMORY USAGE l SAMPLES # | SELECT # | MOVE s # | COPY s q DB # | SLOWLOG GET # | OBJECT FREQ l
GEOADD g # # m | GEOSEARCH g FROMLONLAT # # BYRADIUS # km COUNT @ | GEOSEARCH g FROMMEMBER a BYBOX # # m | GEODIST g a b
GEORADIUS g # # # m COUNT @ | GEORADIUSBYMEMBER g a # ft
XADD x #-# f v | XADD x #-* f v | XADD x MAXLEN # * f v | XADD x MAXLEN ~ # LIMIT # * f v | XADD x MINID #-# * f v
XTRIM x MAXLEN # | XTRIM x MAXLEN ~ # LIMIT # | XTRIM x MINID #-# | XRANGE x #-# #-# COUNT # | XREVRANGE x #-# (#-# COUNT #
XREAD COUNT # STREAMS x #-# | XREADGROUP GROUP g c COUNT # STREAMS x > | XREADGROUP GROUP g c COUNT # STREAMS x #-#
XSETID x #-# | XSETID x #-# ENTRIESADDED # MAXDELETEDID #-# | XGROUP CREATE x k #-# ENTRIESREAD # | XDEL x #-#
XGROUP SETID x g #-# ENTRIESREAD # | XPENDING x g IDLE # #-# #-# # | XPENDING x g - + # | XACK x g #-#
XCLAIM x g c # 1-1 IDLE # RETRYCOUNT # | XCLAIM x g c # #-# TIME # FORCE | XAUTOCLAIM x g c # #-# COUNT # | XAUTOCLAIM x g c # 0
XINFO STREAM x | XINFO STREAM x FULL COUNT # | XINFO GROUPS x | XINFO CONSUMERS x g | XLEN x
CLIENT LIST ID # | CLIENT UNBLOCK # | CLIENT NO-TOUCH on | HELLO # | COMMAND GETKEYS ZUNIONSTORE d # z | COMMAND GETKEYS LMPOP # l LEFT
CONFIG SET list-max-listpack-size # | CONFIG SET hash-max-listpack-entries # | CONFIG SET zset-max-listpack-value #
CONFIG SET set-max-intset-entries # | CONFIG SET stream-node-max-bytes # | CONFIG SET stream-node-max-entries #
CONFIG SET lfu-log-factor # | CONFIG SET lfu-decay-time # | CONFIG SET list-compress-depth # | CONFIG SET slowlog-max-len @
CONFIG SET latency-monitor-threshold # | CONFIG SET hll-sparse-max-bytes # | CONFIG SET active-expire-effort #
CONFIG SET client-query-buffer-limit # | CONFIG SET maxmemory-samples # | CONFIG SET maxmemory-eviction-tenacity #
RESTORE r # bad | RESTORE t # bad REPLACE IDLETIME # | RESTORE t # bad FREQ # | DEBUG LISTPACK l | OBJECT IDLETIME l
LATENCY HISTOGRAM get | LOLWUT VERSION # # # | WAIT 0 # | WAITAOF # 0 # | EXPIRETIME t | PFCOUNT p
";

fn commands() -> Vec<&'static str> {
    let lines = COMMANDS.lines().flat_map(|line| line.split('|'));
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

/// A command with numbers in place of its placeholders.
fn filled(command: &str, rng: &mut Rng) -> Vec<String> {
    let mut number = |sign: char| {
        loop {
            let number = NUMBERS[rng.below(NUMBERS.len() as u64) as usize];
            if sign == '#' || number.len() < 6 && !number.starts_with('-') {
                return number;
            }
        }
    };
    let word = |word: &str| -> String {
        let parts = word.chars().map(|sign| match sign {
            '#' | '@' => number(sign).to_owned(),
            other => other.to_string(),
        });
        parts.collect()
    };
    command.split_whitespace().map(word).collect()
}

#[test]
fn extreme_numbers_do_not_crash_the_server() {
    println!("seed 7");
    let mut rng = Rng::new(7);
    let server = Server::start(&["--proto-max-bulk-len", "1mb"]);
    let commands = commands();
    for round in 0..60 {
        let transport = Transport::ALL[round % Transport::ALL.len()];
        let mut client = server.client(transport);
        client.text("FLUSHALL");
        for key in KEYS {
            client.text(key);
        }
        for _ in 0..200 {
            let template = commands[rng.below(commands.len() as u64) as usize];
            let args = filled(template, &mut rng);
            let answered = client.try_send(&encoded(&args)) && client.try_read().is_some();
            assert!(answered, "{transport:?} {args:?}\n{}", server.log());
        }
    }
}
