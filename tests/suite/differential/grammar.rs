//! Random commands from a small grammar, so that a family of commands is a table and no code.
//!
//! A row is a line of words. Besides plain text it may contain:
//!
//! | form | becomes |
//! |---|---|
//! | `<name>` | what the rule `name` yields: a piece of a word, a word, or several |
//! | `<-5..20>` | an integer, both ends included |
//! | `{a\|b c\|}` | one of these; the last one is nothing |
//! | `{a b}?` | all of it or nothing |
//! | `{a b}+9` | up to three times, and in one case of three up to nine times |
//!
//! Pieces without a space between them form one word (`(<0..9>` is an open bound). All families share the rules of
//! [`COMMON`] and may add or replace some. `<empty>`, `<blank>`, `<bytes>` and `<long>` are built in, since no row can
//! spell them.

use std::collections::HashMap;

use data::util::rand::Rng;

/// Rules of every family. Any word may be replaced by a `<junk>`.
const COMMON: &[(&str, &str)] = &[
    ("key", "{a|b|c|d|e}"),
    (
        "value",
        "{<-200..200>|v<0..30>|<i64>|<long>|<empty>|<bytes>|<0..20>}",
    ),
    ("i64", "<-9223372036854775808..9223372036854775807>"),
    (
        "number",
        "{<-3..3>|<-10..10>|<-100..100>|<0..20>|<0..8>|<0..8>|<0..8>|<i64>}",
    ),
    (
        "float",
        "{<-10..10>|<-10..10>.{25|5|75}|inf|-inf|<-3..3>|1e5|{nan|1|1|1}}",
    ),
    (
        "junk",
        "{<empty>|x|1.5|nan|inf|-1|9223372036854775808|+1|<blank>1|1<blank>|0x10|-0}",
    ),
];

enum Node {
    Text(Vec<u8>),
    Space,
    Range(i64, i64),
    Bytes,
    Long,
    Rule(usize),
    Choice(Vec<Vec<Node>>),
    Repeat(Vec<Node>, u64),
}

/// The parsed rules.
pub struct Grammar {
    rules: Vec<Vec<Node>>,
    names: HashMap<&'static str, usize>,
}

impl Grammar {
    /// Parses the rules; a later rule replaces an earlier one of the same name.
    ///
    /// # Panics
    /// If a rule is invalid.
    pub fn new(rules: &[(&'static str, &'static str)]) -> Self {
        let mut grammar = Grammar {
            rules: Vec::new(),
            names: HashMap::new(),
        };
        let all: Vec<_> = COMMON.iter().chain(rules).collect();
        for (name, _) in &all {
            let next = grammar.names.len();
            grammar.names.entry(name).or_insert(next);
        }
        grammar.rules.resize_with(grammar.names.len(), Vec::new);
        for (name, text) in all {
            let line = grammar.line(text);
            grammar.rules[grammar.names[name]] = line.0;
        }
        grammar
    }

    /// Parses a row.
    ///
    /// # Panics
    /// If it is invalid.
    pub fn line(&self, text: &str) -> Line {
        let mut rest = text;
        let nodes = self.sequence(&mut rest);
        assert!(rest.is_empty(), "{text}: cannot parse {rest}");
        Line(nodes)
    }

    /// Parses up to the end of the text or of the alternative.
    fn sequence(&self, rest: &mut &str) -> Vec<Node> {
        let mut nodes = Vec::new();
        while let Some(first) = rest.chars().next() {
            match first {
                '|' | '}' => break,
                ' ' => {
                    nodes.push(Node::Space);
                    *rest = &rest[1..];
                }
                '{' => nodes.push(self.group(rest)),
                '<' => {
                    let (name, behind) = rest[1..].split_once('>').expect("a rule's name ends");
                    nodes.push(self.named(name));
                    *rest = behind;
                }
                _ => {
                    let end = rest.find(['|', '}', ' ', '{', '<']).unwrap_or(rest.len());
                    nodes.push(Node::Text(rest.as_bytes()[..end].to_vec()));
                    *rest = &rest[end..];
                }
            }
        }
        nodes
    }

    fn group(&self, rest: &mut &str) -> Node {
        let mut choices = Vec::new();
        while !rest.starts_with('}') {
            *rest = &rest[1..];
            choices.push(self.sequence(rest));
            assert!(!rest.is_empty(), "unclosed group");
        }
        *rest = &rest[1..];
        if let Some(behind) = rest.strip_prefix('?') {
            *rest = behind;
            choices.push(Vec::new());
        } else if let Some(behind) = rest.strip_prefix('+') {
            let end = behind
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(behind.len());
            *rest = &behind[end..];
            let most = behind[..end].parse().expect("a number after the plus sign");
            return Node::Repeat(vec![Node::Choice(choices)], most);
        }
        Node::Choice(choices)
    }

    fn named(&self, name: &str) -> Node {
        if let Some((low, high)) = name.split_once("..") {
            let number = |text: &str| text.parse().expect("a range has two integers");
            return Node::Range(number(low), number(high));
        }
        match name {
            "empty" => Node::Text(Vec::new()),
            "blank" => Node::Text(b" ".to_vec()),
            "bytes" => Node::Bytes,
            "long" => Node::Long,
            _ => Node::Rule(
                *self
                    .names
                    .get(name)
                    .unwrap_or_else(|| panic!("no rule {name}")),
            ),
        }
    }

    /// A random command of this row.
    pub fn draw(&self, line: &Line, rng: &mut Rng) -> Vec<Vec<u8>> {
        let mut words = Words::default();
        self.expand(&line.0, rng, &mut words);
        words.done
    }

    /// A random junk word.
    pub fn junk(&self, rng: &mut Rng) -> Vec<u8> {
        let mut words = Words::default();
        self.expand(&self.rules[self.names["junk"]], rng, &mut words);
        words.done.pop().unwrap_or_default()
    }

    fn expand(&self, nodes: &[Node], rng: &mut Rng, words: &mut Words) {
        for node in nodes {
            match node {
                Node::Text(text) => words.add(text),
                Node::Space => words.open = false,
                Node::Range(low, high) => {
                    words.add(between(rng, *low, *high).to_string().as_bytes());
                }
                Node::Bytes => {
                    let bytes: Vec<u8> = (0..rng.below(13)).map(|_| rng.next_u64() as u8).collect();
                    words.add(&bytes);
                }
                Node::Long => words.add(&b"x".repeat(rng.below(81) as usize)),
                Node::Rule(rule) => self.expand(&self.rules[*rule], rng, words),
                Node::Choice(choices) => {
                    let choice = &choices[rng.below(choices.len() as u64) as usize];
                    self.expand(choice, rng, words);
                }
                Node::Repeat(body, most) => {
                    let most = if rng.below(3) == 0 {
                        *most
                    } else {
                        3.min(*most)
                    };
                    for _ in 0..=rng.below(most) {
                        words.open = false;
                        self.expand(body, rng, words);
                    }
                }
            }
        }
    }
}

/// A parsed row.
pub struct Line(Vec<Node>);

/// The words so far. A piece is appended to the last word while that is open.
#[derive(Default)]
struct Words {
    done: Vec<Vec<u8>>,
    open: bool,
}

impl Words {
    fn add(&mut self, piece: &[u8]) {
        if !self.open {
            self.done.push(Vec::new());
            self.open = true;
        }
        if let Some(word) = self.done.last_mut() {
            word.extend_from_slice(piece);
        }
    }
}

fn between(rng: &mut Rng, low: i64, high: i64) -> i64 {
    match high.wrapping_sub(low).wrapping_add(1) as u64 {
        // The range covers all 64 bits.
        0 => rng.next_u64() as i64,
        many => low.wrapping_add(rng.below(many) as i64),
    }
}
