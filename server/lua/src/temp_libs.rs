//! Opens the standard libraries; replaced by the sandbox.
use mlua_sys as ffi;
use crate::stack::Stack;
impl Stack<'_> {
    /// Opens base, table, string and math.
    pub fn open_standard(&mut self) {
        let state = self.raw();
        for (open, name) in [(ffi::luaopen_base as unsafe extern "C-unwind" fn(_) -> _, c""), (ffi::luaopen_table, c"table"), (ffi::luaopen_string, c"string"), (ffi::luaopen_math, c"math")] {
            // SAFETY: temporary.
            unsafe {
                ffi::lua_pushcclosure(state, open, 0);
                ffi::lua_pushstring_(state, name.as_ptr());
                ffi::lua_call(state, 1, 0);
            }
        }
    }
}
