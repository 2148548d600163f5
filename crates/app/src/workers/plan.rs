//! When workers are started, restarted and stopped. Pure: [`Plan::step`] takes the time and what
//! happened, and answers with what to do.
//!
//! ```text
//!            Start                 ready
//!   Waiting ──────▶ Starting ───────────────▶ Ready
//!      ▲               │ 60 s: killed            │
//!      │  back-off     ▼                         ▼
//!      '───────────── died ◀───────────────── died
//!                      │ before any worker was ever ready
//!                      ▼
//!                    Failed: all are stopped; starting again would not help
//!   drain: all are told to stop, and killed at the deadline; the end of the last finishes the plan
//! ```

use std::time::Duration;

use flow::Stamp;
use proc::{Backoff, Readiness, Signal};

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
    Died { run: Run, lived: Duration, wait: Duration },
    /// Say that it is not ready in time and was killed.
    Overdue(Run),
    /// The very first start failed, with this worker.
    Fail(Run),
    /// Nothing runs any more, and nothing will.
    Finish,
}

/// How a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting {
        until: Stamp,
    },
    Starting {
        since: Stamp,
    },
    Ready {
        since: Stamp,
    },
    /// Killed or told to stop; its end is awaited.
    Stopping {
        since: Stamp,
    },
    Ended,
}

/// The states of a site's workers.
#[derive(Debug)]
pub(super) struct Plan {
    slots: Vec<Slot>,
    ever_ready: bool,
    phase: Phase,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) state: State,
    pub(super) starts: u32,
    backoff: Backoff,
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
    /// `count` workers that have not been started; the first Tick starts them.
    pub(super) fn new(count: usize) -> Plan {
        let waiting = || Slot {
            state: State::Waiting { until: Stamp(0) },
            starts: 0,
            backoff: Backoff::new(),
        };
        let slots = (0..count).map(|_| waiting()).collect();
        Plan { slots, ever_ready: false, phase: Phase::Running }
    }

    /// Each worker's state, the first one first.
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The runs that are ready.
    pub(super) fn ready(&self) -> impl Iterator<Item = Run> {
        let ready = |slot: &Slot| matches!(slot.state, State::Ready { .. });
        (1..)
            .zip(&self.slots)
            .filter(move |(_, slot)| ready(slot))
            .map(|(worker, slot)| Run { worker, start: slot.starts })
    }

    /// When the next Tick is needed, if no other event comes before.
    pub(super) fn due(&self) -> Option<Stamp> {
        let slots = self.slots.iter().filter_map(|slot| match slot.state {
            State::Waiting { until } => Some(until),
            State::Starting { since } => Some(since.after(READY_WITHIN)),
            State::Ready { .. } | State::Stopping { .. } | State::Ended => None,
        });
        match self.phase {
            Phase::Running => slots.min(),
            Phase::Draining { deadline } => deadline,
            Phase::Finished => None,
        }
    }

    /// Takes in what happened.
    pub(super) fn step(&mut self, now: Stamp, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Tick => {}
            Event::Ready(run) => self.is_ready(run, &mut actions),
            Event::Ended(run) => self.has_ended(now, run, &mut actions),
            Event::Drain(deadline) => self.drain(deadline, &mut actions),
        }
        match self.phase {
            Phase::Running => self.tick(now, &mut actions),
            Phase::Draining { deadline } => self.tick_draining(now, deadline, &mut actions),
            Phase::Finished => {}
        }
        actions
    }

    fn is_ready(&mut self, run: Run, actions: &mut Vec<Action>) {
        if let Some(slot) = self.slot(run)
            && let State::Starting { since } = slot.state
        {
            slot.state = State::Ready { since };
            self.ever_ready = true;
            actions.push(Action::Announce);
        }
    }

    fn has_ended(&mut self, now: Stamp, run: Run, actions: &mut Vec<Action>) {
        let (running, ever_ready) = (self.phase == Phase::Running, self.ever_ready);
        let Some(slot) = self.slot(run) else { return };
        let (readiness, since) = match slot.state {
            State::Waiting { .. } | State::Ended => return,
            State::Ready { since } => {
                actions.push(Action::Announce);
                (Readiness::Reached, since)
            }
            State::Starting { since } | State::Stopping { since } => (Readiness::NotReached, since),
        };
        if running && ever_ready {
            let lived = now.since(since);
            let wait = slot.backoff.died(readiness, lived);
            slot.state = State::Waiting { until: now.after(wait) };
            actions.push(Action::Died { run, lived, wait });
            return;
        }
        slot.state = State::Ended;
        if running {
            actions.push(Action::Fail(run));
            self.drain(now.after(FAILED_GRACE), actions);
        }
    }

    fn drain(&mut self, deadline: Stamp, actions: &mut Vec<Action>) {
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
            let run = Run { worker, start: slot.starts };
            match slot.state {
                State::Waiting { .. } => slot.state = State::Ended,
                State::Starting { since } | State::Ready { since } => {
                    slot.state = State::Stopping { since };
                    actions.push(Action::Signal(run, Signal::Term));
                }
                State::Stopping { .. } | State::Ended => {}
            }
        }
    }

    fn tick(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        for (worker, slot) in (1..).zip(&mut self.slots) {
            match slot.state {
                State::Waiting { until } if until <= now => {
                    slot.starts += 1;
                    slot.state = State::Starting { since: now };
                    actions.push(Action::Start(Run { worker, start: slot.starts }));
                }
                State::Starting { since } if since.after(READY_WITHIN) <= now => {
                    let run = Run { worker, start: slot.starts };
                    slot.state = State::Stopping { since };
                    actions.extend([Action::Overdue(run), Action::Signal(run, Signal::Kill)]);
                }
                State::Waiting { .. } | State::Starting { .. } => {}
                State::Ready { .. } | State::Stopping { .. } | State::Ended => {}
            }
        }
    }

    fn tick_draining(&mut self, now: Stamp, deadline: Option<Stamp>, actions: &mut Vec<Action>) {
        if self.slots.iter().all(|slot| slot.state == State::Ended) {
            self.phase = Phase::Finished;
            actions.push(Action::Finish);
        } else if deadline.is_some_and(|deadline| deadline <= now) {
            self.phase = Phase::Draining { deadline: None };
            let left = (1..).zip(&self.slots).filter(|(_, slot)| slot.state != State::Ended);
            actions.extend(left.map(|(worker, slot)| {
                Action::Signal(Run { worker, start: slot.starts }, Signal::Kill)
            }));
        }
    }

    /// The slot of a run, unless a newer start has taken its place.
    fn slot(&mut self, run: Run) -> Option<&mut Slot> {
        self.slots.get_mut(run.worker.checked_sub(1)?).filter(|slot| slot.starts == run.start)
    }
}

/// A worker that is not ready by then is killed.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// What the others get to end in when the first start has failed.
const FAILED_GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
