//! The arguments of the commands for scripts and functions: the number of keys, keys and arguments as lists of Lua, and the
//! option of FLUSH.
//!
//! A script of EVAL finds its keys and arguments in the globals KEYS and ARGV. As in Redis they are replaced by the next run
//! only; before garbage is collected they are cleared, since they can be big.

use std::ops::Range;

use data::util::num::parse_i64;
use lua::stack::Stack;

use crate::server::Server;
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, NUMKEYS_TOO_MANY};

/// The first key of a command that runs a script or a function; the number of keys is before it.
const FIRST_KEY: usize = 3;

/// Where a script of EVAL finds its keys and arguments.
const GLOBALS: [&[u8]; 2] = [b"KEYS", b"ARGV"];

/// The number of keys of a command that runs a script or a function.
///
/// # Errors
/// It is negative, more than there are arguments, or no number (`not_a_number`).
pub fn count_keys(argv: &Argv, not_a_number: Fault) -> Result<usize, Fault> {
    let count = parse_i64(&argv[FIRST_KEY - 1]).ok_or(not_a_number)?;
    if count > (argv.len() - FIRST_KEY) as i64 {
        return Err(NUMKEYS_TOO_MANY);
    }
    usize::try_from(count).map_err(|_| Fault::new("ERR Number of keys can't be negative"))
}

/// Pushes the keys as a list, and the other arguments as another.
pub fn push_lists(stack: &mut Stack<'_>, argv: &Argv, keys: usize) {
    push_list(stack, argv, FIRST_KEY..FIRST_KEY + keys);
    push_list(stack, argv, FIRST_KEY + keys..argv.len());
}

/// Sets KEYS and ARGV.
pub fn set_globals(stack: &mut Stack<'_>, argv: &Argv, keys: usize) {
    let first_argument = FIRST_KEY + keys;
    let ranges = [FIRST_KEY..first_argument, first_argument..argv.len()];
    stack.set_protected_globals(GLOBALS, |stack, at| {
        push_list(stack, argv, ranges[at].clone());
    });
}

/// Clears KEYS and ARGV while no script runs. They are not removed, so the order of `pairs(_G)` stays.
pub fn clear_globals(stack: &mut Stack<'_>) {
    stack.set_protected_globals(GLOBALS, |stack, _| stack.push_boolean(false));
}

fn push_list(stack: &mut Stack<'_>, argv: &Argv, range: Range<usize>) {
    stack.push_list(range.map(|at| &argv[at]));
}

/// Whether SCRIPT FLUSH or FUNCTION FLUSH frees in the background; `None` if the option is unknown
/// or there are several.
pub fn flushes_in_background(srv: &Server, argv: &Argv) -> Option<bool> {
    match argv.len() {
        2 => Some(srv.config.lazyfree_lazy_user_flush),
        3 if argv[2].eq_ignore_ascii_case(b"sync") => Some(false),
        3 if argv[2].eq_ignore_ascii_case(b"async") => Some(true),
        _ => None,
    }
}
