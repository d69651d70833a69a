//! The cache of scripts, by the SHA-1 digest of their source.

use std::sync::Arc;

use lua::interpreter::Interpreter;

use crate::state::scripts::flags::ScriptFlags;
use crate::state::scripts::heap::Heap;
use crate::state::sharded::Sharded;

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

/// The cache, and the interpreter that has its functions.
#[derive(Default)]
pub struct Cache {
    /// The interpreter; `None` before the first script, and while one runs.
    pub lua: Option<Interpreter>,
    scripts: Sharded<Sha, Script>,
    /// The source and digest of the script that was looked up last: most clients that use EVAL repeat themselves.
    latest: Option<(Arc<Vec<u8>>, Sha)>,
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

    /// A script by its digest.
    pub fn get(&self, sha: &Sha) -> Option<&Script> {
        self.scripts.get(sha)
    }

    /// The digest of a source, if it was looked up last.
    pub fn known_digest(&self, source: &[u8]) -> Option<Sha> {
        let (latest, sha) = self.latest.as_ref()?;
        (latest.as_slice() == source).then_some(*sha)
    }

    /// Remembers the script that was looked up last.
    pub fn remember(&mut self, sha: Sha) {
        if let Some(script) = self.scripts.get(&sha) {
            self.latest = Some((Arc::clone(&script.source), sha));
        }
    }

    /// Adds a script.
    pub fn add(&mut self, sha: Sha, script: Script) {
        self.bytes += script.source.capacity() + size_of::<(Sha, Script)>();
        self.scripts.entry(sha, || script);
    }

    /// The position of the next script in the interpreter's registry.
    pub fn next_position(&self) -> i32 {
        i32::try_from(self.scripts.len()).unwrap_or(i32::MAX) + 1
    }
}
