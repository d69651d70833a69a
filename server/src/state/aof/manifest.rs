//! The manifest of the append-only file: which files it consists of, in the order in which they are loaded.
//!
//! A base holds the data set at the moment of a rewrite, and incremental files hold the writes since, in order. A rewrite
//! replaces the base and the incremental files that it covers; these become history and are deleted later.
//!
//! # Format
//! One line per file, written in the order base, history, incremental files:
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.1.incr.aof seq 1 type h
//! file appendonly.aof.2.incr.aof seq 2 type i
//! ```
//!
//! A line consists of pairs of keys (in any case) and values, quoted as `words` defines. Unknown keys are
//! ignored, and the last of several equal keys counts. A line that begins with `#` is a comment. Each line, the last
//! included, ends with a line feed and has at most [`MAX_LINE`] bytes.
//!
//! # Invariants
//! 1. The sequence numbers of `incr` rise, and `incr_seq` is at least the last of them.
//! 2. Sequence numbers are below `i64::MAX`, so that there always is a next one.
//! 3. `dirty` is set by every change, and cleared by whoever has written the manifest to the disk.

use std::fmt::Write;

use data::util::leading::leading_i64;
use words::{needs_quotes, quote, split};

/// Maximum length of a line with its line feed, in bytes.
pub const MAX_LINE: usize = 1025;
/// Number of words of the shortest line.
const MIN_WORDS: usize = 6;

const BAD_FORMAT: &str = "Invalid AOF manifest file format";
const TOO_LONG: &str = "The AOF manifest file contains too long line";

/// The name of the manifest of append-only files named `file` (`appendfilename`).
pub fn manifest_name(file: &str) -> String {
    format!("{file}.manifest")
}

/// The name under which a manifest is written before it replaces the old one.
pub fn temp_manifest_name(file: &str) -> String {
    format!("temp-{file}.manifest")
}

/// The name of the incremental file of a rewrite that must succeed before the file counts.
pub fn temp_incr_name(file: &str) -> String {
    format!("temp-{file}.incr")
}

/// The role of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The data set at the last rewrite.
    Base,
    /// Writes since.
    Incr,
    /// No longer needed.
    History,
}

impl Kind {
    /// The letter in the manifest.
    pub fn letter(self) -> char {
        match self {
            Kind::Base => 'b',
            Kind::Incr => 'i',
            Kind::History => 'h',
        }
    }

    /// The role as log lines name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Base => "base",
            Kind::Incr => "incr",
            Kind::History => "history",
        }
    }

    fn of(value: &[u8]) -> Result<Self, &'static str> {
        match value.first() {
            Some(b'b') => Ok(Kind::Base),
            Some(b'i') => Ok(Kind::Incr),
            Some(b'h') => Ok(Kind::History),
            Some(_) => Err("Unknown AOF file type"),
            None => Err(BAD_FORMAT),
        }
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the directory of append-only files.
    pub name: String,
    /// Its sequence number.
    pub seq: i64,
    /// Its role.
    pub kind: Kind,
}

/// The files of the append-only file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The base; there is none before the first rewrite.
    pub base: Option<Part>,
    /// Incremental files, oldest first.
    pub incr: Vec<Part>,
    /// Files that are to be deleted, most recent first.
    pub history: Vec<Part>,
    /// The highest sequence number of a base so far.
    pub base_seq: i64,
    /// The highest sequence number of an incremental file so far.
    pub incr_seq: i64,
    /// It differs from the manifest on disk.
    pub dirty: bool,
}

/// Why a text is not a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The invalid line and its number, unless the text as a whole is wrong.
    pub line: Option<(usize, String)>,
    /// The reason, in Redis's words.
    pub reason: &'static str,
}

impl From<&'static str> for Invalid {
    fn from(reason: &'static str) -> Self {
        Invalid { line: None, reason }
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// The first line that is invalid and why.
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err("Found an empty AOF manifest".into());
        }
        let mut manifest = Manifest::default();
        let mut rest = text;
        let mut number = 0;
        while !rest.is_empty() {
            let room = &rest[..rest.len().min(MAX_LINE)];
            let end = room.iter().position(|&byte| byte == b'\n');
            // What is too long for a line is read as several; only a comment may be.
            let (line, behind) = rest.split_at(end.map_or(room.len(), |end| end + 1));
            rest = behind;
            number += 1;
            if line[0] == b'#' {
                continue;
            }
            if end.is_none() || line.contains(&0) {
                return Err(TOO_LONG.into());
            }
            let line = trim(line);
            manifest.add(line).map_err(|reason| Invalid {
                line: Some((number, String::from_utf8_lossy(line).into_owned())),
                reason,
            })?;
        }
        Ok(manifest)
    }

    /// Adds the file of a line.
    fn add(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let part = part(line)?;
        if part.seq == i64::MAX {
            return Err(BAD_FORMAT);
        }
        match part.kind {
            Kind::Base => {
                if self.base.is_some() {
                    return Err("Found duplicate base file information");
                }
                self.base_seq = part.seq;
                self.base = Some(part);
            }
            Kind::Incr => {
                if part.seq <= self.incr_seq {
                    return Err("Found a non-monotonic sequence number");
                }
                self.incr_seq = part.seq;
                self.incr.push(part);
            }
            Kind::History => self.history.push(part),
        }
        Ok(())
    }

    /// The manifest as text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        for part in self.base.iter().chain(&self.history).chain(&self.incr) {
            text.push_str("file ");
            push_name(&mut text, &part.name);
            let letter = part.kind.letter();
            let _ = writeln!(text, " seq {} type {letter}", part.seq);
        }
        text
    }

    /// Whether it names no file to load.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.incr.is_empty()
    }

    /// The files to load, in order.
    pub fn loadable(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.incr)
    }

    /// Makes a base of an old append-only file that is a single file; its name stays.
    pub fn adopt(&mut self, file: &str) {
        self.base_seq = 1;
        self.base = Some(Part {
            name: file.to_owned(),
            seq: 1,
            kind: Kind::Base,
        });
        self.dirty = true;
    }

    /// Adds a base (a snapshot if `rdb`, else commands) and returns it; the previous one becomes history.
    pub fn next_base(&mut self, file: &str, rdb: bool) -> Part {
        if let Some(old) = self.base.take() {
            self.forget(old);
        }
        self.base_seq += 1;
        let seq = self.base_seq;
        let format = if rdb { "rdb" } else { "aof" };
        let part = Part {
            name: format!("{file}.{seq}.base.{format}"),
            seq,
            kind: Kind::Base,
        };
        self.base = Some(part.clone());
        self.dirty = true;
        part
    }

    /// Adds an incremental file and returns it.
    pub fn next_incr(&mut self, file: &str) -> Part {
        self.incr_seq += 1;
        let seq = self.incr_seq;
        let part = Part {
            name: format!("{file}.{seq}.incr.aof"),
            seq,
            kind: Kind::Incr,
        };
        self.incr.push(part.clone());
        self.dirty = true;
        part
    }

    /// Makes sure that no new file gets the name of a file of `other`.
    pub fn skip_numbers(&mut self, other: &Manifest) {
        self.base_seq = self.base_seq.max(other.base_seq);
        self.incr_seq = self.incr_seq.max(other.incr_seq);
    }

    /// The incremental file that is being written.
    pub fn last_incr(&self) -> Option<&Part> {
        self.incr.last()
    }

    /// A rewrite is complete: the incremental files that the new base replaces become history. The last one is still needed
    /// if it was opened when the rewrite began (`keep_last`).
    pub fn mark_rewritten_incrs_as_history(&mut self, keep_last: bool) {
        let covered = self.incr.len().saturating_sub(usize::from(keep_last));
        let covered: Vec<Part> = self.incr.drain(..covered).collect();
        for part in covered.into_iter().rev() {
            self.forget(part);
            self.dirty = true;
        }
    }

    /// Takes the files that are to be deleted out of the manifest. They may be deleted when it is on disk without them.
    pub fn take_history(&mut self) -> Vec<Part> {
        self.dirty |= !self.history.is_empty();
        std::mem::take(&mut self.history)
    }

    fn forget(&mut self, part: Part) {
        let kind = Kind::History;
        self.history.insert(0, Part { kind, ..part });
    }
}

/// The file that a line describes.
fn part(line: &[u8]) -> Result<Part, &'static str> {
    let words = split(line).map_err(|_| BAD_FORMAT)?;
    if words.len() < MIN_WORDS || !words.len().is_multiple_of(2) {
        return Err(BAD_FORMAT);
    }
    let (mut name, mut seq, mut kind) = (None, 0, None);
    for pair in words.chunks_exact(2) {
        let (key, value) = (&pair[0], &pair[1]);
        if key.eq_ignore_ascii_case(b"file") {
            if value.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
                return Err("File can't be a path, just a filename");
            }
            name = Some(String::from_utf8(value.clone()).map_err(|_| BAD_FORMAT)?);
        } else if key.eq_ignore_ascii_case(b"seq") {
            seq = leading_i64(value).0;
        } else if key.eq_ignore_ascii_case(b"type") {
            kind = Some(Kind::of(value)?);
        }
    }
    match (name, seq, kind) {
        (Some(name), 1.., Some(kind)) | (Some(name), ..=-1, Some(kind)) => {
            Ok(Part { name, seq, kind })
        }
        _ => Err(BAD_FORMAT),
    }
}

/// `text` without blanks, tabs and ends of lines around it.
fn trim(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = text.iter().take_while(|byte| is_blank(byte)).count();
    let text = &text[start..];
    let end = text.iter().rev().take_while(|byte| is_blank(byte)).count();
    &text[..text.len() - end]
}

/// Appends a name, quoted if it would be read differently otherwise.
fn push_name(text: &mut String, name: &str) {
    if !name.is_empty() && !needs_quotes(name.as_bytes()) && !name.contains('\'') {
        text.push_str(name);
        return;
    }
    let mut quoted = Vec::new();
    quote(&mut quoted, name.as_bytes());
    // Quoted text is ASCII.
    text.push_str(&String::from_utf8_lossy(&quoted));
}

#[cfg(test)]
mod tests {
    use super::{BAD_FORMAT, Invalid, Kind, MAX_LINE, Manifest, Part, TOO_LONG};

    const INCR: &str = "file a.1.incr.aof seq 1 type i\n";
    const BASE: &str = "file a.1.base.aof seq 1 type b\n";
    const MONOTONIC: &str = "Found a non-monotonic sequence number";
    const NOT_A_NAME: &str = "File can't be a path, just a filename";

    fn incr(name: &str, seq: i64) -> Part {
        let kind = Kind::Incr;
        let name = name.to_owned();
        Part { name, seq, kind }
    }

    #[test]
    fn lines_are_read() {
        let last = i64::MAX - 1;
        let rows: &[(&str, Part)] = &[
            (INCR, incr("a.1.incr.aof", 1)),
            ("  file a seq 1 type i \t\r\n", incr("a", 1)),
            ("file\ta\tseq\t1\ttype\ti\n", incr("a", 1)),
            ("FILE a Seq 1 tYPE i\n", incr("a", 1)),
            ("type i seq 7 file a\n", incr("a", 7)),
            ("file a seq 1 type i foo bar\n", incr("a", 1)),
            ("file a file b seq 1 type b seq 2 type i\n", incr("b", 2)),
            ("file a seq +1 type ix\n", incr("a", 1)),
            ("file a seq 1x type i\n", incr("a", 1)),
            ("file a seq 9223372036854775806 type i\n", incr("a", last)),
            ("file .. seq 1 type i\n", incr("..", 1)),
            ("file \"\" seq 1 type i\n", incr("", 1)),
            ("file \"a b\\x01\" seq 1 type i\n", incr("a b\x01", 1)),
            ("# comment\n#\nfile a seq 1 type i\n#end", incr("a", 1)),
        ];
        for (text, part) in rows {
            let manifest = Manifest::parse(text.as_bytes()).expect(text);
            assert_eq!(manifest.incr, std::slice::from_ref(part), "{text}");
            assert_eq!(manifest.incr_seq, part.seq, "{text}");
            assert!(manifest.base.is_none() && manifest.history.is_empty() && !manifest.dirty);
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let long = format!("{INCR}file {} seq 2 type i\n", "a".repeat(MAX_LINE));
        let comment = format!("#{}\n", "a".repeat(MAX_LINE));
        let rows: &[(&str, usize, &str)] = &[
            ("", 0, "Found an empty AOF manifest"),
            (&INCR[..INCR.len() - 1], 0, TOO_LONG),
            (&long, 0, TOO_LONG),
            ("file a seq 1 type i\0\n", 0, TOO_LONG),
            (&comment, 2, BAD_FORMAT),
            ("\n", 1, BAD_FORMAT),
            ("  \n", 1, BAD_FORMAT),
            ("file a seq 1\n", 1, BAD_FORMAT),
            ("file a seq 1 type\n", 1, BAD_FORMAT),
            ("file a seq 1 type i newkey\n", 1, BAD_FORMAT),
            ("file a seq 1 foo x\n", 1, BAD_FORMAT),
            ("file a type i foo x\n", 1, BAD_FORMAT),
            ("seq 1 type i foo x\n", 1, BAD_FORMAT),
            ("filx a seq 1 type b\n", 1, BAD_FORMAT),
            ("file a seq 0 type i\n", 1, BAD_FORMAT),
            ("file a seq x type i\n", 1, BAD_FORMAT),
            ("file a seq 0x10 type i\n", 1, BAD_FORMAT),
            ("file a seq 9223372036854775807 type i\n", 1, BAD_FORMAT),
            ("file a seq 99999999999999999999 type b\n", 1, BAD_FORMAT),
            ("file a seq -1 type i\n", 1, MONOTONIC),
            ("file a seq 1 type x\n", 1, "Unknown AOF file type"),
            ("file a seq 1 type I\n", 1, "Unknown AOF file type"),
            ("file a seq 1 type \"\"\n", 1, BAD_FORMAT),
            ("file \"a seq 1 type i\n", 1, BAD_FORMAT),
            ("file a/b seq 1 type i\n", 1, NOT_A_NAME),
            ("file \"a\\\\b\" seq 1 type i\n", 1, NOT_A_NAME),
            (&format!("{INCR}{INCR}"), 2, MONOTONIC),
            (&format!("#\n{INCR}\n"), 3, BAD_FORMAT),
            (
                &format!("{BASE}{BASE}"),
                2,
                "Found duplicate base file information",
            ),
        ];
        for (text, number, reason) in rows {
            let Invalid { line, reason: told } = Manifest::parse(text.as_bytes()).expect_err(text);
            assert_eq!(
                (told, line.map_or(0, |(number, _)| number)),
                (*reason, *number),
                "{text:?}"
            );
        }
        let told = Manifest::parse(b"\t bad \x0bline \r\n").expect_err("invalid");
        assert_eq!(told.line, Some((1, "bad \x0bline".to_owned())));
        assert!(Manifest::parse(b"file \xe9 seq 1 type i\n").is_err());
    }

    #[test]
    fn a_line_may_have_its_length_and_no_byte_more() {
        for (len, fits) in [
            (MAX_LINE - 1, true),
            (MAX_LINE, true),
            (MAX_LINE + 1, false),
        ] {
            let start = "file a seq 1 type i x ";
            let text = format!("{start}{}\n", "y".repeat(len - 1 - start.len()));
            assert_eq!(Manifest::parse(text.as_bytes()).is_ok(), fits, "{len}");
        }
    }

    #[test]
    fn a_rewrite_replaces_what_it_covers() {
        let mut manifest = Manifest::default();
        assert_eq!(manifest.next_base("a", true).name, "a.1.base.rdb");
        assert_eq!(manifest.next_incr("a").name, "a.1.incr.aof");
        assert!(manifest.dirty);
        // The first rewrite failed, so two incremental files precede the one of the second.
        manifest.next_incr("a");
        manifest.next_incr("a");
        assert_eq!(manifest.last_incr().map(|part| part.seq), Some(3));
        assert_eq!(manifest.next_base("a", false).name, "a.2.base.aof");
        manifest.mark_rewritten_incrs_as_history(true);
        let text = "file a.2.base.aof seq 2 type b\n\
                    file a.1.incr.aof seq 1 type h\n\
                    file a.2.incr.aof seq 2 type h\n\
                    file a.1.base.rdb seq 1 type h\n\
                    file a.3.incr.aof seq 3 type i\n";
        assert_eq!(manifest.encode(), text);
        manifest.dirty = false;
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest.clone()));
        assert_eq!(manifest.take_history().len(), 3);
        assert!(manifest.dirty && manifest.history.is_empty());
        assert_eq!(manifest.loadable().count(), 2);
        manifest.mark_rewritten_incrs_as_history(false);
        assert!(manifest.incr.is_empty() && !manifest.is_empty());
        assert_eq!(manifest.next_incr("a").seq, 4);
    }

    #[test]
    fn what_is_unchanged_stays_clean() {
        let mut manifest = Manifest::parse(INCR.as_bytes()).expect("valid");
        manifest.mark_rewritten_incrs_as_history(true);
        assert!(manifest.take_history().is_empty() && !manifest.dirty);
    }

    #[test]
    fn names_read_back() {
        let rows = [
            ("plain.aof", "plain.aof.1.base.rdb"),
            ("#h", "#h.1.base.rdb"),
            ("a b'c", "\"a b'c.1.base.rdb\""),
            ("'x", "\"'x.1.base.rdb\""),
            ("q\"t", "\"q\\\"t.1.base.rdb\""),
            ("é", "\"\\xc3\\xa9.1.base.rdb\""),
        ];
        for (file, name) in rows {
            let mut manifest = Manifest::default();
            manifest.next_base(file, true);
            manifest.dirty = false;
            assert_eq!(manifest.encode(), format!("file {name} seq 1 type b\n"));
            assert_eq!(Manifest::parse(manifest.encode().as_bytes()), Ok(manifest));
        }
        let mut manifest = Manifest::default();
        manifest.adopt("old.aof");
        assert_eq!(manifest.encode(), "file old.aof seq 1 type b\n");
        assert!(manifest.dirty && !manifest.is_empty());
    }
}
