//! Broken append-only files: whatever is in one, the server loads what is sound or refuses it, and lives.

use std::fs;
use std::path::PathBuf;

use conn::resp::Value;
use data::util::rand::Rng;
use server::state::aof::manifest::Manifest;
use tests::client::{Client, Transport, encoded, request};
use tests::corpus::Corpus;
use tests::server::{Server, temp_dir};

/// Mutated manifests.
const MANIFESTS: usize = 20_000;
/// Mutated files that are loaded.
const FILES: usize = 600;

const MANIFEST: &str = "file appendonly.aof.1.incr.aof seq 1 type i\n";
const FAILED: &str = "-ERR Error trying to load the AOF files, check server logs.";

/// A server with an append-only file that tests overwrite.
struct Target {
    server: Server,
    client: Client,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Target {
    fn start() -> Self {
        let folder = temp_dir();
        let files = folder.path().join("appendonlydir");
        fs::create_dir(&files).expect("writable");
        fs::write(files.join("appendonly.aof.manifest"), MANIFEST).expect("writable");
        let path = files.join("appendonly.aof.1.incr.aof");
        fs::write(&path, "").expect("writable");
        let dir = folder.path().to_string_lossy().into_owned();
        let server = Server::start(&["--dir", &dir, "--appendonly", "yes"]);
        let mut client = server.client(Transport::Tcp);
        // The deletion of a key that has expired would be appended to the file under test.
        assert_eq!(client.text("DEBUG SET-ACTIVE-EXPIRE 0"), "OK");
        Target {
            server,
            client,
            path,
            _folder: folder,
        }
    }

    /// Loads a file. Returns whether all of it was loaded.
    fn load(&mut self, bytes: &[u8]) -> bool {
        fs::write(&self.path, bytes).expect("writable");
        self.again()
    }

    fn again(&mut self) -> bool {
        match self.client.text("DEBUG LOADAOF").as_str() {
            "OK" => true,
            FAILED => false,
            other => panic!("{other}"),
        }
    }

    fn left(&self) -> Vec<u8> {
        fs::read(&self.path).expect("readable")
    }
}

#[test]
fn the_manifest_parser_survives_arbitrary_input_and_reads_what_it_writes() {
    Corpus::load("manifest").run(21, MANIFESTS, |bytes, _| {
        let Ok(mut manifest) = Manifest::parse(bytes) else {
            return;
        };
        assert!(!manifest.dirty);
        let again = Manifest::parse(manifest.encode().as_bytes());
        if !manifest.is_empty() || !manifest.history.is_empty() {
            assert_eq!(again.as_ref(), Ok(&manifest));
        }
        if manifest.incr_seq.max(manifest.base_seq) > i64::MAX - 10 {
            return;
        }
        let incr = manifest.next_incr("a");
        assert!(
            manifest
                .incr
                .iter()
                .rev()
                .skip(1)
                .all(|other| other.seq < incr.seq)
        );
        manifest.next_base("a", true);
        manifest.mark_rewritten_incrs_as_history(true);
        manifest.dirty = false;
        assert_eq!(
            Manifest::parse(manifest.encode().as_bytes()),
            Ok(manifest.clone())
        );
        assert_eq!(manifest.loadable().count(), 2);
    });
}

/// A file is loaded as a whole, or cut so that it is loaded as a whole the next time, or refused and left as it is.
#[test]
fn a_broken_file_is_loaded_cut_or_refused() {
    let mut target = Target::start();
    let (mut whole, mut cut, mut refused) = (0, 0, 0);
    Corpus::load("aof").run(22, FILES, |bytes, _| {
        if target.load(bytes) {
            whole += 1;
            assert_eq!(target.left(), bytes);
            return;
        }
        let left = target.left();
        assert!(bytes.starts_with(&left));
        let digest = target.client.text("DEBUG DIGEST");
        if left.len() < bytes.len() {
            cut += 1;
            assert!(target.again(), "what was left is not sound");
            assert_eq!(target.client.text("DEBUG DIGEST"), digest);
        } else {
            refused += 1;
        }
    });
    assert!(
        whole > 20 && cut > 20 && refused > 20,
        "{whole} {cut} {refused}"
    );
}

/// Every command has an implementation that may be called from a file, where no client is behind it.
#[test]
fn every_command_may_be_in_a_file() {
    let mut target = Target::start();
    let Value::Array(infos) = target.client.cmd("COMMAND") else {
        panic!("COMMAND lists commands");
    };
    let mut rows: Vec<(Vec<Vec<u8>>, i64)> = Vec::new();
    for info in &infos {
        let Value::Array(fields) = info else {
            panic!("a command has fields");
        };
        add_rows(fields, &mut rows);
    }
    assert!(rows.len() > 250, "{}", rows.len());
    let mut rng = Rng::new(23);
    let values: [&[u8]; 12] = [
        b"k",
        b"1",
        b"0",
        b"-1",
        b"*",
        b"x",
        b"",
        b"0-1",
        b"STREAMS",
        b"GET",
        b"127.0.0.1",
        b"no",
    ];
    let mut file = Vec::new();
    for (words, arity) in &rows {
        for round in 0..6 {
            let least = arity.unsigned_abs() as usize;
            let count = if *arity < 0 { least + round } else { least };
            let mut args: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            while args.len() < count {
                args.push(values[rng.below(values.len() as u64) as usize]);
            }
            if round == 5 {
                file.extend(request("MULTI"));
            }
            file.extend(encoded(&args));
            if round == 5 {
                file.extend(request("EXEC"));
            }
        }
    }
    // Neither is there a transaction at the end, nor is the server gone, nor its client.
    file.extend(request("EXEC"));
    target.load(&file);
    assert_eq!(target.client.text("PING"), "PONG");
    let log = target.server.log();
    assert!(!log.contains("reading the append only file"), "{log}");
    // Nothing of the server itself was changed.
    assert_eq!(
        target.client.text("CONFIG GET appendonly"),
        "[appendonly yes]"
    );
    assert!(target.client.text("ROLE").starts_with("[master"));
}

/// Adds the words and the arity of a command and of its subcommands.
fn add_rows(fields: &[Value], rows: &mut Vec<(Vec<Vec<u8>>, i64)>) {
    let (Some(name), Some(Value::Int(arity))) = (fields[0].text(), fields.get(1)) else {
        panic!("name and arity come first");
    };
    let words = name
        .split(|&byte| byte == b'|')
        .map(<[u8]>::to_vec)
        .collect();
    let subcommands = match fields.get(9) {
        Some(Value::Array(subcommands)) => subcommands.as_slice(),
        _ => &[],
    };
    if subcommands.is_empty() {
        // EXEC and MULTI are where they have to be.
        if !matches!(name, b"exec" | b"multi") {
            rows.push((words, *arity));
        }
        return;
    }
    for subcommand in subcommands {
        if let Value::Array(fields) = subcommand {
            add_rows(fields, rows);
        }
    }
}
