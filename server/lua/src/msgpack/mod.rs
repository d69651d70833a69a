//! The library `cmsgpack`: MessagePack from values and back, as of lua-cmsgpack 0.4.0.
//!
//! * [`pack`] writes values; tables nested deeper than 16 become nil, so that writing ends for one that contains itself.
//! * [`unpack`] reads them; how deep they are nested is limited by the room on the stack of Lua.
//!
//! Neither recurses: the containers under way are in a vector.

mod pack;
mod unpack;

use crate::function::Function;
use crate::stack::Stack;

/// In the order of the original, which `pairs` shows.
const FUNCTIONS: [(&str, Function); 4] = [
    ("pack", pack::pack),
    ("unpack", unpack::unpack),
    ("unpack_one", unpack::unpack_one),
    ("unpack_limit", unpack::unpack_limit),
];

const TEXTS: [(&str, &str); 4] = [
    ("_NAME", "cmsgpack"),
    ("_VERSION", "lua-cmsgpack 0.4.0"),
    ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
    ("_DESCRIPTION", "MessagePack C implementation for Lua"),
];

/// Pushes the library.
pub fn open(stack: &mut Stack<'_>) {
    // Without room: `pairs` shows the order in which the table has grown.
    stack.push_table(0, 0);
    for (name, function) in FUNCTIONS {
        stack.push_function(function);
        stack.set_field(-2, name.as_bytes());
    }
    for (name, text) in TEXTS {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name.as_bytes());
    }
}
