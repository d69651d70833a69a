//! The memory of interpreters: how much a script may take, and collection of the garbage that it leaves.
//!
//! # When garbage is collected
//! 1. Lua collects while a script runs, in proportion to what it allocates.
//! 2. After a fixed number of scripts a small step follows, as in Redis, but not before they have left as much as it is
//!    worth: a short script leaves a hundred bytes, and a collection step visits all that the interpreter has.
//! 3. What a script leaves besides is collected by cron, a few milliseconds at a time, the arguments of the last EVAL
//!    included. Big blocks are freed by the background thread.

use std::time::Duration;

use lua::interpreter::Interpreter;

use crate::script::arguments;
use crate::server::Server;
use crate::state::background::Background;
use crate::state::scripts::heap::Heap;
use crate::sys::memory;

/// Scripts between two steps of garbage collection, and the size of a step in kilobytes.
const COLLECT_EVERY: u32 = 50;
/// Bytes that they have left at least.
const WORTH_A_STEP: usize = 32 << 10;

/// Time for collection at each call of cron, and with much garbage.
const BUDGET: Duration = Duration::from_millis(1);
const BIG_BUDGET: Duration = Duration::from_millis(4);
const MUCH: usize = 64 << 20;

/// What a script may take in any case, in bytes: a cache is always full, and its scripts must work.
const LEAST: usize = 64 << 20;

/// Limits what the next script may take to what is left of `maxmemory`, but not to less than an eighth of it.
pub fn limit(srv: &Server, lua: &mut Interpreter) {
    let most = srv.config.maxmemory as usize;
    let limit = if most == 0 {
        usize::MAX
    } else {
        let left = most.saturating_sub(memory::used());
        lua.used().saturating_add(left.max(most / 8).max(LEAST))
    };
    lua.set_limit(limit);
}

/// A script has ended: collects some garbage after a fixed number of scripts, if there is enough.
pub fn note(lua: &mut Interpreter, heap: &mut Heap, runs: &mut u32) {
    heap.note_run(lua.used());
    *runs = runs.saturating_add(1);
    if *runs >= COLLECT_EVERY && heap.since_step() >= WORTH_A_STEP {
        *runs = 0;
        lua.collect_step(COLLECT_EVERY as i32);
        heap.note_step(lua.used());
    }
}

/// Cron: goes on with the collection of what scripts have left.
pub fn collect(srv: &mut Server) {
    let scripts = &mut srv.scripts;
    if let Some(lua) = &mut scripts.cache.lua {
        if scripts.cache.heap.begin() {
            arguments::clear_globals(&mut lua.stack());
            lua.restart_collection();
        }
        collect_for_a_while(lua, &mut scripts.cache.heap, &srv.background);
    }
    if let Some(lua) = &mut scripts.libraries.lua {
        if scripts.libraries.heap.begin() {
            lua.restart_collection();
        }
        collect_for_a_while(lua, &mut scripts.libraries.heap, &srv.background);
    }
}

fn collect_for_a_while(lua: &mut Interpreter, heap: &mut Heap, background: &Background) {
    if heap.is_collecting() {
        let budget = if heap.garbage() > MUCH {
            BIG_BUDGET
        } else {
            BUDGET
        };
        let is_end = lua.collect_for(budget);
        heap.set_used(lua.used());
        if is_end {
            heap.end_cycle(lua.used());
        }
    }
    let blocks = lua.take_freed();
    if !blocks.is_empty() {
        background.free(Box::new(blocks), 0);
    }
}
