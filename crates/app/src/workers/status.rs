//! What is told of workers when somebody asks.

use std::collections::BTreeMap;

use flow::Stamp;
use serde::Serialize;

use super::memory;
use super::plan::{Reason, Run, Slot, State};

/// How a site's workers stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Each of them.
    pub workers: Vec<WorkerStatus>,
    /// How many there are to be.
    pub wanted: usize,
    /// How many were replaced, by the reason.
    pub restarts: BTreeMap<Reason, u64>,
}

/// How a worker stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerStatus {
    /// Its number, from 1.
    pub worker: usize,
    /// Its process, if there is one.
    pub pid: Option<u32>,
    /// `waiting`, `starting`, `ready`, `retiring` or `stopping`.
    pub state: &'static str,
    /// When the process was started, if there is one.
    pub started: Option<Stamp>,
    /// Its memory in bytes: its proportional share (PSS).
    pub memory: Option<u64>,
    /// How many times a worker was started again in this place.
    pub restarts: u32,
}

impl WorkerStatus {
    /// What is told of a run, whose process has this id.
    pub(super) fn of(run: Run, slot: &Slot, pid: Option<u32>) -> WorkerStatus {
        let (state, started) = match slot.state {
            State::Vacant => ("ended", None),
            State::Waiting { .. } => ("waiting", None),
            State::Starting { since } => ("starting", Some(since)),
            State::Ready { since } if slot.retiring.is_some() => ("retiring", Some(since)),
            State::Ready { since } => ("ready", Some(since)),
            State::Stopping { since, .. } => ("stopping", Some(since)),
        };
        let pid = pid.filter(|_| started.is_some());
        let restarts = slot.starts.saturating_sub(1);
        let memory = pid.and_then(memory::pss);
        WorkerStatus { worker: run.worker, pid, state, started, memory, restarts }
    }
}
