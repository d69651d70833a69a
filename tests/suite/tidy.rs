//! The structure of the source code as tests: which modules may import which, what a file may contain, how long files
//! and functions may be.
//!
//! The sources are read as text, line by line, up to a file's first `#[cfg(test)]`. All violations are listed at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tests::root;

/// The floors (layers) of `server/src`, lowest first. A file may import from its own floor and from lower ones.
const FLOORS: &[&str] = &[
    "sys",
    "wire",
    "config",
    "state",
    "server",
    "report",
    "egress",
    "feed",
    "keyspace",
    "session",
    "exec",
    "script",
    "ingress",
    "persist",
    "replication",
    "cluster",
    "house",
    "commands",
    "main",
];

/// Exceptions: imports of a higher floor, each with its reason.
const UPWARD: &[(&str, &str, &str)] = &[];

/// Files and folders that may contain `unsafe`.
const UNSAFE: &[&str] = &[
    "server/src/sys/",
    "server/src/house/crash.rs",
    "conn/src/tls/",
    "server/data/src/util/mem.rs",
    "server/data/src/util/hash.rs",
    "server/data/src/ds/boxed.rs",
    "server/data/src/ds/table.rs",
    "server/data/src/ds/lines.rs",
    "server/data/src/ds/thin.rs",
    "server/data/src/value/entry.rs",
    "server/data/src/value/record.rs",
    "server/data/src/value/part.rs",
    "server/data/src/value/zset.rs",
    "server/lua/src/builder.rs",
    "server/lua/src/bulk.rs",
    "server/lua/src/frames.rs",
    "server/lua/src/function.rs",
    "server/lua/src/interpreter.rs",
    "server/lua/src/interrupt.rs",
    "server/lua/src/lists.rs",
    "server/lua/src/random.rs",
    "server/lua/src/reader.rs",
    "server/lua/src/sandbox.rs",
    "server/lua/src/stack.rs",
    "server/lua/src/trace.rs",
];

/// The files and folders that may name each of these crates.
const CRATES: &[(&str, &[&str])] = &[
    ("mio", &["ae/"]),
    ("openssl", &["conn/"]),
    ("openssl_sys", &["conn/"]),
    (
        "libc",
        &[
            "ae/",
            "conn/",
            "server/src/sys/",
            "server/src/house/crash.rs",
            "server/data/src/util/mem.rs",
            "server/src/ingress/listen.rs",
        ],
    ),
    ("mlua_sys", &[]),
    (
        "nix",
        &["ae/", "conn/", "server/src/sys/", "cli/", "benchmark/"],
    ),
    (
        "tikv_jemalloc_sys",
        &["server/src/sys/memory.rs", "server/src/sys/mallctl.rs"],
    ),
];

/// Files that may contain a mutable static.
const STATICS: &[&str] = &[
    "server/src/sys/memory.rs",
    "server/src/sys/process.rs",
    "server/src/sys/log.rs",
    "server/src/sys/watchdog.rs",
    "server/src/house/crash.rs",
    "conn/src/tls/bio.rs",
    "conn/src/tls/memory.rs",
    "conn/src/tls/tickets.rs",
    "server/data/src/util/hash.rs",
    "server/data/src/util/mem.rs",
    "server/data/src/ds/resize_policy.rs",
    "server/data/src/ds/table.rs",
];

const MAX_FILE_LINES: usize = 800;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_FLAT_MATCH_LINES: usize = 120;

/// A source file without its tests.
struct Source {
    /// Path relative to the root, with `/`.
    name: String,
    /// Lines before the first `#[cfg(test)]`.
    lines: Vec<String>,
    /// Number of lines, tests included.
    total: usize,
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for folder in [
        "ae/src",
        "conn/src",
        "server/slot/src",
        "server/words/src",
        "server/table/src",
        "server/data/src",
        "server/lua/src",
        "server/cluster/src",
        "server/src",
        "cli/src",
        "benchmark/src",
    ] {
        collect(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "source files not found");
    files.into_iter().map(|path| read(&path)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the source folder exists")
        .map(|entry| entry.expect("readable").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("readable");
    let base = root();
    let name = path
        .strip_prefix(&base)
        .expect("the path is inside the repository")
        .to_string_lossy()
        .replace('\\', "/");
    let all: Vec<String> = text.lines().map(str::to_owned).collect();
    let end = all
        .iter()
        .position(|line| line.starts_with("#[cfg(test)]"))
        .unwrap_or(all.len());
    Source {
        name,
        total: all.len(),
        lines: all[..end].to_vec(),
    }
}

impl Source {
    fn is_any(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.name.starts_with(place))
    }

    /// Lines of code, with an import that spans several lines as one; comments are left out, and strings that span
    /// lines are not recognized.
    fn code(&self) -> Vec<(usize, String)> {
        let mut code: Vec<(usize, String)> = Vec::new();
        let mut in_import = false;
        for (number, line) in self.lines.iter().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            match code.last_mut() {
                Some((_, import)) if in_import => import.push_str(line.trim()),
                _ => code.push((number + 1, line.clone())),
            }
            let begins = line.trim_start().starts_with("use ");
            in_import = (in_import || begins) && !line.trim_end().ends_with(';');
        }
        code
    }

    fn floor(&self) -> Option<usize> {
        let inside = self.name.strip_prefix("server/src/")?;
        let first = inside.split(['/', '.']).next()?;
        FLOORS.iter().position(|floor| *floor == first)
    }
}

/// Whether a line contains `word` as a whole word.
fn has_word(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_word)
            && !line[at + word.len()..].chars().next().is_some_and(is_word)
    })
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// Every path behind `crate::` in a line of code, with lists in braces expanded.
fn crate_paths(line: &str) -> Vec<String> {
    line.match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with('$'))
        .flat_map(|(at, _)| written_out(&line[at + 7..]))
        .collect()
}

/// The paths that a path with lists in braces stands for: `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn written_out(path: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let end = path.find(|c| !is_part(c)).unwrap_or(path.len());
    let (stem, rest) = path.split_at(end);
    let Some(list) = rest.strip_prefix('{') else {
        return vec![stem.to_owned()];
    };
    let (mut depth, mut start, mut paths) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        let ends = depth == 0 && (c == ',' || c == '}');
        if ends {
            let item = list[start..at].trim();
            let items = written_out(item).into_iter();
            paths.extend(items.map(|item| format!("{stem}{item}")));
            start = at + 1;
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    paths
}

/// Whether a path leads into the folder of commands that the file is in: a big family of commands is a folder.
fn is_own_family(file: &str, path: &str) -> bool {
    let inside = file.strip_prefix("server/src/commands/");
    let family = inside.and_then(|inside| inside.split_once('/'));
    family.is_some_and(|(family, _)| path.starts_with(&format!("commands::{family}::")))
}

#[test]
fn imports_only_go_down() {
    let mut problems = Vec::new();
    for source in sources() {
        let Some(own) = source.floor() else { continue };
        for (number, line) in &source.code() {
            for path in crate_paths(line) {
                let target = path
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap_or_default();
                let Some(floor) = FLOORS.iter().position(|floor| *floor == target) else {
                    continue;
                };
                let excused = UPWARD
                    .iter()
                    .any(|(from, to, _)| source.name == *from && path.starts_with(to));
                if floor > own && !excused {
                    problems.push(format!(
                        "{}:{number}: {} imports {target}, which is above it",
                        source.name, FLOORS[own]
                    ));
                }
                let sibling = source.name.starts_with("server/src/commands/")
                    && !source.name.ends_with("/mod.rs")
                    && path.starts_with("commands::")
                    && !path.starts_with("commands::args")
                    && !path.starts_with("commands::Family")
                    && !is_own_family(&source.name, &path);
                if sibling {
                    problems.push(format!(
                        "{}:{number}: a family of commands imports another",
                        source.name
                    ));
                }
            }
        }
    }
    report(&problems);
}

/// The file, by its path below `server/src` without `.rs`, that a path behind `crate::` leads to: the path may name
/// the file itself or an item in it.
fn file_of(path: &str, is_file: impl Fn(&str) -> bool) -> Option<String> {
    let full = path.replace("::", "/");
    let mut name = full.trim_end_matches('/');
    while !is_file(name) {
        name = name.rsplit_once('/')?.0;
    }
    Some(name.to_owned())
}

#[test]
fn lists_in_imports_are_expanded() {
    let paths = crate_paths("use crate::{state::{keys::Keys, unit}, sys::clock};");
    assert_eq!(paths, ["state::keys::Keys", "state::unit", "sys::clock"]);
    let paths = crate_paths("let x = crate::sys::clock::unix_ms();");
    assert_eq!(paths, ["sys::clock::unix_ms"]);
}

/// The imports of every module below `folder`, which is the `src` of a crate.
fn imports_below(folder: &str) -> BTreeMap<String, Vec<String>> {
    let files = sources();
    let module = |source: &Source| {
        let name = source.name.strip_prefix(folder)?;
        Some(name.strip_suffix(".rs")?.to_owned())
    };
    let modules: BTreeSet<String> = files.iter().filter_map(module).collect();
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in &files {
        let Some(module) = module(source) else {
            continue;
        };
        let imports = source
            .code()
            .into_iter()
            .flat_map(|(_, line)| crate_paths(&line))
            .filter_map(|path| file_of(&path, |name| modules.contains(name)))
            .filter(|name| *name != module);
        let imports = imports.collect();
        edges.insert(module, imports);
    }
    edges
}

#[test]
fn imports_have_no_cycles() {
    let edges = imports_below("server/src/");
    let nested = &edges["replication/replica/connect"];
    assert!(
        nested.iter().any(|name| name == "replication/replica/link")
            && nested
                .iter()
                .any(|name| name == "replication/replica/apply"),
        "nested folders must be recognized: {nested:?}"
    );
    let mut problems = Vec::new();
    for edges in [edges, imports_below("server/cluster/src/")] {
        for start in edges.keys() {
            let mut todo: Vec<&String> = edges[start].iter().collect();
            let mut seen = BTreeSet::new();
            while let Some(module) = todo.pop() {
                if module == start {
                    problems.push(format!("{start} imports itself indirectly"));
                    break;
                }
                if seen.insert(module) {
                    todo.extend(edges.get(module).into_iter().flatten());
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn every_file_has_a_header_and_a_bounded_length() {
    let mut problems = Vec::new();
    for source in sources() {
        if !source
            .lines
            .first()
            .is_some_and(|line| line.starts_with("//!"))
        {
            problems.push(format!("{}: no header", source.name));
        }
        if source.total > MAX_FILE_LINES && !source.name.starts_with("server/table/src/") {
            problems.push(format!("{}: {} lines", source.name, source.total));
        }
    }
    report(&problems);
}

/// Whether a line begins a function, whatever its visibility and qualifiers.
fn begins_function(line: &str) -> bool {
    let is_qualifier = |word: &&str| {
        let is_abi = word.starts_with('"');
        is_abi || word.starts_with("pub") || ["const", "unsafe", "extern"].contains(word)
    };
    line.split(' ').find(|word| !is_qualifier(word)) == Some("fn")
}

#[test]
fn functions_are_recognized() {
    for line in [
        "fn f() {",
        "pub(super) unsafe fn f() {",
        "unsafe extern \"C-unwind\" fn f(",
    ] {
        assert!(begins_function(line), "{line}");
    }
    for line in [
        "pub static F: usize = 1;",
        "unsafe { f() }",
        "const F: fn() = f;",
    ] {
        assert!(!begins_function(line), "{line}");
    }
}

#[test]
fn functions_are_short() {
    let mut problems = Vec::new();
    for source in sources() {
        if source.name.starts_with("server/table/src/") {
            continue;
        }
        let mut open: Option<(usize, usize, String)> = None;
        for (number, line) in source.lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let text = line.trim_start();
            if open.is_none() && begins_function(text) && !text.ends_with(';') {
                open = Some((number, indent, text.to_owned()));
            }
            if let Some((start, depth, name)) = &open
                && text == "}"
                && indent == *depth
            {
                let length = number - start + 1;
                let body = &source.lines[*start..=number];
                let arms = body.iter().filter(|line| line.contains("=>")).count();
                let limit = if arms * 4 >= length {
                    MAX_FLAT_MATCH_LINES
                } else {
                    MAX_FUNCTION_LINES
                };
                if length > limit {
                    problems.push(format!(
                        "{}:{}: {length} lines in `{name}`",
                        source.name,
                        start + 1
                    ));
                }
                open = None;
            } else if open.is_some() && text == "}" && indent == 0 {
                open = None;
            }
        }
    }
    report(&problems);
}

#[test]
fn unsafe_and_mutable_statics_are_only_where_allowed() {
    let mut problems = Vec::new();
    for source in sources() {
        for (number, line) in &source.code() {
            if has_word(line, "unsafe") && !line.contains("unsafe_code") && !source.is_any(UNSAFE) {
                problems.push(format!("{}:{number}: unsafe", source.name));
            }
            let text = line.trim_start();
            let is_static = text.starts_with("static ") || text.starts_with("pub static ");
            let changes = ["Atomic", "Mutex", "RwLock", "OnceLock", "Cell<", "Sink"]
                .iter()
                .any(|kind| line.contains(kind));
            if is_static && changes && !source.is_any(STATICS) {
                problems.push(format!("{}:{number}: a mutable static", source.name));
            }
            for word in ["RefCell", "lazy_static", "OnceCell"] {
                if has_word(line, word) {
                    problems.push(format!("{}:{number}: {word}", source.name));
                }
            }
            if line.contains("static mut ") {
                problems.push(format!("{}:{number}: static mut", source.name));
            }
        }
    }
    report(&problems);
}

#[test]
fn crates_are_only_named_where_allowed() {
    let mut problems = Vec::new();
    for source in sources() {
        for (number, line) in &source.code() {
            for (name, places) in CRATES {
                let named = line.contains(&format!("{name}::")) && has_word(line, name)
                    || line.trim() == format!("use {name};");
                if named && !source.is_any(places) && !source.is_any(UNSAFE) {
                    problems.push(format!("{}:{number}: {name}", source.name));
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn server_methods_are_in_one_file_and_no_glob_reexport_or_unwrap() {
    let mut problems = Vec::new();
    for source in sources() {
        for (number, line) in &source.code() {
            let text = line.trim_start();
            let inherent = ["impl Server ", "impl Server{", "impl Ctx<", "impl<'a> Ctx<"]
                .iter()
                .any(|start| text.starts_with(start));
            if inherent && source.name != "server/src/server.rs" {
                problems.push(format!("{}:{number}: {text}", source.name));
            }
            if text.starts_with("pub use ") || text.starts_with("pub(crate) use ") {
                problems.push(format!("{}:{number}: a re-export", source.name));
            }
            if text.starts_with("use ") && (text.contains("::*") || text.contains("{*")) {
                problems.push(format!("{}:{number}: a glob", source.name));
            }
            if text.contains(".unwrap()") {
                problems.push(format!("{}:{number}: unwrap", source.name));
            }
        }
    }
    report(&problems);
}
