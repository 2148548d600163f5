//! What a queue says of itself: to people who ask, and to the site, which has as many workers as
//! there is work for. Plain values; nothing here decides.

use std::time::Duration;

use flow::Stamp;
use flow::control::Demand;

/// What a queue does at the moment, and has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Workers that are connected.
    pub workers: usize,
    /// Requests that wait for a worker.
    pub waiting: usize,
    /// Requests that workers are at.
    pub running: usize,
    /// Requests handed to workers so far, those handed twice counted twice.
    pub handed: u64,
    /// How many of these were written ahead to a busy worker.
    pub ahead: u64,
    /// How many of those were taken back, as the worker was slow or died.
    pub recalled: u64,
    /// How many requests were given to another worker because theirs died before it answered.
    pub repeated: u64,
    /// How many were answered 504, as their worker took too long.
    pub expired: u64,
    /// How long requests have waited for a worker.
    pub waits: Waits,
    /// The workers that are connected, each as the queue sees it.
    pub each: Vec<WorkerStatus>,
}

/// A worker as its queue sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its process id, by its own word; 0 when it has not said so.
    pub pid: u32,
    /// How many requests it has ended.
    pub served: u64,
    /// How many requests it has at the moment.
    pub running: usize,
    /// Since when it has been at the oldest of these.
    pub busy_since: Option<Stamp>,
}

/// What a queue is at, at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// What is asked of the workers.
    pub demand: Demand,
    /// How many requests they have ended so far.
    pub ended: u64,
}

/// How long requests have waited for a worker: how many of them up to each of [`Waits::BOUNDS`], and
/// how many for longer than the last. Each request is in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits(pub [u64; Waits::BOUNDS.len() + 1]);

impl Waits {
    /// The longest wait that each place but the last counts.
    pub const BOUNDS: [Duration; 8] = [
        Duration::from_millis(1),
        Duration::from_millis(5),
        Duration::from_millis(20),
        Duration::from_millis(100),
        Duration::from_millis(500),
        Duration::from_secs(2),
        Duration::from_secs(5),
        Duration::from_secs(10),
    ];

    /// Counts a request that has waited so long.
    pub(crate) fn add(&mut self, waited: Duration) {
        self.0[Waits::BOUNDS.partition_point(|bound| *bound < waited)] += 1;
    }
}
