//! Blocking a command that has found nothing, where that is allowed.

use crate::server::Ctx;
use crate::state::blocked::{Block, KeyBlock};

/// Blocks the command until one of its keys is ready; in a transaction it replies as if it had timed out.
pub fn block_on_keys(cx: &mut Ctx<'_>, block: KeyBlock) {
    if cx.caller.may_block() {
        cx.block = Some(Box::new(Block::Keys(block)));
    } else {
        cx.reply.null_array();
    }
}
