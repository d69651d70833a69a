//! DEBUG MALLCTL: the controls of jemalloc.

use std::ffi::CString;
use std::io;

use crate::commands::args::int;
use crate::server::{Ctx, Done};
use crate::sys::{host, mallctl};
use crate::wire::fault::{Fault, SYNTAX};

/// The name of something of the allocator.
fn allocator_name(cx: &Ctx<'_>) -> Result<CString, Fault> {
    CString::new(&cx.argv[2]).map_err(|_| SYNTAX)
}

fn refused(error: &io::Error) -> Fault {
    Fault::new(format!("ERR {}", host::reason(error)))
}

pub(super) fn mallctl(cx: &mut Ctx<'_>) -> Done {
    let name = allocator_name(cx)?;
    let old = mallctl::integer(&name);
    if cx.argv.len() > 3 {
        let value = int(&cx.argv[3])?;
        mallctl::set_integer(&name, value).map_err(|error| refused(&error))?;
        if old.is_err() {
            // It can only be written.
            cx.reply.ok();
            return Ok(());
        }
    }
    cx.reply.int(old.map_err(|error| refused(&error))?);
    Ok(())
}

pub(super) fn mallctl_text(cx: &mut Ctx<'_>) -> Done {
    let name = allocator_name(cx)?;
    let old = mallctl::text(&name);
    if cx.argv.len() > 3 {
        if &cx.argv[3] != b"VOID" {
            return Err(Fault::new("ERR Operation not permitted"));
        }
        mallctl::run(&name).map_err(|error| refused(&error))?;
        cx.reply.ok();
        return Ok(());
    }
    let text = old.map_err(|error| refused(&error))?;
    cx.reply.bulk(text.as_bytes());
    Ok(())
}
