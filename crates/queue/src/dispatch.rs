//! Who is next and who is free: the policy of the queue. Pure; the time comes with each event.
//!
//! First come, first served. An idle worker gets the oldest request at once, the most recently idle
//! worker first (its caches are warm); a request that nobody is free for waits, up to a limit in
//! number and in time.

use std::collections::{HashMap, VecDeque};

use flow::Stamp;

use crate::Settings;

/// A request, by its place among the owner's jobs.
pub(crate) type JobKey = usize;
/// A worker, by its place among the owner's links.
pub(crate) type WorkerKey = usize;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request came.
    Arrived(JobKey),
    /// A request came back from a worker that did not begin it.
    Returned(JobKey),
    /// Nobody waits for a request's answer any more.
    Left(JobKey),
    /// A worker is there that takes so many requests at a time.
    Up(WorkerKey, u16),
    /// A worker takes no more requests.
    Down(WorkerKey),
    /// A worker has finished a request.
    Freed(WorkerKey),
    /// Time has passed.
    Tick,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Hand the request to the worker.
    Hand(JobKey, WorkerKey),
    /// Answer the request with a refusal.
    Refuse(JobKey, Refusal),
}

/// Why a request gets no worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too many wait already.
    Full,
    /// It waited too long.
    Late,
}

/// The state of the policy.
#[derive(Debug)]
pub(crate) struct Dispatch {
    settings: Settings,
    waiting: VecDeque<(JobKey, Stamp)>,
    /// How many more requests each worker takes.
    free: HashMap<WorkerKey, u16>,
    /// The workers with room, the most recently idle one last.
    idle: Vec<WorkerKey>,
}

impl Dispatch {
    pub(crate) fn new(settings: Settings) -> Dispatch {
        Dispatch { settings, waiting: VecDeque::new(), free: HashMap::new(), idle: Vec::new() }
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes an event and appends what is to be done.
    pub(crate) fn step(&mut self, now: Stamp, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Arrived(job) => self.arrived(now, job, actions),
            Event::Returned(job) => self.returned(now, job),
            Event::Left(left) => self.waiting.retain(|(job, _)| *job != left),
            Event::Up(worker, concurrency) => {
                self.free.insert(worker, concurrency);
                self.idle.push(worker);
            }
            Event::Down(worker) => {
                self.free.remove(&worker);
                self.idle.retain(|idle| *idle != worker);
            }
            Event::Freed(worker) => self.freed(worker),
            Event::Tick => self.refuse_late(now, actions),
        }
        self.hand_out(actions);
    }

    fn arrived(&mut self, now: Stamp, job: JobKey, actions: &mut Vec<Action>) {
        if self.idle.is_empty() && self.waiting.len() >= self.settings.waiting_max {
            actions.push(Action::Refuse(job, Refusal::Full));
        } else {
            self.waiting.push_back((job, now.after(self.settings.wait_max)));
        }
    }

    /// It goes to the front, where it was; and no later than who is there now.
    fn returned(&mut self, now: Stamp, job: JobKey) {
        let until = now.after(self.settings.wait_max);
        let until = self.waiting.front().map_or(until, |(_, first)| until.min(*first));
        self.waiting.push_front((job, until));
    }

    fn freed(&mut self, worker: WorkerKey) {
        // A worker that is down is not in the table any more.
        let Some(free) = self.free.get_mut(&worker) else { return };
        *free += 1;
        if *free == 1 {
            self.idle.push(worker);
        }
    }

    /// All wait equally long, so the oldest is always in front.
    fn refuse_late(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        while let Some((job, until)) = self.waiting.front().copied()
            && until <= now
        {
            self.waiting.pop_front();
            actions.push(Action::Refuse(job, Refusal::Late));
        }
    }

    fn hand_out(&mut self, actions: &mut Vec<Action>) {
        while let Some(worker) = self.idle.last().copied()
            && let Some((job, _)) = self.waiting.pop_front()
        {
            actions.push(Action::Hand(job, worker));
            let free = self.free.entry(worker).or_insert(1);
            *free -= 1;
            if *free == 0 {
                self.idle.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests;
