//! FAILOVER: a primary hands its role to a replica of its own.
//!
//! ```text
//! none ── FAILOVER ──> Syncing ── a replica has caught up, or FORCE and the time is over ──> Handing ── it accepts ──> none
//!                         └───────────── ABORT, time-out ─────────────┴── it refuses: a primary again ──> none
//! ```

/// A failover that is under way.
#[derive(Debug)]
pub struct Failover {
    /// How far it is.
    pub stage: FailoverStage,
    /// The replica that is to take over; any one if it is not named.
    pub target: Option<(String, u16)>,
    /// When it is given up, or forced, in milliseconds of Unix time.
    pub end_ms: Option<i64>,
    /// The replica takes over at the end of the time even if it has not caught up.
    pub force: bool,
}

/// How far a failover is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverStage {
    /// The replica is to catch up; nobody writes meanwhile.
    Syncing,
    /// It was asked to take over.
    Handing,
}

/// The state of failovers as INFO names it.
pub fn state_name(failover: Option<&Failover>) -> &'static str {
    match failover.map(|failover| failover.stage) {
        None => "no-failover",
        Some(FailoverStage::Syncing) => "waiting-for-sync",
        Some(FailoverStage::Handing) => "failover-in-progress",
    }
}
