//! The place of one worker: its state, and what is known of the process in it.

use std::time::Duration;

use flow::Stamp;
use proc::{Backoff, Signal};

use super::{Action, Reason, Run, STOPS_WITHIN};

/// How a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum State {
    /// There is none, and none is to come.
    Vacant,
    /// It is to be started.
    Waiting { until: Stamp },
    /// Its application is being loaded.
    Starting { since: Stamp },
    /// It accepts requests.
    Ready { since: Stamp },
    /// Killed or told to stop; its end is awaited. `overdue`: as it was not ready in time.
    Stopping { since: Stamp, kill: Stamp, overdue: bool },
}

/// The place of one worker.
#[derive(Debug)]
pub(in super::super) struct Slot {
    pub(in super::super) state: State,
    pub(in super::super) starts: u32,
    /// Another takes its place, for this reason.
    pub(in super::super) retiring: Option<Reason>,
    /// How many requests it has served.
    pub(in super::super) served: u64,
    /// Its memory when that was last looked at, in bytes.
    pub(in super::super) memory: u64,
    /// When it is as old as it may be.
    pub(super) ends: Option<Stamp>,
    pub(super) backoff: Backoff,
}

impl Slot {
    /// A place for a worker that has none so far.
    pub(super) fn vacant() -> Slot {
        Slot {
            state: State::Vacant,
            starts: 0,
            retiring: None,
            served: 0,
            memory: 0,
            ends: None,
            backoff: Backoff::new(),
        }
    }

    pub(super) fn run(&self, worker: usize) -> Run {
        Run { worker, start: self.starts }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Whether it is one of those that there are to be.
    pub(super) fn is_member(&self) -> bool {
        let gone = matches!(self.state, State::Vacant | State::Stopping { overdue: false, .. });
        !gone && self.retiring.is_none()
    }

    /// Whether nothing is about to change here: nothing was started that is not ready yet.
    pub(super) fn is_settled(&self) -> bool {
        let begun = matches!(self.state, State::Waiting { .. } | State::Starting { .. });
        !begun && !matches!(self.state, State::Stopping { overdue: true, .. })
    }

    /// When time alone changes something.
    pub(super) fn due(&self) -> Option<Stamp> {
        match self.state {
            State::Vacant => None,
            State::Waiting { until } => Some(until),
            State::Starting { since } => Some(since.after(READY_WITHIN)),
            State::Ready { .. } => self.ends.filter(|_| self.retiring.is_none()),
            State::Stopping { kill, .. } => Some(kill),
        }
    }

    pub(super) fn vacate(&mut self) {
        (self.state, self.retiring) = (State::Vacant, None);
    }

    /// A process is started here.
    pub(super) fn begin(&mut self, now: Stamp) {
        self.starts += 1;
        self.state = State::Starting { since: now };
        (self.served, self.memory, self.ends, self.retiring) = (0, 0, None, None);
    }

    /// Its end is awaited from now on.
    pub(super) fn stop(&mut self, now: Stamp, since: Stamp, within: Duration) {
        self.state = State::Stopping { since, kill: now.after(within), overdue: false };
    }

    /// Ends it gracefully, if there is something to end.
    pub(super) fn tell_to_stop(&mut self, now: Stamp, worker: usize) -> Vec<Action> {
        let run = self.run(worker);
        match self.state {
            State::Waiting { .. } => {
                self.vacate();
                Vec::new()
            }
            State::Starting { since } => {
                self.stop(now, since, STOPS_WITHIN);
                vec![Action::Signal(run, Signal::Term)]
            }
            State::Ready { since } => {
                self.stop(now, since, STOPS_WITHIN);
                // The edge gives it nothing more, and what it has not begun goes elsewhere.
                vec![Action::Announce, Action::Signal(run, Signal::Term)]
            }
            State::Stopping { .. } | State::Vacant => Vec::new(),
        }
    }

    /// Kills what is not ready, or has not ended, in time.
    pub(super) fn end_late(&mut self, now: Stamp, worker: usize, actions: &mut Vec<Action>) {
        let run = self.run(worker);
        match self.state {
            State::Starting { since } if since.after(READY_WITHIN) <= now => {
                let kill = now.after(KILL_AGAIN);
                self.state = State::Stopping { since, kill, overdue: true };
                actions.extend([Action::Overdue(run), Action::Signal(run, Signal::Kill)]);
            }
            State::Stopping { since, kill, overdue } if kill <= now => {
                let kill = now.after(KILL_AGAIN);
                self.state = State::Stopping { since, kill, overdue };
                actions.push(Action::Signal(run, Signal::Kill));
            }
            _ => {}
        }
    }
}

/// A worker that is not ready by then is killed.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A kill that did not help is repeated.
const KILL_AGAIN: Duration = Duration::from_secs(60);
