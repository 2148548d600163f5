//! How many workers there are to be: more when requests wait, fewer when workers have had nothing to
//! do for a while. Pure.
//!
//! ```text
//!  needed  1 ●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●        when so many were last busy at a time
//!          2 ●●●●   ●●●       ●●●●●●●    ●
//!          3          ●●  ├─── idle ───┤ the third ends
//!  ───────────────────────────────────────────────▶ time
//! ```
//! A request that waits for 5 ms asks for one worker more, and the next one is asked for when that one
//! is ready: a burst that is over by then has cost one start.

use std::time::Duration;

use flow::Stamp;
use flow::control::Demand;

/// How many workers a site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// There are always so many; 0: the first request starts one.
    pub least: usize,
    /// There are never more, but for one that takes another's place; at least 1, and `least`.
    pub most: usize,
    /// A worker beyond `least` ends when it has had nothing to do for so long.
    pub idle: Duration,
}

impl Pool {
    /// So many workers, always.
    pub fn fixed(count: usize) -> Pool {
        Pool { least: count, most: count, idle: Duration::MAX }
    }

    /// Whether their number depends on what is asked of them.
    pub fn grows(&self) -> bool {
        self.least < self.most
    }
}

/// The state of the policy.
#[derive(Debug)]
pub(super) struct Scaling {
    pool: Pool,
    target: usize,
    /// When so many workers were last needed at a time, from 1; none is kept beyond `target`.
    needed: Vec<Stamp>,
    /// So many are needed at the moment, as far as was told.
    busy: usize,
    changed: bool,
}

impl Scaling {
    pub(super) fn new(pool: Pool) -> Scaling {
        let target = pool.least;
        Scaling { pool, target, needed: vec![Stamp(0); target], busy: 0, changed: false }
    }

    /// How many workers there are to be.
    pub(super) fn target(&self) -> usize {
        self.target
    }

    /// Takes in what is asked of them. While one is being started no more are asked for.
    pub(super) fn take(&mut self, now: Stamp, demand: Demand, settled: bool) {
        if !self.pool.grows() {
            return;
        }
        // What was needed until now was needed now.
        self.keep(now, self.busy);
        let Demand { waiting, longest, busy } = demand;
        let first = self.target == 0 && waiting + busy > 0;
        let more = settled && waiting > 0 && longest >= STALL && self.target < self.pool.most;
        if first || more {
            self.target += 1;
            self.needed.resize(self.target, now);
            self.changed = true;
        }
        self.busy = if waiting > 0 { self.target } else { busy.min(self.target) };
        self.keep(now, self.busy);
    }

    fn keep(&mut self, now: Stamp, busy: usize) {
        self.needed.iter_mut().take(busy).for_each(|needed| *needed = now);
    }

    /// Lets those go that were not needed for long. Gives the new number when it has changed.
    pub(super) fn resize(&mut self, now: Stamp) -> Option<usize> {
        while self.surplus_until().is_some_and(|until| until <= now) {
            self.target -= 1;
            self.needed.truncate(self.target);
            self.changed = true;
        }
        std::mem::take(&mut self.changed).then_some(self.target)
    }

    /// When the next one may go, if nothing is asked of it until then.
    pub(super) fn due(&self) -> Option<Stamp> {
        self.surplus_until()
    }

    fn surplus_until(&self) -> Option<Stamp> {
        let idle = self.target > self.pool.least && self.target > self.busy;
        idle.then(|| self.needed.last().map(|needed| needed.after(self.pool.idle))).flatten()
    }
}

/// A request that waits so long asks for another worker.
const STALL: Duration = Duration::from_millis(5);
