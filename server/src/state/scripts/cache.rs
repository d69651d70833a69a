//! The cache of scripts, by the SHA-1 digest of their source.

use std::sync::Arc;

use data::ds::boxed::Keyed;
use data::ds::relocation::{Relocator, relocate_shared};
use lua::interpreter::Interpreter;

use crate::state::key_table::KeyTable;
use crate::state::scripts::flags::ScriptFlags;
use crate::state::scripts::heap::Heap;

/// A SHA-1 digest as lower-case hexadecimal digits.
pub type Sha = [u8; 40];

/// A digest as a client has sent it.
pub fn digest_of(text: &[u8]) -> Option<Sha> {
    let mut sha: Sha = text.try_into().ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}

/// A script.
#[derive(Debug)]
pub struct Script {
    /// Its source.
    pub source: Arc<Vec<u8>>,
    /// What it declares.
    pub flags: ScriptFlags,
    /// The position of its function in the interpreter's registry.
    pub position: i32,
}

/// A script and its digest.
#[derive(Debug)]
struct Cached {
    sha: Sha,
    script: Script,
}

impl Keyed for Cached {
    fn key(&self) -> &[u8] {
        &self.sha
    }
}

/// What a script is run by.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// What it declares.
    pub flags: ScriptFlags,
    /// The position of its function in the interpreter's registry.
    pub position: i32,
}

/// Scripts that were looked up last, by the first two digits of their digest.
const RECENT: usize = 256;

/// The first position of the registry that a script may have.
const FIRST: i32 = 2;

/// The cache, and the interpreter that has its functions.
#[derive(Default)]
pub struct Cache {
    /// The interpreter; `None` before the first script, and while one runs.
    pub lua: Option<Interpreter>,
    scripts: KeyTable<Cached>,
    /// The source and digest of the script that was looked up last: most clients that use EVAL repeat themselves.
    latest: Option<(Arc<Vec<u8>>, Sha)>,
    recent: Vec<Option<(Sha, Found)>>,
    bytes: usize,
    /// The memory of the interpreter.
    pub heap: Heap,
    /// Scripts that were run since garbage was collected.
    pub runs: u32,
}

impl Cache {
    /// The number of scripts.
    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    /// Whether there is no script.
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// The bytes of the scripts, without the interpreter.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is a script of this digest.
    pub fn has(&self, sha: &Sha) -> bool {
        self.scripts.get(sha).is_some()
    }

    /// A script by its digest.
    #[inline]
    pub fn find(&mut self, sha: &Sha) -> Option<Found> {
        let place = usize::from(value(sha[0]) << 4 | value(sha[1]));
        match self.recent.get(place) {
            Some(Some((known, found))) if known == sha => Some(*found),
            _ => self.look_up(sha, place),
        }
    }

    #[inline(never)]
    fn look_up(&mut self, sha: &Sha, place: usize) -> Option<Found> {
        let script = &self.scripts.get(sha)?.script;
        let found = Found {
            flags: script.flags,
            position: script.position,
        };
        if self.recent.is_empty() {
            self.recent = vec![None; RECENT];
        }
        self.recent[place] = Some((*sha, found));
        Some(found)
    }

    /// The digest of a source, if it was looked up last.
    pub fn known_digest(&self, source: &[u8]) -> Option<Sha> {
        let (latest, sha) = self.latest.as_ref()?;
        (latest.as_slice() == source).then_some(*sha)
    }

    /// Remembers the script that was looked up last.
    pub fn remember(&mut self, sha: Sha) {
        if let Some(cached) = self.scripts.get(&sha) {
            self.latest = Some((Arc::clone(&cached.script.source), sha));
        }
    }

    /// Adds a script.
    pub fn add(&mut self, sha: Sha, script: Script) {
        self.bytes += script.source.capacity() + size_of::<Cached>();
        self.scripts.add(Cached { sha, script });
    }

    /// Moves the allocations of about `count` scripts from `cursor` on, for defragmentation; what the interpreter has made of
    /// them stays. Returns the next cursor, 0 at the end.
    pub fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        let placeholder = || Cached {
            sha: [0; 40],
            script: Script {
                source: Arc::default(),
                flags: ScriptFlags::default(),
                position: 0,
            },
        };
        self.scripts.relocate(
            (cursor, count),
            relocator,
            placeholder,
            |cached, relocator| {
                relocate_shared(&mut cached.script.source, relocator);
            },
        )
    }

    /// The position of the next script in the interpreter's registry.
    pub fn next_position(&self) -> i32 {
        i32::try_from(self.scripts.len()).unwrap_or(i32::MAX - FIRST) + FIRST
    }
}

/// The value of a hexadecimal digit; of another byte any value below 16.
fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit & 15).wrapping_add(9) & 15,
    }
}
