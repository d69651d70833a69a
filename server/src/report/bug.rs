//! The report of a damaged value in the log.
//!
//! Redis writes it when it aborts. This server goes on, and writes it when the value comes in: it names the command,
//! the key, and what the full check found. A damaged element is reported as a failed assertion, inconsistent metadata
//! as a panic, as Redis does.

use std::panic::Location;

use data::rdb::{Corrupt, Depth};
use data::value::damaged::Damaged;
use data::value::{Encoding, Type};

use crate::warning;

/// Reports a damaged value that a command has stored under a key.
#[track_caller]
pub fn report(command: &[u8], key: &[u8], damaged: &Damaged, corrupt: &Corrupt) {
    let (place, rule) = (
        Location::caller(),
        "------------------------------------------------",
    );
    if corrupt.depth == Depth::Whole {
        warning!("{rule}");
        warning!("!!! Software Failure. Press left mouse button to continue");
        warning!(
            "Guru Meditation: {corrupt} #{}:{}",
            place.file(),
            place.line()
        );
        warning!("{rule}");
    } else {
        warning!("=== ASSERTION FAILED ===");
        warning!(
            "==> {}:{} 'the value is sound' is not true: {corrupt}",
            place.file(),
            place.line()
        );
    }
    let shown = String::from_utf8_lossy;
    warning!("argv[0]: '{}'", shown(command));
    warning!(
        "key '{}' found in DB containing the following object:",
        shown(key)
    );
    warning!("Object type: {}", type_number(damaged.ty()));
    warning!("Object encoding: {}", encoding_number(damaged.encoding()));
    warning!("Object refcount: 1");
    warning!("The value is kept as it came: no command looks into it, and no snapshot has it");
}

/// Redis's numbers of types and encodings; 5 is the type of modules.
fn type_number(ty: Type) -> u32 {
    match ty {
        Type::Stream => 6,
        ty => ty as u32,
    }
}

fn encoding_number(encoding: Encoding) -> u32 {
    match encoding {
        Encoding::Quicklist => 9,
        Encoding::Stream => 10,
        _ => 11,
    }
}
