//! The value on top of a stack, and the values within it if it is a table.
//!
//! A reader knows what it has pushed, so it needs none of the questions that [`Stack`] asks before each step.
//!
//! # Invariants
//!
//! 1. From the outermost value on, the stack has the tables of `open`, each followed by its key in progress if it is read
//!    by key, and on top the current value, if there is one. While a key is read, its copy is above its value. `top` is the
//!    height.
//! 2. There is room up to `room`. Callers ask for it as a function of C would, so nesting ends where it does in Redis.
//! 3. Nothing else uses the stack meanwhile, so no table changes, and the last key of each one is still a key.

use std::ffi::c_int;

use mlua_sys as ffi;

use crate::bulk::{View, view};
use crate::stack::Stack;

/// A table under way.
enum Open {
    /// By position: the last one that was read.
    Array { at: i32, len: i32 },
    /// By key: whether the first one was read.
    Object { begun: bool },
    /// The copy of a key, which is itself a table.
    Key,
}

/// Where a step has led.
#[derive(PartialEq)]
pub(crate) enum Step {
    /// To a value of an array; whether it is the first.
    Element { first: bool },
    /// To a key and its value; whether they are the first.
    Pair { first: bool },
    /// Out of an array or object.
    End { object: bool },
    /// From a key, which was read, to its value.
    Value,
    /// The outermost value is read.
    Done,
}

/// Reads one value.
pub(crate) struct Reader<'call, 'lua> {
    stack: &'call mut Stack<'lua>,
    top: c_int,
    /// Whether the current value is on top.
    current: bool,
    /// The height up to which there is room.
    room: c_int,
    /// Slots that a function of C would use besides.
    held: usize,
    open: Vec<Open>,
    /// How many of them are tables.
    depth: usize,
}

impl<'call, 'lua> Reader<'call, 'lua> {
    /// A reader of the value on top, for a function that would also hold `held` slots of C's stack.
    pub(crate) fn new(stack: &'call mut Stack<'lua>, held: usize) -> Self {
        let top = stack.top();
        assert!(top > 0, "a value to read");
        Reader {
            stack,
            top: top as c_int,
            current: true,
            room: top as c_int,
            held,
            open: Vec::new(),
            depth: 0,
        }
    }

    /// How many tables are under way.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The current value.
    pub(crate) fn value(&mut self) -> View<'_> {
        assert!(self.current);
        // SAFETY: it is on top, and stays there as long as the reader is borrowed.
        unsafe { view(self.stack.raw(), -1) }
    }

    /// The name of the type of the current value.
    pub(crate) fn type_name(&self) -> &'static str {
        assert!(self.current);
        self.stack.type_name(-1)
    }

    /// The key of the current value, in a table that is read by key.
    pub(crate) fn key(&mut self) -> View<'_> {
        assert!(self.current && matches!(self.open.last(), Some(Open::Object { .. })));
        // SAFETY: it is below the current value, and stays there.
        unsafe { view(self.stack.raw(), -2) }
    }

    /// The name of the type of that key.
    pub(crate) fn key_type_name(&self) -> &'static str {
        assert!(self.current && matches!(self.open.last(), Some(Open::Object { .. })));
        self.stack.type_name(-2)
    }

    /// Makes room above the current value, which is a table; whether a function of C would get it.
    #[must_use]
    pub(crate) fn make_room(&mut self, slots: usize) -> bool {
        if !self.stack.reserve_as_in_c(self.held + slots) {
            return false;
        }
        self.room = self.room.max(self.top + slots as c_int);
        true
    }

    /// Makes sure that the current value is a table, with room for `slots` values above it.
    fn check(&mut self, slots: c_int) {
        assert!(self.current && self.top + slots <= self.room);
        // SAFETY: the current value is on top.
        assert!(unsafe { ffi::lua_type(self.stack.raw(), -1) } == ffi::LUA_TTABLE);
    }

    /// Calls a function for each key of the current value, a table with room for two, with the key if it is a number, until
    /// the function returns false; whether it never did.
    pub(crate) fn all_keys(&mut self, mut check: impl FnMut(Option<f64>) -> bool) -> bool {
        self.check(2);
        let state = self.stack.raw();
        let (mut keys, mut passed) = (0, true);
        // SAFETY: a table is on top, with room for a key and a value; nothing changes it meanwhile.
        unsafe {
            ffi::lua_pushnil(state);
            while ffi::lua_next(state, -2) != 0 {
                keys += 1;
                let number = (ffi::lua_type(state, -2) == ffi::LUA_TNUMBER)
                    .then(|| ffi::lua_tonumber(state, -2));
                passed = check(number);
                if !passed {
                    ffi::lua_settop(state, self.top);
                    break;
                }
                ffi::lua_settop(state, self.top + 1);
            }
        }
        self.stack.charge(keys);
        passed
    }

    /// Begins to read the current value, with room for one more, by its positions up to a length.
    pub(crate) fn begin_array(&mut self, len: i32) {
        self.check(1);
        self.open.push(Open::Array { at: 0, len });
        self.current = false;
        self.depth += 1;
    }

    /// Begins to read the current value, with room for two more, by its keys.
    pub(crate) fn begin_object(&mut self) {
        self.check(2);
        self.open.push(Open::Object { begun: false });
        self.current = false;
        self.depth += 1;
    }

    /// Makes the key of the current value the current value, for which there is room; the value comes after it.
    pub(crate) fn begin_key(&mut self) {
        assert!(self.current && matches!(self.open.last(), Some(Open::Object { .. })));
        assert!(self.top < self.room);
        // SAFETY: the key is below the value on top, and there is room.
        unsafe { ffi::lua_pushvalue(self.stack.raw(), -2) };
        self.top += 1;
        self.open.push(Open::Key);
    }

    /// Leaves the current value, if there is one, for the next one.
    pub(crate) fn step(&mut self) -> Step {
        let state = self.stack.raw();
        if std::mem::replace(&mut self.current, false) {
            self.top -= 1;
            // SAFETY: the current value is on top.
            unsafe { ffi::lua_settop(state, self.top) };
        }
        let (step, pushed) = match self.open.last_mut() {
            None => return Step::Done,
            Some(Open::Key) => {
                // The copy of the key is gone, and its value on top.
                self.open.pop();
                self.current = true;
                return Step::Value;
            }
            Some(Open::Array { at, len }) if *at < *len => {
                *at += 1;
                // SAFETY: the table is on top, with room for a value.
                unsafe { ffi::lua_rawgeti_(state, -1, *at) };
                (Step::Element { first: *at == 1 }, 1)
            }
            Some(Open::Array { .. }) => (Step::End { object: false }, 0),
            Some(Open::Object { begun }) => {
                let first = !std::mem::replace(begun, true);
                // SAFETY: the table is on top, with room for a key and a value; or it is below its last key.
                let found = unsafe {
                    if first {
                        ffi::lua_pushnil(state);
                    }
                    ffi::lua_next(state, -2) != 0
                };
                match (found, first) {
                    (true, true) => (Step::Pair { first }, 2),
                    (true, false) => (Step::Pair { first }, 1),
                    (false, true) => (Step::End { object: true }, 0),
                    // The key is gone.
                    (false, false) => (Step::End { object: true }, -1),
                }
            }
        };
        self.top += pushed;
        self.current = true;
        if matches!(step, Step::End { .. }) {
            // Its table is the current value again.
            self.open.pop();
            self.depth -= 1;
        }
        step
    }
}
