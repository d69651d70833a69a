//! What is changed in Lua 5.1.5, by subject.
//!
//! 1. Readonly tables: a flag in the table, which every way to change a table asks.
//! 2. Unsafe inputs: bounds that overflow, objects that the collector frees too early, binary chunks, unbounded recursion.
//! 3. No finalizers: `__gc` is never called, so collecting garbage runs no code.
//! 4. Interrupts: `luaE_charge` takes the cost of a long operation off the instruction count. Inside of the virtual
//!    machine that is all: the hook runs before the next instruction. Long loops of C functions call `lua_spend`, which
//!    runs the hook itself. Functions in Rust call `lua_charge`, since no hook may raise an error through them.
//! 5. Kills: while `killed` is set, whatever would catch an error in a script passes it on.
//! 6. Hashes: the hash function of Redis, and tables in which many keys collide charge for it.
//! 7. Memory: near the limit garbage is collected as a whole, at places where a step of the collector would run.
//! 8. Proxies: `newproxy` keeps no table of all metatables that it made, which would outlive the script. Only it makes
//!    userdata that scripts can reach.
//! 9. Random numbers come from the interpreter.

/// The replacement of a text in a file.
pub struct Edit {
    pub file: &'static str,
    pub old: &'static str,
    pub new: &'static str,
    /// How often the old text occurs.
    pub times: usize,
}

const fn edit(file: &'static str, old: &'static str, new: &'static str) -> Edit {
    edits(1, file, old, new)
}

const fn edits(times: usize, file: &'static str, old: &'static str, new: &'static str) -> Edit {
    Edit {
        file,
        old,
        new,
        times,
    }
}

/// All edits; those of one file are made in this order.
pub const EDITS: &[&[Edit]] = &[
    READONLY,
    INPUTS,
    FINALIZERS,
    INTERRUPTS,
    VM_COSTS,
    LIBRARY_COSTS,
    PATTERNS,
    KILLS,
    HASHES,
    MEMORY,
    PROXIES,
    RANDOM,
];

const READONLY: &[Edit] = &[
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
        "lua.h",
        "LUA_API void lua_setlevel",
        "LUA_API void lua_setreadonly (lua_State *L, int idx, int on);\n\
         LUA_API int lua_isreadonly (lua_State *L, int idx);\n\
         LUA_API void lua_setlevel",
    ),
    edit(
        "lapi.h",
        "#include \"lobject.h\"",
        "#include \"lobject.h\"\n\
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
];

const INPUTS: &[Edit] = &[
    // Source text only: a binary chunk could do anything. As in Redis, one is parsed as if it were text.
    edit(
        "ldo.c",
        "tf = ((c == LUA_SIGNATURE[0]) ? luaU_undump : luaY_parser)(L, p->z,",
        "(void)c; tf = luaY_parser(L, p->z,",
    ),
    // The name of the chunk stays on the stack while the parser runs; a reader function may run the collector meanwhile.
    edit(
        "lparser.c",
        "luaX_setinput(L, &lexstate, z, luaS_new(L, name));",
        "TString *source = luaS_new(L, name);\n\
         setsvalue2s(L, L->top, source); incr_top(L);\n\
         luaX_setinput(L, &lexstate, z, source);",
    ),
    edit(
        "lparser.c",
        "lua_assert(funcstate.prev == NULL);",
        "lua_assert(funcstate.prev == NULL); L->top--;",
    ),
    // The level of a long bracket is an int: no source gets it near its limit.
    edit(
        "llex.c",
        "count++;",
        "if (++count > 1000000) luaX_lexerror(ls, \"invalid long string delimiter\", TK_EOS);",
    ),
    // The number of values is counted without overflow.
    edit(
        "lbaselib.c",
        "n = e - i + 1;  /* number of elements */",
        "n = ((unsigned int)e - (unsigned int)i < 0x7fffffffu) ? e - i + 1 : 0;\n  lua_spend(L, (n > 0 && n < 100000) ? n : 0);",
    ),
    edit(
        "lapi.c",
        "if (size > LUAI_MAXCSTACK || (L->top - L->base + size) > LUAI_MAXCSTACK)",
        "if (size < 0 || size > LUAI_MAXCSTACK || (L->top - L->base + size) > LUAI_MAXCSTACK)",
    ),
    // Room for the functions of the host: a script can call one with as many arguments as `lua_checkstack` allows in all.
    edit(
        "lapi.c",
        "LUA_API int lua_checkstack (lua_State *L, int size) {",
        "LUA_API int lua_reserve (lua_State *L, int size) {\n\
           if (size < 0 || L->top - L->base + size > 1000000) return 0;\n\
           luaD_checkstack(L, size);\n\
           if (L->ci->top < L->top + size) L->ci->top = L->top + size;\n\
           return 1;\n\
         }\n\
         LUA_API int lua_view (lua_State *L, int idx, lua_Number *number, const char **text, size_t *len) {\n\
           const TValue *o = index2adr(L, idx);\n\
           if (ttisstring(o)) { *text = svalue(o); *len = tsvalue(o)->len; }\n\
           else if (ttisnumber(o)) *number = nvalue(o);\n\
           else if (ttisboolean(o)) *len = (size_t)bvalue(o);\n\
           else if (ttislightuserdata(o)) *text = (const char *)pvalue(o);\n\
           return ttype(o);\n\
         }\n\
         LUA_API int lua_isfull (lua_State *L, int idx) {\n\
           return hvalue(index2adr(L, idx))->lsizenode >= 25;\n\
         }\n\
         LUA_API int lua_checkstack (lua_State *L, int size) {",
    ),
    // A border of a table is searched for in a number of steps that does not depend on the table.
    edit(
        "ltable.c",
        "      i = 1;\n      while (!ttisnil(luaH_getnum(t, i))) i++;\n      return i - 1;",
        "      j = MAX_INT;\n      if (!ttisnil(luaH_getnum(t, j))) return j;\n      break;",
    ),
];

const FINALIZERS: &[Edit] = &[edit(
    "lgc.c",
    "while ((curr = *p) != NULL) {\n    if (!(iswhite(curr) || all)",
    "(void)all;\n  while (0 && (curr = *p) != NULL) {\n    if (!(iswhite(curr) || all)",
)];

const INTERRUPTS: &[Edit] = &[
    edit(
        "lstate.h",
        "#define G(L)\t(L->l_G)",
        "#define G(L)\t(L->l_G)\n\
         #define luaE_charge(L,n) ((void)((L)->hookcount = \
           ((size_t)(n) < (size_t)(L)->hookcount) ? (L)->hookcount - (int)(n) : 1))",
    ),
    edit(
        "lstate.h",
        "lu_byte gcstate;  /* state of garbage collector */",
        "lu_byte gcstate;  /* state of garbage collector */\n  lu_byte killed;  /* errors are passed on */",
    ),
    edit(
        "lstate.c",
        "g->panic = NULL;",
        "g->panic = NULL; g->killed = 0;",
    ),
    edit(
        "ldo.h",
        "LUAI_FUNC void luaD_callhook",
        "#define luaD_spend(L,n) { if ((size_t)(n) < (size_t)(L)->hookcount) \
           (L)->hookcount -= (int)(n); else luaD_exhausted(L); }\n\
         LUAI_FUNC void luaD_exhausted (lua_State *L);\n\
         LUAI_FUNC void luaD_callhook",
    ),
    edit(
        "ldo.c",
        "static StkId adjust_varargs",
        "void luaD_exhausted (lua_State *L) {\n\
           L->hookcount = 1;\n\
           if (L->hookmask & LUA_MASKCOUNT) {\n\
             resethookcount(L);\n\
             luaD_callhook(L, LUA_HOOKCOUNT, -1);\n\
           }\n\
         }\n\
         LUA_API void lua_spend (lua_State *L, size_t steps) {\n\
           luaD_spend(L, steps);\n\
         }\n\
         LUA_API void lua_charge (lua_State *L, size_t steps) {\n\
           luaE_charge(L, steps);\n\
         }\n\
         static StkId adjust_varargs",
    ),
    edit(
        "lua.h",
        "LUA_API void lua_setlevel",
        "LUA_API void lua_spend (lua_State *L, size_t steps);\n\
         LUA_API void lua_charge (lua_State *L, size_t steps);\n\
         LUA_API void lua_kill (lua_State *L, int on);\n\
         LUA_API int lua_iskilled (lua_State *L);\n\
         LUA_API void lua_passon (lua_State *L);\n\
         LUA_API void lua_handcount (lua_State *from, lua_State *to);\n\
         LUA_API void lua_restoregc (lua_State *L);\n\
         LUA_API void lua_setlevel",
    ),
    // Coroutines: the count is handed over, so that it goes on wherever instructions run.
    edit(
        "lapi.c",
        "to->nCcalls = from->nCcalls;",
        "to->nCcalls = from->nCcalls; to->hook = from->hook; to->hookmask = from->hookmask; lua_handcount(from, to);",
    ),
    edit(
        "lapi.c",
        "LUA_API void lua_setlevel (lua_State *from, lua_State *to) {",
        "LUA_API void lua_handcount (lua_State *from, lua_State *to) {\n\
           to->basehookcount = from->basehookcount; to->hookcount = from->hookcount;\n\
         }\n\
         LUA_API void lua_setlevel (lua_State *from, lua_State *to) {",
    ),
    edit(
        "lbaselib.c",
        "status = lua_resume(co, narg);",
        "status = lua_resume(co, narg);\n  lua_handcount(co, L);",
    ),
];

/// What instructions cost that can take long.
const VM_COSTS: &[Edit] = &[
    edit(
        "lstring.c",
        "for (o = G(L)->strt.hash[lmod(h, G(L)->strt.size)];",
        "if (l >= 64) luaE_charge(L, l >> 3);\n  for (o = G(L)->strt.hash[lmod(h, G(L)->strt.size)];",
    ),
    edit(
        "lstring.c",
        "    TString *ts = rawgco2ts(o);\n    if (ts->tsv.len == l",
        "    TString *ts = rawgco2ts(o);\n    luaE_charge(L, 1);\n    if (ts->tsv.len == l",
    ),
    edit(
        "lvm.c",
        "return l_strcmp(rawtsvalue(l), rawtsvalue(r)) < 0;",
        "{ luaE_charge(L, tsvalue(l)->len >> 4); return l_strcmp(rawtsvalue(l), rawtsvalue(r)) < 0; }",
    ),
    edit(
        "lvm.c",
        "return l_strcmp(rawtsvalue(l), rawtsvalue(r)) <= 0;",
        "{ luaE_charge(L, tsvalue(l)->len >> 4); return l_strcmp(rawtsvalue(l), rawtsvalue(r)) <= 0; }",
    ),
    edit(
        "lvm.c",
        "  if ((b = luaV_tonumber(rb, &tempb)) != NULL &&",
        "  if (ttisstring(rb)) luaE_charge(L, tsvalue(rb)->len >> 2);\n\
         if (ttisstring(rc)) luaE_charge(L, tsvalue(rc)->len >> 2);\n\
         if ((b = luaV_tonumber(rb, &tempb)) != NULL &&",
    ),
    edit(
        "lvm.c",
        "        const TValue *pstep = ra+2;",
        "        const TValue *pstep = ra+2;\n\
         if (ttisstring(init)) luaE_charge(L, tsvalue(init)->len >> 2);\n\
         if (ttisstring(plimit)) luaE_charge(L, tsvalue(plimit)->len >> 2);\n\
         if (ttisstring(pstep)) luaE_charge(L, tsvalue(pstep)->len >> 2);",
    ),
    edit(
        "lvm.c",
        "int n = cast_int(ci->base - ci->func) - cl->p->numparams - 1;",
        "int n = cast_int(ci->base - ci->func) - cl->p->numparams - 1;\n        if (n > 64) luaE_charge(L, n >> 2);",
    ),
    edits(
        2,
        "lapi.c",
        "  if (tonumber(o, &n))",
        "  if (ttisstring(o)) luaE_charge(L, tsvalue(o)->len >> 2);\n  if (tonumber(o, &n))",
    ),
    edits(
        1,
        "lapi.c",
        "  return tonumber(o, &n);",
        "  if (ttisstring(o)) luaE_charge(L, tsvalue(o)->len >> 2);\n  return tonumber(o, &n);",
    ),
    edit(
        "ltable.c",
        "int i = findindex(L, t, key);  /* find original element */",
        "int i = findindex(L, t, key), skipped = 0;",
    ),
    edit(
        "ltable.c",
        "for (i++; i < t->sizearray; i++) {  /* try first array part */",
        "for (i++; i < t->sizearray; i++) {\n    if ((++skipped & 63) == 0) luaE_charge(L, 32);",
    ),
    edit(
        "ltable.c",
        "for (i -= t->sizearray; i < sizenode(t); i++) {  /* then hash part */",
        "for (i -= t->sizearray; i < sizenode(t); i++) {\n    if ((++skipped & 63) == 0) luaE_charge(L, 32);",
    ),
    edit(
        "ltable.c",
        "resize(L, t, nasize, totaluse - na);",
        "luaE_charge(L, (size_t)totaluse + sizenode(t));\n  resize(L, t, nasize, totaluse - na);",
    ),
    // Before each call of a C function; the cost of its arguments is that of having pushed them.
    edit(
        "ldo.c",
        "    if (L->hookmask & LUA_MASKCALL)\n      luaD_callhook(L, LUA_HOOKCALL, -1);\n    lua_unlock(L);",
        "    luaD_spend(L, 1 + ((size_t)(L->top - L->base) >> 2));\n\
         if (L->hookmask & LUA_MASKCALL)\n      luaD_callhook(L, LUA_HOOKCALL, -1);\n    lua_unlock(L);",
    ),
    // Between two tokens of a source.
    edit(
        "llex.c",
        "  ls->lastline = ls->linenumber;\n  if (ls->lookahead",
        "  luaD_spend(ls->L, 8);\n  ls->lastline = ls->linenumber;\n  if (ls->lookahead",
    ),
];

/// Long loops of library functions.
const LIBRARY_COSTS: &[Edit] = &[
    edit(
        "lauxlib.c",
        "    adjuststack(B);\n  return B->buffer;",
        "    adjuststack(B);\n  lua_spend(B->L, LUAL_BUFFERSIZE >> 3);\n  return B->buffer;",
    ),
    edit(
        "lstrlib.c",
        "  while (n-- > 0)\n    luaL_addlstring(&b, s, l);",
        "  while (n-- > 0) {\n    if ((n & 255) == 0) lua_spend(L, 256);\n    luaL_addlstring(&b, s, l);\n  }",
    ),
    edit(
        "ltablib.c",
        "lua_rawseti(L, 1, i);  /* t[i] = t[i-1] */",
        "lua_rawseti(L, 1, i);\n        if ((i & 255) == 0) lua_spend(L, 1024);",
    ),
    edit(
        "ltablib.c",
        "lua_rawseti(L, 1, pos);  /* t[pos] = t[pos+1] */",
        "lua_rawseti(L, 1, pos);\n    if ((pos & 255) == 0) lua_spend(L, 1024);",
    ),
    edit(
        "ltablib.c",
        "lua_pop(L, 1);  /* remove value */\n    if",
        "lua_pop(L, 1);\n    lua_spend(L, 1);\n    if",
    ),
    edit(
        "ltablib.c",
        "    addfield(L, &b, i);\n    luaL_addlstring(&b, sep, lsep);",
        "    addfield(L, &b, i);\n    luaL_addlstring(&b, sep, lsep);\n    if ((i & 255) == 0) lua_spend(L, 1024);",
    ),
    edit(
        "ltablib.c",
        "static int sort_comp (lua_State *L, int a, int b) {",
        "static int sort_comp (lua_State *L, int a, int b) {\n  lua_spend(L, 4);",
    ),
    edit(
        "lbaselib.c",
        "int res = lua_gc(L, optsnum[o], ex);",
        "int res = lua_gc(L, optsnum[o], ex);\n\
         if (optsnum[o] == LUA_GCCOLLECT || optsnum[o] == LUA_GCSTEP)\n\
         lua_spend(L, (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 100);",
    ),
    edit(
        "lbaselib.c",
        "    const char *s1 = luaL_checkstring(L, 1);",
        "    const char *s1 = luaL_checkstring(L, 1);\n    lua_spend(L, lua_objlen(L, 1) >> 2);",
    ),
];

/// Matching of patterns: bounded recursion, and steps that are counted in the match and spent by the thousand.
const PATTERNS: &[Edit] = &[
    edit(
        "lstrlib.c",
        "  int level;  /* total number of captures (finished or unfinished) */",
        "  int level;  /* total number of captures (finished or unfinished) */\n  size_t steps;\n  int depth;",
    ),
    edits(
        3,
        "lstrlib.c",
        "ms.L = L;\n",
        "ms.L = L; ms.steps = 0; ms.depth = 0;\n",
    ),
    edit(
        "lstrlib.c",
        "static int check_capture (MatchState *ms, int l) {",
        "#define MAX_DEPTH 10000\n\
         static void steps (MatchState *ms, size_t n) {\n\
           ms->steps += n;\n\
           if (ms->steps >= 1000) { n = ms->steps; ms->steps = 0; lua_spend(ms->L, 2 * n); }\n\
         }\n\
         static int check_capture (MatchState *ms, int l) {",
    ),
    edit(
        "lstrlib.c",
        "static const char *match (MatchState *ms, const char *s, const char *p) {\n  init: /* using goto's to optimize tail recursion */",
        "static const char *match_ (MatchState *ms, const char *s, const char *p);\n\
         static const char *match (MatchState *ms, const char *s, const char *p) {\n\
           if (++ms->depth > MAX_DEPTH) luaL_error(ms->L, \"pattern too complex\");\n\
           s = match_(ms, s, p);\n\
           ms->depth--;\n\
           return s;\n\
         }\n\
         static const char *match_ (MatchState *ms, const char *s, const char *p) {\n\
           init: steps(ms, 1);",
    ),
    edits(
        2,
        "lstrlib.c",
        "ep = classend(ms, p);  /* points to what is next */",
        "ep = classend(ms, p); if (ep - p > 16) steps(ms, (size_t)(ep - p));",
    ),
    edit(
        "lstrlib.c",
        "  while ((s+i)<ms->src_end && singlematch(uchar(*(s+i)), p, ep))\n    i++;",
        "  if (ep - p > 16) {\n\
           while ((s+i)<ms->src_end && singlematch(uchar(*(s+i)), p, ep)) { steps(ms, (size_t)(ep - p)); i++; }\n\
         }\n\
         else {\n\
           while ((s+i)<ms->src_end && singlematch(uchar(*(s+i)), p, ep)) i++;\n\
           steps(ms, (size_t)i);\n\
         }",
    ),
    edit(
        "lstrlib.c",
        "singlematch(uchar(*s), p, ep))\n      s++;",
        "singlematch(uchar(*s), p, ep))\n      { steps(ms, (size_t)(ep - p)); s++; }",
    ),
    edit(
        "lstrlib.c",
        "while (++s < ms->src_end) {",
        "while (++s < ms->src_end) {\n      steps(ms, 1);",
    ),
    edit(
        "lstrlib.c",
        "  if ((size_t)(ms->src_end-s) >= len &&\n",
        "  steps(ms, (size_t)(ms->src_end-s) >= len ? len >> 3 : 0);\n  if ((size_t)(ms->src_end-s) >= len &&\n",
    ),
    edit(
        "lstrlib.c",
        "  for (i = 0; i < l; i++) {\n    if (news[i] != L_ESC)",
        "  for (i = 0; i < l; i++) {\n    steps(ms, 1);\n    if (news[i] != L_ESC)",
    ),
    // A search for a plain text.
    edit(
        "lstrlib.c",
        "static const char *lmemfind (const char *s1,",
        "static const char *lmemfind (lua_State *L, const char *s1,",
    ),
    edit(
        "lstrlib.c",
        "lmemfind(s+init, l1-init, p, l2);",
        "lmemfind(L, s+init, l1-init, p, l2);",
    ),
    edit(
        "lstrlib.c",
        "init++;   /* 1st char is already checked */",
        "init++;   /* 1st char is already checked */\n      lua_spend(L, 2 + (l2 >> 4));",
    ),
];

const KILLS: &[Edit] = &[
    edit(
        "ldo.c",
        "int luaD_pcall (lua_State *L, Pfunc func, void *u,",
        "LUA_API void lua_kill (lua_State *L, int on) {\n\
           G(L)->killed = cast_byte(on);\n\
           if (on) L->basehookcount = L->hookcount = 1;\n\
         }\n\
         LUA_API int lua_iskilled (lua_State *L) {\n\
           return G(L)->killed;\n\
         }\n\
         LUA_API void lua_passon (lua_State *L) {\n\
           if (G(L)->killed) luaD_throw(L, LUA_ERRRUN);\n\
         }\n\
         int luaD_pcall (lua_State *L, Pfunc func, void *u,",
    ),
    edit(
        "ldebug.c",
        "if (L->errfunc != 0) {",
        "if (L->errfunc != 0 && !G(L)->killed) {",
    ),
    edit(
        "lbaselib.c",
        "status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);",
        "status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);\n  if (status != 0) lua_passon(L);\n\
         if (status == LUA_ERRMEM) lua_gc(L, LUA_GCCOLLECT, 0);",
    ),
    edit(
        "lbaselib.c",
        "status = lua_pcall(L, 0, LUA_MULTRET, 1);",
        "status = lua_pcall(L, 0, LUA_MULTRET, 1);\n  if (status != 0) lua_passon(L);\n\
         if (status == LUA_ERRMEM) lua_gc(L, LUA_GCCOLLECT, 0);",
    ),
    edit(
        "lbaselib.c",
        "lua_xmove(co, L, 1);  /* move error message */",
        "lua_xmove(co, L, 1);\n    lua_passon(L);",
    ),
    edit(
        "lbaselib.c",
        "  else {\n    lua_pushnil(L);\n    lua_insert(L, -2);  /* put before error message */",
        "  else {\n    lua_passon(L);\n    lua_pushnil(L);\n    lua_insert(L, -2);",
    ),
    // What a script has set of the collector ends with it, and so does a big buffer.
    edit(
        "lapi.c",
        "LUA_API int lua_error (lua_State *L) {",
        "LUA_API void lua_restoregc (lua_State *L) {\n\
           global_State *g = G(L);\n\
           g->gcpause = LUAI_GCPAUSE; g->gcstepmul = LUAI_GCMUL;\n\
           if (luaZ_sizebuffer(&g->buff) > 65536) luaZ_freebuffer(L, &g->buff);\n\
           if (g->GCthreshold > g->totalbytes && g->GCthreshold - g->totalbytes > g->totalbytes + 1000000)\n\
             g->GCthreshold = g->totalbytes;\n\
         }\n\
         LUA_API int lua_error (lua_State *L) {",
    ),
];

const HASHES: &[Edit] = &[
    // All bytes of a string.
    edit(
        "lstring.c",
        "size_t step = (l>>5)+1;  /* if string is too long, don't hash all its chars */",
        "size_t step = 1;",
    ),
    // The longest chain of colliding keys is about this power of two times 64; 0 while all chains are short. A new key has
    // just been searched for, which took longer than the measurement.
    edit(
        "lobject.h",
        "lu_byte readonly;",
        "lu_byte readonly; lu_byte crowded;",
    ),
    edit(
        "ltable.c",
        "t->readonly = 0;",
        "t->readonly = 0; t->crowded = 0;",
    ),
    edit(
        "ltable.c",
        "    return newkey(L, t, key);\n  }\n}\n\n\nTValue *luaH_setnum",
        "{\n\
           unsigned int most = 64u << t->crowded, length = 0;\n\
           Node *chained = mainposition(t, key);\n\
           while (length < most && (chained = gnext(chained)) != NULL) length++;\n\
           if (length == most && t->crowded < 20) t->crowded++;\n\
         }\n\
         return newkey(L, t, key);\n  }\n}\n\n\nTValue *luaH_setnum",
    ),
    edit(
        "ltable.c",
        "  /* create new hash part with appropriate size */",
        "  if (t->crowded > 0) t->crowded--;\n",
    ),
    // The keys of a table that grows are known to differ, so none is searched for.
    edit(
        "ltable.c",
        "      setobjt2t(L, luaH_set(L, t, key2tval(old)), gval(old));",
        "    {\n\
         const TValue *key = key2tval(old);\n\
         int index = arrayindex(key);\n\
         TValue *slot = (0 < index && index <= t->sizearray) ? &t->array[index - 1] : newkey(L, t, key);\n\
         setobjt2t(L, slot, gval(old));\n\
         }",
    ),
    edit(
        "ltable.c",
        "static Node *hashnum (const Table *t, lua_Number n) {",
        "static TValue *newkey (lua_State *L, Table *t, const TValue *key);\n\
         static Node *hashnum (const Table *t, lua_Number n) {",
    ),
    edit(
        "lvm.c",
        "const TValue *res = luaH_get(h, key); /* do a primitive get */",
        "const TValue *res = luaH_get(h, key);\n      if (h->crowded) luaE_charge(L, 64u << h->crowded);",
    ),
    edit(
        "lvm.c",
        "luaA_checkwritable(L, h); oldval",
        "luaA_checkwritable(L, h); if (h->crowded) luaE_charge(L, 64u << h->crowded); oldval",
    ),
];

const MEMORY: &[Edit] = &[
    // What a cycle has marked so far is white again, and the next cycle finds what is garbage now.
    edit(
        "lua.h",
        "LUA_API void lua_setlevel",
        "LUA_API void lua_restartgc (lua_State *L);\n\
         LUA_API void lua_setlevel",
    ),
    edit(
        "lgc.c",
        "void luaC_fullgc (lua_State *L) {",
        "LUA_API void lua_restartgc (lua_State *L) {\n\
           global_State *g = G(L);\n\
           if (g->gcstate != GCSpropagate) return;\n\
           g->gray = g->grayagain = g->weak = NULL;\n\
           g->sweepgc = &g->rootgc; g->sweepstrgc = 0;\n\
           g->gcstate = GCSsweepstring;\n\
         }\n\
         void luaC_fullgc (lua_State *L) {",
    ),
    edit(
        "lstate.h",
        "lu_mem estimate;",
        "lu_mem limit;  /* what scripts may use */\n  lu_mem estimate;",
    ),
    edit(
        "lstate.c",
        "g->panic = NULL;",
        "g->panic = NULL; g->limit = MAX_LUMEM;",
    ),
    edit(
        "lua.h",
        "LUA_API void lua_setlevel",
        "LUA_API void lua_setlimit (lua_State *L, size_t limit);\n\
         LUA_API void lua_setlevel",
    ),
    edit(
        "lapi.c",
        "LUA_API int lua_error (lua_State *L) {",
        "LUA_API void lua_setlimit (lua_State *L, size_t limit) {\n\
           G(L)->limit = limit;\n\
           if (G(L)->GCthreshold > limit / 4 * 3 && G(L)->GCthreshold != MAX_LUMEM)\n\
             G(L)->GCthreshold = limit / 4 * 3;\n\
         }\n\
         LUA_API int lua_error (lua_State *L) {",
    ),
    edit(
        "lgc.c",
        "#define setthreshold(g)  (g->GCthreshold = (g->estimate/100) * g->gcpause)",
        "#define setthreshold(g)  { g->GCthreshold = (g->estimate/100) * g->gcpause; \
           if (g->GCthreshold > g->limit / 4 * 3) g->GCthreshold = g->limit / 4 * 3; }",
    ),
    // The next one comes half way to the limit, but not after less than a part of it: the work stays in proportion.
    edit(
        "lgc.c",
        "  l_mem lim = (GCSTEPSIZE/100) * g->gcstepmul;",
        "  l_mem lim = (GCSTEPSIZE/100) * g->gcstepmul;\n\
         if (g->totalbytes > g->limit / 4 * 3) {\n\
           lu_mem gap;\n\
           luaE_charge(L, g->totalbytes >> 4);\n\
           luaC_fullgc(L);\n\
           gap = (g->limit > g->totalbytes) ? (g->limit - g->totalbytes) / 2 : 0;\n\
           if (gap < g->limit / 32) gap = g->limit / 32;\n\
           if (g->GCthreshold < g->totalbytes + gap) g->GCthreshold = g->totalbytes + gap;\n\
           return;\n\
         }",
    ),
];

const PROXIES: &[Edit] = &[
    edit(
        "lbaselib.c",
        "lua_rawset(L, lua_upvalueindex(1));  /* weaktable[m] = true */",
        "lua_pop(L, 2);",
    ),
    edit(
        "lbaselib.c",
        "lua_rawget(L, lua_upvalueindex(1));\n      validproxy = lua_toboolean(L, -1);",
        "validproxy = (lua_type(L, 1) == LUA_TUSERDATA);",
    ),
];

const RANDOM: &[Edit] = &[
    edit(
        "lmathlib.c",
        "lua_Number r = (lua_Number)(rand()%RAND_MAX) / (lua_Number)RAND_MAX;",
        "lua_Number r = lua_random(L);",
    ),
    edit(
        "lmathlib.c",
        "srand(luaL_checkint(L, 1));",
        "lua_randomseed(L, luaL_checkint(L, 1));",
    ),
    edit(
        "lua.h",
        "LUA_API void lua_setlevel",
        "LUA_API double lua_random (lua_State *L);\n\
         LUA_API void lua_randomseed (lua_State *L, int seed);\n\
         LUA_API void lua_setlevel",
    ),
];
