//! Tests of parsing requests.

use super::{BIG_ARG, Origin, Parsed, Request, RequestLimits};
use conn::encode;

const OPEN: RequestLimits = RequestLimits {
    max_bulk: 512 * 1024 * 1024,
    unauthenticated: false,
    origin: Origin::Client,
};

const LENIENT: RequestLimits = RequestLimits {
    origin: Origin::File,
    ..OPEN
};

/// Lets a request have as many bytes as it offers space for; what is left of them.
fn fill<'a>(request: &mut Request, bytes: &'a [u8]) -> &'a [u8] {
    let space = request.space();
    let n = space.len().min(bytes.len());
    space[..n].copy_from_slice(&bytes[..n]);
    request.filled(n);
    &bytes[n..]
}

/// Feeds `input` in pieces of `step` bytes and collects every command.
fn commands(input: &[u8], step: usize) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let mut request = Request::default();
    let mut got = Vec::new();
    for piece in input.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = fill(&mut request, rest);
            loop {
                match request.parse(OPEN).map_err(|e| e.0)? {
                    Parsed::Command => {
                        got.push(request.argv.iter().map(<[u8]>::to_vec).collect());
                        let mut encoded = Vec::new();
                        encode::request(request.argv.iter(), &mut encoded);
                        assert!(request.argv.encoded().is_none_or(|raw| raw == encoded));
                    }
                    Parsed::Nothing => {}
                    Parsed::Incomplete => break,
                }
            }
            request.compact();
        }
    }
    Ok(got)
}

#[test]
fn every_split_yields_the_same_commands() {
    let big = vec![b'x'; BIG_ARG + 7];
    let mut input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n\r\n*0\r\n*-1\r\n*1\r\n$0\r\n\r\nset a \"b\\x41\"\r\n".to_vec();
    let small = commands(&input, input.len()).expect("valid");
    assert_eq!(small.len(), 4);
    assert_eq!(small[3], [b"set".to_vec(), b"a".to_vec(), b"bA".to_vec()]);
    for step in 1..input.len() {
        assert_eq!(commands(&input, step).expect("valid"), small, "step {step}");
    }
    input.extend_from_slice(format!("*2\r\n$4\r\nECHO\r\n${}\r\n", big.len()).as_bytes());
    input.extend_from_slice(&big);
    input.extend_from_slice(b"\r\nPING\r\n");
    for step in [1, 2, 7, 1000, 16_384, 100_000] {
        let got = commands(&input, step).expect("valid");
        assert_eq!(got.len(), 6, "step {step}");
        assert_eq!(got[4][1], big);
    }
}

/// Whether the bytes of a request are its encoding; another request precedes it.
fn is_encoded(limits: RequestLimits, input: &[u8]) -> bool {
    let mut request = Request::default();
    assert!(fill(&mut request, b"*1\r\n$4\r\nPING\r\n").is_empty());
    assert!(fill(&mut request, input).is_empty());
    for _ in 0..2 {
        assert!(request.hand_out() || matches!(request.parse(limits), Ok(Parsed::Command)));
    }
    let Some(raw) = request.argv.encoded() else {
        return false;
    };
    assert_eq!(raw, input);
    true
}

#[test]
fn a_request_is_its_own_encoding_unless_it_is_unusual() {
    let rows: &[(&[u8], bool)] = &[
        (b"*1\r\n$4\r\nPING\r\n", true),
        (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", true),
        (b"*2\r\n$3\r\nget\r\n$10\r\n0123456789\r\n", true),
        // Only a file may have such numbers.
        (b"*02\r\n$3\r\nGET\r\n$1\r\nk\r\n", false),
        (b"*2\r\n$3\r\nGET\r\n$01\r\nk\r\n", false),
    ];
    for (input, is_own) in rows {
        assert_eq!(
            is_encoded(LENIENT, input),
            *is_own,
            "{}",
            input.escape_ascii()
        );
    }
    for input in ["PING\r\n", "GET     k\r\n", "GET k\n"] {
        assert!(!is_encoded(OPEN, input.as_bytes()), "{input}");
    }
    let many = [b"*11\r\n".as_slice(), &b"$1\r\nx\r\n".repeat(11)].concat();
    assert!(is_encoded(OPEN, &many));
}

#[test]
fn the_position_is_behind_the_command_taken_out() {
    let big = vec![b'x'; BIG_ARG + 7];
    let mut input = Vec::new();
    let mut ends = Vec::new();
    for round in 0..40 {
        input.extend_from_slice(b"*2\r\n$4\r\nECHO\r\n$1\r\nk\r\n");
        ends.push(input.len() as u64);
        if round % 7 == 3 {
            input.extend_from_slice(b"\r\n\n");
            let head = format!("*2\r\n$4\r\nECHO\r\n${}\r\n", big.len());
            input.extend_from_slice(head.as_bytes());
            input.extend_from_slice(&big);
            input.extend_from_slice(b"\r\n");
            ends.push(input.len() as u64);
        }
    }
    for step in [1, 3, 1000, 20_000, input.len()] {
        let mut request = Request::default();
        let mut got = Vec::new();
        for piece in input.chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                rest = fill(&mut request, rest);
                loop {
                    match request.parse(OPEN).expect("valid") {
                        Parsed::Command => got.push(request.position()),
                        Parsed::Nothing => {}
                        Parsed::Incomplete => break,
                    }
                }
                request.compact();
            }
        }
        assert_eq!(got, ends, "step {step}");
    }
}

#[test]
fn protocol_errors_have_redis_texts() {
    for (input, text) in [
        (&b"*3000000000\r\n"[..], "invalid multibulk length"),
        (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
        (b"*1\r\n$-10\r\n", "invalid bulk length"),
        (b"*1\r\n$2000000000\r\n", "invalid bulk length"),
        (b"*1\r\n$blabla\r\n", "invalid bulk length"),
        (b"set \"\"\"a\"\"\" b\r\n", "unbalanced quotes in request"),
    ] {
        assert_eq!(commands(input, input.len()).expect_err("broken"), text);
    }
    assert_eq!(
        commands(&[b'a'; 70_000], 4096).expect_err("broken"),
        "too big inline request"
    );
    let mut long = b"*".to_vec();
    long.extend_from_slice(&[b'1'; 70_000]);
    assert_eq!(
        commands(&long, 4096).expect_err("broken"),
        "too big mbulk count string"
    );
}

#[test]
fn unauthenticated_limits() {
    let limits = RequestLimits {
        unauthenticated: true,
        ..OPEN
    };
    for (input, text) in [
        (&b"*11\r\n"[..], "unauthenticated multibulk length"),
        (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
    ] {
        let mut request = Request::default();
        fill(&mut request, input);
        assert_eq!(request.parse(limits).expect_err("broken").0, text);
    }
}

#[test]
fn shrinking_forgets_how_many_arguments_there_were() {
    let mut request = Request::default();
    let text = [b"*5000\r\n".to_vec(), b"$1\r\nx\r\n".repeat(5000)].concat();
    for part in text.chunks(1000) {
        fill(&mut request, part);
    }
    assert_eq!(request.parse(OPEN), Ok(Parsed::Command));
    assert_eq!(request.argv.len(), 5000);
    assert_eq!(request.parse(OPEN), Ok(Parsed::Incomplete));
    request.shrink(0);
    assert_eq!(request.argv.args.capacity(), 0);
}

#[test]
fn shrinking_loses_no_byte() {
    let mut request = Request::default();
    let head = b"*3\r\n$3\r\nset\r\n$1\r\na\r\n$100000\r\n";
    fill(&mut request, head);
    assert_eq!(request.parse(OPEN), Ok(Parsed::Incomplete));
    assert!(request.sizes().0 + request.sizes().1 >= 100_000);
    let allocated = request.big_fill.as_ref().map(|big| big.buf.capacity());
    assert!(
        allocated.is_some_and(|bytes| bytes < 100_000),
        "{allocated:?}"
    );
    request.shrink(0);
    assert!(request.sizes().0 + request.sizes().1 < 100);
    let mut left = 100_002;
    while left > 0 {
        let n = request.space().len().min(left);
        request.space()[..n].fill(b'z');
        request.filled(n);
        left -= n;
        let parsed = request.parse(OPEN).expect("valid");
        assert_eq!(parsed == Parsed::Command, left == 0);
    }
    assert_eq!(&request.argv[0], b"set");
    assert_eq!(request.argv[2].len(), 100_000);
    assert!(request.argv.shared(2).is_some());
}
