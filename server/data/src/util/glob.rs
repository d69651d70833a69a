//! Glob patterns of KEYS, SCAN, PSUBSCRIBE, ACL and CONFIG: `*`, `?`, `[a-z]`, `[^a]`, `\`.
//!
//! A pattern is split at its stars. The first piece must match at the start of the text, the last one at its end, and
//! each piece between at the earliest position: if it could match later, the star after it would cover the difference.
//! So no backtracking or recursion is needed, and the time is at most the product of the lengths; pieces without `?`,
//! classes or escapes are found by a linear search.
//!
//! Undocumented behaviour of Redis that is preserved: an empty text matches only the empty pattern, not `*`; an
//! unclosed class ends with the pattern; an escape inside a class is case-sensitive; bounds of a range are compared as
//! signed bytes, in either order.

use memchr::memmem;

/// A pattern with more stars than this, not counting trailing ones, matches nothing: Redis limits its recursion in
/// this way.
const MAX_STARS: usize = 1000;

/// Whether `pattern` matches all of `text`; `nocase` ignores the case of ASCII letters.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut piece, mut rest) = first_piece(pattern);
    let Some(mut at) = match_here(piece, text, nocase) else {
        return false;
    };
    if rest.is_empty() {
        return at == text.len();
    }
    for _ in 0..MAX_STARS {
        (piece, rest) = first_piece(skip_stars(rest));
        let text = &text[at..];
        if rest.is_empty() {
            return match_at_end(piece, text, nocase);
        }
        match search(piece, text, nocase) {
            Some(end) => at += end,
            None => return false,
        }
    }
    skip_stars(rest).is_empty()
}

fn skip_stars(pattern: &[u8]) -> &[u8] {
    let stars = pattern.iter().take_while(|&&byte| byte == b'*').count();
    &pattern[stars..]
}

/// Splits a pattern before its first star that is neither escaped nor in a class.
fn first_piece(pattern: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < pattern.len() && pattern[at] != b'*' {
        at += token_len(&pattern[at..]);
    }
    pattern.split_at(at)
}

/// Length of the first element of a pattern; each element matches one byte.
fn token_len(pattern: &[u8]) -> usize {
    match pattern {
        [b'[', class @ ..] => 1 + class_len(class),
        [b'\\', _, ..] => 2,
        _ => 1,
    }
}

/// Length of a class after the opening bracket, including the closing one if there is one.
fn class_len(class: &[u8]) -> usize {
    let mut at = usize::from(class.first() == Some(&b'^'));
    loop {
        match &class[at..] {
            [] => return at,
            [b']', ..] => return at + 1,
            item => at += item_len(item),
        }
    }
}

/// Length of an item of a class: an escaped byte, a range, or a byte.
fn item_len(item: &[u8]) -> usize {
    match item {
        [b'\\', _, ..] => 2,
        [_, b'-', _, ..] => 3,
        _ => 1,
    }
}

/// Matches a piece without stars at the start of `text`. Returns the number of bytes matched.
fn match_here(mut piece: &[u8], text: &[u8], nocase: bool) -> Option<usize> {
    let mut taken = 0;
    while !piece.is_empty() {
        let (token, rest) = piece.split_at(token_len(piece));
        if !match_token(token, *text.get(taken)?, nocase) {
            return None;
        }
        taken += 1;
        piece = rest;
    }
    Some(taken)
}

/// Matches a piece without stars at the end of `text`.
fn match_at_end(piece: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut tokens, mut left) = (0, piece);
    while !left.is_empty() {
        left = &left[token_len(left)..];
        tokens += 1;
    }
    tokens <= text.len() && match_here(piece, &text[text.len() - tokens..], nocase).is_some()
}

/// Finds the first match of a piece. Returns the offset after it.
fn search(piece: &[u8], text: &[u8], nocase: bool) -> Option<usize> {
    let literal = !nocase && !piece.iter().any(|byte| matches!(byte, b'?' | b'[' | b'\\'));
    if literal {
        return memmem::find(text, piece).map(|at| at + piece.len());
    }
    (0..text.len()).find_map(|at| match_here(piece, &text[at..], nocase).map(|taken| at + taken))
}

#[inline]
fn match_token(token: &[u8], byte: u8, nocase: bool) -> bool {
    match token {
        [b'?'] => true,
        [b'[', class @ ..] => match_class(class, byte, nocase),
        [b'\\', escaped] => same(*escaped, byte, nocase),
        [literal, ..] => same(*literal, byte, nocase),
        [] => false,
    }
}

fn match_class(class: &[u8], byte: u8, nocase: bool) -> bool {
    let negated = class.first() == Some(&b'^');
    let mut items = &class[usize::from(negated)..];
    let mut found = false;
    while !matches!(items, [] | [b']', ..]) {
        found |= match items {
            [b'\\', escaped, ..] => *escaped == byte,
            [first, b'-', last, ..] => in_range(*first, *last, byte, nocase),
            [literal, ..] => same(*literal, byte, nocase),
            [] => false,
        };
        items = &items[item_len(items)..];
    }
    found != negated
}

fn in_range(first: u8, last: u8, byte: u8, nocase: bool) -> bool {
    let case = |byte: u8| {
        if nocase {
            byte.to_ascii_lowercase() as i8
        } else {
            byte as i8
        }
    };
    // The bounds are ordered before they are lowercased, as in Redis.
    let (low, high) = if first as i8 > last as i8 {
        (last, first)
    } else {
        (first, last)
    };
    (case(low)..=case(high)).contains(&case(byte))
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::{MAX_STARS, item_len, match_class, matches, token_len};
    use crate::util::rand::Rng;
    use std::time::{Duration, Instant};

    #[test]
    fn patterns() {
        let rows: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("*", "", false),
            ("", "a", false),
            ("*", "a", true),
            ("**", "abc", true),
            ("a*", "a", true),
            ("a**", "a", true),
            ("*a", "a", true),
            ("a*a", "a", false),
            ("h?llo", "hallo", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeello", true),
            ("h*llo", "hllo", true),
            ("h[ae]llo", "hello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("[\\]]", "]", true),
            ("[]", "a", false),
            ("[]a", "a", false),
            ("[^]", "a", true),
            ("[", "a", false),
            ("[^", "a", true),
            ("[a", "a", true),
            ("[a-", "-", true),
            ("[a-", "a", true),
            ("[a-]", "b", false),
            ("[a-]b", "]", true),
            ("[\\", "\\", true),
            ("*foo*bar", "xfooxfoobar", true),
            ("*foo*bar", "xfoobarx", false),
            ("*aab", "aaaab", true),
            ("*?", "a", true),
            ("*??", "a", false),
            ("?*?", "ab", true),
            ("*[ab]c*d", "xacyyd", true),
            ("a*[*]b", "a**b", true),
            ("*\\**", "x*y", true),
            ("*\\**", "xy", false),
            ("news.*.uk", "news.art.uk", true),
            ("a", "A", false),
        ];
        for &(pattern, text, expected) in rows {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), false),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn bytes_of_a_range_are_signed() {
        assert!(matches(b"[\x00-\x7f]", b"a", false));
        assert!(!matches(b"[\x00-\xff]", b"a", false));
        assert!(matches(b"[\x80-\xff]", b"\x90", false));
        assert!(matches(b"[\x80-a]", b"A", false));
    }

    #[test]
    fn case_may_be_ignored() {
        for (pattern, text, expected) in [
            ("HeLLo", "hEllO", true),
            ("[A-C]x", "bX", true),
            ("[a-c]", "B", true),
            ("*LL*", "hello", true),
            ("\\H*", "hello", true),
            // An escape in a class is case-sensitive, and a range is ordered before it is lowercased.
            ("[\\A]", "a", false),
            ("[Z-a]", "z", false),
            ("[^a]", "A", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), true),
                expected,
                "{pattern} {text}"
            );
        }
    }

    /// The definition as a recursive function: a star matches any number of bytes.
    fn naive(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|taken| naive(rest, &text[taken..], nocase)),
            _ => {
                let (token, rest) = pattern.split_at(token_len(pattern));
                text.first().is_some_and(|&byte| {
                    let same = |other: u8| {
                        if nocase {
                            other.eq_ignore_ascii_case(&byte)
                        } else {
                            other == byte
                        }
                    };
                    let fits = match token {
                        [b'?'] => true,
                        [b'[', class @ ..] => match_class(class, byte, nocase),
                        [b'\\', escaped] => same(*escaped),
                        _ => same(token[0]),
                    };
                    fits && naive(rest, &text[1..], nocase)
                })
            }
        }
    }

    #[test]
    fn random_patterns_against_the_definition() {
        let mut rng = Rng::new(6);
        let mut matched = 0;
        for _ in 0..300_000 {
            let mut any = |alphabet: &[u8], max: u64| -> Vec<u8> {
                (0..rng.below(max))
                    .map(|_| alphabet[rng.below(alphabet.len() as u64) as usize])
                    .collect()
            };
            let pattern = any(b"aabbAB***??[]^-\\", 10);
            let text = any(b"aabbAB-]*", 9);
            for nocase in [false, true] {
                let expected = if text.is_empty() {
                    pattern.is_empty()
                } else {
                    naive(&pattern, &text, nocase)
                };
                assert_eq!(
                    matches(&pattern, &text, nocase),
                    expected,
                    "{} {}",
                    pattern.escape_ascii(),
                    text.escape_ascii()
                );
                matched += u32::from(expected);
            }
        }
        assert!(matched > 10_000);
        assert_eq!(item_len(b"a-z]"), 3);
    }

    #[test]
    fn hostile_patterns_do_not_backtrack() {
        const MIB: usize = 1 << 20;
        let stars = vec![b'*'; MIB];
        let brackets = vec![b'['; MIB];
        let star_a = b"*a".repeat(MIB / 2);
        let classes = [&b"*[a-b]?".repeat(MIB / 7)[..], b"x"].concat();
        let long = vec![b'a'; MIB];
        let start = Instant::now();
        assert!(matches(&stars, &long, false));
        assert!(!matches(&brackets, &long, false));
        assert!(!matches(&star_a, &long, false));
        assert!(matches(&star_a[..2 * MAX_STARS], &long, false));
        assert!(!matches(&classes, &long, false));
        assert!(!matches(&[&long[..], b"*b"].concat(), &long[1..], true));
        assert!(!matches(b"*a*a*a*a*a*a*a*a*a*a*a*a*b", &long, false));
        assert!(!matches(b"*a?a*a[a]a*a*b", &long, true));
        assert!(!matches(
            &[b"*", &long[..MIB / 2], b"b*"].concat(),
            &long,
            false
        ));
        // Takes a fraction of a second on an idle machine; with backtracking it would take hours.
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{:?}",
            start.elapsed()
        );
    }
}
