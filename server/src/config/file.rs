//! Reading configuration: files, standard input and the command line, as one sequence of texts.
//!
//! A line is a directive and its words, quoted as `words` defines; a line that begins with `#` is a
//! comment. Later lines win, except for directives that accumulate. `include` reads files in place, relative to the
//! working directory that `dir` has set so far; a pattern without matches is ignored.
//!
//! The first invalid line ends the reading. The error names the file, the line and the cause in Redis's format.

use std::collections::HashSet;
use std::fs;
use std::mem;
use std::path::{Component, Path, PathBuf};

use data::util::glob;
use words::split;

use crate::config::params::Params;
use crate::config::row::{Flags, Row, WRONG_ARGS};
use crate::config::special::dir_text;
use crate::config::table;
use crate::sys::host::reason;

/// Maximum nesting of `include`; it also ends circles.
const MAX_DEPTH: usize = 16;

/// Error for a line with unbalanced quotes.
const UNBALANCED: &str = "Unbalanced quotes in configuration line";

/// Obsolete directives, which are ignored.
const OBSOLETE: [&str; 3] = [
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "lua-replicate-commands",
];

/// A text of directives.
pub struct Source {
    /// Its name in errors.
    pub name: String,
    /// The text.
    pub text: Vec<u8>,
}

/// Why a line is invalid.
enum Problem {
    /// The cause.
    Line(String),
    /// The complete error of an included file.
    Inside(String),
}

impl From<&str> for Problem {
    fn from(reason: &str) -> Self {
        Problem::Line(reason.to_owned())
    }
}

impl From<String> for Problem {
    fn from(reason: String) -> Self {
        Problem::Line(reason)
    }
}

/// The files at a path, which may be a pattern.
///
/// # Errors
/// A sentence: a file cannot be read.
pub fn open(path: &Path) -> Result<Vec<Source>, String> {
    let has_pattern = path.to_string_lossy().contains(['*', '?', '[']);
    let paths = if has_pattern {
        expand(path)
    } else {
        vec![path.to_owned()]
    };
    let sources = paths.into_iter().map(|path| {
        let name = path.display().to_string();
        match fs::read(&path) {
            Ok(text) => Ok(Source { name, text }),
            Err(error) => Err(format!(
                "Fatal error, can't open config file '{name}': {}",
                reason(&error)
            )),
        }
    });
    sources.collect()
}

/// Checks the name and the rules of a `user` line; the error says what is wrong with it.
pub type UserCheck = fn(&[Vec<u8>]) -> Result<(), String>;

/// Reads texts onto the defaults.
///
/// # Errors
/// A text of several lines that says which line is invalid and why.
pub fn load(sources: &[Source], check_user: UserCheck) -> Result<Params, String> {
    let mut loader = Loader {
        params: Params::default(),
        check_user,
        seen: Vec::new(),
        user_names: HashSet::new(),
        depth: 0,
    };
    for source in sources {
        loader.read(source)?;
    }
    let mut params = loader.params;
    params.dir = dir_text(&params);
    params.normalize();
    Ok(params)
}

struct Loader {
    params: Params,
    check_user: UserCheck,
    /// Accumulating directives that have occurred already.
    seen: Vec<&'static str>,
    user_names: HashSet<Vec<u8>>,
    depth: usize,
}

impl Loader {
    fn read(&mut self, source: &Source) -> Result<(), String> {
        for (index, line) in source.text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            self.line(line).map_err(|problem| match problem {
                Problem::Line(reason) => fatal_line(&source.name, index + 1, line, &reason),
                Problem::Inside(whole) => whole,
            })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Problem> {
        let words = split(line).map_err(|_| UNBALANCED)?;
        let Some((name, args)) = words.split_first() else {
            return Ok(());
        };
        if let Some(named) = table::find(name) {
            return Ok(self.directive(named.row, args)?);
        }
        match (name.to_ascii_lowercase().as_slice(), args) {
            (b"include", [path]) => self.include(path),
            (b"rename-command", [old, new]) => Ok(self.rename(old, new)?),
            (b"user", [_, ..]) => Ok(self.user(args)?),
            (b"loadmodule", [_, ..]) => Err("modules cannot be loaded".into()),
            (b"sentinel", []) => Ok(()),
            (b"sentinel", _) => Err("sentinel directive while not in sentinel mode".into()),
            (name, [_]) if OBSOLETE.iter().any(|old| old.as_bytes() == name) => Ok(()),
            (name, _) if name.contains(&b'.') => Err(
                "Module Configuration detected without loadmodule directive: modules cannot be loaded".into(),
            ),
            _ => Err("Bad directive or wrong number of arguments".into()),
        }
    }

    fn directive(&mut self, row: &'static Row, args: &[Vec<u8>]) -> Result<(), String> {
        let inner;
        let mut words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        if !row.flags.contains(Flags::MULTI_ARG) {
            if words.len() != 1 {
                return Err(WRONG_ARGS.into());
            }
        } else if let [all] = args
            && !all.is_empty()
        {
            // `--save "900 1"`: the words may be one argument.
            inner = split(all).map_err(|_| UNBALANCED)?;
            words = inner.iter().map(Vec::as_slice).collect();
        }
        if !row.flags.contains(Flags::ACCUMULATES) || words == [b""] {
            return row.set(&mut self.params, &words);
        }
        if !self.seen.contains(&row.name) {
            self.seen.push(row.name);
            return row.set(&mut self.params, &words);
        }
        // Only `save` accumulates. What earlier lines have set is moved and not read again, which would take time with
        // the square of the lines.
        let mut points = mem::take(&mut self.params.save);
        row.set(&mut self.params, &words)?;
        points.append(&mut self.params.save);
        self.params.save = points;
        Ok(())
    }

    fn include(&mut self, path: &[u8]) -> Result<(), Problem> {
        if self.depth == MAX_DEPTH {
            return Err("files include each other too deeply".into());
        }
        let path = str::from_utf8(path).map_err(|_| "the path must be valid UTF-8")?;
        let sources = open(&Path::new(&self.params.dir).join(path))?;
        self.depth += 1;
        for source in &sources {
            self.read(source).map_err(Problem::Inside)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Commands are found by the names that earlier lines gave them.
    fn rename(&mut self, old: &[u8], new: &[u8]) -> Result<(), String> {
        let text = |word: &[u8]| {
            String::from_utf8(word.to_vec()).map_err(|_| "a name must be valid UTF-8")
        };
        let (old, new) = (text(old)?, text(new)?);
        let renamed = &mut self.params.rename_command;
        let at = renamed
            .iter()
            .position(|(_, name)| name.eq_ignore_ascii_case(&old));
        let own = |renamed: &[(String, String)], name: &str| {
            table_has(name)
                && !renamed
                    .iter()
                    .any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        if at.is_none_or(|_| old.is_empty()) && !own(renamed, &old) {
            return Err("No such command in rename-command".into());
        }
        let original = at.map_or(old, |at| renamed.remove(at).0);
        renamed.push((original, String::new()));
        let taken = renamed
            .iter()
            .any(|(_, name)| name.eq_ignore_ascii_case(&new));
        if !new.is_empty() && (taken || own(renamed, &new)) {
            return Err("Target command name already exists".into());
        }
        if let Some(last) = renamed.last_mut() {
            last.1 = new;
        }
        Ok(())
    }

    /// Keeps the line of a user, which is created when the server starts.
    fn user(&mut self, words: &[Vec<u8>]) -> Result<(), String> {
        if !self.user_names.insert(words[0].clone()) {
            let name = String::from_utf8_lossy(&words[0]);
            return Err(format!(
                "Error in user declaration '{name}': Duplicate user found. A user can only be defined once in config files"
            ));
        }
        (self.check_user)(words)?;
        self.params.users.push(words.to_vec());
        Ok(())
    }
}

fn table_has(name: &str) -> bool {
    ::table::lookup(name.as_bytes()).is_some()
}

/// What is printed when the server does not start because of its configuration.
pub fn fatal(reason: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("\n*** FATAL CONFIG FILE ERROR (Redis {version}) ***\n{reason}")
}

fn fatal_line(name: &str, line_number: usize, line: &[u8], reason: &str) -> String {
    let line = shown(line);
    fatal(&format!(
        "Reading the configuration file, at line {line_number} of {name}\n>>> '{line}'\n{reason}"
    ))
}

/// A line as errors show it: without passwords.
fn shown(line: &[u8]) -> String {
    let name = line
        .split(u8::is_ascii_whitespace)
        .next()
        .unwrap_or_default();
    let is_user = name.eq_ignore_ascii_case(b"user");
    let is_secret =
        table::find(name).is_some_and(|named| named.row.flags.contains(Flags::SENSITIVE));
    let words = split(line).unwrap_or_default();
    let parts: Vec<&[u8]> = if is_user && !words.is_empty() {
        let hidden = |word: &Vec<u8>| matches!(word.first(), Some(b'>' | b'<'));
        let words = words.iter();
        words
            .map(|word| {
                if hidden(word) {
                    b"(redacted)"
                } else {
                    word.as_slice()
                }
            })
            .collect()
    } else if is_user || is_secret {
        vec![name, b"(redacted)"]
    } else {
        vec![line]
    };
    String::from_utf8_lossy(&parts.join(&b' ')).into_owned()
}

/// The paths that match a pattern, sorted. A leading dot must be matched explicitly.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(part) = component else {
            paths.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        let part = part.as_encoded_bytes();
        if part.iter().any(|byte| b"*?[".contains(byte)) {
            paths = paths.iter().flat_map(|path| matching(path, part)).collect();
        } else {
            paths.iter_mut().for_each(|path| path.push(component));
        }
    }
    paths.retain(|path| path.exists());
    paths
}

fn matching(dir: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let listed = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let Ok(entries) = fs::read_dir(listed) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut found: Vec<PathBuf> = names
        .filter(|name| {
            let bytes = name.as_encoded_bytes();
            (bytes[0] != b'.' || pattern[0] == b'.') && glob::matches(pattern, bytes, false)
        })
        .map(|name| dir.join(name))
        .collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Source, expand, load, open};
    use crate::config::params::Params;
    use crate::config::row::Flags;
    use crate::config::table;

    fn read(text: &str) -> Result<Params, String> {
        let source = Source {
            name: "test.conf".into(),
            text: text.into(),
        };
        load(&[source], |words| match words {
            [_] => Err("no rules".into()),
            [name, ..] if name == b"bad" => Err("a bad name".into()),
            _ => Ok(()),
        })
    }

    /// Applies a text to a directive.
    fn value(text: &str, name: &str) -> String {
        let params = read(text).expect(text);
        let row = table::find(name.as_bytes()).expect(name).row;
        String::from_utf8(row.get(&params)).expect(name)
    }

    #[test]
    fn lines_are_read() {
        let rows = [
            ("# comment\n\n  port 7000  \r\n", "port", "7000"),
            ("PORT 7000\nport 7001", "port", "7001"),
            ("port \"7000\"", "port", "7000"),
            ("requirepass 'a b\\'c'", "requirepass", "a b'c"),
            ("requirepass \"\\x41\\n\"", "requirepass", "A\n"),
            ("slave-priority 5", "replica-priority", "5"),
            ("save 900 1\nsave 300 10", "save", "900 1 300 10"),
            ("save 900 1\nsave \"\"", "save", ""),
            ("save \"\"\nsave 1 2", "save", "1 2"),
            (
                "save 1 2\nsave 3 4\nsave 5 6 7 8",
                "save",
                "1 2 3 4 5 6 7 8",
            ),
            ("save 1 2\nsave \"\"\nsave 3 4\nsave 5 6", "save", "3 4 5 6"),
            ("save \"900 1 300 10\"", "save", "900 1 300 10"),
            (
                "bind 127.0.0.1 ::1\nbind \"10.0.0.1 10.0.0.2\"",
                "bind",
                "10.0.0.1 10.0.0.2",
            ),
            ("bind", "bind", ""),
            ("hz 0", "hz", "1"),
            (
                "list-max-ziplist-value 4\nlua-replicate-commands yes",
                "port",
                "6379",
            ),
            ("replicaof no one", "replicaof", ""),
        ];
        for (text, name, expected) in rows {
            assert_eq!(value(text, name), expected, "{text}");
        }
    }

    #[test]
    fn errors_name_file_line_and_cause() {
        let rows = [
            ("port x", "argument couldn't be parsed into an integer"),
            ("port", "wrong number of arguments"),
            ("port 1 2", "wrong number of arguments"),
            ("port \"1", "Unbalanced quotes in configuration line"),
            ("bind '1 \"2'", "Unbalanced quotes in configuration line"),
            ("nope 1", "Bad directive or wrong number of arguments"),
            ("include", "Bad directive or wrong number of arguments"),
            ("rename-command nope x", "No such command in rename-command"),
            (
                "rename-command get set",
                "Target command name already exists",
            ),
            (
                "sentinel monitor x",
                "sentinel directive while not in sentinel mode",
            ),
            (
                "include /no/such/file",
                "Fatal error, can't open config file '/no/such/file': No such file or directory",
            ),
            ("dir /no/such/dir", "No such file or directory"),
            ("user bob", "no rules"),
        ];
        for (text, reason) in rows {
            let expected = format!(
                "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.6) ***\n\
                 Reading the configuration file, at line 2 of test.conf\n>>> '{text}'\n{reason}"
            );
            assert_eq!(
                read(&format!("# first\n{text}\nport 1")).err(),
                Some(expected)
            );
        }
        for (text, expected) in [
            ("user bob >a '<b c'", ">>> 'user bob (redacted) (redacted)'"),
            ("user bob \">a", ">>> 'user (redacted)'"),
            ("requirepass a b", ">>> 'requirepass (redacted)'"),
        ] {
            let failing = text.replace("bob", "bad");
            let text = read(&failing).err().unwrap_or_default();
            assert!(text.contains(&expected.replace("bob", "bad")), "{text}");
        }
        for text in ["loadmodule x.so", "user", "user bob", "module.option 1"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    /// The shipped file has a paragraph for each directive: its sentence, and a line with its default or an example.
    #[test]
    fn the_shipped_file_explains_every_directive_and_starts_a_server() {
        let file = include_str!("../../redis.conf");
        let params = read(file).expect("a good file");
        assert_eq!(params.bind, ["127.0.0.1", "-::1"]);
        let paragraphs: Vec<&str> = file.split("\n\n").collect();
        for row in table::rows().filter(|row| !row.flags.contains(Flags::HIDDEN)) {
            let begin = format!("# {} ", row.name);
            let about = |paragraph: &&&str| paragraph.lines().any(|line| line.starts_with(&begin));
            let paragraph = paragraphs.iter().find(about).expect(row.name);
            let (text, lines) = paragraph.split_once("\n#\n").expect(row.name);
            let text: Vec<&str> = text
                .lines()
                .map(|line| line.trim_start_matches("# "))
                .collect();
            assert_eq!(text.join(" "), row.doc);
            let line = lines
                .lines()
                .next()
                .expect(row.name)
                .trim_start_matches("# ");
            let value = line[row.name.len() + 1..].trim_matches('"');
            assert!(row.default.is_empty() || value == row.default, "{line}");
            // The example's directory need not exist.
            assert!(row.name == "dir" || read(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn commands_are_renamed_in_turn() {
        let rows = [
            ("rename-command GET fetch", vec![("GET", "fetch")]),
            ("rename-command get \"\"", vec![("get", "")]),
            (
                "rename-command get g\nrename-command G h",
                vec![("get", "h")],
            ),
            (
                "rename-command get g\nrename-command set get",
                vec![("get", "g"), ("set", "get")],
            ),
            ("rename-command get GET", vec![("get", "GET")]),
        ];
        for (text, expected) in rows {
            let params = read(text).expect(text);
            let got: Vec<_> = params
                .rename_command
                .iter()
                .map(|(old, new)| (old.as_str(), new.as_str()))
                .collect();
            assert_eq!(got, expected, "{text}");
        }
        assert!(read("rename-command get \"\"\nrename-command get x").is_err());
        assert!(read("rename-command get \"\"\nrename-command \"\" x").is_err());
        assert!(read("rename-command get a\nrename-command set A").is_err());
    }

    #[test]
    fn files_are_included_by_name_and_by_pattern() {
        let dir = std::env::temp_dir().join(format!("redis-include-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("conf.d")).expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect(name);
        write("conf.d/10.conf", "port 10\ntimeout 10");
        write("conf.d/20.conf", "port 20");
        write("conf.d/.30.conf", "port 30");
        write(
            "circle.conf",
            &format!("include {}/circle.conf", dir.display()),
        );
        write("bad.conf", "\nport bad");
        let text = |include: &str| format!("dir {}\ninclude {include}", dir.display());
        assert_eq!(value(&text("conf.d/*.conf"), "port"), "20");
        assert_eq!(value(&text("conf.d/[1]0.con?"), "port"), "10");
        assert_eq!(value(&text("conf.d/*.none"), "port"), "6379");
        let error = read(&text("bad.conf")).err().expect("a bad line");
        assert!(error.contains(&format!(
            "at line 2 of {}/bad.conf\n>>> 'port bad'",
            dir.display()
        )));
        assert!(
            read(&text("circle.conf"))
                .err()
                .expect("a circle")
                .ends_with("too deeply")
        );
        assert_eq!(expand(&dir.join("c*.d/*")).len(), 2);
        assert!(open(&dir.join("missing")).is_err());
        assert!(open(Path::new("/dev")).is_err());
        std::fs::remove_dir_all(&dir).expect("to tidy up");
    }
}
