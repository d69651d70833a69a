//! MODULE: modules are not supported, so the list is empty.

use table::server as rows;

use crate::commands::Family;
use crate::server::{Ctx, Done};
use crate::wire::fault::Fault;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::MODULE_LIST, list),
    (&rows::MODULE_LOAD, unsupported),
    (&rows::MODULE_LOADEX, unsupported),
    (&rows::MODULE_UNLOAD, unload),
    (&rows::MODULE_HELP, help),
];

fn list(cx: &mut Ctx<'_>) -> Done {
    cx.reply.array(0);
    Ok(())
}

fn unsupported(_: &mut Ctx<'_>) -> Done {
    Err(Fault::new(
        "ERR Error loading the extension. This server does not support modules.",
    ))
}

fn unload(_: &mut Ctx<'_>) -> Done {
    Err(Fault::new(
        "ERR Error unloading module: no such module with that name",
    ))
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "HELP",
        "    This text.",
        "LIST",
        "    The loaded modules: none, since this server does not support modules.",
        "LOAD <path> [<arg> ...]",
        "    Refused.",
        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        "    Refused.",
        "UNLOAD <name>",
        "    Refused.",
    ]);
    Ok(())
}
