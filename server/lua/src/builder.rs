//! Nested tables from a stream of keys and values, on top of a stack.
//!
//! A builder knows what it has pushed, so it needs none of the questions that [`Stack`] asks before each step.
//!
//! # Invariants
//!
//! 1. From `base` on, the stack has the tables of `open`, each followed by its pending key if it has one. When `open` is
//!    empty, the complete value follows, if there is one. `top` is the height.
//! 2. There is room up to `room`; it was asked for as a function of C would, so nesting ends where it does in Redis.
//! 3. The tables are new: no metatables, and nobody else knows them. They get at most `MOST_VALUES` values, so Lua raises no
//!    error about their size.

use mlua_sys as ffi;

use crate::interpreter::Shared;
use crate::limits::{MOST_VALUES, NO_MEMORY};
use crate::stack::Stack;

/// How many values are added between two looks at the memory.
const MEMORY_STEP: u32 = 64;

/// A table under way.
struct Open {
    object: bool,
    /// Whether a key waits for its value.
    key: bool,
    /// How many values it has got.
    len: usize,
}

/// Builds one value.
pub(crate) struct Builder<'call, 'lua> {
    stack: &'call mut Stack<'lua>,
    top: usize,
    room: usize,
    open: Vec<Open>,
    steps: u32,
}

/// An error of Lua, without a place.
pub(crate) type Fault = &'static [u8];

impl<'call, 'lua> Builder<'call, 'lua> {
    /// A builder on top of what is there.
    pub(crate) fn new(stack: &'call mut Stack<'lua>) -> Self {
        let top = stack.top();
        assert!(stack.reserve(1), "room for a value");
        Builder {
            stack,
            top,
            room: top + 1,
            open: Vec::new(),
            steps: 0,
        }
    }

    /// How many tables are under way.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Whether the innermost table is one with keys; none if no table is under way.
    pub(crate) fn in_object(&self) -> Option<bool> {
        self.open.last().map(|open| open.object)
    }

    /// Begins a table; whether there is room for it.
    #[must_use]
    pub(crate) fn begin(&mut self, object: bool) -> bool {
        let slots = if object { 3 } else { 2 };
        if !self.stack.reserve_as_in_c(slots) {
            return false;
        }
        self.room = self.room.max(self.top + slots);
        self.check_value();
        // SAFETY: there is room; the allocator refuses nothing. The table starts without room for values, as `pairs` shows
        // the order in which a table has grown.
        unsafe { ffi::lua_createtable(self.stack.raw(), 0, 0) };
        self.top += 1;
        self.open.push(Open {
            object,
            key: false,
            len: 0,
        });
        true
    }

    /// Ends the innermost table.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        let open = self.open.pop().expect("a table to end");
        assert!(!open.key, "the value of a key");
        self.attach()
    }

    /// A key of the innermost table.
    pub(crate) fn key(&mut self, text: &[u8]) {
        assert!(self.top < self.room);
        let open = self.open.last_mut().expect("a table for a key");
        assert!(open.object && !open.key, "a value between keys");
        open.key = true;
        // SAFETY: there is room.
        unsafe { ffi::lua_pushlstring_(self.stack.raw(), text.as_ptr().cast(), text.len()) };
        self.top += 1;
    }

    /// A string.
    pub(crate) fn string(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.check_value();
        // SAFETY: there is room, here and below.
        unsafe { ffi::lua_pushlstring_(self.stack.raw(), text.as_ptr().cast(), text.len()) };
        self.top += 1;
        self.attach()
    }

    /// A number.
    pub(crate) fn number(&mut self, number: f64) -> Result<(), Fault> {
        self.check_value();
        // SAFETY: as above.
        unsafe { ffi::lua_pushnumber(self.stack.raw(), number) };
        self.top += 1;
        self.attach()
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, value: bool) -> Result<(), Fault> {
        self.check_value();
        // SAFETY: as above.
        unsafe { ffi::lua_pushboolean(self.stack.raw(), i32::from(value)) };
        self.top += 1;
        self.attach()
    }

    /// A light userdata whose address is null.
    pub(crate) fn null(&mut self) -> Result<(), Fault> {
        self.check_value();
        // SAFETY: as above.
        unsafe { ffi::lua_pushlightuserdata(self.stack.raw(), std::ptr::null_mut()) };
        self.top += 1;
        self.attach()
    }

    /// Makes sure that a value can come now.
    fn check_value(&self) {
        assert!(self.top < self.room);
        if let Some(open) = self.open.last() {
            assert!(open.object == open.key, "a key for a value");
        }
    }

    /// Adds the value on top to the innermost table, if there is one.
    fn attach(&mut self) -> Result<(), Fault> {
        let state = self.stack.raw();
        self.steps = self.steps.wrapping_add(1);
        // SAFETY: no other reference to the shared part is alive.
        if self.steps.is_multiple_of(MEMORY_STEP) && unsafe { Shared::of(state).left() } == 0 {
            return Err(NO_MEMORY);
        }
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        if open.len == MOST_VALUES {
            return Err(b"table overflow");
        }
        open.len += 1;
        if open.object {
            open.key = false;
            self.top -= 2;
            // SAFETY: by the invariants a table, a string and a value are on top.
            unsafe { ffi::lua_rawset(state, -3) };
        } else {
            self.top -= 1;
            // SAFETY: by the invariants a table and a value are on top; the position is below 2^31.
            unsafe { ffi::lua_rawseti_(state, -2, open.len as i32) };
        }
        Ok(())
    }
}
