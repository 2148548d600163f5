//! When a worker has served, lived or taken enough, and another is to take its place. Pure.

use std::time::Duration;

use flow::Stamp;

use super::{Reason, Run, Slot};

/// After what a worker is replaced. None: never for that reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recycling {
    /// After so many requests, a tenth more or less.
    pub requests: Option<u64>,
    /// After so long, a tenth more or less.
    pub age: Option<Duration>,
    /// When it has more memory than so many bytes, its proportional share of what it shares (PSS).
    pub memory: Option<u64>,
}

impl Recycling {
    /// Why a worker is to be replaced, if it is ready and there is a reason.
    pub(super) fn reason(&self, now: Stamp, run: Run, slot: &Slot) -> Option<Reason> {
        if !slot.is_ready() {
            return None;
        }
        let served = |most: u64| {
            let thousandths = u64::from(factor(run));
            slot.served >= (most.saturating_mul(thousandths) / 1000).max(1)
        };
        if self.memory.is_some_and(|most| slot.memory > most) {
            Some(Reason::Memory)
        } else if self.requests.is_some_and(served) {
            Some(Reason::Requests)
        } else if slot.ends.is_some_and(|ends| ends <= now) {
            Some(Reason::Age)
        } else {
            None
        }
    }
}

/// A time, a tenth longer or shorter: so that workers which were started together do not all end
/// together.
pub(super) fn jitter(time: Duration, run: Run) -> Duration {
    time.saturating_mul(factor(run)) / 1000
}

/// 900 to 1100 thousandths. Neighbours are to differ, and chance would not be better for it.
fn factor(run: Run) -> u32 {
    let mixed = (run.worker as u64 * 7 + u64::from(run.start)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    900 + u32::try_from((mixed >> 32) % 201).unwrap_or(100)
}
