//! The value on top of a stack, and the values within it if it is a table.
//!
//! A reader knows what it has pushed, so it needs none of the questions that [`Stack`] asks before each step.
//!
//! # Invariants
//!
//! 1. From the outermost value on, the stack has the tables of `open`, each followed by its key in progress if it is read
//!    by key, and on top the current value, if there is one. `top` is the height.
//! 2. There is room up to `room`; it was asked for as a function of C would, so nesting ends where it does in Redis.
//! 3. Nothing else uses the stack meanwhile, so no table changes, and the last key of each one is still a key.

use std::ffi::c_int;

use mlua_sys as ffi;

use crate::bulk::{View, view};
use crate::stack::Stack;

/// Slots that are asked for with each table: a key, a value, and one for an error as in Redis.
const SLOTS: usize = 3;

/// A table under way.
enum Open {
    /// By position: the last one that was read.
    Array { at: i32, len: i32 },
    /// By key: whether the first one was read.
    Object { begun: bool },
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
    /// The outermost value is read.
    Done,
}

/// Reads one value.
pub(crate) struct Reader<'call, 'lua> {
    stack: &'call mut Stack<'lua>,
    top: c_int,
    /// Whether the current value is on top.
    current: bool,
    /// Whether there is room for a key and a value above the table on top.
    entered: bool,
    open: Vec<Open>,
}

impl<'call, 'lua> Reader<'call, 'lua> {
    /// A reader of the value on top.
    pub(crate) fn new(stack: &'call mut Stack<'lua>) -> Self {
        let top = stack.top();
        assert!(top > 0, "a value to read");
        Reader {
            stack,
            top: top as c_int,
            current: true,
            entered: false,
            open: Vec::new(),
        }
    }

    /// How many tables are under way.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
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

    /// Whether there is room to read the current value, which is a table.
    #[must_use]
    pub(crate) fn make_room(&mut self) -> bool {
        assert!(self.value() == View::Table);
        self.entered = self.stack.reserve_as_in_c(SLOTS);
        self.entered
    }

    /// As [`Stack::all_keys`] for the current value, for which there is room.
    pub(crate) fn all_keys(&mut self, mut check: impl FnMut(Option<f64>) -> bool) -> bool {
        assert!(self.current && self.entered);
        let state = self.stack.raw();
        // SAFETY: a table is on top, with room for a key and a value; nothing changes it meanwhile.
        unsafe {
            ffi::lua_pushnil(state);
            while ffi::lua_next(state, -2) != 0 {
                let number = (ffi::lua_type(state, -2) == ffi::LUA_TNUMBER)
                    .then(|| ffi::lua_tonumber(state, -2));
                if !check(number) {
                    ffi::lua_settop(state, self.top);
                    return false;
                }
                ffi::lua_settop(state, self.top + 1);
            }
        }
        true
    }

    /// Begins to read the current value, for which there is room, by its positions up to a length.
    pub(crate) fn begin_array(&mut self, len: i32) {
        assert!(self.current && self.entered);
        self.open.push(Open::Array { at: 0, len });
        self.current = false;
        self.entered = false;
    }

    /// Begins to read the current value, for which there is room, by its keys.
    pub(crate) fn begin_object(&mut self) {
        assert!(self.current && self.entered);
        self.open.push(Open::Object { begun: false });
        self.current = false;
        self.entered = false;
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
        }
        step
    }
}
