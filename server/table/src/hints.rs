//! Lines of syntax for redis-cli: the complete line in its help, the part still to be typed in its hints.
//!
//! The words typed so far are matched against the arguments of a row, and the rest is written out:
//!
//! ```text
//! SET key value EX        ->  seconds [NX|XX] [GET]
//! MGET a b                ->  [key ...]
//! ```
//!
//! # Invariants
//!
//! 1. Adjacent optional arguments may be given in any order; once a required argument after them has begun, they are
//!    no longer offered.
//! 2. An argument that has begun is written before its optional neighbours and without brackets.
//! 3. A word that matches no argument ends all hints for the line.

use crate::arg::{Arg, ArgKind};

/// The whole syntax of a command, without its name: `key value [NX|XX] [GET] …`.
#[must_use]
pub fn syntax(args: &[Arg]) -> String {
    hint(args, &[])
}

/// The syntax still to be typed after these words, which follow the command's name. Empty if nothing is left or the
/// words do not match.
#[must_use]
pub fn hint(args: &[Arg], words: &[&[u8]]) -> String {
    let mut nodes = fresh(args);
    if take_all(&mut nodes, words) == words.len() {
        write_all(&nodes, " ")
    } else {
        String::new()
    }
}

/// An argument and its progress.
struct Node<'a> {
    arg: &'a Arg,
    /// Number of words matched, including the token; 0 if the argument has not begun.
    taken: usize,
    token_taken: bool,
    value_taken: bool,
    /// Nothing is left to type, repetitions included.
    complete: bool,
    nested: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    fn new(arg: &'a Arg) -> Self {
        Self {
            arg,
            taken: 0,
            token_taken: false,
            value_taken: false,
            complete: false,
            nested: fresh(arg.args),
        }
    }

    fn begun(&self) -> bool {
        self.taken > 0
    }

    fn reset(&mut self) {
        *self = Self::new(self.arg);
    }

    /// Matches words against the argument and all its repetitions. Returns the number of words matched.
    fn take(&mut self, words: &[&[u8]]) -> usize {
        let mut taken = self.take_once(words);
        if !self.arg.multiple {
            return taken;
        }
        while self.complete && taken < words.len() {
            self.reset();
            if self.arg.token.is_some() && !self.arg.multiple_token {
                taken += self.take_value(&words[taken..]);
                self.token_taken = self.begun();
            } else {
                taken += self.take_once(&words[taken..]);
            }
        }
        self.complete = false;
        taken
    }

    fn take_once(&mut self, words: &[&[u8]]) -> usize {
        let Some(token) = self.arg.token else {
            return self.take_value(words);
        };
        let Some((word, rest)) = words.split_first() else {
            return 0;
        };
        if !word.eq_ignore_ascii_case(token.as_bytes()) {
            return 0;
        }
        self.token_taken = true;
        self.taken = 1;
        if self.arg.kind == ArgKind::PureToken {
            self.complete = true;
            return 1;
        }
        if rest.is_empty() {
            return 1;
        }
        self.take_value(rest)
    }

    /// Matches words against the value after the token. Returns the number of words the argument has matched in total.
    fn take_value(&mut self, words: &[&[u8]]) -> usize {
        match self.arg.kind {
            ArgKind::Block => {
                self.taken += take_all(&mut self.nested, words);
                self.complete = self.nested.iter().all(|node| node.complete);
            }
            ArgKind::OneOf => {
                for node in &mut self.nested {
                    let taken = node.take(words);
                    if taken > 0 {
                        self.taken += taken;
                        self.complete = node.complete;
                        break;
                    }
                }
            }
            kind => {
                let fits = match kind {
                    ArgKind::Integer | ArgKind::UnixTime => begins_integer(words[0]),
                    ArgKind::Double => begins_double(words[0]),
                    _ => true,
                };
                self.taken = if fits { self.taken + 1 } else { 0 };
                self.value_taken = fits;
                self.complete = fits;
            }
        }
        self.taken
    }

    /// The syntax of the rest of the argument.
    fn write(&self) -> String {
        if self.complete {
            return String::new();
        }
        let arg = self.arg;
        let brackets = arg.optional && !self.begun();
        let mut text = String::new();
        if brackets {
            text.push('[');
        }
        if let Some(token) = arg.token.filter(|_| !self.token_taken) {
            text.push_str(shown(token));
            if arg.kind != ArgKind::PureToken {
                text.push(' ');
            }
        }
        if arg.kind == ArgKind::OneOf && self.begun() {
            for node in self.nested.iter().filter(|node| node.begun()) {
                text.push_str(&node.write());
            }
        } else {
            text.push_str(&self.write_value());
        }
        if arg.multiple {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&repetition(arg));
        }
        // Redis closes the bracket of a repeated argument even if the opening one has already been typed over; its
        // test suite of hints expects that.
        if brackets || (arg.optional && arg.multiple) {
            text.push(']');
        }
        text
    }

    fn write_value(&self) -> String {
        match self.arg.kind {
            ArgKind::OneOf => write_all(&self.nested, "|"),
            ArgKind::Block => write_all(&self.nested, " "),
            ArgKind::PureToken => String::new(),
            _ if self.value_taken => String::new(),
            _ => self.arg.text().to_owned(),
        }
    }
}

fn fresh(args: &[Arg]) -> Vec<Node<'_>> {
    args.iter().map(Node::new).collect()
}

/// Matches words against the arguments in order. Returns the number of words matched; 0 if a required argument does not match.
fn take_all(nodes: &mut [Node<'_>], words: &[&[u8]]) -> usize {
    let mut taken = 0;
    let mut next = 0;
    while next < nodes.len() && taken < words.len() {
        let rest = &words[taken..];
        let run = optional_run(&nodes[next..]);
        if run > 0 {
            taken += take_in_any_order(&mut nodes[next..next + run], rest);
            next += run;
            continue;
        }
        match nodes[next].take(rest) {
            0 => return 0,
            words => taken += words,
        }
        next += 1;
    }
    taken
}

fn take_in_any_order(nodes: &mut [Node<'_>], words: &[&[u8]]) -> usize {
    let mut taken = 0;
    let mut latest: Option<usize> = None;
    while taken < words.len() {
        let rest = &words[taken..];
        let found = nodes
            .iter_mut()
            .enumerate()
            .filter(|(_, node)| !node.begun())
            .map(|(at, node)| (at, node.take(rest)))
            .find(|&(_, words)| words > 0);
        let Some((at, words)) = found else {
            break;
        };
        // Starting another argument ends the repetitions of the previous one.
        if let Some(before) = latest.replace(at) {
            nodes[before].complete = true;
        }
        taken += words;
    }
    taken
}

/// Number of leading arguments that are optional.
fn optional_run(nodes: &[Node<'_>]) -> usize {
    nodes.iter().take_while(|node| node.arg.optional).count()
}

fn write_all(nodes: &[Node<'_>], separator: &str) -> String {
    let mut parts = Vec::new();
    let mut next = 0;
    while next < nodes.len() {
        let run = optional_run(&nodes[next..]);
        if run == 0 {
            parts.push(nodes[next].write());
            next += 1;
            continue;
        }
        let optional = &nodes[next..next + run];
        next += run;
        parts.extend(optional.iter().filter(|node| node.begun()).map(Node::write));
        if nodes.get(next).is_none_or(|node| !node.begun()) {
            parts.extend(
                optional
                    .iter()
                    .filter(|node| !node.begun())
                    .map(Node::write),
            );
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join(separator)
}

/// The repetition of an argument: `[key ...]`.
fn repetition(arg: &Arg) -> String {
    let mut text = String::from("[");
    if let Some(token) = arg.token.filter(|_| arg.multiple_token) {
        text.push_str(token);
        if arg.kind != ArgKind::PureToken {
            text.push(' ');
        }
    }
    text.push_str(&Node::new(arg).write_value());
    text.push_str(" ...]");
    text
}

/// A token as typed by the user; MIGRATE has one that is an empty string.
fn shown(token: &str) -> &str {
    if token.is_empty() { "\"\"" } else { token }
}

fn begins_integer(word: &[u8]) -> bool {
    let word = without_sign(word);
    word.is_none_or(|word| word.first().is_some_and(u8::is_ascii_digit))
}

fn begins_double(word: &[u8]) -> bool {
    let Some(word) = without_sign(word) else {
        return true;
    };
    let digits = word.strip_prefix(b".").unwrap_or(word);
    let name = |name: &[u8]| word.len() >= 3 && word[..3].eq_ignore_ascii_case(name);
    digits.first().is_some_and(u8::is_ascii_digit) || name(b"inf") || name(b"nan")
}

/// The word without spaces and without one leading sign; `None` if it is empty, which may still become a number.
fn without_sign(word: &[u8]) -> Option<&[u8]> {
    match word.trim_ascii_start() {
        [] => None,
        [b'+' | b'-', rest @ ..] => Some(rest),
        word => Some(word),
    }
}

#[cfg(test)]
mod tests {
    use super::{hint, syntax};
    use crate::{full_name, iter, lookup, spec, sub};

    fn of(line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let id = lookup(words[0]).expect("a command");
        let (id, used) = match words.get(1).and_then(|name| sub(id, name)) {
            Some(id) => (id, 2),
            None => (id, 1),
        };
        hint(spec(id).args, &words[used..])
    }

    #[test]
    fn syntax_is_written_in_full() {
        let table = [
            ("ping", "[message]"),
            ("get", "key"),
            ("mget", "key [key ...]"),
            (
                "set",
                "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|\
                 PXAT unix-time-milliseconds|KEEPTTL]",
            ),
            ("zrandmember", "key [count [WITHSCORES]]"),
            (
                "bitfield_ro",
                "key [GET encoding offset [GET encoding offset ...]]",
            ),
            ("config set", "parameter value [parameter value ...]"),
            (
                "migrate",
                "host port key|\"\" destination-db timeout [COPY] [REPLACE] \
                 [AUTH password|AUTH2 username password] [KEYS key [key ...]]",
            ),
            (
                "zadd",
                "key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]",
            ),
            ("quit", ""),
        ];
        for (line, expected) in table {
            assert_eq!(of(line), expected, "{line}");
        }
    }

    #[test]
    fn typed_words_are_left_out() {
        let table = [
            ("decrby xyz", "decrement"),
            ("decrby xyz 2", ""),
            ("lpop key", "[count]"),
            ("xrange k 4 2 count", "count"),
            ("mget k k", "[key ...]"),
            ("config set a b", "[parameter value ...]"),
            ("config set a b c", "value [parameter value ...]"),
            ("scan 2 count", "count [MATCH pattern] [TYPE type]"),
            ("blmove s d left", "LEFT|RIGHT timeout"),
            (
                "bitfield_ro k get",
                "encoding offset [GET encoding offset ...]]",
            ),
            (
                "bitfield_ro k get u8 1 get u8",
                "offset [GET encoding offset ...]]",
            ),
            (
                "zrange k 1 2 bylex rev",
                "[LIMIT offset count] [WITHSCORES]",
            ),
            ("zrandmember k 3", "[WITHSCORES]"),
            ("set k v ex", "seconds [NX|XX] [GET]"),
            ("set k v ex 23", "[NX|XX] [GET]"),
            (
                "zadd key ch lt",
                "[NX|XX] [INCR] score member [score member ...]",
            ),
            ("zadd key 0", "member [score member ...]"),
            (
                "georadius k 1 -2.345 3 m count 12",
                "[ANY] [WITHCOORD] [WITHDIST] [WITHHASH] [ASC|DESC] [STORE key|STOREDIST key]",
            ),
            (
                "georadius k 1 2 3 m count 12 asc",
                "[WITHCOORD] [WITHDIST] [WITHHASH] [STORE key|STOREDIST key]",
            ),
        ];
        for (line, expected) in table {
            assert_eq!(of(line), expected, "{line}");
        }
    }

    #[test]
    fn a_word_that_does_not_fit_ends_the_hints() {
        for line in [
            "get a b",
            "set k v foobar",
            "set k v ex sec",
            "zrandmember k cnt",
            "georadius k 1 X",
            "zadd k 0 a b",
        ] {
            assert_eq!(of(line), "", "{line}");
        }
    }

    #[test]
    fn every_row_has_a_syntax_with_balanced_brackets() {
        for id in iter() {
            let text = syntax(spec(id).args);
            let count = |wanted| text.chars().filter(|&c| c == wanted).count();
            assert_eq!(count('['), count(']'), "{}: {text}", full_name(id));
            assert!(
                !text.contains("  ") && !text.contains("[]"),
                "{}: {text}",
                full_name(id)
            );
            assert_eq!(
                text.is_empty(),
                spec(id).args.is_empty(),
                "{}",
                full_name(id)
            );
        }
    }
}
