//! What is changed in Lua 5.1.5.

/// The replacement of a text in a file.
pub struct Edit {
    pub file: &'static str,
    pub old: &'static str,
    pub new: &'static str,
    /// How often the old text occurs.
    pub times: usize,
}

const fn edit(file: &'static str, old: &'static str, new: &'static str) -> Edit {
    Edit {
        file,
        old,
        new,
        times: 1,
    }
}

/// All edits, by file in the order of their subjects.
pub const EDITS: &[Edit] = &[
    // Tables that scripts cannot change: a flag, which every way to change a table asks.
    edit(
        "lobject.h",
        "lu_byte lsizenode;",
        "lu_byte lsizenode; lu_byte readonly;",
    ),
    edit(
        "ltable.c",
        "t->metatable = NULL;",
        "t->metatable = NULL; t->readonly = 0;",
    ),
    edit(
        "lapi.h",
        "#include \"lobject.h\"",
        "#include \"lobject.h\"\n\
         LUA_API void lua_setreadonly (lua_State *L, int idx, int on);\n\
         LUA_API int lua_isreadonly (lua_State *L, int idx);\n\
         LUAI_FUNC void luaA_checkwritable (lua_State *L, const Table *t);",
    ),
    edit(
        "lapi.c",
        "LUA_API void lua_rawset (lua_State *L, int idx) {",
        "LUA_API void lua_setreadonly (lua_State *L, int idx, int on) {\n\
           hvalue(index2adr(L, idx))->readonly = cast_byte(on);\n\
         }\n\
         LUA_API int lua_isreadonly (lua_State *L, int idx) {\n\
           return hvalue(index2adr(L, idx))->readonly;\n\
         }\n\
         void luaA_checkwritable (lua_State *L, const Table *t) {\n\
           if (t->readonly) luaG_runerror(L, \"Attempt to modify a readonly table\");\n\
         }\n\
         LUA_API void lua_rawset (lua_State *L, int idx) {",
    ),
    edit(
        "lapi.c",
        "setobj2t(L, luaH_set(L, hvalue(t), L->top-2), L->top-1);",
        "luaA_checkwritable(L, hvalue(t)); setobj2t(L, luaH_set(L, hvalue(t), L->top-2), L->top-1);",
    ),
    edit(
        "lapi.c",
        "setobj2t(L, luaH_setnum(L, hvalue(o), n), L->top-1);",
        "luaA_checkwritable(L, hvalue(o)); setobj2t(L, luaH_setnum(L, hvalue(o), n), L->top-1);",
    ),
    edit(
        "lapi.c",
        "hvalue(obj)->metatable = mt;",
        "luaA_checkwritable(L, hvalue(obj)); hvalue(obj)->metatable = mt;",
    ),
    edit(
        "lvm.c",
        "#include \"ldo.h\"",
        "#include \"ldo.h\"\n#include \"lapi.h\"",
    ),
    edit(
        "lvm.c",
        "TValue *oldval = luaH_set(L, h, key); /* do a primitive set */",
        "TValue *oldval; luaA_checkwritable(L, h); oldval = luaH_set(L, h, key);",
    ),
    // Source text only: a binary chunk could do anything.
    edit(
        "ldo.c",
        "tf = ((c == LUA_SIGNATURE[0]) ? luaU_undump : luaY_parser)(L, p->z,",
        "if (c == LUA_SIGNATURE[0])\n\
           luaG_runerror(L, \"attempt to load chunk with wrong mode\");\n\
         tf = luaY_parser(L, p->z,",
    ),
];
