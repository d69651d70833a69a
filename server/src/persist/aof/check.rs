//! `redis-check-aof`: looks for the first error in the files of an append-only file, and can cut off what follows it, or what
//! is later than a moment.
//!
//! A file is a manifest if its first line that is not a comment begins with `file`; then all the files that it names
//! are checked, and only the last one may be cut. The texts, offsets and exit codes are those of Redis 7.2.6.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use data::util::leading::checked_i64;

use crate::persist::aof::manifest_file;
use crate::persist::aof::read::begins_with_snapshot;
use crate::persist::aof::scan::{Found, Scan};
use crate::persist::check;
use crate::state::aof::manifest::{Kind, Part};
use crate::sys::host::reason;
use crate::warning;

/// A shorter file has no snapshot in front of its commands.
const SMALLEST_SNAPSHOT: u64 = 8;
/// Maximum length of a line by which a manifest is told, in bytes.
const MAX_LINE: u64 = 1023;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The file, or the manifest.
    pub path: String,
    /// An invalid end is cut off, after a question.
    pub fix: bool,
    /// What is later than this is cut off, Unix seconds.
    pub until: Option<i64>,
}

impl Order {
    /// Reads the arguments, the program's name first.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let order = |path: &String| Order {
            path: path.clone(),
            fix: false,
            until: None,
        };
        match args {
            [_, path] => Ok(order(path)),
            [_, flag, path] if flag == "--fix" => Ok(Order {
                fix: true,
                ..order(path)
            }),
            [_, flag, time, path] if flag == "--truncate-to-timestamp" => {
                let (until, _) = checked_i64(time.as_bytes())
                    .filter(|&(_, len)| len == time.len())
                    .ok_or("Invalid timestamp, aborting...")?;
                Ok(Order {
                    // As in Redis, 0 does not count as a time.
                    until: Some(until).filter(|&until| until != 0),
                    ..order(path)
                })
            }
            _ => Err(format!(
                "Usage: {} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>",
                args.first().map_or("redis-check-aof", String::as_str)
            )),
        }
    }
}

/// Why checking ends early.
#[derive(Debug)]
enum Stop {
    /// A file is invalid or cannot be read; that was written.
    Failed,
    /// The report cannot be written, or an opened file not be read.
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Io(error)
    }
}

/// What is said of a file that is valid now.
enum Verdict {
    Valid,
    Empty,
    Truncated,
    TruncatedTo(i64),
}

/// A file to be checked.
struct Target<'a> {
    /// Its name in the report.
    name: &'a str,
    path: &'a str,
    is_last: bool,
    /// It begins with a snapshot.
    has_snapshot: bool,
}

struct Checker<'a> {
    order: &'a Order,
    /// The answers to questions.
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
    scan: Scan,
}

/// Carries out an order and writes the report to `out`; whether all is valid, or was made so.
///
/// # Errors
/// The report cannot be written, or an opened file not be read.
pub fn run(order: &Order, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<bool> {
    let mut checker = Checker {
        order,
        input,
        out,
        scan: Scan::new(order.until),
    };
    let checked = checker.check();
    out.flush()?;
    match checked {
        Ok(()) => Ok(true),
        Err(Stop::Failed) => Ok(false),
        Err(Stop::Io(error)) => Err(error),
    }
}

impl Checker<'_> {
    /// Writes a line and ends.
    fn fail<T>(&mut self, line: &str) -> Result<T, Stop> {
        writeln!(self.out, "{line}")?;
        Err(Stop::Failed)
    }

    fn check(&mut self) -> Result<(), Stop> {
        let path = self.order.path.as_str();
        if self.is_manifest(path)? {
            return self.check_all(path);
        }
        writeln!(self.out, "Start checking Old-Style AOF")?;
        let target = Target {
            name: path,
            path,
            is_last: true,
            has_snapshot: self.is_snapshot(path)?,
        };
        self.check_file("AOF", &target)
    }

    fn open(&mut self, path: &str) -> Result<File, Stop> {
        match File::open(path) {
            Ok(file) => Ok(file),
            Err(error) => self.fail(&format!("Cannot open file {path}: {}", reason(&error))),
        }
    }

    fn is_manifest(&mut self, path: &str) -> Result<bool, Stop> {
        let mut file = BufReader::new(self.open(path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            match file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return Ok(false),
                Ok(_) if line[0] == b'#' => {}
                Ok(_) => return Ok(line.starts_with(b"file")),
                Err(_) => return self.fail(&format!("Cannot read file: {path}")),
            }
        }
    }

    fn is_snapshot(&mut self, path: &str) -> Result<bool, Stop> {
        let mut file = self.open(path)?;
        let is_big = file.metadata()?.len() >= SMALLEST_SNAPSHOT;
        Ok(is_big && begins_with_snapshot(&mut file).unwrap_or(false))
    }

    /// Checks a manifest and the files that it names.
    fn check_all(&mut self, path: &str) -> Result<(), Stop> {
        writeln!(self.out, "Start checking Multi Part AOF")?;
        // The log has a way of its own to the same place.
        self.out.flush()?;
        let manifest = match manifest_file::read(Path::new(path)) {
            Ok(manifest) => manifest,
            Err(why) => {
                warning!("{why}");
                return Err(Stop::Failed);
            }
        };
        if let Some(base) = &manifest.base {
            self.check_part(path, base, manifest.incr.is_empty())?;
        }
        if !manifest.incr.is_empty() {
            writeln!(self.out, "Start to check INCR files.")?;
        }
        for (number, part) in manifest.incr.iter().enumerate() {
            self.check_part(path, part, number + 1 == manifest.incr.len())?;
        }
        writeln!(self.out, "All AOF files and manifest are valid")?;
        Ok(())
    }

    fn check_part(&mut self, manifest: &str, part: &Part, is_last: bool) -> Result<(), Stop> {
        let folder = match manifest.rsplit_once('/') {
            Some(("", _)) => "/",
            Some((folder, _)) => folder,
            None => ".",
        };
        let path = format!("{folder}/{}", part.name);
        let is_base = part.kind == Kind::Base;
        let target = Target {
            name: &part.name,
            path: &path,
            is_last,
            has_snapshot: is_base && self.is_snapshot(&path)?,
        };
        if is_base {
            let format = if target.has_snapshot { "RDB" } else { "RESP" };
            writeln!(self.out, "Start to check BASE AOF ({format} format).")?;
            return self.check_file("BASE AOF", &target);
        }
        self.check_file("INCR AOF", &target)
    }

    /// Checks a file and says what was found; `kind` is what it is called.
    fn check_file(&mut self, kind: &str, target: &Target<'_>) -> Result<(), Stop> {
        let name = target.name;
        let line = match self.verdict(target)? {
            Verdict::Valid => format!("{kind} {name} is valid"),
            Verdict::Empty => format!("{kind} {name} is empty"),
            Verdict::Truncated => format!("Successfully truncated AOF {name}"),
            Verdict::TruncatedTo(time) => {
                format!("Successfully truncated AOF {name} to timestamp {time}")
            }
        };
        writeln!(self.out, "{line}")?;
        Ok(())
    }

    fn verdict(&mut self, target: &Target<'_>) -> Result<Verdict, Stop> {
        let Target { name, path, .. } = *target;
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) => {
                let why = reason(&error);
                return self.fail(&format!("Cannot open file {path}: {why}, aborting..."));
            }
        };
        let size = file.metadata()?.len();
        if size == 0 {
            return Ok(Verdict::Empty);
        }
        let start = if target.has_snapshot {
            self.check_snapshot(path)?
        } else {
            0
        };
        let cut = file.try_clone()?;
        let valid = match self.scan.file(file, start, (name, path), self.out)? {
            Found::ValidUpTo(valid) => valid,
            Found::BadTimestamp => return self.fail("Invalid timestamp annotation"),
            Found::Later(at) => return self.cut_later(target, &cut, at),
        };
        if valid == size
            && let Some(until) = self.order.until
        {
            writeln!(
                self.out,
                "Truncate nothing in AOF {name} to timestamp {until}"
            )?;
            return Ok(Verdict::Valid);
        }
        let (more, line) = (size.saturating_sub(valid), self.scan.line);
        writeln!(
            self.out,
            "AOF analyzed: filename={name}, size={size}, ok_up_to={valid}, ok_up_to_line={line}, diff={more}"
        )?;
        if more == 0 {
            return Ok(Verdict::Valid);
        }
        if !self.order.fix {
            return self.fail(&format!(
                "AOF {name} is not valid. Use the --fix option to try fixing it."
            ));
        }
        self.cut_invalid(target, &cut, size, valid)
    }

    /// Checks the snapshot in front of the commands; returns where it ends.
    fn check_snapshot(&mut self, path: &str) -> Result<u64, Stop> {
        match check::check(path, self.out)? {
            Some(end) => {
                writeln!(self.out, "RDB preamble is OK, proceeding with AOF tail...")?;
                Ok(end)
            }
            None => self.fail("RDB preamble of AOF file is not sane, aborting."),
        }
    }

    /// Cuts off what is later than the wanted time.
    fn cut_later(&mut self, target: &Target<'_>, file: &File, at: u64) -> Result<Verdict, Stop> {
        let path = target.path;
        let until = self.order.until.unwrap_or_default();
        if at == 0 {
            return self.fail(&format!(
                "AOF {path} has nothing before timestamp {until}, aborting..."
            ));
        }
        if !target.is_last {
            return self.fail(&format!(
                "Failed to truncate AOF {path} to timestamp {until} to offset {at} because it is not the last file.\n\
                 If you insist, please delete all files after this file according to the manifest file and delete the \
                 corresponding records in manifest file manually. Then re-run redis-check-aof."
            ));
        }
        if cut(file, at).is_err() {
            return self.fail(&format!(
                "Failed to truncate AOF {path} to timestamp {until}"
            ));
        }
        Ok(Verdict::TruncatedTo(until))
    }

    /// Cuts off an invalid end, if the answer to a question allows it.
    fn cut_invalid(
        &mut self,
        target: &Target<'_>,
        file: &File,
        size: u64,
        valid: u64,
    ) -> Result<Verdict, Stop> {
        let name = target.name;
        if !target.is_last {
            return self.fail(&format!(
                "Failed to truncate AOF {name} because it is not the last file"
            ));
        }
        let more = size - valid;
        writeln!(
            self.out,
            "This will shrink the AOF {name} from {size} bytes, with {more} bytes, to {valid} bytes"
        )?;
        write!(self.out, "Continue? [y/N]: ")?;
        self.out.flush()?;
        let mut answer = Vec::new();
        self.input.read_until(b'\n', &mut answer)?;
        if !matches!(answer.first(), Some(b'y' | b'Y')) {
            return self.fail("Aborting...");
        }
        if cut(file, valid).is_err() {
            return self.fail(&format!("Failed to truncate AOF {name}"));
        }
        Ok(Verdict::Truncated)
    }
}

fn cut(file: &File, len: u64) -> io::Result<()> {
    file.set_len(len)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::Order;

    /// Arguments; whether to fix and until when, or the error.
    type Row<'a> = (&'a [&'a str], Result<(bool, Option<i64>), &'a str>);

    #[test]
    fn arguments() {
        let usage =
            "Usage: check [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>";
        let time = "--truncate-to-timestamp";
        let invalid = "Invalid timestamp, aborting...";
        let rows: &[Row] = &[
            (&["f"], Ok((false, None))),
            (&["--fix", "f"], Ok((true, None))),
            (&[time, "5", "f"], Ok((false, Some(5)))),
            (&[time, " +5", "f"], Ok((false, Some(5)))),
            (&[time, "-5", "f"], Ok((false, Some(-5)))),
            (&[time, "0", "f"], Ok((false, None))),
            (&[time, "", "f"], Ok((false, None))),
            (&[time, "5x", "f"], Err(invalid)),
            (&[time, "99999999999999999999", "f"], Err(invalid)),
            (&[], Err(usage)),
            (&["f", "--fix"], Err(usage)),
            (&[time, "5"], Err(usage)),
            (&[time, "5", "f", "g"], Err(usage)),
        ];
        for (args, expected) in rows {
            let all = ["check"].iter().chain(*args);
            let all: Vec<String> = all.map(|&arg| arg.to_owned()).collect();
            let read = Order::parse(&all).map(|order| (order.fix, order.until));
            assert_eq!(read, expected.map_err(str::to_owned), "{args:?}");
        }
    }
}
