//! Libraries of functions, and the interpreter that has their functions.
//!
//! A set of libraries owns its interpreter, so sets that are loaded beside the current one (a snapshot, a payload) leave no
//! trace when they are dropped.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use lua::interpreter::Interpreter;

use crate::state::scripts::flags::ScriptFlags;
use crate::state::scripts::heap::Heap;

/// The first position of the registry that a function may have.
const FIRST: i32 = 2;

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name; case does not matter. Redis aborts when two functions of a library differ in case only.
    pub name: Arc<[u8]>,
    /// What it says about itself.
    pub description: Option<Vec<u8>>,
    /// What it declares.
    pub flags: ScriptFlags,
    /// Its position in the interpreter's registry.
    pub position: i32,
}

/// What a function is run by.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub name: Arc<[u8]>,
    /// What it declares.
    pub flags: ScriptFlags,
    /// Its position in the interpreter's registry.
    pub position: i32,
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Its source, first line included.
    pub code: Vec<u8>,
    /// Its functions.
    pub functions: Vec<Function>,
}

/// A set of libraries.
#[derive(Default)]
pub struct Libraries {
    /// The interpreter; `None` before the first library, and while it runs.
    pub lua: Option<Interpreter>,
    libraries: BTreeMap<Vec<u8>, Library>,
    /// Functions by their names in lower case.
    functions: HashMap<Vec<u8>, Function>,
    /// The function that was looked up last.
    recent: Option<Found>,
    /// Positions in the registry that are no longer used.
    free: Vec<i32>,
    last_position: i32,
    bytes: usize,
    /// The memory of the interpreter.
    pub heap: Heap,
    /// Functions that were run since garbage was collected.
    pub runs: u32,
}

impl Libraries {
    /// The number of libraries.
    pub fn len(&self) -> usize {
        self.libraries.len()
    }

    /// Whether there is no library.
    pub fn is_empty(&self) -> bool {
        self.libraries.is_empty()
    }

    /// The number of functions.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// The bytes of the libraries, without the interpreter.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Libraries by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &Library)> {
        self.libraries.iter()
    }

    /// A library by its name.
    pub fn get(&self, name: &[u8]) -> Option<&Library> {
        self.libraries.get(name)
    }

    /// A function by its name, in any case.
    pub fn function(&self, name: &[u8]) -> Option<&Function> {
        if self.functions.is_empty() {
            return None;
        }
        let has_upper = name.iter().any(u8::is_ascii_uppercase);
        if has_upper {
            self.functions.get(&name.to_ascii_lowercase())
        } else {
            self.functions.get(name)
        }
    }

    /// A function to be run.
    #[inline]
    pub fn find(&mut self, name: &[u8]) -> Option<&Found> {
        let is_recent = self
            .recent
            .as_ref()
            .is_some_and(|found| *found.name == *name);
        if !is_recent {
            self.recent = self.function(name).map(|function| Found {
                name: Arc::clone(&function.name),
                flags: function.flags,
                position: function.position,
            });
        }
        self.recent.as_ref()
    }

    /// Adds a library. There is none of its name, and no function of the name of one of its functions.
    pub fn add(&mut self, name: Vec<u8>, library: Library) {
        self.recent = None;
        self.bytes += bytes_of(&name, &library);
        for function in &library.functions {
            let lower = function.name.to_ascii_lowercase();
            self.functions.insert(lower, function.clone());
        }
        self.libraries.insert(name, library);
    }

    /// Takes a library out; its functions keep their positions until they are given back.
    pub fn remove(&mut self, name: &[u8]) -> Option<Library> {
        let library = self.libraries.remove(name)?;
        self.recent = None;
        self.bytes -= bytes_of(name, &library);
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        Some(library)
    }

    /// A position of the registry for a function.
    pub fn take_position(&mut self) -> i32 {
        self.free.pop().unwrap_or_else(|| {
            self.last_position = self.last_position.max(FIRST - 1) + 1;
            self.last_position
        })
    }

    /// Gives the position of a function back.
    pub fn give_back(&mut self, position: i32) {
        self.free.push(position);
    }
}

fn bytes_of(name: &[u8], library: &Library) -> usize {
    let function = |function: &Function| {
        let description = function.description.as_ref().map_or(0, Vec::len);
        2 * function.name.len() + description + 2 * size_of::<Function>()
    };
    let functions: usize = library.functions.iter().map(function).sum();
    name.len() + library.code.capacity() + size_of::<Library>() + functions
}

/// The loading of a library: what its code has registered so far.
#[derive(Debug, Default)]
pub struct Load {
    /// Functions; the position counts from the end of the stack of positions that were taken.
    pub functions: Vec<Function>,
    /// Their names in lower case.
    pub names: HashSet<Vec<u8>>,
    /// Monotonic time of its start, in microseconds.
    pub started_us: u64,
    /// How long it may take, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// The first line of a library.
#[derive(Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The engine as it is written.
    pub engine: Vec<u8>,
    /// The name of the library.
    pub name: Vec<u8>,
    /// The length of the line without its end.
    pub len: usize,
}

/// Reads the first line of a library: `#!lua name=NAME`.
///
/// # Errors
/// A sentence: what is wrong with it.
pub fn metadata(code: &[u8]) -> Result<Metadata, Vec<u8>> {
    let invalid = || b"Invalid library metadata".to_vec();
    if !code.starts_with(b"#!") {
        return Err(b"Missing library metadata".to_vec());
    }
    let text = words::until_nul(code);
    let Some(len) = text.iter().position(|byte| *byte == b'\n') else {
        return Err(invalid());
    };
    let parts = words::split(&code[..len]).map_err(|_| invalid())?;
    let (engine, options) = parts.split_first().ok_or_else(invalid)?;
    let mut name = None;
    for option in options {
        let is_name = option.len() >= 5 && option[..5].eq_ignore_ascii_case(b"name=");
        if !is_name {
            return Err([b"Invalid metadata value given: ", option.as_slice()].concat());
        }
        if name.replace(option[5..].to_vec()).is_some() {
            let text = b"Invalid metadata value, name argument was given multiple times";
            return Err(text.to_vec());
        }
    }
    let name = name.ok_or_else(|| b"Library name was not given".to_vec())?;
    if !is_name(&name) {
        return Err(BAD_NAME.as_bytes().to_vec());
    }
    let engine = engine.get(2..).unwrap_or_default().to_vec();
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err([b"Engine '", engine.as_slice(), b"' not found"].concat());
    }
    Ok(Metadata { engine, name, len })
}

/// The error for an invalid name.
pub const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one \
     character long";

/// Whether a library or function may have this name.
pub fn is_name(name: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    !name.is_empty() && name.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::metadata;

    #[test]
    fn first_lines() {
        let name = |code: &str| {
            let metadata = metadata(code.as_bytes()).map(|metadata| metadata.name);
            metadata
                .map(|name| String::from_utf8_lossy(&name).into_owned())
                .map_err(|error| String::from_utf8_lossy(&error).into_owned())
        };
        assert_eq!(name("#!lua name=a\n").as_deref(), Ok("a"));
        assert_eq!(name("#!LUA NAME=\"a_1\"\n").as_deref(), Ok("a_1"));
        for (code, why) in [
            ("x", "Missing library metadata"),
            ("#!lua name=a", "Invalid library metadata"),
            ("#!lua name=\"a\n", "Invalid library metadata"),
            ("#!lua\n", "Library name was not given"),
            ("#!lua foo=1\n", "Invalid metadata value given: foo=1"),
            (
                "#!lua name=a name=b\n",
                "Invalid metadata value, name argument was given multiple times",
            ),
            ("#!lua name=\n", super::BAD_NAME),
            ("#!bad name=a\n", "Engine 'bad' not found"),
        ] {
            assert_eq!(name(code), Err(why.to_owned()));
        }
    }
}
