//! The stack of a function: values by index, all access raw.
//!
//! Indices count from 1 at the bottom, or from -1 at the top downwards. One that is out of range, a value that is not a
//! table and a key that no table can have are bugs of the caller: they panic.

use std::any::TypeId;
use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::slice;

use libc::c_int;
use mlua_sys as ffi;

use crate::function::{Function, Outcome, Raise, trampoline};
use crate::interpreter::Shared;
use crate::interrupt;

/// The types of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No value: an index above the top.
    None,
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Boolean,
    /// An address, which means nothing to Lua.
    Light,
    /// A floating-point number.
    Number,
    /// Bytes.
    String,
    /// A table.
    Table,
    /// A function, of the script or of the host.
    Function,
    /// A block of memory of the host.
    Userdata,
    /// A coroutine.
    Thread,
}

/// Why a protected call ended early; the error is on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// An error was raised.
    Error,
    /// The source is not Lua.
    Syntax,
    /// There was no memory.
    Memory,
    /// The handler of the error failed.
    Handler,
}

/// The stack.
pub struct Stack<'lua> {
    state: *mut ffi::lua_State,
    lua: PhantomData<&'lua mut ()>,
}

/// The function has no room for another value. Only a bug gets there: [`Stack::reserve`] comes before loops.
const FULL: &str = "room on the stack of Lua";

/// The error for a key that a table has no room for.
const OVERFLOW: &str = "table overflow";

impl Stack<'_> {
    /// # Safety
    /// The state is valid, comes from an `Interpreter`, and is used by nobody else as long as the stack lives.
    pub(crate) unsafe fn new(state: *mut ffi::lua_State) -> Self {
        Stack {
            state,
            lua: PhantomData,
        }
    }

    /// The raw state.
    pub(crate) fn raw(&mut self) -> *mut ffi::lua_State {
        self.state
    }

    /// How many values there are.
    pub fn top(&self) -> usize {
        // SAFETY: the state is valid.
        let top = unsafe { ffi::lua_gettop(self.state) };
        usize::try_from(top).unwrap_or(0)
    }

    /// Drops the values above `top`, or adds nils up to it.
    pub fn set_top(&mut self, top: usize) {
        let missing = top.saturating_sub(self.top());
        assert!(missing == 0 || self.reserve(missing), "{FULL}");
        // SAFETY: the state is valid and has the room.
        unsafe { ffi::lua_settop(self.state, c_int::try_from(top).expect(FULL)) };
    }

    /// Drops values.
    pub fn pop(&mut self, count: usize) {
        let left = self.top().checked_sub(count).expect("values to drop");
        // SAFETY: the state is valid, and `left` is not more than it has.
        unsafe { ffi::lua_settop(self.state, left as c_int) };
    }

    /// Makes room for more values; whether there is some: a function can have a million.
    #[must_use]
    pub fn reserve(&mut self, count: usize) -> bool {
        let Ok(count) = c_int::try_from(count) else {
            return false;
        };
        // SAFETY: the state is valid, and the allocator refuses nothing while Rust code runs.
        unsafe { lua_reserve(self.state, count) != 0 }
    }

    /// An index that is known to be in range.
    fn at(&self, index: i32) -> i32 {
        let top = self.top();
        assert!(
            index != 0 && index.unsigned_abs() as usize <= top,
            "index {index} of {top}"
        );
        index
    }

    /// An index that is known to be that of a table.
    fn table(&self, index: i32) -> i32 {
        assert_eq!(self.kind(index), Kind::Table, "at {index}");
        index
    }

    /// The index of a table counted from the bottom, so that a push does not change it.
    fn absolute(&self, index: i32) -> i32 {
        let index = self.table(index);
        if index < 0 {
            index + self.top() as i32 + 1
        } else {
            index
        }
    }

    /// The type of a value.
    pub fn kind(&self, index: i32) -> Kind {
        if index > 0 && index as usize > self.top() {
            return Kind::None;
        }
        // SAFETY: the index is in range.
        match unsafe { ffi::lua_type(self.state, self.at(index)) } {
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Kind::Light,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA => Kind::Userdata,
            ffi::LUA_TTHREAD => Kind::Thread,
            _ => Kind::None,
        }
    }

    /// Whether a value is neither nil nor false.
    pub fn truth(&self, index: i32) -> bool {
        // SAFETY: the index is in range.
        unsafe { ffi::lua_toboolean(self.state, self.at(index)) != 0 }
    }

    /// A number, or what a string that looks like one stands for.
    pub fn number(&self, index: i32) -> Option<f64> {
        if self.kind(index) == Kind::None {
            return None;
        }
        // SAFETY: the index is in range; a conversion leaves the value as it is.
        unsafe {
            (ffi::lua_isnumber(self.state, index) != 0)
                .then(|| ffi::lua_tonumber(self.state, index))
        }
    }

    /// A string; numbers do not count.
    pub fn bytes(&self, index: i32) -> Option<&[u8]> {
        if self.kind(index) != Kind::String {
            return None;
        }
        let mut len = 0;
        // SAFETY: it is a string, which lives as long as it is on the stack: nothing can drop it while `self` is borrowed.
        unsafe {
            let start = ffi::lua_tolstring(self.state, index, &raw mut len);
            Some(slice::from_raw_parts(start.cast(), len))
        }
    }

    /// A string, or a number that becomes one in its place. Not for keys of a table that [`Stack::next`] walks.
    pub fn convert_to_bytes(&mut self, index: i32) -> Option<&[u8]> {
        if self.kind(index) == Kind::Number {
            // SAFETY: the index is in range, and the allocator refuses nothing.
            unsafe { ffi::lua_tolstring(self.state, index, std::ptr::null_mut()) };
        }
        self.bytes(index)
    }

    /// The address in a light userdata.
    pub fn light(&self, index: i32) -> Option<*mut c_void> {
        // SAFETY: the index is in range.
        (self.kind(index) == Kind::Light).then(|| unsafe { ffi::lua_touserdata(self.state, index) })
    }

    /// What identifies a table, function, coroutine or userdata: its address.
    pub fn identity(&self, index: i32) -> usize {
        // SAFETY: the index is in range.
        unsafe { ffi::lua_topointer(self.state, self.at(index)) as usize }
    }

    /// Pushes by a call that needs one slot.
    fn push(&mut self, push: impl FnOnce(*mut ffi::lua_State)) {
        assert!(self.reserve(1), "{FULL}");
        push(self.state);
    }

    /// Pushes nil.
    pub fn push_nil(&mut self) {
        // SAFETY: there is room, here and in all that follow; the allocator refuses nothing.
        self.push(|state| unsafe { ffi::lua_pushnil(state) });
    }

    /// Pushes a boolean.
    pub fn push_boolean(&mut self, value: bool) {
        // SAFETY: as above.
        self.push(|state| unsafe { ffi::lua_pushboolean(state, c_int::from(value)) });
    }

    /// Pushes a number.
    pub fn push_number(&mut self, value: f64) {
        // SAFETY: as above.
        self.push(|state| unsafe { ffi::lua_pushnumber(state, value) });
    }

    /// Pushes a string.
    pub fn push_bytes(&mut self, value: &[u8]) {
        // SAFETY: as above; the bytes are copied.
        self.push(|state| unsafe {
            ffi::lua_pushlstring_(state, value.as_ptr().cast(), value.len());
        });
    }

    /// Pushes the null address, which libraries use as a value that stands for none.
    pub fn push_null_light(&mut self) {
        // SAFETY: as above; Lua does not follow the address.
        self.push(|state| unsafe { ffi::lua_pushlightuserdata(state, std::ptr::null_mut()) });
    }

    /// Pushes an empty table with room for values by index and by name.
    pub fn push_table(&mut self, by_index: usize, by_name: usize) {
        // A hint; a big one is not worth its memory before the values are there.
        let hint = |count: usize| c_int::try_from(count.min(1 << 16)).unwrap_or(0);
        // SAFETY: as above.
        self.push(|state| unsafe {
            ffi::lua_createtable(state, hint(by_index), hint(by_name));
        });
    }

    /// Pushes a function.
    pub fn push_function(&mut self, function: Function) {
        assert!(self.reserve(2), "{FULL}");
        // SAFETY: there is room; the upvalue is what the trampoline expects.
        unsafe {
            ffi::lua_pushlightuserdata(self.state, function as *mut c_void);
            ffi::lua_pushcclosure(self.state, trampoline, 1);
        }
    }

    /// Pushes a value again.
    pub fn push_copy(&mut self, index: i32) {
        let index = self.at(index);
        // SAFETY: the index is in range, and there is room.
        self.push(|state| unsafe { ffi::lua_pushvalue(state, index) });
    }

    /// Pushes the table of globals.
    pub fn push_globals(&mut self) {
        // SAFETY: as above; the pseudo-index is always valid.
        self.push(|state| unsafe { ffi::lua_pushvalue(state, ffi::LUA_GLOBALSINDEX) });
    }

    /// Pushes the registry: a table that scripts cannot reach.
    pub fn push_registry(&mut self) {
        // SAFETY: as above.
        self.push(|state| unsafe { ffi::lua_pushvalue(state, ffi::LUA_REGISTRYINDEX) });
    }

    /// Moves the topmost value down to `index`.
    pub fn insert(&mut self, index: i32) {
        // SAFETY: the index is in range.
        unsafe { ffi::lua_insert(self.state, self.at(index)) };
    }

    /// Removes a value.
    pub fn remove(&mut self, index: i32) {
        // SAFETY: the index is in range.
        unsafe { ffi::lua_remove(self.state, self.at(index)) };
    }

    /// Takes the topmost value in place of another.
    pub fn replace(&mut self, index: i32) {
        // SAFETY: the index is in range.
        unsafe { ffi::lua_replace(self.state, self.at(index)) };
    }

    /// Replaces the key on top by its value.
    pub fn get(&mut self, table: i32) {
        let table = self.table(table);
        self.at(-2);
        // SAFETY: it is a table, and the key is on top.
        unsafe { ffi::lua_rawget_(self.state, table) };
    }

    /// Pushes the value at a position.
    pub fn get_at(&mut self, table: i32, position: i32) {
        let table = self.table(table);
        // SAFETY: it is a table, and there is room.
        self.push(|state| unsafe { ffi::lua_rawgeti_(state, table, position) });
    }

    /// Pushes the value of a name.
    pub fn get_field(&mut self, table: i32, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.get(table);
    }

    /// Sets the key below the top to the value on top; drops both.
    ///
    /// # Errors
    /// If scripts cannot change the table, or no table can have the key.
    pub fn set(&mut self, table: i32) -> Result<(), &'static str> {
        let table = self.table(table);
        self.at(-3);
        if self.is_readonly(table) {
            return Err("Attempt to modify a readonly table");
        }
        match self.kind(-2) {
            Kind::Nil => return Err("table index is nil"),
            Kind::Number if self.number(-2).is_some_and(f64::is_nan) => {
                return Err("table index is NaN");
            }
            _ => {}
        }
        if self.is_full(table) && !self.has_key(table) {
            return Err(OVERFLOW);
        }
        // SAFETY: it is a table that can be changed and that has room; key and value are on top, and the key is one.
        unsafe { ffi::lua_rawset(self.state, table) };
        Ok(())
    }

    /// Sets a position to the value on top, and drops that. In a table that has no room (for 2^25 values beside its sequence)
    /// the value is lost, and the running function ends with the error `table overflow`.
    pub fn set_at(&mut self, table: i32, position: i32) {
        let table = self.table(table);
        self.at(-2);
        assert!(!self.is_readonly(table), "a table that can be changed");
        if self.is_full(table) {
            self.pop(1);
            // SAFETY: the state is valid, and no other reference to the shared part is alive.
            unsafe { Shared::of(self.state).overflow = true };
            return;
        }
        // SAFETY: it is a table that can be changed and that has room, and the value is on top.
        unsafe { ffi::lua_rawseti_(self.state, table, position) };
    }

    /// Whether one more key may be more than a table can have.
    fn is_full(&self, table: i32) -> bool {
        // SAFETY: it is a table.
        unsafe { lua_isfull(self.state, table) != 0 }
    }

    /// Whether a table has the key below the top.
    fn has_key(&mut self, table: i32) -> bool {
        let table = self.absolute(table);
        self.push_copy(-2);
        self.get(table);
        let found = self.kind(-1) != Kind::Nil;
        self.pop(1);
        found
    }

    /// What a function that was called by Lua returns to it.
    pub(crate) fn settle(&mut self, outcome: Outcome) -> Outcome {
        // SAFETY: the state is valid, and no other reference to the shared part is alive.
        let overflow = unsafe { std::mem::take(&mut Shared::of(self.state).overflow) };
        if overflow {
            return Err(self.fail_here(OVERFLOW.as_bytes()));
        }
        outcome
    }

    /// Sets a name to the value on top, and drops that.
    pub fn set_field(&mut self, table: i32, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.insert(-2);
        self.set(table).expect("a table that can be changed");
    }

    /// The length of a table's sequence, or of a string.
    pub fn len(&self, index: i32) -> usize {
        // SAFETY: the index is in range.
        unsafe { ffi::lua_objlen(self.state, self.at(index)) }
    }

    /// Replaces the key on top (nil to start) by the next key and its value; or drops it, if there is none.
    /// The key must be the one that the last step left, and the table unchanged.
    pub fn next(&mut self, table: i32) -> bool {
        let table = self.table(table);
        self.at(-2);
        assert!(self.reserve(1), "{FULL}");
        // SAFETY: it is a table, the key is one of its keys, and there is room.
        unsafe { ffi::lua_next(self.state, table) != 0 }
    }

    /// Whether scripts cannot change a table.
    pub fn is_readonly(&self, table: i32) -> bool {
        // SAFETY: it is a table.
        unsafe { lua_isreadonly(self.state, self.table(table)) != 0 }
    }

    /// Keeps scripts from changing a table, or no longer.
    pub fn set_readonly(&mut self, table: i32, on: bool) {
        // SAFETY: it is a table.
        unsafe { lua_setreadonly(self.state, self.table(table), c_int::from(on)) };
    }

    /// Pushes the metatable of a value; whether there is one.
    pub fn push_metatable(&mut self, index: i32) -> bool {
        assert!(self.reserve(1), "{FULL}");
        // SAFETY: the index is in range, and there is room.
        unsafe { ffi::lua_getmetatable(self.state, self.at(index)) != 0 }
    }

    /// Gives a table the metatable on top, and drops that.
    pub fn set_metatable(&mut self, table: i32) {
        self.table(-1);
        assert!(!self.is_readonly(table), "a table that can be changed");
        // SAFETY: both are tables.
        unsafe { ffi::lua_setmetatable(self.state, table) };
    }

    /// Parses a source; pushes the function.
    ///
    /// # Errors
    /// If it is not Lua; the message is pushed instead.
    pub fn load(&mut self, source: &[u8], name: &CStr) -> Result<(), Failure> {
        assert!(self.reserve(1), "{FULL}");
        // SAFETY: the state is valid and has room; the source lives as long as the call, which is protected. No reference to
        // the shared part is held meanwhile.
        let status = unsafe {
            if Shared::of(self.state).depth == 0 {
                interrupt::make_room(self.state);
            }
            let strict = std::mem::replace(&mut Shared::of(self.state).strict, true);
            let status = ffi::luaL_loadbuffer(
                self.state,
                source.as_ptr().cast(),
                source.len(),
                name.as_ptr(),
            );
            Shared::of(self.state).strict = strict;
            status
        };
        failure(status)
    }

    /// Calls the function that is below its arguments; all of them are replaced by the results.
    ///
    /// # Errors
    /// If an error was raised; it is pushed instead of results. The function at index `handler` (0: none) was
    /// called with it.
    pub fn call(&mut self, arguments: usize, results: usize, handler: i32) -> Result<(), Failure> {
        assert!(self.reserve(results), "{FULL}");
        self.call_for(arguments, c_int::try_from(results).expect(FULL), handler)
    }

    /// As [`Stack::call`], for `LUA_MULTRET` or a number of results for which there is room.
    pub(crate) fn call_for(
        &mut self,
        arguments: usize,
        results: c_int,
        handler: i32,
    ) -> Result<(), Failure> {
        let arguments = c_int::try_from(arguments).expect(FULL);
        self.at(-1 - arguments);
        let handler = if handler == 0 { 0 } else { self.at(handler) };
        let below = self.top() - arguments as usize - 1;
        // SAFETY: the state is valid; function and arguments are there, and room for the results; the call is protected.
        // No reference to the shared part is held meanwhile. What the outermost call begins it also ends.
        unsafe {
            let outermost = Shared::of(self.state).depth == 0;
            if outermost {
                interrupt::begin(self.state);
            }
            Shared::of(self.state).depth += 1;
            let strict = std::mem::replace(&mut Shared::of(self.state).strict, true);
            let status = ffi::lua_pcall(self.state, arguments, results, handler);
            Shared::of(self.state).strict = strict;
            Shared::of(self.state).depth -= 1;
            if outermost && interrupt::end(self, below) {
                return Err(Failure::Error);
            }
            failure(status)
        }
    }

    /// The value that [`crate::interpreter::Interpreter::with_host`] lent.
    pub fn host<H: 'static>(&mut self) -> Option<&mut H> {
        // SAFETY: the type is that of the value. It is borrowed until this stack is used again, and a stack in use is
        // borrowed by all calls that lead to another one.
        unsafe {
            let (id, host) = Shared::of(self.state).host?;
            (id == TypeId::of::<H>()).then(|| host.cast::<H>().as_mut())
        }
    }

    /// Pushes a message as an error.
    #[must_use]
    pub fn fail(&mut self, message: &[u8]) -> Raise {
        self.push_bytes(message);
        Raise
    }

    /// Pushes a message as an error, behind the place of the calling line of the script, as `luaL_error` does.
    #[must_use]
    pub fn fail_here(&mut self, message: &[u8]) -> Raise {
        let mut text = self.place(1);
        text.extend_from_slice(message);
        self.fail(&text)
    }

    /// The place of a function's current line: `name:line: `; empty for what is not Lua. Level 0 is the running function.
    pub fn place(&mut self, level: i32) -> Vec<u8> {
        assert!(self.reserve(1), "{FULL}");
        // SAFETY: the state is valid and has room for the text that is pushed.
        unsafe { ffi::luaL_where(self.state, level) };
        let place = self.bytes(-1).unwrap_or_default().to_vec();
        self.pop(1);
        place
    }
}

fn failure(status: c_int) -> Result<(), Failure> {
    match status {
        ffi::LUA_OK => Ok(()),
        ffi::LUA_ERRSYNTAX => Err(Failure::Syntax),
        ffi::LUA_ERRMEM => Err(Failure::Memory),
        ffi::LUA_ERRERR => Err(Failure::Handler),
        _ => Err(Failure::Error),
    }
}

// From the edits.
unsafe extern "C-unwind" {
    fn lua_setreadonly(state: *mut ffi::lua_State, index: c_int, on: c_int);
    fn lua_isreadonly(state: *mut ffi::lua_State, index: c_int) -> c_int;
    fn lua_reserve(state: *mut ffi::lua_State, size: c_int) -> c_int;
    fn lua_isfull(state: *mut ffi::lua_State, index: c_int) -> c_int;
}
