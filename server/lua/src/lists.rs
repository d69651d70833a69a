//! Several values in one call: what a script is called with, and what it calls with.
//!
//! The rules of [`crate::stack`] hold here too: all access is raw, and nothing raises an error.

use libc::c_int;
use mlua_sys as ffi;

use crate::bulk::{View, view};
use crate::stack::{Kind, Stack};

/// The size of a table's sequence to which `len` values were added one by one.
pub fn grown_size(len: usize) -> usize {
    if len == 0 { 0 } else { len.next_power_of_two() }
}

impl Stack<'_> {
    /// Pushes a table with these strings at the positions from 1 on. It has the size that it would have grown to: the
    /// length of a list from which a script removes values depends on that.
    ///
    /// # Panics
    /// If there are more than a table can have.
    pub fn push_list<'a>(&mut self, items: impl ExactSizeIterator<Item = &'a [u8]>) {
        let len = c_int::try_from(items.len()).expect("a length of a table");
        let size = c_int::try_from(grown_size(items.len())).unwrap_or(len);
        assert!(self.reserve(2), "room on the stack of Lua");
        let state = self.raw();
        // SAFETY: there is room for the table and one string; the table is new, so it can be changed.
        unsafe {
            ffi::lua_createtable(state, size, 0);
            for (position, item) in (1..=len).zip(items) {
                ffi::lua_pushlstring_(state, item.as_ptr().cast(), item.len());
                ffi::lua_rawseti_(state, -2, position);
            }
        }
    }

    /// Sets globals that scripts cannot change, whose values `push` pushes: one for each name.
    pub fn set_protected_globals<const N: usize>(
        &mut self,
        names: [&[u8]; N],
        mut push: impl FnMut(&mut Self, usize),
    ) {
        self.push_globals();
        self.set_readonly(-1, false);
        for (at, name) in names.into_iter().enumerate() {
            self.push_bytes(name);
            let below = self.top();
            push(self, at);
            assert_eq!(self.top(), below + 1, "a value");
            // SAFETY: the table of globals, which can be changed now, a string and a value are on top.
            unsafe { ffi::lua_rawset(self.raw(), -3) };
        }
        self.set_readonly(-1, true);
        self.pop(1);
    }

    /// Pushes what the registry has at a position.
    pub fn push_kept(&mut self, position: i32) {
        assert!(self.reserve(1), "room on the stack of Lua");
        // SAFETY: there is room; the pseudo-index is always valid, and the registry is a table.
        unsafe { ffi::lua_rawgeti_(self.raw(), ffi::LUA_REGISTRYINDEX, position) };
    }

    /// Keeps the value on top at a position of the registry, and drops it. Positive positions are the host's.
    pub fn keep(&mut self, position: i32) {
        assert!(position > 0 && self.kind(-1) != Kind::None);
        // SAFETY: a value is on top; the pseudo-index is always valid, and the registry is a table.
        unsafe { ffi::lua_rawseti_(self.raw(), ffi::LUA_REGISTRYINDEX, position) };
    }

    /// Calls a function for each value of the stack, from the bottom up.
    pub fn for_each(&mut self, mut work: impl FnMut(View<'_>)) {
        let top = self.top() as c_int;
        let state = self.raw();
        for index in 1..=top {
            // SAFETY: the index is in range, and the value stays on the stack, which is borrowed, while `work` has it.
            work(unsafe { view(state, index) });
        }
    }
}
