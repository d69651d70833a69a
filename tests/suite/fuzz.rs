//! Random and malformed inputs, a bounded number of them with fixed seeds, for every parser of untrusted input.
//!
//! There are two sources: inputs assembled from protocol fragments, and the files of `tests/fuzz` with random
//! mutations. An input that has once broken a parser is added there as a file.

use conn::resp::{Decoder, ProtocolError};
use data::util::glob::matches;
use data::util::num::{format_f64, parse_f64, parse_i64, parse_memory};
use data::util::rand::Rng;
use server::config::file::{Source, load};
use server::house::users::check_line;
use server::wire::request::{Origin, Parsed, Request, RequestLimits};
use tests::corpus::Corpus;
use words::{quoted, split};

const INPUTS: usize = 20_000;
/// Mutated files of the corpus per target.
const MUTANTS: usize = 10_000;

/// Longest inline request, in bytes.
const MAX_LINE: usize = 64 * 1024;

/// Fragments that inputs are assembled from, besides random bytes.
const PIECES: &[&[u8]] = &[
    b"*1\r\n",
    b"*3\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"$3\r\n",
    b"$0\r\n\r\n",
    b"$-1\r\n",
    b"SET\r\n",
    b"PING\r\n",
    b"\"",
    b"'",
    b"\\x4",
    b"\r\n",
    b"\n",
    b"*2147483647\r\n",
    b"*99999999999999999999\r\n",
    b"$536870912\r\n",
    b"%1\r\n",
    b"~2\r\n",
    b">1\r\n",
    b"|1\r\n",
    b"+OK\r\n",
    b"-ERR x\r\n",
    b":1\r\n",
    b"#t\r\n",
    b",1.5\r\n",
    b"(12\r\n",
    b"=5\r\ntxt:a\r\n",
    b"_\r\n",
    b"!3\r\nERR\r\n",
    b"\0",
    b" ",
    b"$32768\r\n",
];

fn input(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.below(12) + 1 {
        if rng.below(4) == 0 {
            for _ in 0..rng.below(8) {
                bytes.push(rng.next_u64() as u8);
            }
        } else {
            bytes.extend_from_slice(PIECES[rng.below(PIECES.len() as u64) as usize]);
        }
    }
    bytes
}

/// Parses bytes that arrive in pieces of the lengths that `piece` returns; the commands, and the error that ended it.
fn commands(
    bytes: &[u8],
    limits: RequestLimits,
    mut piece: impl FnMut() -> usize,
) -> (Vec<Vec<Vec<u8>>>, Option<String>) {
    let mut request = Request::default();
    let mut commands = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = request.space();
        let n = piece().min(rest.len()).min(space.len());
        space[..n].copy_from_slice(&rest[..n]);
        request.filled(n);
        rest = &rest[n..];
        loop {
            match request.parse(limits) {
                Ok(Parsed::Command) => {
                    commands.push(request.argv.iter().map(<[u8]>::to_vec).collect());
                }
                Ok(Parsed::Nothing) => {}
                Ok(Parsed::Incomplete) => break,
                Err(error) => return (commands, Some(error.0)),
            }
        }
        if n % 8 == 0 {
            request.shrink(0);
        } else {
            request.compact();
        }
    }
    (commands, None)
}

/// However the network splits the input, the commands are the same, and no longer than the input.
fn check_request(bytes: &[u8], rng: &mut Rng) {
    let limits = RequestLimits {
        max_bulk: 1 << 20,
        unauthenticated: rng.below(2) == 0,
        origin: match rng.below(4) {
            0 => Origin::File,
            1 => Origin::Primary,
            _ => Origin::Client,
        },
    };
    let (whole, end) = commands(bytes, limits, || usize::MAX);
    let len: usize = whole.iter().flatten().map(Vec::len).sum();
    assert!(len <= bytes.len());
    assert!(end.as_ref().is_none_or(|text| !text.is_empty()));
    // As in Redis, a line that is too long is an error before its end has arrived: when that is noticed depends on the
    // pieces.
    if bytes.len() > MAX_LINE {
        return;
    }
    let most = if bytes.len() > 1000 { 5000 } else { 9 };
    let pieces = commands(bytes, limits, || rng.below(most) as usize + 1);
    assert!(pieces == (whole, end), "in pieces: {:?}", pieces.1);
}

#[test]
fn the_request_parser_survives_arbitrary_input_in_any_pieces() {
    let mut rng = Rng::new(1);
    for _ in 0..INPUTS {
        check_request(&input(&mut rng), &mut rng);
    }
    Corpus::load("request").run(11, MUTANTS, check_request);
}

/// How many replies `next` yields before the input ends (true) or is no longer valid RESP (false).
fn count_replies<T>(
    bytes: &[u8],
    step: usize,
    next: impl Fn(&mut Decoder) -> Result<Option<T>, ProtocolError>,
) -> (usize, bool) {
    let mut decoder = Decoder::default();
    let mut replies = 0;
    for piece in bytes.chunks(step) {
        decoder.feed(piece);
        loop {
            match next(&mut decoder) {
                Ok(Some(_)) => replies += 1,
                Ok(None) => break,
                Err(_) => return (replies, false),
            }
        }
    }
    (replies, true)
}

fn check_reply(bytes: &[u8], rng: &mut Rng) {
    let step = rng.below(7) as usize + 1 + bytes.len() / 64;
    let (decoded, whole) = count_replies(bytes, step, Decoder::next_value);
    let (skipped, _) = count_replies(bytes, step, Decoder::skip);
    // Skipping does not validate values, so it may continue where decoding fails.
    let agree = skipped == decoded || (!whole && skipped > decoded);
    assert!(agree, "{decoded} {skipped}");
    let at_once = count_replies(bytes, bytes.len().max(1), Decoder::next_value);
    assert_eq!(at_once, (decoded, whole));
}

#[test]
fn the_reply_decoder_survives_arbitrary_input_and_skips_what_it_decodes() {
    let mut rng = Rng::new(2);
    for _ in 0..INPUTS {
        check_reply(&input(&mut rng), &mut rng);
    }
    Corpus::load("reply").run(12, MUTANTS, check_reply);
}

#[test]
fn quoting_and_splitting_are_inverse() {
    let mut rng = Rng::new(3);
    for _ in 0..INPUTS {
        let words: Vec<Vec<u8>> = (0..rng.below(4) + 1).map(|_| input(&mut rng)).collect();
        let line = words
            .iter()
            .map(|word| quoted(word))
            .collect::<Vec<_>>()
            .join(&b' ');
        assert_eq!(split(&line).expect("quotes are balanced"), words);
        let _ = split(&input(&mut rng));
    }
}

#[test]
fn numbers_round_trip() {
    let mut rng = Rng::new(4);
    for _ in 0..INPUTS {
        let number = f64::from_bits(rng.next_u64());
        if number.is_finite() {
            let text = format_f64(number);
            assert_eq!(
                parse_f64(&text).map(f64::to_bits),
                Some(number.to_bits()),
                "{}",
                text.escape_ascii()
            );
        }
        let integer = rng.next_u64() as i64 >> rng.below(64);
        assert_eq!(parse_i64(integer.to_string().as_bytes()), Some(integer));
        check_number(&input(&mut rng));
    }
    Corpus::load("number").run(14, MUTANTS, |bytes, _| check_number(bytes));
}

/// A number that parses is formatted back to the same text, or at least to a text that parses to the same number.
fn check_number(bytes: &[u8]) {
    if let Some(number) = parse_i64(bytes) {
        assert_eq!(number.to_string().as_bytes(), bytes);
    }
    if let Some(number) = parse_f64(bytes) {
        assert_eq!(parse_f64(&format_f64(number)), Some(number));
    }
    if let Some(number) = parse_memory(bytes) {
        assert_eq!(parse_memory(number.to_string().as_bytes()), Some(number));
    }
}

#[test]
fn glob_matching_terminates_and_ignoring_case_matches_more() {
    let mut rng = Rng::new(5);
    let alphabet = b"ab*?[]^-\\";
    for _ in 0..INPUTS {
        let make = |rng: &mut Rng| -> Vec<u8> {
            (0..rng.below(12))
                .map(|_| alphabet[rng.below(9) as usize])
                .collect()
        };
        let (pattern, text) = (make(&mut rng), make(&mut rng));
        check_pattern(&pattern, &text);
    }
    Corpus::load("glob").run(15, MUTANTS, |bytes, _| {
        let split = bytes
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(bytes.len());
        check_pattern(&bytes[..split], bytes.get(split + 1..).unwrap_or_default());
    });
}

fn check_pattern(pattern: &[u8], text: &[u8]) {
    if matches(pattern, text, false) {
        assert!(matches(pattern, text, true), "ignoring case matches more");
        let (wider, longer) = ([b"*", pattern].concat(), [b"before", text].concat());
        assert!(matches(&wider, &longer, false), "a star matches any prefix");
    }
    let escaped: Vec<u8> = text.iter().flat_map(|&byte| [b'\\', byte]).collect();
    assert!(
        matches(&escaped, text, false),
        "an escaped character matches itself"
    );
}

#[test]
fn the_config_parser_survives_arbitrary_input() {
    let mut rng = Rng::new(6);
    for _ in 0..INPUTS / 10 {
        let text = input(&mut rng);
        let words = [
            b"port ".as_slice(),
            b"save ",
            b"bind ",
            b"client-output-buffer-limit normal ",
            b"rename-command ",
            b"user ",
        ];
        let line = [words[rng.below(6) as usize], &text, b"\n"].concat();
        check_config(&line);
    }
    Corpus::load("config").run(16, MUTANTS / 10, |bytes, _| check_config(bytes));
}

fn check_config(text: &[u8]) {
    let source = Source {
        name: "fuzz".into(),
        text: text.to_vec(),
    };
    if let Err(sentence) = load(&[source], check_line) {
        assert!(sentence.contains("at line "), "{sentence}");
    }
}
