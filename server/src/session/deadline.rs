//! Waking the loop in time for the earliest deadline of blocked clients and pauses.

use ae::time::{Next, TimerId};

use crate::server::Server;

/// Sets the timer to the earliest deadline, if that has changed. What has expired is handled before the loop sleeps.
pub fn arm_wakeup(srv: &mut Server) {
    let deadlines = [srv.blocked.next_deadline(), srv.pauses.next_end()];
    let earliest = deadlines.into_iter().flatten().min();
    let armed = srv.wakeup.timer.map(|_| srv.wakeup.at_ms);
    if earliest == armed {
        return;
    }
    if let Some(timer) = srv.wakeup.timer.take() {
        srv.el.remove_timer(timer);
    }
    if let Some(at_ms) = earliest {
        let ms = at_ms.saturating_sub(srv.unit.now_ms).max(0) as u64;
        srv.wakeup.at_ms = at_ms;
        srv.wakeup.timer = Some(srv.el.add_timer(ms, on_wakeup, 0));
    }
}

fn on_wakeup(srv: &mut Server, _timer: TimerId, _data: u64) -> Next {
    srv.wakeup.timer = None;
    Next::Never
}
