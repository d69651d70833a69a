//! `redis-check-aof`: what it reports, what it cuts off, and its exit codes.
//!
//! The expected texts were written by Redis 7.2.6 for the same files.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tests::client::{Transport, request};
use tests::server::{Server, temp_dir};

/// Standard output and the exit code of `redis-check-aof` in a folder; `answer` is its standard input.
fn check(folder: &Path, args: &[&str], answer: &str) -> (String, i32) {
    let mut child = Command::new(tests::binary("redis-server"))
        .arg0("redis-check-aof")
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("piped");
    // It need not ask.
    let _ = input.write_all(answer.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text, output.status.code().unwrap_or(-1))
}

fn commands(lines: &[&str]) -> Vec<u8> {
    let parts = lines.iter().map(|line| match line.as_bytes() {
        [b'#', ..] => format!("{line}\r\n").into_bytes(),
        _ => request(line),
    });
    parts.collect::<Vec<_>>().concat()
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = temp_dir();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("writable");
    }
    folder
}

#[test]
fn single_files_are_reported_on() {
    let set = request("SET a 1");
    let with = |rest: &[u8]| [set.as_slice(), rest].concat();
    let analyzed = |size, valid, line, more| {
        format!(
            "AOF analyzed: filename=f, size={size}, ok_up_to={valid}, ok_up_to_line={line}, diff={more}\n"
        )
    };
    let cases: [(Vec<u8>, &str, String); 15] = [
        (with(&set), "", analyzed(54, 54, 15, 0)),
        (with(b"#TS:6\r\n#note\n"), "", analyzed(40, 40, 8, 0)),
        (
            with(&set[..24]),
            "0x              33: Expected to read 3 bytes, got 0 bytes\n",
            analyzed(51, 27, 14, 24),
        ),
        (
            with(b"hello\r\n"),
            "AOF f format error\n",
            analyzed(34, 27, 8, 7),
        ),
        (
            with(&commands(&["MULTI", "SET b 1"])),
            "0x              42: Reached EOF before reading EXEC for MULTI\n",
            analyzed(69, 27, 18, 42),
        ),
        (
            with(&commands(&["MULTI", "#TS:6"])),
            "0x              2a: Reached EOF before reading EXEC for MULTI\n",
            analyzed(49, 27, 11, 22),
        ),
        (
            with(&request("EXEC")),
            "0x              23: Unexpected EXEC in AOF f\n",
            analyzed(41, 27, 11, 14),
        ),
        (
            with(&commands(&["multi", "MULTI"])),
            "0x              32: Unexpected MULTI in AOF f\n",
            analyzed(57, 27, 14, 30),
        ),
        (
            b"*1\r\n$4\r\nPINGxx".to_vec(),
            "0x               8: Expected \\r\\n, got: 7878\n",
            analyzed(14, 0, 3, 14),
        ),
        (
            with(b"*1\r\n4\r\nPING\r\n"),
            "0x              1f: Expected prefix '$', got: '4'\n",
            analyzed(40, 27, 9, 13),
        ),
        (
            with(b"*x\r\n"),
            "0x              1b: Expected \\r\\n, got: 780d\n",
            analyzed(31, 27, 8, 4),
        ),
        (
            with(b"*1\r\n$-1\r\n"),
            "0x              1f: Expected to read string of -1 bytes, which is not in the suitable range\n",
            analyzed(36, 27, 10, 9),
        ),
        (
            with(b"*1\r\n$99999999999999999999\r\n"),
            "0x              1f: Expected to read string of 9223372036854775807 bytes, which is not in the suitable range\n",
            analyzed(54, 27, 10, 27),
        ),
        (
            with(b"*1\r\n$9223372036854775805\r\nx"),
            "0x              35: Expected to read 9223372036854775807 bytes, got 1 bytes\n",
            analyzed(54, 27, 10, 27),
        ),
        (
            with(b"*1\r\n$4\r\x8fPING"),
            "0x              1f: Expected \\r\\n, got: 0dffffff8f\n",
            analyzed(39, 27, 9, 12),
        ),
    ];
    for (bytes, error, analyzed) in cases {
        let folder = folder(&[("f", &bytes)]);
        let is_valid = analyzed.ends_with("diff=0\n");
        let end = if is_valid {
            "AOF f is valid\n"
        } else {
            "AOF f is not valid. Use the --fix option to try fixing it.\n"
        };
        let expected = format!("Start checking Old-Style AOF\n{error}{analyzed}{end}");
        let code = i32::from(!is_valid);
        assert_eq!(check(folder.path(), &["f"], ""), (expected, code));
        assert_eq!(fs::read(folder.path().join("f")).expect("there"), bytes);
    }
}

#[test]
fn an_invalid_end_is_cut_off_after_a_question() {
    let whole = commands(&["SET a 1", "MULTI", "SET b 1", "INCR b", "EXEC", "SET c 1"]);
    let first = request("SET a 1").len();
    let last = whole.len() - first;
    let folder = temp_dir();
    let path = folder.path().join("f");
    for cut in 1..whole.len() {
        let valid = match cut {
            _ if cut >= last => last,
            _ if cut >= first => first,
            _ => 0,
        };
        fs::write(&path, &whole[..cut]).expect("writable");
        let size = || fs::metadata(&path).expect("there").len() as usize;
        if cut != valid {
            let (text, code) = check(folder.path(), &["--fix", "f"], "n\n");
            assert!(text.ends_with("Continue? [y/N]: Aborting...\n"), "{text}");
            assert_eq!((code, size()), (1, cut));
            let (text, code) = check(folder.path(), &["--fix", "f"], "yes\n");
            let asks = format!(
                "This will shrink the AOF f from {cut} bytes, with {} bytes, to {valid} bytes\n\
                 Continue? [y/N]: Successfully truncated AOF f\n",
                cut - valid
            );
            assert!(text.ends_with(&asks), "{text}");
            assert_eq!((code, size()), (0, valid));
        }
        let end = if valid == 0 {
            "AOF f is empty\n"
        } else {
            "AOF f is valid\n"
        };
        let (text, code) = check(folder.path(), &["--fix", "f"], "");
        assert!(text.ends_with(end), "{text}");
        assert_eq!(code, 0);
    }
}

#[test]
fn what_is_later_than_a_moment_is_cut_off() {
    let early = commands(&["#TS:5", "SET a 1"]);
    let middle = commands(&["#TS:6", "SET b 1", "MULTI"]);
    let late = commands(&["#TS:8", "SET c 1", "EXEC"]);
    let whole = [early.as_slice(), &middle, &late].concat();
    let both = early.len() + middle.len();
    let cases = [
        (
            "9",
            whole.len(),
            "Truncate nothing in AOF f to timestamp 9\nAOF f is valid\n",
            0,
        ),
        (
            "7",
            both,
            "Successfully truncated AOF f to timestamp 7\n",
            0,
        ),
        (
            "5",
            early.len(),
            "Successfully truncated AOF f to timestamp 5\n",
            0,
        ),
        (
            "4",
            whole.len(),
            "AOF f has nothing before timestamp 4, aborting...\n",
            1,
        ),
    ];
    for (time, size, text, code) in cases {
        let folder = folder(&[("f", &whole)]);
        let checked = check(folder.path(), &["--truncate-to-timestamp", time, "f"], "");
        assert_eq!(
            checked,
            (format!("Start checking Old-Style AOF\n{text}"), code)
        );
        assert_eq!(
            fs::metadata(folder.path().join("f")).expect("there").len(),
            size as u64
        );
    }
    let folder = folder(&[("f", b"#TS:x\r\n")]);
    let (text, code) = check(folder.path(), &["--truncate-to-timestamp", "5", "f"], "");
    assert!(text.ends_with("Invalid timestamp annotation\n"), "{text}");
    assert_eq!(code, 1);
    let (text, code) = check(folder.path(), &["--truncate-to-timestamp", "5x", "f"], "");
    assert_eq!(
        (text.as_str(), code),
        ("Invalid timestamp, aborting...\n", 1)
    );
}

#[test]
fn all_files_of_a_manifest_are_checked_and_only_the_last_is_cut() {
    let manifest = "file base seq 1 type b\nfile i1 seq 1 type i\nfile i2 seq 2 type i\n";
    let set = request("SET a 1");
    let cut = [set.as_slice(), &set[..20]].concat();
    let files = |base: &[u8], first: &[u8], second: &[u8]| {
        folder(&[
            ("m", manifest.as_bytes()),
            ("base", base),
            ("i1", first),
            ("i2", second),
        ])
    };
    let sound = files(&set, b"", &set);
    let expected = "Start checking Multi Part AOF\n\
                    Start to check BASE AOF (RESP format).\n\
                    AOF analyzed: filename=base, size=27, ok_up_to=27, ok_up_to_line=8, diff=0\n\
                    BASE AOF base is valid\n\
                    Start to check INCR files.\n\
                    INCR AOF i1 is empty\n\
                    AOF analyzed: filename=i2, size=27, ok_up_to=27, ok_up_to_line=15, diff=0\n\
                    INCR AOF i2 is valid\n\
                    All AOF files and manifest are valid\n";
    assert_eq!(check(sound.path(), &["m"], ""), (expected.to_owned(), 0));
    let last = files(&set, &set, &cut);
    let (text, code) = check(last.path(), &["--fix", "m"], "y\n");
    assert!(
        text.ends_with("Successfully truncated AOF i2\nAll AOF files and manifest are valid\n"),
        "{text}"
    );
    assert_eq!(code, 0);
    for (folder, name) in [
        (files(&set, &cut, &set), "i1"),
        (files(&cut, &set, &set), "base"),
    ] {
        let (text, code) = check(folder.path(), &["--fix", "m"], "y\n");
        let sentence = format!("Failed to truncate AOF {name} because it is not the last file\n");
        assert!(text.ends_with(&sentence), "{text}");
        assert_eq!(
            (
                code,
                fs::metadata(folder.path().join(name)).expect("there").len()
            ),
            (1, 47)
        );
    }
    let stray = files(&set, &set, &request("EXEC"));
    let (text, _) = check(stray.path(), &["m"], "");
    assert!(text.contains(": Unexpected EXEC in AOF ./i2\n"), "{text}");
    let noted = commands(&["#TS:5", "SET a 1", "#TS:9"]);
    let folder = files(&set, &noted, &set);
    let (text, code) = check(folder.path(), &["--truncate-to-timestamp", "6", "m"], "");
    let sentence = "Failed to truncate AOF ./i1 to timestamp 6 to offset 34 because it is not the last file.\n\
                    If you insist, please delete all files after this file according to the manifest file and delete \
                    the corresponding records in manifest file manually. Then re-run redis-check-aof.\n";
    assert!(text.ends_with(sentence), "{text}");
    assert_eq!(code, 1);
    fs::remove_file(folder.path().join("i2")).expect("there");
    let (text, code) = check(folder.path(), &["m"], "");
    assert!(
        text.ends_with("Cannot open file ./i2: No such file or directory, aborting...\n"),
        "{text}"
    );
    assert_eq!(code, 1);
}

#[test]
fn wrong_arguments_and_files_are_told() {
    let folder = folder(&[("m", b"file a seq 1 type x\n"), ("empty", b"")]);
    let usage = "Usage: redis-check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>\n";
    let cases: [(&[&str], &str, i32); 5] = [
        (&[], usage, 1),
        (&["m", "--fix"], usage, 1),
        (
            &["none"],
            "Cannot open file none: No such file or directory\n",
            1,
        ),
        (&["."], "Cannot read file: .\n", 1),
        (
            &["empty"],
            "Start checking Old-Style AOF\nAOF empty is empty\n",
            0,
        ),
    ];
    for (args, text, code) in cases {
        assert_eq!(check(folder.path(), args, ""), (text.to_owned(), code));
    }
    let (text, code) = check(folder.path(), &["m"], "");
    for line in [
        "Reading the manifest file, at line 1",
        ">>> 'file a seq 1 type x'",
        "Unknown AOF file type",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(code, 1);
}

#[test]
fn a_snapshot_in_front_of_commands_is_checked() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    client.text("SET a 1");
    client.text("SAVE");
    let snapshot = fs::read(server.dir.path().join("dump.rdb")).expect("saved");
    let tail = request("SET b 1");
    let whole = [snapshot.as_slice(), &tail[..20]].concat();
    let folder = folder(&[("f", &whole), ("damaged", &snapshot[..snapshot.len() - 3])]);
    let (text, code) = check(folder.path(), &["--fix", "f"], "y\n");
    let mut rest = text.as_str();
    for line in [
        "[offset 0] Checking RDB file f\n",
        "\\o/ RDB looks OK! \\o/\n",
        "RDB preamble is OK, proceeding with AOF tail...\n",
        &format!("ok_up_to={}, ok_up_to_line=6, diff=20\n", snapshot.len()),
        "Successfully truncated AOF f\n",
    ] {
        let at = rest
            .find(line)
            .unwrap_or_else(|| panic!("{line} is not in {text}"));
        rest = &rest[at + line.len()..];
    }
    assert_eq!(code, 0);
    assert_eq!(fs::read(folder.path().join("f")).expect("there"), snapshot);
    let (text, code) = check(folder.path(), &["--fix", "damaged"], "y\n");
    assert!(
        text.ends_with("RDB preamble of AOF file is not sane, aborting.\n"),
        "{text}"
    );
    assert_eq!(code, 1);
}
