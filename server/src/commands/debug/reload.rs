//! DEBUG RELOAD and LOADAOF: the data set is replaced by what a file holds.

use crate::config::values::ShutdownFlags;
use crate::house::shutdown::shut_down;
use crate::keyspace::delete::flush;
use crate::persist::aof;
use crate::persist::aof::load::Loaded;
use crate::persist::aof::read::Failure;
use crate::persist::bgsave::save_now;
use crate::persist::load::{LoadError, load};
use crate::script::library;
use crate::server::{Ctx, Done, Propagate, Server};
use crate::state::loading::Existing;
use crate::state::scripts::libraries::Libraries;
use crate::wire::fault::{ERR, Fault};
use crate::{notice, warning};

/// Saves, empties and loads. Other clients are served while it loads; a shutdown meanwhile does not save the
/// incomplete data set.
pub(super) fn reload(cx: &mut Ctx<'_>) -> Done {
    let (mut saving, mut emptying, mut existing) = (true, true, Existing::Refuse);
    for option in cx.argv.iter().skip(2) {
        match option.to_ascii_lowercase().as_slice() {
            b"merge" => existing = Existing::Replace,
            b"noflush" => emptying = false,
            b"nosave" => saving = false,
            _ => {
                return Err(Fault::new(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    if saving && !save_now(cx.srv) {
        return Err(ERR);
    }
    if emptying {
        empty(cx.srv);
    }
    let loaded = load(cx.srv, existing);
    if matches!(loaded, Err(LoadError::Stopped)) {
        stop(cx);
    }
    loaded.map_err(|_| Fault::new("ERR Error trying to load the RDB dump, check server logs."))?;
    notice!("DB reloaded by DEBUG RELOAD");
    cx.reply.ok();
    Ok(())
}

/// Deletes all keys and libraries.
fn empty(srv: &mut Server) {
    flush(srv, None, false);
    library::replace_all(srv, Libraries::default(), false);
}

/// A shutdown was requested while data was being loaded, so what is in the databases must not be saved.
fn stop(cx: &mut Ctx<'_>) {
    if cx.srv.shutdown.asap.is_none() {
        let flags = ShutdownFlags {
            nosave: true,
            now: true,
            ..ShutdownFlags::default()
        };
        shut_down(cx.srv, flags);
    }
}

/// Empties all databases and loads the append-only file. Other clients are served while it loads.
pub(super) fn load_aof(cx: &mut Ctx<'_>) -> Done {
    // The commands of the file are changes, but not new ones.
    cx.propagate = Propagate::Never;
    aof::flush::flush(cx.srv, true);
    empty(cx.srv);
    match aof::load::reload(cx.srv) {
        Ok(Loaded::Whole | Loaded::Empty) => {
            // The changes are those of the file.
            cx.srv.stats.dirty = 0;
            notice!("Append Only File loaded by DEBUG LOADAOF");
            cx.reply.ok();
            return Ok(());
        }
        Ok(Loaded::Nothing | Loaded::Truncated) => {}
        Err(Failure::Told(why)) => warning!("{why}"),
        Err(Failure::Stopped) => stop(cx),
    }
    Err(Fault::new(
        "ERR Error trying to load the AOF files, check server logs.",
    ))
}
