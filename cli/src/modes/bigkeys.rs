//! `--bigkeys`, `--memkeys`: the biggest key of each type, by number of elements or by memory.
//!
//! For each page of keys, one pipeline asks for their types and a second one for their sizes. A key may be deleted or
//! change its type in between.

use conn::resp::Value;

use crate::format::quoted;
use crate::modes::keys::{Walk, db_size, share};
use crate::options::Options;
use crate::out::{Exit, complain, fail, print};
use crate::session::Session;

/// How keys are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// By the command that counts the elements of the type.
    Elements,
    /// By MEMORY USAGE, sampling this many elements of each key.
    Memory(Option<u64>),
}

/// A type, and the keys of it found so far.
struct Kind {
    name: String,
    /// The command that measures its keys; the type of a module has none.
    command: Option<&'static str>,
    unit: &'static str,
    count: u64,
    total: u64,
    /// The biggest key, quoted, and its size.
    biggest: Option<(String, u64)>,
}

impl Kind {
    fn new(name: &str, command: Option<&'static str>, unit: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            command,
            unit,
            count: 0,
            total: 0,
            biggest: None,
        }
    }
}

/// The built-in types, in the order of Redis's report of a data set of two keys or more.
fn kinds() -> Vec<Kind> {
    vec![
        Kind::new("list", Some("LLEN"), "items"),
        Kind::new("hash", Some("HLEN"), "fields"),
        Kind::new("string", Some("STRLEN"), "bytes"),
        Kind::new("stream", Some("XLEN"), "entries"),
        Kind::new("set", Some("SCARD"), "members"),
        Kind::new("zset", Some("ZCARD"), "members"),
    ]
}

/// The results so far.
struct Survey {
    measure: Measure,
    kinds: Vec<Kind>,
    sampled: u64,
    key_bytes: u64,
}

/// Scans all keys and prints a report.
///
/// # Errors
/// The server does not answer; a message was printed.
pub fn run(session: &mut Session, options: &Options, measure: Measure) -> Result<(), Exit> {
    session.connect_or_exit()?;
    let mut walk = Walk::new();
    let keys_in_all = u64::try_from(db_size(session)?).unwrap_or(0);
    print(
        "\n# Scanning the entire keyspace to find biggest keys as well as\n\
         # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n\
         # per 100 SCAN commands (not usually needed).\n\n",
    );
    let mut survey = Survey {
        measure,
        kinds: kinds(),
        sampled: 0,
        key_bytes: 0,
    };
    let mut progress = 0.0;
    while let Some(keys) = walk.page(session, options)? {
        progress = share(survey.sampled, keys_in_all);
        let types = survey.types(session, &keys)?;
        let sizes = survey.sizes(session, &keys, &types)?;
        for ((key, kind), size) in keys.iter().zip(types).zip(sizes) {
            if let Some(kind) = kind {
                survey.count(key, kind, size, progress);
            }
        }
        walk.pause(options, false);
    }
    print("\n-------- summary -------\n\n");
    if walk.was_cut_short() {
        print(format!("[{progress:05.2}%] "));
    }
    survey.sort();
    print(survey.summary());
    Ok(())
}

impl Survey {
    /// For each key the index of its kind; `None` if it was deleted.
    fn types(
        &mut self,
        session: &mut Session,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<usize>>, Exit> {
        let commands = keys.iter().map(|key| vec![b"TYPE".to_vec(), key.clone()]);
        let replies = pipeline(session, &commands.collect::<Vec<_>>(), "type")?;
        let mut types = Vec::with_capacity(keys.len());
        for (reply, key) in replies.into_iter().zip(keys) {
            match reply {
                Value::Status(name) => {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    types.push(self.kind(&name));
                }
                Value::Error(text) => {
                    return fail([b"TYPE returned an error: ", text.as_slice()].concat());
                }
                _ => {
                    return fail(format!(
                        "Invalid reply type for TYPE on key '{}'!",
                        quoted(key)
                    ));
                }
            }
        }
        Ok(types)
    }

    fn kind(&mut self, name: &str) -> Option<usize> {
        if name == "none" {
            return None;
        }
        let known = self.kinds.iter().position(|kind| kind.name == name);
        Some(known.unwrap_or_else(|| {
            self.kinds.push(Kind::new(name, None, "?"));
            self.kinds.len() - 1
        }))
    }

    /// The size of each key; 0 if it cannot be determined.
    fn sizes(
        &self,
        session: &mut Session,
        keys: &[Vec<u8>],
        types: &[Option<usize>],
    ) -> Result<Vec<u64>, Exit> {
        let mut asked = Vec::new();
        let mut commands = Vec::new();
        for (at, (key, kind)) in keys.iter().zip(types).enumerate() {
            if let Some(command) = kind.and_then(|kind| self.size_command(&self.kinds[kind], key)) {
                asked.push(at);
                commands.push(command);
            }
        }
        let mut sizes = vec![0; keys.len()];
        let replies = pipeline(session, &commands, "size")?;
        for ((at, reply), command) in asked.into_iter().zip(replies).zip(commands) {
            match reply {
                Value::Int(size) => sizes[at] = u64::try_from(size).unwrap_or(0),
                _ => {
                    let words = if self.measure == Measure::Elements {
                        1
                    } else {
                        2
                    };
                    let command = command[..words].join(&b' ');
                    complain(
                        [
                            b"Warning:  ",
                            &command[..],
                            b" on '",
                            &keys[at],
                            b"' failed (may have changed type)",
                        ]
                        .concat(),
                    );
                }
            }
        }
        Ok(sizes)
    }

    fn size_command(&self, kind: &Kind, key: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut argv: Vec<Vec<u8>> = match self.measure {
            Measure::Elements => vec![kind.command?.into(), key.to_vec()],
            Measure::Memory(_) => vec![b"MEMORY".to_vec(), b"USAGE".to_vec(), key.to_vec()],
        };
        if let Measure::Memory(Some(samples)) = self.measure {
            argv.extend([b"SAMPLES".to_vec(), samples.to_string().into_bytes()]);
        }
        Some(argv)
    }

    fn count(&mut self, key: &[u8], kind: usize, size: u64, progress: f64) {
        let unit = self.unit(&self.kinds[kind]);
        let kind = &mut self.kinds[kind];
        kind.total += size;
        kind.count += 1;
        self.key_bytes += key.len() as u64;
        self.sampled += 1;
        if size > kind.biggest.as_ref().map_or(0, |&(_, biggest)| biggest) {
            let name = quoted(key);
            print(format!(
                "[{progress:05.2}%] Biggest {:<6} found so far '{name}' with {size} {unit}\n",
                kind.name
            ));
            kind.biggest = Some((name, size));
        }
        if self.sampled.is_multiple_of(1_000_000) {
            print(format!(
                "[{progress:05.2}%] Sampled {} keys so far\n",
                self.sampled
            ));
        }
    }

    fn unit(&self, kind: &Kind) -> &'static str {
        match self.measure {
            Measure::Elements => kind.unit,
            Measure::Memory(_) => "bytes",
        }
    }

    /// Orders the types as Redis's report does: its table of them is reorganized while the first two keys are looked up.
    fn sort(&mut self) {
        match self.sampled {
            0 => self.kinds.swap(0, 1),
            1 => self.kinds[..3].rotate_right(1),
            _ => {}
        }
    }

    fn summary(&self) -> String {
        let mut text = format!("Sampled {} keys in the keyspace!\n", self.sampled);
        text.push_str(&format!(
            "Total key length in bytes is {} (avg len {:.2})\n\n",
            self.key_bytes,
            average(self.key_bytes, self.sampled)
        ));
        for kind in &self.kinds {
            if let Some((key, size)) = &kind.biggest {
                let unit = self.unit(kind);
                text.push_str(&format!(
                    "Biggest {:>6} found '{key}' has {size} {unit}\n",
                    kind.name
                ));
            }
        }
        text.push('\n');
        for kind in &self.kinds {
            text.push_str(&format!(
                "{} {}s with {} {} ({:05.2}% of keys, avg size {:.2})\n",
                kind.count,
                kind.name,
                kind.total,
                self.unit(kind),
                share(kind.count, self.sampled),
                average(kind.total, kind.count)
            ));
        }
        text
    }
}

fn average(total: u64, count: u64) -> f64 {
    if count == 0 {
        0.0
    } else {
        total as f64 / count as f64
    }
}

/// Sends all commands at once and reads their replies.
fn pipeline(
    session: &mut Session,
    commands: &[Vec<Vec<u8>>],
    what: &str,
) -> Result<Vec<Value>, Exit> {
    let mut batch = Vec::new();
    for command in commands {
        conn::encode::request(command.iter(), &mut batch);
    }
    let mut exchange = || {
        session.client()?.send(&batch)?;
        commands.iter().map(|_| session.receive()).collect()
    };
    let replies: Result<Vec<Value>, _> = exchange();
    replies.or_else(|failure| fail(format!("Error getting the {what} of keys: {failure}")))
}
