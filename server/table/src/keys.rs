//! Finds the keys among the arguments of a command, and how the command accesses each.
//!
//! There are three entry points. ACL rules use [`accessed`]: every key with its access. COMMAND GETKEYS uses [`keys`]:
//! the same, but a command line without keys is an error. Cluster routing and key tracking use [`routed`]: the keys in
//! Redis's older order, and shard channels as if they were keys.
//!
//! Keys are found by the key specs of the row. A few commands also have a [`Procedure`], since a key spec cannot
//! express "the last STORE" or "also read if GET is given".
//!
//! # Invariants
//!
//! 1. A position is below `argc`; argv is never accessed beyond it.
//! 2. A count that is negative, zero, not a number, or larger than the number of arguments after it names no keys.
//! 3. If there is a procedure other than `Numkeys`, it alone determines the result of [`accessed`]. It parses options
//!    like the command does, while a keyword spec takes the first match: a group named `streams`, or the first of two
//!    STOREs, would let a user bypass ACL rules. Redis nevertheless uses the key specs of XREAD and GEORADIUS; the
//!    results differ for such lines and for those that the command refuses anyway.

use std::fmt;
use std::ops::{Deref, Range};

use crate::spec::{Begin, Find, KeySpec, Procedure, Spec};
use crate::words::{ChannelFlags, Flags, KeyFlags};

/// A key of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KeyRef {
    /// Its position in argv.
    pub pos: u32,
    /// How the command accesses it; empty if not determined ([`routed`]).
    pub flags: KeyFlags,
}

/// Number of keys that fit without an allocation.
const INLINE: usize = 6;

/// The keys of a command line, in the order in which Redis reports them.
#[derive(Clone, Debug)]
pub enum Keys {
    /// A few keys: an array and the number used.
    Inline([KeyRef; INLINE], usize),
    /// Many keys.
    Heap(Vec<KeyRef>),
}

impl Keys {
    const fn new() -> Self {
        const UNUSED: KeyRef = KeyRef {
            pos: 0,
            flags: KeyFlags::empty(),
        };
        Self::Inline([UNUSED; INLINE], 0)
    }

    fn push(&mut self, pos: usize, flags: KeyFlags) {
        let key = KeyRef {
            pos: pos as u32,
            flags,
        };
        match self {
            Self::Inline(keys, len) if *len < INLINE => {
                keys[*len] = key;
                *len += 1;
            }
            Self::Inline(keys, _) => {
                let mut many = Vec::with_capacity(4 * INLINE);
                many.extend_from_slice(keys);
                many.push(key);
                *self = Self::Heap(many);
            }
            Self::Heap(keys) => keys.push(key),
        }
    }

    fn extend(&mut self, positions: Range<usize>, step: usize, flags: KeyFlags) {
        let mut pos = positions.start;
        while pos < positions.end {
            self.push(pos, flags);
            pos += step;
        }
    }
}

impl Deref for Keys {
    type Target = [KeyRef];

    fn deref(&self) -> &[KeyRef] {
        match self {
            Self::Inline(keys, len) => &keys[..*len],
            Self::Heap(keys) => keys,
        }
    }
}

/// Errors of COMMAND GETKEYS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysError {
    /// The command has no key arguments.
    NoKeys,
    /// Wrong number of arguments.
    Arity,
    /// The command requires keys, but none are found.
    Arguments,
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKeys => "The command has no key arguments",
            Self::Arity => "Invalid number of arguments specified for command",
            Self::Arguments => "Invalid arguments specified for command",
        })
    }
}

impl std::error::Error for KeysError {}

/// The arguments of a line by position, including the command's name (and its container's).
pub type Argv<'l, 'a> = &'l dyn Fn(usize) -> &'a [u8];

/// Whether the command can have keys.
#[must_use]
pub fn has_keys(spec: &Spec) -> bool {
    spec.procedure.is_some() || spec.key_specs().iter().any(is_real)
}

/// The keys as COMMAND GETKEYS and GETKEYSANDFLAGS report them.
///
/// # Errors
///
/// The command has no keys or the line names none; the error has Redis's text without its code.
pub fn keys(spec: &Spec, argv: Argv<'_, '_>, argc: usize) -> Result<Keys, KeysError> {
    if !has_keys(spec) {
        return Err(KeysError::NoKeys);
    }
    if !spec.takes(argc) {
        return Err(KeysError::Arity);
    }
    let keys = found(spec, Line { argv, argc }).unwrap_or(Keys::new());
    if keys.is_empty() && !spec.flags.contains(Flags::NO_MANDATORY_KEYS) {
        return Err(KeysError::Arguments);
    }
    Ok(keys)
}

/// The keys and their access, as far as they can be determined: `PFMERGE d` names no source, but a user without write
/// access to `d` must still not run it.
#[must_use]
pub fn accessed(spec: &Spec, argv: Argv<'_, '_>, argc: usize) -> Keys {
    found(spec, Line { argv, argc }).unwrap_or_else(|part| part)
}

/// The positions of the keys that determine the cluster slot and are tracked for client-side caching.
///
/// The order may differ from that of [`accessed`], and the access is not always set.
#[must_use]
pub fn routed(spec: &Spec, argv: Argv<'_, '_>, argc: usize) -> Keys {
    let line = Line { argv, argc };
    match spec.procedure {
        Some(procedure) => by_procedure(procedure, spec, line),
        None => by_range(spec, line),
    }
}

/// As [`routed`], for commands that always have one key: its position. `None` if there may be more or none.
#[inline]
#[must_use]
pub fn only_key(spec: &Spec, argc: usize) -> Option<usize> {
    let range = spec.range;
    let at = range.first as usize;
    let is_only = spec.procedure.is_none() && range.first == range.last;
    (is_only && (1..argc).contains(&at)).then_some(at)
}

/// The channels among the arguments, and how the command accesses them.
#[must_use]
pub fn channels(spec: &Spec, argc: usize) -> Option<(ChannelFlags, Range<usize>)> {
    let channels = spec.channels?;
    let end = if channels.all { argc } else { argc.min(2) };
    Some((channels.flags, 1..end))
}

/// A command line.
#[derive(Clone, Copy)]
struct Line<'l, 'a> {
    argv: Argv<'l, 'a>,
    argc: usize,
}

impl<'a> Line<'_, 'a> {
    fn get(self, pos: usize) -> Option<&'a [u8]> {
        (pos < self.argc).then(|| (self.argv)(pos))
    }

    fn is(self, pos: usize, word: &str) -> bool {
        self.get(pos)
            .is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Index of the first of these words that equals the argument at a position.
    fn which(self, pos: usize, words: &[&str]) -> Option<usize> {
        words.iter().position(|word| self.is(pos, word))
    }
}

/// All keys with their access, or those that can be determined.
fn found(spec: &Spec, line: Line<'_, '_>) -> Result<Keys, Keys> {
    match spec.procedure {
        None => by_specs(spec, line),
        // Redis falls back to a less strict parser of the count here: `2x` is 2.
        Some(procedure @ Procedure::Numkeys { .. }) => {
            by_specs(spec, line).or_else(|_| Ok(by_procedure(procedure, spec, line)))
        }
        Some(Procedure::GeoRadius) => Ok(georadius(true, line)),
        Some(procedure) => Ok(by_procedure(procedure, spec, line)),
    }
}

fn is_real(spec: &KeySpec) -> bool {
    !spec.flags.contains(KeyFlags::NOT_KEY)
}

fn by_specs(spec: &Spec, line: Line<'_, '_>) -> Result<Keys, Keys> {
    let mut keys = Keys::new();
    let mut whole = true;
    for spec in spec.key_specs().iter().filter(|spec| is_real(spec)) {
        let first = match spec.begin {
            Begin::Index(pos) => Some(pos as usize),
            Begin::Keyword(word, from) => match behind(word, from, line) {
                Some(pos) => Some(pos),
                None => continue,
            },
            Begin::Unknown => None,
        };
        if let Some((positions, step)) = first.and_then(|first| find(spec.find, first, line)) {
            keys.extend(positions, step, spec.flags);
            whole &= !spec.flags.contains(KeyFlags::INCOMPLETE);
        } else {
            whole = false;
        }
    }
    if whole { Ok(keys) } else { Err(keys) }
}

/// The position after a keyword. The command's name and the last argument are not searched.
fn behind(word: &str, from: i16, line: Line<'_, '_>) -> Option<usize> {
    let skip = usize::from(from.unsigned_abs());
    let found = if from > 0 {
        (skip..line.argc.saturating_sub(1)).find(|&pos| line.is(pos, word))
    } else {
        let end = (line.argc + 1).saturating_sub(skip);
        (2..end).rev().find(|&pos| line.is(pos, word))
    };
    found.map(|pos| pos + 1)
}

/// The positions of a key spec that begins at `first`, and their step: never empty, never beyond the line. `None` if
/// the line does not match the spec or the spec is unknown.
fn find(find: Find, first: usize, line: Line<'_, '_>) -> Option<(Range<usize>, usize)> {
    let (first, end, step) = match find {
        Find::Range { last, step, limit } => {
            let back = usize::from(last.unsigned_abs());
            let end = if last >= 0 {
                first + back + 1
            } else if limit == 0 {
                (line.argc + 1).saturating_sub(back)
            } else {
                let share = line.argc.saturating_sub(first) / limit as usize;
                (first + share + 1).saturating_sub(back)
            };
            (first, end, step)
        }
        Find::Keynum {
            count,
            first: skip,
            step,
        } => {
            let count = line
                .get(first + count as usize)
                .and_then(whole)
                .filter(|&count| count <= line.argc)?;
            let first = first + skip as usize;
            (first, first + count, step)
        }
        Find::Unknown => return None,
    };
    (first < end && end <= line.argc).then_some((first..end, step as usize))
}

/// The merged range of the row; all of its keys or none.
fn by_range(spec: &Spec, line: Line<'_, '_>) -> Keys {
    let range = spec.range;
    let mut keys = Keys::new();
    if range.first == 0 {
        return keys;
    }
    let first = range.first as usize;
    if range.first == range.last {
        // Fast path: most lines have one key, and this takes a third of the time.
        return only(first, KeyFlags::empty(), line);
    }
    let back = usize::from(range.last.unsigned_abs());
    let end = if range.last < 0 {
        (line.argc + 1).saturating_sub(back)
    } else {
        back + 1
    };
    if end <= line.argc {
        keys.extend(first..end, range.step as usize, KeyFlags::empty());
    }
    keys
}

fn by_procedure(procedure: Procedure, spec: &Spec, line: Line<'_, '_>) -> Keys {
    match procedure {
        Procedure::Numkeys { count, store } => numkeys(usize::from(count), store, line),
        Procedure::Sort => sort(line),
        Procedure::SortRo => only(1, READ, line),
        Procedure::Migrate => migrate(line),
        Procedure::GeoRadius => georadius(false, line),
        Procedure::Xread => xread(spec, line),
        Procedure::Set => set(line),
        Procedure::Bitfield => bitfield(line),
    }
}

const READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const OVERWRITE: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);
const READ_AND_WRITE: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);

fn only(pos: usize, flags: KeyFlags, line: Line<'_, '_>) -> Keys {
    let mut keys = Keys::new();
    if pos < line.argc {
        keys.push(pos, flags);
    }
    keys
}

fn numkeys(count: usize, store: bool, line: Line<'_, '_>) -> Keys {
    let mut keys = Keys::new();
    let first = count + 1;
    let wanted = line.get(count).and_then(leading_number).unwrap_or(0);
    if wanted > 0 && wanted <= line.argc.saturating_sub(first) {
        keys.extend(first..first + wanted, 1, KeyFlags::empty());
        if store {
            keys.push(1, KeyFlags::empty());
        }
    }
    keys
}

fn sort(line: Line<'_, '_>) -> Keys {
    let mut keys = only(1, READ, line);
    let mut store = None;
    let mut pos = 2;
    while pos < line.argc {
        pos += match line.which(pos, &["store", "by", "get", "limit"]) {
            Some(0) if pos + 1 < line.argc => {
                store = Some(pos + 1);
                2
            }
            Some(1 | 2) => 2,
            Some(3) => 3,
            _ => 1,
        };
    }
    if let Some(pos) = store {
        keys.push(pos, OVERWRITE);
    }
    keys
}

fn migrate(line: Line<'_, '_>) -> Keys {
    const MOVE: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);
    let mut pos = 6;
    while pos < line.argc {
        pos += match line.which(pos, &["keys", "auth", "auth2"]) {
            Some(0) => {
                let mut keys = Keys::new();
                // A single key together with KEYS is a syntax error, which MIGRATE itself reports.
                if line.get(3).is_some_and(<[u8]>::is_empty) {
                    keys.extend(pos + 1..line.argc, 1, MOVE);
                }
                return keys;
            }
            Some(1) => 2,
            Some(2) => 3,
            _ => 1,
        };
    }
    only(3, MOVE, line)
}

/// The key and the last destination, which is the one that is written to, or all of them. Redis looks for the first
/// STORE and the first STOREDIST when it checks rights, so `STORE a STORE b` would write to `b` with the right to `a`.
fn georadius(all: bool, line: Line<'_, '_>) -> Keys {
    let mut keys = only(1, READ, line);
    let mut store = None;
    // As in Redis, the unit of GEORADIUS may be one.
    let mut pos = 5;
    while pos + 1 < line.argc {
        let found = line.which(pos, &["store", "storedist"]).is_some();
        if found
            && let Some(earlier) = store.replace(pos + 1)
            && all
        {
            keys.push(earlier, OVERWRITE);
        }
        pos += if found { 2 } else { 1 };
    }
    if let Some(pos) = store {
        keys.push(pos, OVERWRITE);
    }
    keys
}

fn xread(spec: &Spec, line: Line<'_, '_>) -> Keys {
    let mut keys = Keys::new();
    let mut pos = 1;
    while pos < line.argc {
        pos += match line.which(pos, &["streams", "noack", "block", "count", "group"]) {
            Some(0) => {
                let rest = line.argc - pos - 1;
                let flags = spec.key_specs().first().map_or(READ, |spec| spec.flags);
                keys.extend(pos + 1..pos + 1 + rest / 2, 1, flags);
                break;
            }
            Some(1) => 1,
            Some(2 | 3) => 2,
            Some(4) => 3,
            _ => break,
        };
    }
    keys
}

fn set(line: Line<'_, '_>) -> Keys {
    let reads = (3..line.argc).any(|pos| line.is(pos, "get"));
    only(1, if reads { READ_AND_WRITE } else { OVERWRITE }, line)
}

fn bitfield(line: Line<'_, '_>) -> Keys {
    let mut pos = 2;
    while pos < line.argc {
        // A truncated operation counts as a write, to be safe.
        let step = match line.which(pos, &["overflow", "get"]) {
            Some(0) => 2,
            Some(1) => 3,
            _ => break,
        };
        if pos + step > line.argc {
            break;
        }
        pos += step;
    }
    only(
        1,
        if pos < line.argc {
            READ_AND_WRITE
        } else {
            READ
        },
        line,
    )
}

/// A count as a canonical integer: digits only, no leading zero.
fn whole(arg: &[u8]) -> Option<usize> {
    if arg.len() > 1 && arg[0] == b'0' {
        return None;
    }
    digits(arg)
}

/// A count as C's `atoi` reads it: with leading spaces, a sign, and trailing text.
fn leading_number(arg: &[u8]) -> Option<usize> {
    let arg = arg.trim_ascii_start();
    let arg = arg.strip_prefix(b"+").unwrap_or(arg);
    let end = arg
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(arg.len());
    digits(&arg[..end])
}

fn digits(arg: &[u8]) -> Option<usize> {
    if arg.is_empty() {
        return None;
    }
    arg.iter().try_fold(0_usize, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| usize::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::{Keys, KeysError, accessed, channels, has_keys, keys, routed};
    use crate::spec::Spec;
    use crate::words::ChannelFlags;
    use crate::{iter, lookup, lookup_full, spec, sub};

    /// Splits at spaces; `""` is an empty argument.
    fn split(line: &str) -> Vec<&[u8]> {
        line.split(' ')
            .map(|word| {
                if word == "\"\"" {
                    b"".as_slice()
                } else {
                    word.as_bytes()
                }
            })
            .collect()
    }

    fn row(argv: &[&[u8]]) -> &'static Spec {
        let id = lookup(argv[0]).expect("a command");
        let id = argv.get(1).and_then(|name| sub(id, name)).unwrap_or(id);
        spec(id)
    }

    fn show(argv: &[&[u8]], keys: &Keys) -> String {
        keys.iter()
            .map(|key| {
                let name = String::from_utf8_lossy(argv[key.pos as usize]).into_owned();
                let flags: Vec<_> = key.flags.labels().collect();
                format!("{name}({})", flags.join(","))
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn getkeys(line: &str) -> Result<String, KeysError> {
        let argv = split(line);
        keys(row(&argv), &|pos| argv[pos], argv.len()).map(|keys| show(&argv, &keys))
    }

    fn route(line: &str) -> String {
        let argv = split(line);
        let keys = routed(row(&argv), &|pos| argv[pos], argv.len());
        let names: Vec<_> = keys
            .iter()
            .map(|key| String::from_utf8_lossy(argv[key.pos as usize]))
            .collect();
        names.join(" ")
    }

    fn expect_keys(table: &[(&str, &str)]) {
        for &(line, expected) in table {
            assert_eq!(getkeys(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn keys_come_with_their_access() {
        expect_keys(&[
            ("get k", "k(RO,access)"),
            ("mset a 1 b 2", "a(OW,update) b(OW,update)"),
            ("mset a 1 b", "a(OW,update) b(OW,update)"),
            (
                "del a b c d e f g",
                "a(RM,delete) b(RM,delete) c(RM,delete) d(RM,delete) e(RM,delete) f(RM,delete) g(RM,delete)",
            ),
            ("copy a b", "a(RO,access) b(OW,update)"),
            ("rename a b", "a(RW,access,delete) b(OW,update)"),
            ("blpop a b 0", "a(RW,access,delete) b(RW,access,delete)"),
            ("zunion 2 a b", "a(RO,access) b(RO,access)"),
            (
                "zunionstore d 2 a b weights 1 2",
                "d(OW,update) a(RO,access) b(RO,access)",
            ),
            (
                "lmpop 2 a b left",
                "a(RW,access,delete) b(RW,access,delete)",
            ),
            ("blmpop 0 1 a left", "a(RW,access,delete)"),
            ("sintercard 1 a limit 2", "a(RO,access)"),
            ("eval s 2 a b c", "a(RW,access,update) b(RW,access,update)"),
            ("eval s 0 c", ""),
            ("fcall_ro f 1 a", "a(RO,access)"),
            ("eval s 2x a b", "a() b()"),
            ("xadd a * f v", "a(RW,update)"),
            ("object encoding k", "k(RO)"),
            ("memory usage k samples 5", "k(RO)"),
            ("xgroup create k g 0", "k(RW,insert)"),
            ("pfcount a b", "a(RW,access) b(RW,access)"),
        ]);
    }

    #[test]
    fn options_decide_about_keys_and_access() {
        expect_keys(&[
            ("SET k v", "k(OW,update)"),
            ("set k get", "k(OW,update)"),
            ("set k v GET", "k(RW,access,update)"),
            ("set k v ex 10 get", "k(RW,access,update)"),
            (
                "sort a by x get y limit 0 1 store b",
                "a(RO,access) b(OW,update)",
            ),
            ("sort a store b STORE c", "a(RO,access) c(OW,update)"),
            ("sort a store get store c", "a(RO,access) c(OW,update)"),
            ("sort a by store", "a(RO,access)"),
            ("sort a get store x", "a(RO,access)"),
            ("sort_ro a by x", "a(RO,access)"),
            ("migrate h 1 k 0 5", "k(RW,access,delete)"),
            ("migrate h 1 k 0 5 copy auth keys", "k(RW,access,delete)"),
            (
                "migrate h 1 \"\" 0 5 auth2 keys keys keys a b",
                "a(RW,access,delete) b(RW,access,delete)",
            ),
            ("georadius g 1 2 3 m", "g(RO,access)"),
            (
                "georadius g 1 2 3 m store a storedist b",
                "g(RO,access) a(OW,update) b(OW,update)",
            ),
            (
                "georadius g 1 2 3 m store a storedist b store c",
                "g(RO,access) a(OW,update) b(OW,update) c(OW,update)",
            ),
            (
                "georadiusbymember g m 3 m store a",
                "g(RO,access) a(OW,update)",
            ),
            (
                "geosearchstore d s fromlonlat 1 2 byradius 3 m",
                "d(OW,update) s(RO,access)",
            ),
            ("xread count 1 streams a b 0 0", "a(RO,access) b(RO,access)"),
            // An error, but not before the right to read the key is checked.
            ("xread streams a b c", "a(RO,access)"),
            (
                "xreadgroup count 1 group streams c streams a >",
                "a(RO,access)",
            ),
            ("bitfield k get u8 0 overflow sat get u8 1", "k(RO,access)"),
            ("bitfield k get u8 0 set u8 0 1", "k(RW,access,update)"),
            ("bitfield k get u8", "k(RW,access,update)"),
            ("bitfield k", "k(RO,access)"),
        ]);
    }

    #[test]
    fn acl_rules_see_the_keys_of_truncated_lines() {
        let pfmerge = spec(lookup(b"pfmerge").expect("a command"));
        let argv: [&[u8]; 2] = [b"pfmerge", b"d"];
        let found = accessed(pfmerge, &|pos| argv[pos], 2);
        assert_eq!(show(&argv, &found), "d(RW,access,insert)");
        assert_eq!(getkeys("pfmerge d"), Err(KeysError::Arguments));
    }

    #[test]
    fn a_line_without_keys_is_an_error() {
        let table = [
            ("ping", KeysError::NoKeys),
            ("config get x", KeysError::NoKeys),
            ("publish c m", KeysError::NoKeys),
            ("spublish c m", KeysError::NoKeys),
            ("memory", KeysError::NoKeys),
            ("get", KeysError::Arity),
            ("get a b", KeysError::Arity),
            ("zunionstore d 2", KeysError::Arity),
            ("xread count 1 a b", KeysError::Arguments),
            ("migrate h 1 k 0 5 keys a", KeysError::Arguments),
            ("migrate h 1 \"\" 0 5 keys", KeysError::Arguments),
        ];
        for (line, expected) in table {
            assert_eq!(getkeys(line), Err(expected), "{line}");
        }
    }

    #[test]
    fn invalid_counts_name_no_keys() {
        let counts = [
            "-1",
            "0",
            "3",
            "x",
            "\"\"",
            "-0",
            "+",
            "2147483648",
            "4294967297",
            "18446744073709551617",
            "9223372036854775807",
            "99999999999999999999999999",
        ];
        for count in counts {
            for line in [
                "zunionstore d N a b",
                "zdiff N a b",
                "lmpop N a left",
                "bzmpop 0 N a min",
            ] {
                let line = line.replace('N', count);
                assert_eq!(getkeys(&line), Err(KeysError::Arguments), "{line}");
                assert_eq!(route(&line), "", "{line}");
            }
            let line = format!("eval s {count} a b");
            assert_eq!(getkeys(&line).as_deref(), Ok(""), "{line}");
        }
    }

    #[test]
    fn routing_has_its_own_order_and_shard_channels() {
        let table = [
            ("zunionstore d 2 a b", "a b d"),
            ("spublish c m", "c"),
            ("ssubscribe a b", "a b"),
            ("publish c m", ""),
            ("bitop and d a b", "d a b"),
            ("mset a 1 b 2", "a b"),
            ("xread streams a b 0 0", "a b"),
            ("sort a store b", "a b"),
            ("ping", ""),
        ];
        for (line, expected) in table {
            assert_eq!(route(line), expected, "{line}");
        }
    }

    #[test]
    fn channels_are_all_arguments_or_the_first() {
        let of = |name: &[u8], argc| channels(spec(lookup(name).expect("a command")), argc);
        let pattern = ChannelFlags::PATTERN | ChannelFlags::SUBSCRIBE;
        assert_eq!(of(b"psubscribe", 4), Some((pattern, 1..4)));
        assert_eq!(of(b"publish", 3), Some((ChannelFlags::PUBLISH, 1..2)));
        assert_eq!(
            of(b"unsubscribe", 1),
            Some((ChannelFlags::UNSUBSCRIBE, 1..1))
        );
        assert_eq!(of(b"get", 2), None);
    }

    #[test]
    fn positions_are_always_in_range() {
        let words: [&[u8]; 9] = [
            b"", b"1", b"2", b"keys", b"store", b"streams", b"get", b"group", b"-1",
        ];
        for id in iter() {
            let row = spec(id);
            let mut state = 1_u32;
            for round in 0..400 {
                let argc = round % 11;
                let argv: Vec<&[u8]> = (0..argc)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        words[(state >> 16) as usize % words.len()]
                    })
                    .collect();
                for keys in [
                    accessed(row, &|pos| argv[pos], argc),
                    routed(row, &|pos| argv[pos], argc),
                ] {
                    assert!(
                        keys.iter()
                            .all(|key| (key.pos as usize) < argc && key.pos > 0)
                    );
                    assert!(keys.is_empty() || has_keys(row) || row.range.first > 0);
                }
            }
        }
        assert!(lookup_full(b"sentinel|master").is_some_and(|id| !has_keys(spec(id))));
    }
}
