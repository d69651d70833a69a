//! FAILOVER: a primary hands over its role to one of its replicas.
//!
//! ```text
//! none ── FAILOVER ──> Syncing ── a replica has caught up, or FORCE and the time is over ──> Handing ── it accepts ──> none
//!                         └───────────── ABORT, time-out ─────────────┴── it refuses: a primary again ──> none
//! ```

/// A failover in progress.
#[derive(Debug)]
pub struct Failover {
    /// Its stage.
    pub stage: FailoverStage,
    /// The replica that takes over; any replica if it is not named.
    pub target: Option<(String, u16)>,
    /// When it is aborted, or forced, in milliseconds of Unix time.
    pub end_ms: Option<i64>,
    /// At the deadline the replica takes over even if it has not caught up.
    pub force: bool,
}

/// Stages of a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverStage {
    /// Waiting for the replica to catch up; writes are paused.
    Syncing,
    /// The replica was asked to take over.
    Handing,
}

/// The state of a failover in INFO.
pub fn state_name(failover: Option<&Failover>) -> &'static str {
    match failover.map(|failover| failover.stage) {
        None => "no-failover",
        Some(FailoverStage::Syncing) => "waiting-for-sync",
        Some(FailoverStage::Handing) => "failover-in-progress",
    }
}
