//! A command that has found nothing waits, where it may.

use crate::server::Ctx;
use crate::state::blocked::{KeyWait, Wait};

/// Lets the command wait; in a transaction it answers as if its time were over.
pub fn wait_for_keys(cx: &mut Ctx<'_>, wait: KeyWait) {
    if cx.may_wait() {
        cx.wait = Some(Wait::Keys(wait));
    } else {
        cx.reply.null_array();
    }
}
