//! Random and broken inputs, a bounded number of them, for every parser that strangers feed. The seeds are fixed.

use conn::resp::{Decoder, ProtocolError};
use data::util::glob::matches;
use data::util::num::{format_f64, parse_f64, parse_i64, parse_memory};
use data::util::rand::Rng;
use data::util::split::{quoted, split};
use server::config::file::{Source, load};
use server::wire::request::{Limits, Parsed, Request};

const INPUTS: usize = 20_000;

/// Pieces that inputs are made of, besides random bytes.
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

#[test]
fn the_request_parser_takes_anything() {
    let mut rng = Rng::new(1);
    for _ in 0..INPUTS {
        let bytes = input(&mut rng);
        let limits = Limits {
            max_bulk: 1 << 20,
            unauthenticated: rng.below(2) == 0,
        };
        let mut request = Request::default();
        let mut rest = bytes.as_slice();
        'feed: while !rest.is_empty() {
            let space = request.space();
            let n = (rng.below(9) as usize + 1).min(rest.len()).min(space.len());
            space[..n].copy_from_slice(&rest[..n]);
            request.filled(n);
            rest = &rest[n..];
            loop {
                match request.parse(limits) {
                    Ok(Parsed::Command) => {
                        assert!(request.argv.iter().map(<[u8]>::len).sum::<usize>() <= bytes.len());
                    }
                    Ok(Parsed::Nothing) => {}
                    Ok(Parsed::Incomplete) => break,
                    Err(error) => {
                        assert!(!error.0.is_empty());
                        break 'feed;
                    }
                }
            }
            match rng.below(8) {
                0 => request.shrink(0),
                _ => request.compact(),
            }
        }
    }
}

/// How many replies `next` yields until the input ends or is no RESP any more, and which of both it was.
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

#[test]
fn the_reply_decoder_takes_anything_and_skips_what_it_decodes() {
    let mut rng = Rng::new(2);
    for _ in 0..INPUTS {
        let bytes = input(&mut rng);
        let step = rng.below(7) as usize + 1;
        let (decoded, whole) = count_replies(&bytes, step, Decoder::next_value);
        let (skipped, _) = count_replies(&bytes, step, Decoder::skip);
        // Skipping does not look into values, so it may go on where decoding ends.
        let agree = skipped == decoded || (!whole && skipped > decoded);
        assert!(agree, "{decoded} {skipped} {}", bytes.escape_ascii());
    }
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
        assert_eq!(split(&line).expect("what was quoted is balanced"), words);
        let _ = split(&input(&mut rng));
    }
}

#[test]
fn numbers_survive_the_way_out_and_in() {
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
        let bytes = input(&mut rng);
        let _ = (parse_f64(&bytes), parse_i64(&bytes), parse_memory(&bytes));
    }
}

#[test]
fn patterns_end_and_case_only_widens() {
    let mut rng = Rng::new(5);
    let alphabet = b"ab*?[]^-\\";
    for _ in 0..INPUTS {
        let make = |rng: &mut Rng| -> Vec<u8> {
            (0..rng.below(12))
                .map(|_| alphabet[rng.below(9) as usize])
                .collect()
        };
        let (pattern, text) = (make(&mut rng), make(&mut rng));
        let plain = matches(&pattern, &text, false);
        assert!(!plain || matches(&pattern, &text, true));
    }
}

#[test]
fn a_configuration_file_may_hold_anything() {
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
        let source = Source {
            name: "fuzz".into(),
            text: line,
        };
        if let Err(sentence) = load(&[source]) {
            assert!(sentence.contains("at line "), "{sentence}");
        }
    }
}
