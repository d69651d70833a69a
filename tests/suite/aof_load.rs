//! Loading the append-only file: which files are loaded, what of a damaged file is kept, and what is logged.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tests::client::{Client, Transport, request};
use tests::server::{Server, free_port, temp_dir};
use tests::wait::until;

const INCR: &str = "file appendonly.aof.1.incr.aof seq 1 type i\n";
const BASE: &str = "file appendonly.aof.1.base.aof seq 1 type b\n";
const SECOND: &str = "file appendonly.aof.2.incr.aof seq 2 type i\n";
const INCR_FILE: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const SECOND_FILE: &str = "appendonlydir/appendonly.aof.2.incr.aof";
const BASE_FILE: &str = "appendonlydir/appendonly.aof.1.base.aof";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";

const CANNOT_GUESS: &str = "You can: 1) Make a backup of your AOF file, then use ./redis-check-aof --fix \
                            <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration \
                            option to yes and restart the server.";

/// Commands, one per line.
fn commands(lines: &str) -> Vec<u8> {
    lines.lines().flat_map(request).collect()
}

/// A working folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = temp_dir();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, bytes).expect("writable");
    }
    folder
}

/// A folder whose append-only file is one incremental file.
fn with_incr(bytes: &[u8]) -> TempDir {
    folder(&[(MANIFEST, INCR.as_bytes()), (INCR_FILE, bytes)])
}

fn size(folder: &TempDir, name: &str) -> u64 {
    fs::metadata(folder.path().join(name)).expect(name).len()
}

fn start(folder: &Path, args: &[&str]) -> Server {
    let dir = folder.to_string_lossy().into_owned();
    let mut all = vec!["--dir", dir.as_str(), "--appendonly", "yes"];
    all.extend(args);
    Server::start(&all)
}

/// The log of a server that must not start.
fn refusal(folder: &Path, args: &[&str]) -> String {
    let port = free_port().to_string();
    let mut child = Command::new(tests::binary("redis-server"))
        .current_dir(folder)
        .args(["--port", &port, "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "yes"])
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut log = String::new();
    let out = child.stdout.take().expect("piped");
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        log = log + &line + "\n";
        if line.contains("Ready to accept connections") {
            let _ = child.kill();
        }
    }
    let code = child.wait().expect("it has ended").code();
    assert_eq!(code, Some(1), "{log}");
    log
}

/// Asserts that these lines occur in the log in this order.
fn assert_lines(log: &str, lines: &[&str]) {
    let mut rest = log;
    for line in lines {
        let Some(at) = rest.find(line) else {
            panic!("{line:?} is not in this place of\n{log}");
        };
        rest = &rest[at + line.len()..];
    }
}

fn keys(client: &mut Client) -> String {
    client.text("MGET a b c d")
}

#[test]
fn base_and_increments_are_loaded_in_their_order() {
    let (base, first) = (
        commands("SET a 1\nSET b 1"),
        commands("SELECT 1\nSET a other"),
    );
    let second = commands("SET b 2\nINCR b\nSET c 1");
    let manifest = format!("{BASE}{INCR}{SECOND}");
    let folder = folder(&[
        (MANIFEST, manifest.as_bytes()),
        (BASE_FILE, &base),
        (INCR_FILE, &first),
        (SECOND_FILE, &second),
    ]);
    let server = start(folder.path(), &[]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut client = server.client(transport);
        // Each file begins in database 0.
        assert_eq!(keys(&mut client), "[1 3 1 nil]");
        client.text("SELECT 1");
        assert_eq!(client.text("GET a"), "other");
        assert!(
            client
                .text("INFO stats")
                .contains("unexpected_error_replies:0")
        );
    }
    assert_lines(
        &server.log(),
        &[
            "DB loaded from base file appendonly.aof.1.base.aof: 0.",
            "DB loaded from incr file appendonly.aof.1.incr.aof: 0.",
            "DB loaded from incr file appendonly.aof.2.incr.aof: 0.",
            "DB loaded from append only file: 0.",
        ],
    );
}

#[test]
fn a_snapshot_is_ignored_while_there_is_an_append_only_file() {
    let folder = folder(&[("dump.rdb", b"this is no snapshot")]);
    let server = start(folder.path(), &[]);
    let mut client = server.client(Transport::Tcp);
    assert_eq!(client.text("DBSIZE"), "0");
    assert!(!server.log().contains("DB loaded"));
}

#[test]
fn a_single_file_becomes_the_base() {
    let bytes = commands("SET a 1");
    let listed = b"file appendonly.aof seq 1 type b\n";
    let cases: [&[(&str, &[u8])]; 3] = [
        &[("appendonly.aof", &bytes)],
        &[("appendonly.aof", &bytes), ("appendonlydir/other", b"")],
        // The server had stopped between the manifest and the move.
        &[("appendonly.aof", &bytes), (MANIFEST, listed)],
    ];
    for files in cases {
        let folder = folder(files);
        let server = start(folder.path(), &[]);
        let mut client = server.client(Transport::Tcp);
        assert_eq!(client.text("GET a"), "1");
        assert_lines(
            &server.log(),
            &[
                "Successfully migrated an old-style AOF file (appendonly.aof) into the AOF directory (appendonlydir).",
                "DB loaded from base file appendonly.aof: 0.",
            ],
        );
        assert!(!folder.path().join("appendonly.aof").exists());
        assert_eq!(
            size(&folder, "appendonlydir/appendonly.aof"),
            bytes.len() as u64
        );
        let manifest = fs::read(folder.path().join(MANIFEST)).expect("written");
        assert!(manifest.starts_with(listed));
    }
}

#[test]
fn a_single_file_stays_where_it_is_if_there_is_another_append_only_file() {
    let (old, new) = (commands("SET a old"), commands("SET a new"));
    let folder = folder(&[
        ("appendonly.aof", &old),
        (MANIFEST, INCR.as_bytes()),
        (INCR_FILE, &new),
    ]);
    let server = start(folder.path(), &[]);
    assert_eq!(server.client(Transport::Tcp).text("GET a"), "new");
    assert_eq!(size(&folder, "appendonly.aof"), old.len() as u64);
}

#[test]
fn a_single_file_replaces_no_other() {
    let (old, other) = (commands("SET a old"), commands("SET a other"));
    let folder = folder(&[
        ("appendonly.aof", &old),
        ("appendonlydir/appendonly.aof", &other),
    ]);
    let log = refusal(folder.path(), &[]);
    assert_lines(
        &log,
        &[
            "Error trying to move the old AOF file appendonly.aof into dir appendonlydir: File exists",
        ],
    );
    assert_eq!(
        size(&folder, "appendonlydir/appendonly.aof"),
        other.len() as u64
    );
    assert_eq!(size(&folder, "appendonly.aof"), old.len() as u64);
}

/// Cuts a file at every byte of its last commands: it is cut back to the last complete command outside a transaction, and
/// what precedes is loaded.
#[test]
fn a_file_that_ends_anywhere_is_cut_after_its_last_complete_command() {
    let note = b"#TS:1700000000\r\n";
    let noted = [note.as_slice(), &commands("SET c 3")].concat();
    let pieces = [
        (commands("SET a 1"), "[1 nil nil nil]"),
        (commands("MULTI\nSET b 1\nINCR b\nEXEC"), "[1 2 nil nil]"),
        (noted, "[1 2 3 nil]"),
        (commands("SET d 4"), "[1 2 3 4]"),
    ];
    let whole: Vec<u8> = pieces.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    let folder = with_incr(&whole);
    let path = folder.path().join(INCR_FILE);
    let server = start(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(keys(&mut client), "[1 2 3 4]");
    for cut in pieces[0].0.len()..=whole.len() {
        fs::write(&path, &whole[..cut]).expect("writable");
        let reply = client.text("DEBUG LOADAOF");
        let (mut kept, mut expected) = (0, "");
        for (bytes, keys) in &pieces {
            if kept + bytes.len() > cut {
                break;
            }
            kept += bytes.len();
            expected = keys;
        }
        // An annotation is complete on its own.
        if whole[kept..cut] == *note {
            kept = cut;
        }
        assert_eq!(reply == "OK", kept == cut, "{cut}: {reply}");
        assert_eq!(size(&folder, INCR_FILE), kept as u64, "{cut}");
        assert_eq!(keys(&mut client), expected, "{cut}");
    }
    server.wait_for_log(&[
        "Revert incomplete MULTI/EXEC transaction in AOF file appendonly.aof.1.incr.aof",
    ]);
}

#[test]
fn a_file_without_its_end_is_refused_unless_that_is_allowed() {
    let bytes = commands("SET a 1\nSET b 1");
    for (cut, has_multi) in [(3, false), (0, true)] {
        let mut bytes = bytes[..bytes.len() - cut].to_vec();
        if has_multi {
            bytes.extend(commands("MULTI\nSET c 1"));
        }
        let folder = with_incr(&bytes);
        let log = refusal(folder.path(), &["--aof-load-truncated", "no"]);
        let sentence =
            "Unexpected end of file reading the append only file appendonly.aof.1.incr.aof. ";
        assert_lines(&log, &[&format!("{sentence}{CANNOT_GUESS}")]);
        assert_eq!(size(&folder, INCR_FILE), bytes.len() as u64);
        let server = start(folder.path(), &[]);
        let valid = if has_multi {
            bytes.len() - commands("MULTI\nSET c 1").len()
        } else {
            27
        };
        assert_lines(
            &server.log(),
            &[
                "!!! Warning: short read while loading the AOF file appendonly.aof.1.incr.aof!!!",
                &format!("!!! Truncating the AOF appendonly.aof.1.incr.aof at offset {valid} !!!"),
                "AOF appendonly.aof.1.incr.aof loaded anyway because aof-load-truncated is enabled",
                "DB loaded from incr file appendonly.aof.1.incr.aof: 0.",
            ],
        );
    }
}

/// What follows a file that lacks its end depends on what is missing. So nothing is cut, and the next start refuses again.
#[test]
fn only_the_last_file_may_lack_its_end() {
    let whole = commands("SET a 1\nSET b 1");
    let cut = &whole[..whole.len() - 4];
    let open = commands("SET a 1\nMULTI\nSET b 1");
    for bytes in [cut, &open] {
        let folder = folder(&[
            (MANIFEST, format!("{INCR}{SECOND}").as_bytes()),
            (INCR_FILE, bytes),
            (SECOND_FILE, &whole),
        ]);
        for _ in 0..2 {
            let log = refusal(folder.path(), &[]);
            assert_lines(
                &log,
                &[
                    "!!! Warning: short read while loading the AOF file appendonly.aof.1.incr.aof!!!",
                    "Fatal error: the truncated file is not the last file",
                ],
            );
            assert_eq!(size(&folder, INCR_FILE), bytes.len() as u64);
        }
    }
}

#[test]
fn what_cannot_be_loaded_is_told_in_a_sentence() {
    let bad = "Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup of your AOF file, then \
               use ./redis-check-aof --fix <filename.manifest>";
    let unknown = "Unknown command 'bla' reading the append only file appendonly.aof.1.incr.aof";
    let set = commands("SET a 1");
    let with = |rest: &[u8]| [set.as_slice(), rest].concat();
    let unix: Vec<u8> = set
        .repeat(3)
        .into_iter()
        .filter(|&byte| byte != b'\r')
        .collect();
    let cases: [(Vec<u8>, &str); 11] = [
        // Nothing of it must be cut off, although no line is complete.
        (unix, bad),
        (with(b"hello\r\n"), bad),
        (with(&[0; 100]), bad),
        (with(b"*0\r\n"), bad),
        (with(b"*1\r\nPING\r\n"), bad),
        (with(b"*1\r\n$-4\r\nPING\r\n"), bad),
        (with(b"*2147483648\r\n$4\r\n"), bad),
        (with(&commands("bla x")), unknown),
        (with(&commands("MULTI\nbla x\nEXEC")), unknown),
        (
            with(&commands("SET a")),
            "Wrong number of arguments for command 'SET' reading the append only file appendonly.aof.1.incr.aof",
        ),
        (
            b"REDIS0011".to_vec(),
            "Error reading the RDB base file appendonly.aof.1.incr.aof, AOF loading aborted",
        ),
    ];
    for (bytes, sentence) in cases {
        let folder = with_incr(&bytes);
        let log = refusal(folder.path(), &[]);
        assert_lines(&log, &[sentence]);
        assert_eq!(size(&folder, INCR_FILE), bytes.len() as u64, "{sentence}");
    }
}

#[test]
fn a_manifest_that_lies_is_refused() {
    let cases: [(&str, &[&str]); 5] = [
        (
            "file a seq 1 type x\n",
            &[
                "*** FATAL AOF MANIFEST FILE ERROR ***",
                "Reading the manifest file, at line 1",
                ">>> 'file a seq 1 type x'",
                "Unknown AOF file type",
            ],
        ),
        ("", &["Found an empty AOF manifest"]),
        (
            "file a seq 1 type i\nfile ../a seq 2 type i\n",
            &["at line 2", "File can't be a path, just a filename"],
        ),
        (
            "file missing seq 1 type i\n",
            &["Unable to obtain the AOF file missing length. stat: No such file or directory"],
        ),
        (
            "file .. seq 1 type i\n",
            &["Unrecoverable error reading the append only file ..: Is a directory"],
        ),
    ];
    for (manifest, lines) in cases {
        let folder = folder(&[(MANIFEST, manifest.as_bytes()), ("appendonlydir/a", b"")]);
        assert_lines(&refusal(folder.path(), &[]), lines);
        // It may be needed later, so it is read even if no file is appended to.
        if lines[0].contains("FATAL") {
            assert_lines(&refusal(folder.path(), &["--appendonly", "no"]), lines);
        }
    }
}

/// A server that took it for missing would start empty and overwrite the files.
#[test]
fn a_manifest_that_cannot_be_read_is_not_taken_for_missing() {
    let folder = folder(&[(INCR_FILE, &commands("SET a 1"))]);
    let path = folder.path().join(MANIFEST);
    std::os::unix::fs::symlink(&path, &path).expect("free");
    let line = "Fatal error: can't open the AOF manifest file appendonly.aof.manifest for reading: \
                Too many levels of symbolic links";
    assert_lines(&refusal(folder.path(), &[]), &[line]);
}

#[test]
fn a_command_that_fails_is_logged_and_the_next_one_is_executed() {
    let bytes = commands(
        "SET a 1\nLPUSH a x\nMULTI\nLPUSH a y\nSET b 2\nEXEC\nEXEC\nSHUTDOWN NOSAVE\nBLPOP empty 0\nSET c 3",
    );
    let folder = with_incr(&bytes);
    let server = start(folder.path(), &[]);
    let mut client = server.client(Transport::Tcp);
    assert_eq!(keys(&mut client), "[1 2 3 nil]");
    let sends = "== CRITICAL == This server is sending an error to its AOF-loading-client: ";
    let wrong = "'-WRONGTYPE Operation against a key holding the wrong kind of value'";
    assert_lines(
        &server.log(),
        &[
            &format!("{sends}{wrong} after processing the command 'lpush'"),
            &format!("{sends}{wrong} after processing the command 'exec'"),
            &format!("{sends}'-ERR EXEC without MULTI' after processing the command 'exec'"),
            &format!("{sends}'-ERR this command is not executed from an append-only file' after"),
            "DB loaded from append only file",
        ],
    );
    assert!(
        client
            .text("INFO stats")
            .contains("unexpected_error_replies:4")
    );
    assert_eq!(client.text("SLOWLOG LEN"), "0");
}

#[test]
fn an_expired_key_exists_until_the_file_deletes_it() {
    let bytes = commands(
        "SET a 5 PXAT 1000\nINCR a\nPERSIST a\nSET b 1\nPEXPIREAT b 1000\nINCR b\nSET c 1\nPEXPIREAT c 1000\nDEL c",
    );
    let folder = with_incr(&bytes);
    let server = start(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(keys(&mut client), "[6 nil nil nil]");
    let log = server.log();
    assert!(!log.contains("CRITICAL"), "{log}");
}

/// A base that is a snapshot, made by this server; a key that expires at once is in it.
fn snapshot_base() -> Vec<u8> {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    for line in [
        "SET a 1",
        "RPUSH list x y",
        "SET gone 1 PXAT 4102444800000",
        "SAVE",
    ] {
        client.text(line);
    }
    fs::read(server.dir.path().join("dump.rdb")).expect("saved")
}

#[test]
fn a_snapshot_with_commands_behind_it_is_loaded() {
    let base = snapshot_base();
    let tail = commands("RPUSH list z\nSET b 2");
    let both = [base.as_slice(), &tail].concat();
    let manifest = "file base seq 1 type b\n".to_owned() + INCR;
    let new = folder(&[
        (MANIFEST, manifest.as_bytes()),
        ("appendonlydir/base", &base),
        (INCR_FILE, &tail),
    ]);
    let old = folder(&[("appendonly.aof", &both)]);
    let cases: [(TempDir, &[&str]); 2] = [
        (
            new,
            &[
                "Reading RDB base file on AOF loading...",
                "DB loaded from base file base: 0.",
            ],
        ),
        (
            old,
            &[
                "Reading RDB preamble from AOF file...",
                "Reading the remaining AOF tail...",
            ],
        ),
    ];
    for (folder, lines) in cases {
        let server = start(folder.path(), &[]);
        let mut client = server.client(Transport::Tcp);
        assert_eq!(keys(&mut client), "[1 2 nil nil]");
        assert_eq!(client.text("LRANGE list 0 -1"), "[x y z]");
        assert_lines(&server.log(), lines);
    }
    // Only the incomplete command is cut off, not the snapshot in front of it.
    let folder = folder(&[("appendonly.aof", &both[..base.len() + 10])]);
    let server = start(folder.path(), &[]);
    assert_eq!(keys(&mut server.client(Transport::Tcp)), "[1 nil nil nil]");
    assert_eq!(
        size(&folder, "appendonlydir/appendonly.aof"),
        base.len() as u64
    );
}

#[test]
fn a_base_keeps_expired_keys_for_the_commands_that_follow() {
    let mut base = snapshot_base();
    // The expiry time of the key is the only such number in the file; the checksum is switched off.
    let at = 4_102_444_800_000_u64.to_le_bytes();
    let place = base
        .windows(8)
        .position(|bytes| bytes == at)
        .expect("a key that expires");
    base[place..place + 8].copy_from_slice(&1000_u64.to_le_bytes());
    let end = base.len() - 8;
    base[end..].fill(0);
    let manifest = "file base seq 1 type b\n".to_owned() + INCR;
    let folder = folder(&[
        (MANIFEST, manifest.as_bytes()),
        ("appendonlydir/base", &base),
        (INCR_FILE, &commands("RENAME gone b\nPERSIST b")),
    ]);
    let server = start(folder.path(), &[]);
    let mut client = server.client(Transport::Tcp);
    assert_eq!(keys(&mut client), "[1 1 nil nil]");
}

#[test]
fn clients_are_served_while_files_are_loaded() {
    let lines: Vec<String> = (0..600).map(|n| format!("SET key:{n} {n}")).collect();
    let bytes = commands(&lines.join("\n"));
    let manifest = format!("{INCR}{SECOND}");
    let folder = folder(&[
        (MANIFEST, manifest.as_bytes()),
        (INCR_FILE, &bytes),
        (SECOND_FILE, &bytes),
    ]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let server = start(folder.path(), &[]);
        let (mut loading, mut other) = (server.client(transport), server.client(transport));
        loading.text("CONFIG SET key-load-delay 500");
        loading.send(&request("DEBUG LOADAOF"));
        let field = |text: &str, name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
        };
        // The second file counts on from the first.
        until("the second file", || {
            let text = other.text("INFO persistence");
            assert_eq!(field(&text, "loading_total_bytes:"), 2 * bytes.len() as u64);
            let loaded = field(&text, "loading_loaded_bytes:");
            (loaded > bytes.len() as u64).then_some(())
        });
        assert!(other.text("GET key:1").starts_with("-LOADING"));
        other.text("CONFIG SET key-load-delay 0");
        assert_eq!(tests::client::show(&loading.read()), "OK");
        assert_eq!(other.text("GET key:599"), "599");
        assert!(
            other
                .text("INFO persistence")
                .contains("rdb_changes_since_last_save:0")
        );
    }
}

#[test]
fn debug_loadaof_tells_whether_all_was_loaded() {
    let folder = with_incr(&commands("SET a 1"));
    let path: PathBuf = folder.path().join(INCR_FILE);
    let server = start(folder.path(), &[]);
    let mut client = server.client(Transport::Tcp);
    let failed = "-ERR Error trying to load the AOF files, check server logs.";
    let cases: [(&[u8], &str, &str); 4] = [
        (b"", "OK", "0"),
        (&commands("SET a 1\nSET b 1"), "OK", "2"),
        (&commands("SET a 1\nSET b 1")[..40], failed, "1"),
        (b"hello\r\n", failed, "0"),
    ];
    for (bytes, reply, keys) in cases {
        fs::write(&path, bytes).expect("writable");
        assert_eq!(client.text("DEBUG LOADAOF"), reply);
        assert_eq!(client.text("DBSIZE"), keys);
    }
    fs::remove_file(&path).expect("there");
    assert_eq!(client.text("DEBUG LOADAOF"), failed);
    let off = Server::start(&[]);
    assert_eq!(off.client(Transport::Tls).text("DEBUG LOADAOF"), failed);
}

/// FLUSHALL saves an empty snapshot when a client sends it. In a file it is in the past, and so may be the snapshot's keys.
#[test]
fn a_flush_in_the_file_leaves_the_snapshot_alone() {
    let folder = with_incr(&commands("SET a 1\nFLUSHALL\nSET b 2"));
    let snapshot = folder.path().join("dump.rdb");
    fs::write(&snapshot, "kept").expect("writable");
    let server = start(folder.path(), &["--save", "3600 1000000"]);
    let mut client = server.client(Transport::Tcp);
    assert_eq!(keys(&mut client), "[nil 2 nil nil]");
    assert_eq!(fs::read(&snapshot).expect("there"), b"kept");
}
