//! Values, and nested tables of them, from a stream of items, on top of a stack.
//!
//! A builder knows what it has pushed, so it needs none of the questions that [`Stack`] asks before each step.
//!
//! # Invariants
//!
//! 1. From `base` on, the stack has the values that are complete, then the tables of `open`, each followed by its pending key
//!    if it has one. `top` is the height. What is below `base` stays there.
//! 2. There is room up to `room`. Callers ask for it as a function of C would, so nesting ends where it does in Redis.
//! 3. The tables are new: no metatables, and nobody else knows them. A key is neither nil nor NaN, and they get at most
//!    `MOST_VALUES` values, so Lua raises no error about them.

use std::slice;

use mlua_sys as ffi;

use crate::bulk::MOST_SLOTS;
use crate::interpreter::Shared;
use crate::limits::{MOST_VALUES, NO_MEMORY};
use crate::stack::{Kind, Stack};

/// How many values are added between two looks at the memory.
const MEMORY_STEP: u32 = 64;

/// How many slots are reserved ahead.
const AHEAD: usize = 16;

/// A table under way.
struct Open {
    /// Whether every other item is a key; otherwise the positions are.
    keyed: bool,
    /// Whether a key waits for its value.
    key: bool,
    /// Why that key cannot be one.
    refused: Option<Fault>,
    /// How many values it has got.
    len: usize,
}

/// Builds values.
pub(crate) struct Builder<'call, 'lua> {
    stack: &'call mut Stack<'lua>,
    base: usize,
    top: usize,
    room: usize,
    /// Slots that a function of C would use besides.
    pub(crate) held: usize,
    open: Vec<Open>,
    steps: u32,
}

/// An error of Lua, without a place.
pub(crate) type Fault = &'static [u8];

impl<'call, 'lua> Builder<'call, 'lua> {
    /// A builder on top of what is there, and the bytes of a string among that, with a NUL byte behind them.
    pub(crate) fn new(stack: &'call mut Stack<'lua>, input: i32) -> (Self, &'call [u8]) {
        let base = stack.top();
        assert!(input > 0 && stack.kind(input) == Kind::String, "an input");
        let state = stack.raw();
        // SAFETY: it is a string of Lua, which has a NUL byte at its end, does not move, and lives as long as it is on the
        // stack. Nobody but the builder can use the stack for the lifetime of the bytes, and it leaves the string there.
        let bytes = unsafe {
            let mut len = 0;
            let start = ffi::lua_tolstring(state, input, &raw mut len);
            slice::from_raw_parts(start.cast(), len + 1)
        };
        let builder = Builder {
            stack,
            base,
            top: base,
            room: base,
            held: 0,
            open: Vec::new(),
            steps: 0,
        };
        (builder, bytes)
    }

    /// How many tables are under way.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Whether the innermost table is one with keys; none if no table is under way.
    pub(crate) fn keyed(&self) -> Option<bool> {
        self.open.last().map(|open| open.keyed)
    }

    /// How many values are complete, while no table is under way.
    pub(crate) fn count(&self) -> usize {
        assert!(self.open.is_empty());
        self.top - self.base
    }

    /// Makes room for more values; whether a function of C would get it.
    #[must_use]
    pub(crate) fn make_room(&mut self, slots: usize) -> bool {
        if self.top + self.held + slots > MOST_SLOTS {
            return false;
        }
        if self.top + slots <= self.room {
            return true;
        }
        // Several at once, unless the end is near.
        for slots in [slots + AHEAD, slots] {
            if self.stack.reserve(slots) {
                self.room = self.top + slots;
                return true;
            }
        }
        false
    }

    /// As [`Stack::charge`].
    pub(crate) fn charge(&mut self, steps: usize) {
        self.stack.charge(steps);
    }

    /// Begins a table.
    pub(crate) fn begin(&mut self, keyed: bool) {
        // Without room for values: `pairs` shows the order in which a table has grown.
        // SAFETY: there is room, as `push` makes sure; the allocator refuses nothing.
        self.push(|state| unsafe { ffi::lua_createtable(state, 0, 0) });
        self.open.push(Open {
            keyed,
            key: false,
            refused: None,
            len: 0,
        });
    }

    /// Ends the innermost table.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        let open = self.open.pop().expect("a table to end");
        assert!(!open.key, "the value of a key");
        self.attach(None)
    }

    /// A string.
    pub(crate) fn string(&mut self, text: &[u8]) -> Result<(), Fault> {
        // SAFETY: as above, here and below.
        self.push(|state| unsafe {
            ffi::lua_pushlstring_(state, text.as_ptr().cast(), text.len());
        });
        self.attach(None)
    }

    /// A number.
    pub(crate) fn number(&mut self, number: f64) -> Result<(), Fault> {
        // SAFETY: as above.
        self.push(|state| unsafe { ffi::lua_pushnumber(state, number) });
        let refused: Fault = b"table index is NaN";
        self.attach(number.is_nan().then_some(refused))
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, value: bool) -> Result<(), Fault> {
        // SAFETY: as above.
        self.push(|state| unsafe { ffi::lua_pushboolean(state, i32::from(value)) });
        self.attach(None)
    }

    /// Nil.
    pub(crate) fn nil(&mut self) -> Result<(), Fault> {
        // SAFETY: as above.
        self.push(|state| unsafe { ffi::lua_pushnil(state) });
        self.attach(Some(b"table index is nil"))
    }

    /// A light userdata whose address is null.
    pub(crate) fn null(&mut self) -> Result<(), Fault> {
        // SAFETY: as above.
        self.push(|state| unsafe { ffi::lua_pushlightuserdata(state, std::ptr::null_mut()) });
        self.attach(None)
    }

    /// Takes back the last value, while no table is under way, if it is a number or looks like one.
    pub(crate) fn take_number(&mut self) -> Option<f64> {
        if self.count() == 0 {
            return None;
        }
        let number = self.stack.number(-1)?;
        self.stack.pop(1);
        self.top -= 1;
        Some(number)
    }

    fn push(&mut self, push: impl FnOnce(*mut ffi::lua_State)) {
        assert!(self.top < self.room, "room on the stack of Lua");
        push(self.stack.raw());
        self.top += 1;
    }

    /// Adds the value on top to the innermost table, if there is one, or makes it its key.
    fn attach(&mut self, refused_as_key: Option<Fault>) -> Result<(), Fault> {
        let state = self.stack.raw();
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        if open.keyed && !open.key {
            open.key = true;
            open.refused = refused_as_key;
            return Ok(());
        }
        if let Some(fault) = open.refused {
            return Err(fault);
        }
        if open.len == MOST_VALUES {
            return Err(b"table overflow");
        }
        self.steps = self.steps.wrapping_add(1);
        // SAFETY: no other reference to the shared part is alive.
        if self.steps.is_multiple_of(MEMORY_STEP) && unsafe { Shared::of(state).left() } == 0 {
            return Err(NO_MEMORY);
        }
        open.len += 1;
        if open.keyed {
            open.key = false;
            self.top -= 2;
            // SAFETY: by the invariants a table, a key and a value are on top.
            unsafe { ffi::lua_rawset(state, -3) };
        } else {
            self.top -= 1;
            // SAFETY: by the invariants a table and a value are on top; the position is below 2^31.
            unsafe { ffi::lua_rawseti_(state, -2, open.len as i32) };
        }
        Ok(())
    }
}
