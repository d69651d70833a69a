//! CLUSTER and what clients of a cluster send: asking about it, its slots, and changing it.

pub mod admin;
pub mod client;
pub mod inquiry;
pub mod slots;
pub mod topology;

use cluster::action::Facts;
use cluster::refusal::Refusal;
use cluster::state::Cluster;

use crate::cluster::drive::settle;
use crate::cluster::events::tell;
use crate::server::{Ctx, Done};
use crate::state::cluster::ClusterNode;
use crate::wire::fault::{Fault, NO_CLUSTER};

/// This node.
///
/// # Errors
/// The server is not a node of a cluster.
pub fn node<'a>(cx: &'a Ctx<'_>) -> Result<&'a ClusterNode, Fault> {
    cx.srv.cluster.as_deref().ok_or(NO_CLUSTER)
}

/// Has the protocol carry out an order, and performs what follows.
///
/// # Errors
/// The server is not a node of a cluster, or the protocol refuses.
pub fn carry_out<R>(
    cx: &mut Ctx<'_>,
    order: impl FnOnce(&mut Cluster, Facts) -> Result<R, Refusal>,
) -> Result<R, Fault> {
    let told = tell(cx.srv, order).ok_or(NO_CLUSTER)?;
    let result = told.map_err(refused)?;
    settle(cx.srv);
    Ok(result)
}

/// An order whose success is answered with OK.
pub fn order_ok(
    cx: &mut Ctx<'_>,
    order: impl FnOnce(&mut Cluster, Facts) -> Result<(), Refusal>,
) -> Done {
    carry_out(cx, order)?;
    cx.reply.ok();
    Ok(())
}

/// The error reply of a refusal.
pub fn refused(Refusal(text): Refusal) -> Fault {
    Fault::bytes([b"ERR ".as_slice(), &text].concat())
}

/// The arguments from a position on.
pub fn rest<'a>(cx: &Ctx<'a>, first: usize) -> Vec<&'a [u8]> {
    cx.argv.iter().skip(first).collect()
}
