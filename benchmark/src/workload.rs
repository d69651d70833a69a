//! The requests: the tests by name, and batches of requests with placeholders for random numbers.
//!
//! A batch is built once per loop and sent repeatedly. Before each time, new random digits are
//! written to the positions of `__rand_int__`.
//!
//! # Invariants
//! 1. `places` are offsets of twelve bytes each inside `bytes`, and `tags` of three, in order, without overlap.
//! 2. The same seed, number of threads and a single connection result in the same requests.

use conn::encode;

use crate::args::Options;
use crate::slots::Tag;

/// Replaced by twelve random digits.
const RAND_INT: &[u8] = b"__rand_int__";
/// Replaced by data of the size of `-d`.
const DATA: &str = "__data__";
/// Replaced by a score, which is random if the keys are.
const SCORE: &str = "__score__";
const KEY: &str = "key:__rand_int__";

/// In a cluster, replaced by the tag of a slot.
const TAG: &[u8] = b"{tag}";
/// The keys of the tests, as far as they have no tag.
const KEYS: [&str; 7] = [
    KEY,
    "counter:__rand_int__",
    "mylist",
    "myset",
    "myhash",
    "myzset",
    "mystream",
];

/// How a test's request is written.
enum Form {
    /// As it stands.
    Inline(&'static str),
    /// As an array of arguments.
    Args(&'static [&'static str]),
}

/// A test: the names that select it, its title, its request.
struct Test(&'static [&'static str], &'static str, Form);

/// The tests, in the order in which they run.
const TESTS: &[Test] = &[
    Test(
        &["ping_inline", "ping"],
        "PING_INLINE",
        Form::Inline("PING\r\n"),
    ),
    Test(&["ping_mbulk", "ping"], "PING_MBULK", Form::Args(&["PING"])),
    Test(&["set"], "SET", Form::Args(&["SET", KEY, DATA])),
    Test(&["get"], "GET", Form::Args(&["GET", KEY])),
    Test(
        &["incr"],
        "INCR",
        Form::Args(&["INCR", "counter:__rand_int__"]),
    ),
    Test(&["lpush"], "LPUSH", Form::Args(&["LPUSH", "mylist", DATA])),
    Test(&["rpush"], "RPUSH", Form::Args(&["RPUSH", "mylist", DATA])),
    Test(&["lpop"], "LPOP", Form::Args(&["LPOP", "mylist"])),
    Test(&["rpop"], "RPOP", Form::Args(&["RPOP", "mylist"])),
    Test(
        &["sadd"],
        "SADD",
        Form::Args(&["SADD", "myset", "element:__rand_int__"]),
    ),
    Test(
        &["hset"],
        "HSET",
        Form::Args(&["HSET", "myhash", "element:__rand_int__", DATA]),
    ),
    Test(&["spop"], "SPOP", Form::Args(&["SPOP", "myset"])),
    Test(
        &["zadd"],
        "ZADD",
        Form::Args(&["ZADD", "myzset", SCORE, "element:__rand_int__"]),
    ),
    Test(&["zpopmin"], "ZPOPMIN", Form::Args(&["ZPOPMIN", "myzset"])),
    Test(
        &[
            "lrange",
            "lrange_100",
            "lrange_300",
            "lrange_500",
            "lrange_600",
        ],
        "LPUSH (needed to benchmark LRANGE)",
        Form::Args(&["LPUSH", "mylist", DATA]),
    ),
    Test(
        &["lrange", "lrange_100"],
        "LRANGE_100 (first 100 elements)",
        Form::Args(&["LRANGE", "mylist", "0", "99"]),
    ),
    Test(
        &["lrange", "lrange_300"],
        "LRANGE_300 (first 300 elements)",
        Form::Args(&["LRANGE", "mylist", "0", "299"]),
    ),
    Test(
        &["lrange", "lrange_500"],
        "LRANGE_500 (first 500 elements)",
        Form::Args(&["LRANGE", "mylist", "0", "499"]),
    ),
    Test(
        &["lrange", "lrange_600"],
        "LRANGE_600 (first 600 elements)",
        Form::Args(&["LRANGE", "mylist", "0", "599"]),
    ),
    Test(
        &["mset"],
        "MSET (10 keys)",
        Form::Args(&[
            "MSET", KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA,
            KEY, DATA, KEY, DATA, KEY, DATA,
        ]),
    ),
    Test(
        &["xadd"],
        "XADD",
        Form::Args(&["XADD", "mystream", "*", "myfield", DATA]),
    ),
];

/// One benchmark.
#[derive(Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its title in the report.
    pub title: String,
    /// The payload size in the report, in bytes.
    pub payload: usize,
    /// The request.
    pub request: Vec<u8>,
}

/// The selected tests.
pub fn suite(options: &Options, data: &[u8]) -> Vec<Workload> {
    let selected = TESTS
        .iter()
        .filter(|Test(names, ..)| names.iter().any(|name| options.selects(name)));
    let workload = |Test(_, title, form): &Test| Workload {
        title: (*title).to_string(),
        payload: data.len(),
        request: match form {
            Form::Inline(line) => line.as_bytes().to_vec(),
            Form::Args(args) => request(args.iter().map(|&arg| match arg {
                SCORE if options.keyspace.is_some() => RAND_INT.to_vec(),
                SCORE => b"0".to_vec(),
                DATA => data.to_vec(),
                key if options.cluster && KEYS.contains(&key) => tagged(key),
                other => other.as_bytes().to_vec(),
            })),
        },
    };
    selected.map(workload).collect()
}

/// A key with a tag: behind its first word, as in Redis.
fn tagged(key: &str) -> Vec<u8> {
    let (word, rest) = key.split_once(':').unwrap_or((key, ""));
    let colon = if rest.is_empty() { "" } else { ":" };
    format!("{word}:{{tag}}{colon}{rest}").into_bytes()
}

/// The command of the command line, with `last` as an additional argument.
pub fn command(options: &Options, last: Option<Vec<u8>>, data: &[u8]) -> Workload {
    let words: Vec<_> = options
        .command
        .iter()
        .map(|word| String::from_utf8_lossy(word))
        .collect();
    let args = options
        .command
        .iter()
        .map(|word| replace(word, DATA.as_bytes(), data));
    let request = request(args.chain(last));
    Workload {
        title: words.join(" "),
        payload: request.len(),
        request,
    }
}

/// AUTH; `None` without a password.
pub fn auth(options: &Options) -> Option<Vec<&[u8]>> {
    let password = options.password.as_deref()?;
    let args = [Some(&b"AUTH"[..]), options.user.as_deref(), Some(password)];
    Some(args.into_iter().flatten().collect())
}

/// The commands that a connection sends before its first batch, and the number of replies to them.
pub fn prefix(options: &Options) -> (Vec<u8>, usize) {
    let mut commands: Vec<Vec<&[u8]>> = Vec::new();
    commands.extend(auth(options));
    if options.tracks {
        commands.push(vec![b"CLIENT", b"TRACKING", b"on"]);
    }
    let dbnum = options.dbnum.to_string();
    if options.dbnum != 0 {
        commands.push(vec![b"SELECT", dbnum.as_bytes()]);
    }
    if options.resp3 {
        commands.push(vec![b"HELLO", b"3"]);
    }
    let mut bytes = Vec::new();
    for args in &commands {
        encode::request(args.iter(), &mut bytes);
    }
    (bytes, commands.len())
}

/// Incompressible data: characters from the example generator of the C standard, with the seed that
/// Redis uses.
#[derive(Debug)]
pub struct Data(u32);

impl Data {
    /// A generator at its seed.
    pub fn new() -> Self {
        Self(1234)
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let mut byte = || {
            self.0 = self.0.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            b'0' + (self.0 >> 16 & 63) as u8
        };
        (0..count).map(|_| byte()).collect()
    }
}

/// Requests that are sent together.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    places: Vec<usize>,
    /// Where tags are, without their braces.
    tags: Vec<usize>,
    keyspace: u64,
}

impl Batch {
    /// `pipeline` times `request`; with a keyspace its `__rand_int__` become numbers below that.
    pub fn new(request: &[u8], pipeline: usize, keyspace: Option<u64>) -> Self {
        let bytes = request.repeat(pipeline);
        let tags = find_all(&bytes, TAG);
        let places = keyspace.map_or_else(Vec::new, |_| find_all(&bytes, RAND_INT));
        Self {
            bytes,
            places,
            tags: tags.into_iter().map(|at| at + 1).collect(),
            keyspace: keyspace.unwrap_or(0),
        }
    }

    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there are tags to set.
    pub fn is_tagged(&self) -> bool {
        !self.tags.is_empty()
    }

    /// Sets the tag of all keys.
    pub fn set_tag(&mut self, tag: Tag) {
        for &place in &self.tags {
            self.bytes[place..place + tag.len()].copy_from_slice(&tag);
        }
    }

    /// Writes new random numbers. With a keyspace of 0 they are all 0.
    pub fn randomize(&mut self, rng: &mut Rng) {
        for &place in &self.places {
            let number = if self.keyspace == 0 {
                0
            } else {
                rng.below(self.keyspace)
            };
            write_digits(&mut self.bytes[place..place + RAND_INT.len()], number);
        }
    }
}

/// Random numbers for keys: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    /// Begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`. The bias is below `n / 2^64`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(x ^ x >> 31) * u128::from(n)) >> 64) as u64
    }
}

fn request(args: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let args: Vec<_> = args.collect();
    let mut out = Vec::new();
    encode::request(args.iter(), &mut out);
    out
}

/// Where `needle` begins in `text`.
fn find_all(text: &[u8], needle: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..]
        .windows(needle.len())
        .position(|window| window == needle)
    {
        found.push(from + at);
        from += at + needle.len();
    }
    found
}

fn replace(text: &[u8], needle: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut from = 0;
    for at in find_all(text, needle) {
        out.extend_from_slice(&text[from..at]);
        out.extend_from_slice(with);
        from = at + needle.len();
    }
    out.extend_from_slice(&text[from..]);
    out
}

/// Writes `number` in decimal with leading zeros; two digits at a time, because each division
/// depends on the previous one.
fn write_digits(place: &mut [u8], mut number: u64) {
    for pair in place.rchunks_exact_mut(2) {
        let two = (number % 100) as u8;
        number /= 100;
        pair[0] = b'0' + two / 10;
        pair[1] = b'0' + two % 10;
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, Data, Rng, command, prefix, suite};
    use crate::args::{Options, parse};

    fn options(line: &str) -> Options {
        match parse(line.split_whitespace().map(Into::into)) {
            Ok(options) => options,
            Err(stop) => panic!("{line}: {stop:?}"),
        }
    }

    fn titles(line: &str) -> Vec<String> {
        suite(&options(line), b"xxx")
            .into_iter()
            .map(|workload| workload.title)
            .collect()
    }

    #[test]
    fn names_select_tests() {
        assert_eq!(titles("").len(), 21);
        assert_eq!(titles("-t ping"), ["PING_INLINE", "PING_MBULK"]);
        assert_eq!(titles("-t mset,set"), ["SET", "MSET (10 keys)"]);
        assert_eq!(
            titles("-t lrange_500"),
            [
                "LPUSH (needed to benchmark LRANGE)",
                "LRANGE_500 (first 500 elements)"
            ]
        );
        assert_eq!(titles("-t nosuch"), [""; 0]);
    }

    #[test]
    fn requests_carry_data_and_scores() {
        let request = |line: &str| suite(&options(line), b"VXK").remove(0).request;
        assert_eq!(request("-t ping_inline"), b"PING\r\n");
        assert_eq!(
            request("-t set"),
            b"*3\r\n$3\r\nSET\r\n$16\r\nkey:__rand_int__\r\n$3\r\nVXK\r\n"
        );
        assert!(request("-t zadd").ends_with(b"$1\r\n0\r\n$20\r\nelement:__rand_int__\r\n"));
        assert!(
            request("-t zadd -r 9")
                .ends_with(b"$12\r\n__rand_int__\r\n$20\r\nelement:__rand_int__\r\n")
        );
        assert!(request("-t mset").starts_with(b"*21\r\n$4\r\nMSET\r\n$16\r\nkey:"));
    }

    #[test]
    fn keys_have_a_tag_in_a_cluster() {
        let keys = [
            ("set", "key:{tag}:__rand_int__"),
            ("incr", "counter:{tag}:__rand_int__"),
            ("lpush", "mylist:{tag}"),
            ("spop", "myset:{tag}"),
            ("hset", "myhash:{tag}"),
            ("zpopmin", "myzset:{tag}"),
            ("xadd", "mystream:{tag}"),
        ];
        for (test, key) in keys {
            let request = suite(&options(&format!("--cluster -t {test}")), b"VXK").remove(0);
            let text = String::from_utf8(request.request).expect("text");
            assert_eq!(text.split("\r\n").nth(4), Some(key), "{test}");
        }
        let mut batch = Batch::new(b"a {tag} {tagx} {tag}", 2, None);
        assert!(batch.is_tagged());
        batch.set_tag(*b"Qi}");
        assert_eq!(batch.bytes(), b"a {Qi}} {tagx} {Qi}}a {Qi}} {tagx} {Qi}}");
        assert!(!Batch::new(b"PING", 1, None).is_tagged());
    }

    #[test]
    fn a_command_is_taken_as_it_stands_but_for_its_data() {
        let workload = command(
            &options("set k a__data__b__data__"),
            Some(b"in".to_vec()),
            b"VX",
        );
        assert_eq!(workload.title, "set k a__data__b__data__");
        assert_eq!(
            workload.request,
            b"*4\r\n$3\r\nset\r\n$1\r\nk\r\n$6\r\naVXbVX\r\n$2\r\nin\r\n"
        );
        assert_eq!(workload.payload, workload.request.len());
    }

    #[test]
    fn a_connection_introduces_itself() {
        assert_eq!(prefix(&options("")), (Vec::new(), 0));
        let (bytes, replies) = prefix(&options("-a p --user u --enable-tracking --dbnum 5 -3"));
        assert_eq!(replies, 4);
        assert_eq!(
            bytes.escape_ascii().to_string(),
            "*3\\r\\n$4\\r\\nAUTH\\r\\n$1\\r\\nu\\r\\n$1\\r\\np\\r\\n\
             *3\\r\\n$6\\r\\nCLIENT\\r\\n$8\\r\\nTRACKING\\r\\n$2\\r\\non\\r\\n\
             *2\\r\\n$6\\r\\nSELECT\\r\\n$1\\r\\n5\\r\\n*2\\r\\n$5\\r\\nHELLO\\r\\n$1\\r\\n3\\r\\n"
        );
        assert_eq!(prefix(&options("--user u")).1, 0);
    }

    #[test]
    fn data_is_that_of_redis() {
        let mut data = Data::new();
        assert_eq!(data.take(3), b"VXK");
        assert_eq!(data.take(6), b"eHogKg");
    }

    #[test]
    fn every_place_gets_twelve_digits_below_the_keyspace() {
        let mut rng = Rng::new(7);
        let mut batch = Batch::new(b"a __rand_int__ __rand_int__\r\n", 3, Some(1000));
        let numbers = |batch: &Batch| -> Vec<u64> {
            let text = String::from_utf8(batch.bytes().to_vec()).expect("text");
            let words = text
                .split_ascii_whitespace()
                .filter(|word| word.len() == 12);
            words.map(|word| word.parse().expect("digits")).collect()
        };
        let mut seen = Vec::new();
        for _ in 0..2000 {
            batch.randomize(&mut rng);
            seen.extend(numbers(&batch));
        }
        assert_eq!(seen.len(), 12_000);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..1000).collect::<Vec<u64>>());
        let mut zero = Batch::new(b"__rand_int__", 1, Some(0));
        zero.randomize(&mut rng);
        assert_eq!(zero.bytes(), b"000000000000");
        let mut plain = Batch::new(b"__rand_int__", 1, None);
        plain.randomize(&mut rng);
        assert_eq!(plain.bytes(), b"__rand_int__");
    }
}
