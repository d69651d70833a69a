//! From the source of a script to its function.

use std::sync::Arc;

use data::util::sha::sha1_hex;
use lua::stack::Stack;

use crate::script::interpreter;
use crate::server::Server;
use crate::state::scripts::cache::{Script, Sha};
use crate::state::scripts::flags::header;
use crate::wire::fault::Fault;

/// The name of scripts in messages.
const CHUNK: &std::ffi::CStr = c"@user_script";

/// The digest of a source.
pub fn digest(srv: &Server, source: &[u8]) -> Sha {
    let known = srv.scripts.cache.known_digest(source);
    known.unwrap_or_else(|| sha1_hex(source))
}

/// Adds a script to the cache, unless it is there.
///
/// # Errors
/// It is not a script.
pub fn add(srv: &mut Server, sha: Sha, source: &[u8]) -> Result<(), Fault> {
    let cache = &mut srv.scripts.cache;
    if cache.find(&sha).is_some() {
        return Ok(());
    }
    let header =
        header(source).map_err(|message| Fault::bytes([b"ERR ", message.as_slice()].concat()))?;
    let position = cache.next_position();
    let lua = cache.lua.get_or_insert_with(interpreter::for_eval);
    compile(&mut lua.stack(), &source[header.len..], position)?;
    cache.heap.set_used(lua.used());
    let script = Script {
        source: Arc::new(source.to_vec()),
        flags: header.flags,
        position,
    };
    cache.add(sha, script);
    Ok(())
}

/// Compiles a script, and keeps its function in the registry.
fn compile(stack: &mut Stack<'_>, source: &[u8], position: i32) -> Result<(), Fault> {
    let compiled = stack.load(source, CHUNK);
    if compiled.is_err() {
        let message = stack.convert_to_bytes(-1).unwrap_or_default();
        let text = [b"ERR Error compiling script (new function): ", message].concat();
        stack.pop(1);
        return Err(Fault::bytes(text));
    }
    stack.keep(position);
    Ok(())
}

/// Forgets all scripts, and the interpreter with them.
pub fn flush(srv: &mut Server, in_background: bool) {
    let old = std::mem::take(&mut srv.scripts.cache);
    if in_background {
        let scripts = old.len() as u64;
        srv.background.free(Box::new(old), scripts);
    }
}
