//! Random and mutated ACL rules and ACL files. Whatever is accepted must be described so that it reads back as the same
//! user, and can be asked about any command line.

use data::util::rand::Rng;
use server::state::acl::arguments::merged;
use server::state::acl::file;
use server::state::acl::user::{Attempt, Style, User};
use server::sys::log;
use tests::corpus::Corpus;
use words::split;

const INPUTS: usize = 20_000;
/// Mutated files of the corpus per target.
const MUTANTS: usize = 10_000;

/// Parts that rules are assembled from, besides random bytes.
const PIECES: &[&str] = &[
    "on ",
    "off ",
    "nopass ",
    ">p ",
    "<p ",
    "#",
    "!",
    "+",
    "-",
    "@",
    "all ",
    "read ",
    "get ",
    "config|",
    "select|",
    "set ",
    "~",
    "%R~",
    "%W~",
    "%RW~",
    "%",
    "*",
    "?",
    "[a",
    "&",
    "(",
    ")",
    " (",
    ") ",
    "\"",
    "'",
    "\\",
    " ",
    "  ",
    "reset ",
    "clearselectors ",
    "resetkeys ",
    "allkeys ",
    "resetchannels ",
    "user ",
    "\n",
    "a",
    "b:",
    "|",
    "\t",
];

const LINES: &[&str] = &[
    "get a",
    "set b: 1 get",
    "mget a b a",
    "select 0",
    "config get a",
    "publish a b",
    "psubscribe a*",
    "sort a by b* get c",
    "zunionstore a 2 b c",
    "bitfield a get u8 0",
    "xread streams a b 0 0",
    "migrate h 1 \"\" 0 1 keys a b",
    "ping",
];

fn rules(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.below(16) + 1 {
        if rng.below(12) == 0 {
            bytes.push(rng.next_u64() as u8);
        } else {
            bytes.extend_from_slice(PIECES[rng.below(PIECES.len() as u64) as usize].as_bytes());
        }
    }
    bytes
}

/// The user that rules describe, or `None` if one is wrong.
fn user_of<'a>(words: impl Iterator<Item = &'a [u8]>, all_channels: bool) -> Option<User> {
    let mut user = User::new(b"u", all_channels);
    for rule in merged(words).ok()? {
        user.apply(&rule, all_channels).ok()?;
    }
    user.finish();
    Some(user)
}

fn check_rules(bytes: &[u8], rng: &mut Rng) {
    let all_channels = rng.below(2) == 0;
    let Some(user) = user_of(bytes.split(|&byte| byte == b' '), all_channels) else {
        return;
    };
    for style in [Style::AclFile, Style::Config] {
        let line = user.line(style);
        let words = match style {
            Style::Config => split(&line).expect("quotes are balanced"),
            _ => line
                .split(|&byte| byte == b' ')
                .map(<[u8]>::to_vec)
                .collect(),
        };
        let again =
            user_of(words[2..].iter().map(Vec::as_slice), false).expect("every rule is read back");
        assert_eq!(
            again.line(style).escape_ascii().to_string(),
            line.escape_ascii().to_string()
        );
        assert_eq!(again.is_unrestricted(), user.is_unrestricted());
        for line in LINES {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let top = table::lookup(words[0]).expect("a command");
            let cmd = words
                .get(1)
                .and_then(|word| table::sub(top, word))
                .unwrap_or(top);
            let attempt = Attempt {
                cmd,
                spec: table::spec(cmd),
                argv: &|at| words[at],
                argc: words.len(),
            };
            let denied = user.denies(&attempt);
            assert_eq!(denied, again.denies(&attempt), "{line}");
            assert!(denied.is_none() || !user.is_unrestricted(), "{line}");
        }
        assert!(again.keeps_channels_of(&user) && user.keeps_channels_of(&again));
    }
}

fn check_file(bytes: &[u8]) {
    match file::parse(bytes, "f", false) {
        Ok(users) => {
            let text = file::text(users.iter());
            let again = file::parse(&text, "f", false).expect("what is written can be read");
            assert!(file::text(again.iter()) == text, "{}", text.escape_ascii());
        }
        Err(errors) => assert!(errors.ends_with("rules was performed") && !errors.contains('\n')),
    }
}

#[test]
fn acl_rules_read_back_as_the_same_user() {
    log::set_threshold(log::Level::Nothing);
    let mut rng = Rng::new(21);
    for _ in 0..INPUTS {
        check_rules(&rules(&mut rng), &mut rng);
    }
    Corpus::load("acl").run(22, MUTANTS, check_rules);
}

#[test]
fn acl_files_read_back_as_the_same_users() {
    log::set_threshold(log::Level::Nothing);
    let mut rng = Rng::new(23);
    for _ in 0..INPUTS {
        let text = [b"user a ", &rules(&mut rng)[..]].concat();
        check_file(&text);
    }
    Corpus::load("aclfile").run(24, MUTANTS, |bytes, _| check_file(bytes));
}
