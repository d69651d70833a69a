//! Writing the base of the append-only file: the whole data set, as a snapshot or as commands.
//!
//! It is written to a temporary file in the working directory, synced, and then renamed.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::feed::aof::annotation;
use crate::persist::aof::commands::write_all;
use crate::persist::fork::Reporter;
use crate::persist::rdb_file::{Usage, output, snapshot};
use crate::persist::sink::FileOutput;
use crate::persist::unlink::unlink;
use crate::server::Server;
use crate::state::background::Background;
use crate::state::replication::replica::SnapshotFilter;
use crate::sys::{clock, host};
use crate::warning;

/// Name of the temporary file of a process that writes a base.
fn temp_name(pid: u32) -> String {
    format!("temp-rewriteaof-{pid}.aof")
}

/// Name of the complete base that a child has written, before the parent renames it.
pub fn background_name(pid: i32) -> String {
    format!("temp-rewriteaof-bg-{pid}.aof")
}

/// Removes the temporary files of a child that did not finish.
pub fn remove_temp(background: &Background, pid: i32) {
    unlink(background, Path::new(&background_name(pid)));
    if let Ok(pid) = u32::try_from(pid) {
        unlink(background, Path::new(&temp_name(pid)));
    }
}

/// Writes the data set to a file; whether that succeeded. A failure is logged and leaves nothing behind.
pub fn write(srv: &Server, name: &str, reporter: Option<&mut Reporter>) -> bool {
    let temp = temp_name(std::process::id());
    let file = match File::create(&temp) {
        Ok(file) => file,
        Err(error) => {
            warning!(
                "Opening the temp file for AOF rewrite in rewriteAppendOnlyFile(): {}",
                host::reason(&error)
            );
            return false;
        }
    };
    if let Err(error) = write_data(srv, file, reporter) {
        warning!(
            "Write error writing append only file on disk: {}",
            host::reason(&error)
        );
        let _ = fs::remove_file(&temp);
        return false;
    }
    if let Err(error) = fs::rename(&temp, name) {
        warning!(
            "Error moving temp append only file on the final destination: {}",
            host::reason(&error)
        );
        let _ = fs::remove_file(&temp);
        return false;
    }
    true
}

fn write_data(srv: &Server, file: File, reporter: Option<&mut Reporter>) -> io::Result<()> {
    let mut out = if srv.config.aof_use_rdb_preamble {
        output(srv, file)
    } else {
        FileOutput::new(file)
    };
    out.sink.syncs_in_steps = srv.config.aof_rewrite_incremental_fsync;
    if srv.config.aof_use_rdb_preamble {
        let everything = SnapshotFilter::default();
        snapshot(srv, &mut out, everything, Usage::AofBase, reporter)?;
    } else {
        if srv.config.aof_timestamp_enabled {
            let line = annotation(clock::unix_ms() / 1000);
            out.buf.extend_from_slice(line.as_bytes());
        }
        write_all(srv, &mut out, reporter)?;
    }
    out.sink.file.sync_all()
}
