//! Loading the append-only file: its base and its incremental files, in the order of the manifest.
//!
//! # A single file
//! Before version 7 the append-only file was one file in the working directory. At start it is moved into the directory of
//! append-only files and becomes the base. The manifest is written first: if the server stops between both steps, a manifest
//! whose only file is missing, but is in the working directory, makes the next start complete the move.

use std::fs;
use std::path::Path;

use crate::notice;
use crate::persist::aof::read::{Failure, Outcome, Source, read};
use crate::persist::aof::{manifest_file, path, size_of};
use crate::persist::load;
use crate::server::Server;
use crate::state::aof::manifest::{Kind, Part};
use crate::sys::clock;
use crate::sys::host::reason;

/// What was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// There is no file.
    Nothing,
    /// All files are empty.
    Empty,
    /// All of them.
    Whole,
    /// All of them but the incomplete end of the last, which was cut off.
    Truncated,
}

/// Loads the append-only file at start.
///
/// # Errors
/// A sentence: the server must not run without the data. `None` if it was asked to shut down.
pub fn at_start(srv: &mut Server) -> Result<(), Option<String>> {
    let began_us = clock::monotonic_us();
    let loaded = adopt_single_file(srv)
        .map_err(Failure::Told)
        .and_then(|()| load(srv));
    match loaded {
        Ok(Loaded::Nothing) => Ok(()),
        Ok(_) => {
            notice!(
                "DB loaded from append only file: {:.3} seconds",
                seconds_since(began_us)
            );
            Ok(())
        }
        Err(Failure::Told(sentence)) => Err(Some(sentence)),
        Err(Failure::Stopped) => Err(None),
    }
}

fn seconds_since(began_us: u64) -> f64 {
    (clock::monotonic_us() - began_us) as f64 / 1e6
}

/// Makes the base of a single file that an old server has written.
fn adopt_single_file(srv: &mut Server) -> Result<(), String> {
    let (dir, name) = (
        srv.config.appenddirname.clone(),
        srv.config.appendfilename.clone(),
    );
    let target = path(srv, &name);
    let manifest = &mut srv.aof.manifest;
    let is_listed = manifest
        .base
        .as_ref()
        .is_some_and(|base| base.name == name && manifest.incr.is_empty());
    let is_wanted =
        !Path::new(&dir).is_dir() || manifest.is_empty() || (is_listed && !target.is_file());
    if !Path::new(&name).is_file() || !is_wanted {
        return Ok(());
    }
    manifest_file::make_directory(&dir)?;
    let unmoved =
        |why: &str| format!("Error trying to move the old AOF file {name} into dir {dir}: {why}");
    if target.is_file() {
        return Err(unmoved("File exists"));
    }
    if !is_listed {
        manifest.adopt(&name);
    }
    manifest_file::save(&dir, &name, manifest)?;
    fs::rename(&name, &target).map_err(|error| unmoved(&reason(&error)))?;
    manifest_file::sync_directory(&dir)?;
    notice!("Successfully migrated an old-style AOF file ({name}) into the AOF directory ({dir}).");
    Ok(())
}

/// Loads the files of the manifest into the databases, which are to be empty.
///
/// # Errors
/// The data set is not complete. What was loaded until then stays in the databases.
pub fn load(srv: &mut Server) -> Result<Loaded, Failure> {
    let parts: Vec<Part> = srv.aof.manifest.loadable().cloned().collect();
    if parts.is_empty() {
        return Ok(Loaded::Nothing);
    }
    let mut sizes = Vec::with_capacity(parts.len());
    for part in &parts {
        sizes.push(size(srv, &part.name)?);
    }
    let total: u64 = sizes.iter().sum();
    if total == 0 {
        return Ok(Loaded::Empty);
    }
    load::enter(srv, total, false);
    srv.unit.now_ms = srv.turn.refresh();
    let loaded = load_parts(srv, &parts, &sizes);
    load::end(srv);
    let loaded = loaded?;
    let mut all = 0;
    for part in &parts {
        all += size(srv, &part.name)?;
    }
    srv.aof.size = all;
    srv.aof.base_size = match parts[0].kind {
        Kind::Base => size(srv, &parts[0].name)?,
        _ => 0,
    };
    Ok(loaded)
}

fn load_parts(srv: &mut Server, parts: &[Part], sizes: &[u64]) -> Result<Loaded, Failure> {
    let (mut before, mut loaded) = (0, Loaded::Whole);
    for (number, (part, size)) in parts.iter().zip(sizes).enumerate() {
        let began_us = clock::monotonic_us();
        let path = path(srv, &part.name);
        let source = Source {
            path: &path,
            name: &part.name,
            before,
            is_last: number + 1 == parts.len(),
            is_single_file: part.name == srv.config.appendfilename,
        };
        let outcome = read(srv, &source)?;
        if outcome == Outcome::Truncated {
            loaded = Loaded::Truncated;
        }
        if outcome != Outcome::Empty {
            notice!(
                "DB loaded from {} file {}: {:.3} seconds",
                part.kind.name(),
                part.name,
                seconds_since(began_us)
            );
        }
        before += size;
    }
    Ok(loaded)
}

/// The size of a file, which must be there.
fn size(srv: &Server, name: &str) -> Result<u64, Failure> {
    let metadata = fs::metadata(path(srv, name));
    let metadata = metadata.map_err(|error| {
        let why = reason(&error);
        Failure::Told(format!(
            "Unable to obtain the AOF file {name} length. stat: {why}"
        ))
    })?;
    Ok(metadata.len())
}

/// Loads the append-only file again: its manifest and its files. The databases are to be empty.
///
/// # Errors
/// As [`load`].
pub fn reload(srv: &mut Server) -> Result<Loaded, Failure> {
    let (dir, name) = (&srv.config.appenddirname, &srv.config.appendfilename);
    srv.aof.manifest = manifest_file::load(dir, name)?;
    let loaded = load(srv);
    if let (Some(_), Some(part)) = (&srv.aof.file, srv.aof.manifest.last_incr()) {
        // Its incomplete end may have been cut off.
        srv.aof.file_size = size_of(&path(srv, &part.name));
    }
    loaded
}
