//! When workers are started, restarted, replaced and stopped. Pure: [`Plan::step`] takes the time and
//! what happened, and answers with what to do.
//!
//! ```text
//!   Vacant ──needed──▶ Waiting ──start──▶ Starting ──────▶ Ready ──retires──▶ Stopping ──▶ Vacant
//!                         ▲                  │ 60 s:         │      once its replacement
//!                         │  back-off        ▼ killed        ▼      is ready; 40 s: killed
//!                         '──────────────── died ◀───────── died
//! ```
//! There are as many members (waiting, starting or ready, and not retiring) as `scaling.rs` says. A
//! worker that has served, lived or taken enough retires: it is no member any more, so that another is
//! started, and goes on until that one is ready. One at a time, so that no more than one worker's
//! memory is needed for it. A worker that is stuck is killed at once; its place is filled at once.
//!
//! If the first start of a site's workers fails before any was ready, all are stopped: starting again
//! would not help. But a site that starts its first worker with the first request is up without one.
//! A drain tells all to stop, and kills what is left at its deadline.

mod recycling;
mod scaling;
mod slot;

use std::collections::BTreeMap;
use std::time::Duration;

use flow::Stamp;
use flow::control::Demand;
use proc::{Readiness, Signal};
use serde::Serialize;

pub use recycling::Recycling;
pub use scaling::Pool;
use scaling::Scaling;
pub(super) use slot::{Slot, State};

/// One start of one worker. Both are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) worker: usize,
    pub(super) start: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Time passed.
    Tick,
    /// The worker accepts requests.
    Ready(Run),
    /// The process has ended, or could not be started.
    Ended(Run),
    /// So much is asked of the workers.
    Demand(Demand),
    /// The worker has served so many requests since its start.
    Served(Run, u64),
    /// The worker takes so many bytes of memory.
    Memory(Run, u64),
    /// The worker hangs at a request.
    Stuck(Run),
    /// All are to stop, until then at the latest.
    Drain(Stamp),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Start a process.
    Start(Run),
    /// Send a signal; Kill goes to the whole session.
    Signal(Run, Signal),
    /// The set of ready workers has changed.
    Announce,
    /// Say that a worker died, and that it starts again after a wait.
    Died { run: Run, readiness: Readiness, lived: Duration, wait: Duration },
    /// Say that it is not ready in time and was killed.
    Overdue(Run),
    /// Say that another takes its place, and why.
    Retire(Run, Reason),
    /// Say how many workers there are to be.
    Resize(usize),
    /// The very first start failed, with this worker.
    Fail(Run),
    /// Nothing runs any more, and nothing will.
    Finish,
}

/// Why a worker was started in the place of another, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It died.
    Died,
    /// It did not become ready.
    NotReady,
    /// It hung at a request.
    Stuck,
    /// It has served as many requests as it may.
    Requests,
    /// It is as old as it may be.
    Age,
    /// It took more memory than it may.
    Memory,
}

impl Reason {
    /// Its name in logs and in the status.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Died => "died",
            Reason::NotReady => "not_ready",
            Reason::Stuck => "stuck",
            Reason::Requests => "requests",
            Reason::Age => "age",
            Reason::Memory => "memory",
        }
    }
}

/// The states of a site's workers.
#[derive(Debug)]
pub(super) struct Plan {
    slots: Vec<Slot>,
    scaling: Scaling,
    recycling: Recycling,
    restarts: BTreeMap<Reason, u64>,
    /// A start that fails is tried again: a worker has been ready, or none is needed to be up.
    proven: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// Told to stop; after the deadline the kill has been sent.
    Draining {
        deadline: Option<Stamp>,
    },
    Finished,
}

impl Plan {
    /// Workers that have not been started; the first Tick starts those that are always there.
    pub(super) fn new(pool: Pool, recycling: Recycling) -> Plan {
        Plan {
            slots: Vec::new(),
            proven: pool.least == 0,
            scaling: Scaling::new(pool),
            recycling,
            restarts: BTreeMap::new(),
            phase: Phase::Running,
        }
    }

    /// The workers there are, by their numbers.
    pub(super) fn workers(&self) -> impl Iterator<Item = (Run, &Slot)> {
        let all = (1..).zip(&self.slots).map(|(worker, slot)| (slot.run(worker), slot));
        all.filter(|(_, slot)| slot.state != State::Vacant)
    }

    /// The runs that are ready. Those that retire are among them until others are.
    pub(super) fn ready(&self) -> impl Iterator<Item = Run> {
        self.workers().filter(|(_, slot)| slot.is_ready()).map(|(run, _)| run)
    }

    /// How many workers there are to be.
    pub(super) fn target(&self) -> usize {
        self.scaling.target()
    }

    /// How many workers were replaced, by the reason.
    pub(super) fn restarts(&self) -> &BTreeMap<Reason, u64> {
        &self.restarts
    }

    /// When the next Tick is needed, if no other event comes before.
    pub(super) fn due(&self) -> Option<Stamp> {
        match self.phase {
            Phase::Running => {
                let slots = self.slots.iter().filter_map(Slot::due);
                slots.chain(self.scaling.due()).min()
            }
            Phase::Draining { deadline } => deadline,
            Phase::Finished => None,
        }
    }

    /// Takes in what happened.
    pub(super) fn step(&mut self, now: Stamp, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Tick => {}
            Event::Ready(run) => self.is_ready(now, run, &mut actions),
            Event::Ended(run) => self.has_ended(now, run, &mut actions),
            Event::Demand(demand) => {
                let settled = self.slots.iter().all(Slot::is_settled);
                self.scaling.take(now, demand, settled);
            }
            Event::Served(run, requests) => self.note(run, |slot| slot.served = requests),
            Event::Memory(run, bytes) => self.note(run, |slot| slot.memory = bytes),
            Event::Stuck(run) => self.is_stuck(now, run, &mut actions),
            Event::Drain(deadline) => self.drain(now, deadline, &mut actions),
        }
        match self.phase {
            Phase::Running => self.tick(now, &mut actions),
            Phase::Draining { deadline } => self.tick_draining(now, deadline, &mut actions),
            Phase::Finished => {}
        }
        actions
    }

    fn note(&mut self, run: Run, note: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slot(run) {
            note(slot);
        }
    }

    fn is_ready(&mut self, now: Stamp, run: Run, actions: &mut Vec<Action>) {
        let ends = self.recycling.age.map(|age| now.after(recycling::jitter(age, run)));
        if let Some(slot) = self.slot(run)
            && let State::Starting { since } = slot.state
        {
            slot.state = State::Ready { since };
            slot.ends = ends;
            self.proven = true;
            actions.push(Action::Announce);
        }
    }

    fn has_ended(&mut self, now: Stamp, run: Run, actions: &mut Vec<Action>) {
        let (running, proven) = (self.phase == Phase::Running, self.proven);
        let Some(slot) = self.slot(run) else { return };
        let (readiness, since) = match slot.state {
            State::Waiting { .. } | State::Vacant => return,
            State::Ready { since } => {
                actions.push(Action::Announce);
                (Readiness::Reached, since)
            }
            State::Stopping { overdue: false, .. } => return slot.vacate(),
            State::Starting { since } | State::Stopping { since, .. } => {
                (Readiness::NotReached, since)
            }
        };
        if running && proven {
            let lived = now.since(since);
            let wait = slot.backoff.died(readiness, lived);
            // Its replacement is on the way already, if it was about to retire.
            let until = now.after(wait);
            slot.state =
                if slot.retiring.is_some() { State::Vacant } else { State::Waiting { until } };
            slot.retiring = None;
            actions.push(Action::Died { run, readiness, lived, wait });
            self.count(match readiness {
                Readiness::Reached => Reason::Died,
                Readiness::NotReached => Reason::NotReady,
            });
            return;
        }
        slot.vacate();
        if running {
            actions.push(Action::Fail(run));
            self.drain(now, now.after(FAILED_GRACE), actions);
        }
    }

    /// It is ended at once; the next tick fills its place.
    fn is_stuck(&mut self, now: Stamp, run: Run, actions: &mut Vec<Action>) {
        let Some(slot) = self.slot(run) else { return };
        let (State::Ready { since } | State::Stopping { since, overdue: false, .. }) = slot.state
        else {
            return;
        };
        let was_ready = slot.is_ready();
        slot.stop(now, since, KILLED_WITHIN);
        actions.push(Action::Signal(run, Signal::Kill));
        if was_ready {
            actions.push(Action::Announce);
            self.count(Reason::Stuck);
        }
    }

    fn drain(&mut self, now: Stamp, deadline: Stamp, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Running => {}
            // An earlier deadline may still be set; a later one changes nothing.
            Phase::Draining { deadline: Some(set) } if deadline < set => {
                self.phase = Phase::Draining { deadline: Some(deadline) };
                return;
            }
            Phase::Draining { .. } | Phase::Finished => return,
        }
        self.phase = Phase::Draining { deadline: Some(deadline) };
        if self.ready().next().is_some() {
            actions.push(Action::Announce);
        }
        for (worker, slot) in (1..).zip(&mut self.slots) {
            let run = slot.run(worker);
            match slot.state {
                State::Waiting { .. } => slot.vacate(),
                State::Starting { since } | State::Ready { since } => {
                    slot.stop(now, since, STOPS_WITHIN);
                    actions.push(Action::Signal(run, Signal::Term));
                }
                State::Stopping { .. } | State::Vacant => {}
            }
        }
    }

    fn tick(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        for (worker, slot) in (1..).zip(&mut self.slots) {
            slot.end_late(now, worker, actions);
        }
        actions.extend(self.scaling.resize(now).map(Action::Resize));
        self.retire_next(now, actions);
        self.fill();
        self.shrink(now, actions);
        self.stop_replaced(now, actions);
        for (worker, slot) in (1..).zip(&mut self.slots) {
            if matches!(slot.state, State::Waiting { until } if until <= now) {
                slot.begin(now);
                actions.push(Action::Start(slot.run(worker)));
            }
        }
    }

    /// Has the next worker retire that is due, unless another does, or is missing.
    fn retire_next(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        let others = self.slots.iter().any(|slot| !slot.is_settled() || slot.retiring.is_some());
        if others {
            return;
        }
        let due = |(worker, slot): (usize, &Slot)| {
            let reason = self.recycling.reason(now, slot.run(worker), slot)?;
            Some((slot.run(worker), reason))
        };
        let Some((run, reason)) = (1..).zip(&self.slots).find_map(due) else { return };
        self.note(run, |slot| slot.retiring = Some(reason));
        self.count(reason);
        actions.push(Action::Retire(run, reason));
    }

    /// Gives places to the members that are missing.
    fn fill(&mut self) {
        let members = self.slots.iter().filter(|slot| slot.is_member()).count();
        for _ in members..self.scaling.target() {
            let vacant = self.slots.iter().position(|slot| slot.state == State::Vacant);
            let at = vacant.unwrap_or_else(|| {
                self.slots.push(Slot::vacant());
                self.slots.len() - 1
            });
            self.slots[at].state = State::Waiting { until: Stamp(0) };
        }
    }

    /// Stops members that are too many, the last ones first.
    fn shrink(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        let members = (0..self.slots.len()).rev().filter(|at| self.slots[*at].is_member());
        let members: Vec<usize> = members.collect();
        let surplus = members.len().saturating_sub(self.scaling.target());
        for at in members.into_iter().take(surplus) {
            actions.extend(self.slots[at].tell_to_stop(now, at + 1));
        }
    }

    /// Stops those that retire when the others are enough.
    fn stop_replaced(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        let ready = |slot: &&Slot| slot.is_member() && slot.is_ready();
        if self.slots.iter().filter(ready).count() < self.scaling.target() {
            return;
        }
        for (worker, slot) in (1..).zip(&mut self.slots) {
            if slot.retiring.is_some() {
                actions.extend(slot.tell_to_stop(now, worker));
            }
        }
    }

    fn tick_draining(&mut self, now: Stamp, deadline: Option<Stamp>, actions: &mut Vec<Action>) {
        if self.slots.iter().all(|slot| slot.state == State::Vacant) {
            self.phase = Phase::Finished;
            actions.push(Action::Finish);
        } else if deadline.is_some_and(|deadline| deadline <= now) {
            self.phase = Phase::Draining { deadline: None };
            actions.extend(self.workers().map(|(run, _)| Action::Signal(run, Signal::Kill)));
        }
    }

    fn count(&mut self, reason: Reason) {
        *self.restarts.entry(reason).or_default() += 1;
    }

    /// The slot of a run, unless a newer start has taken its place.
    fn slot(&mut self, run: Run) -> Option<&mut Slot> {
        self.slots.get_mut(run.worker.checked_sub(1)?).filter(|slot| slot.starts == run.start)
    }
}

/// What the others get to end in when the first start has failed.
const FAILED_GRACE: Duration = Duration::from_secs(2);
/// A worker that was told to stop ends itself after 30 s; one that does not is killed.
const STOPS_WITHIN: Duration = Duration::from_secs(40);
/// The kill is sent again if it did not help: only a process that the kernel holds lives so long.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
