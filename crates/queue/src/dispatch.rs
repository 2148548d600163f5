//! Who is next and who is free: the policy of the queue. Pure; the time comes with each event.
//!
//! First come, first served. An idle worker gets the oldest request at once, the most recently idle
//! worker first (its caches are warm); a request that nobody is free for waits, up to a limit in
//! number and in time.
//!
//! Workers that answer within a millisecond would spend their time on waiting for the next request.
//! So a request that may be repeated is written ahead to a busy worker whose recent ones were quick,
//! and runs when those before it have ended. If one of those is not quick after all, the requests
//! behind it are recalled and go elsewhere:
//!
//! ```text
//!  worker 1   [ 2 s ............................................
//!               | a | b | c |            written ahead, behind it
//!               '---'---'---'-- after 4 ms recalled --> worker 2   [..|..| a | b | c |
//! ```
//! A request that must not be run twice is handed to an idle worker alone, and never recalled.
//!
//! A worker has a limited time to begin the answer of a request that it runs (not of one that waits
//! behind). At half of it the request is called slow; at the end of it the request is answered in
//! the worker's place. A worker that runs one request at a time is killed with it; one that runs
//! several is told to give it up, and killed only if it does not, as others are at work in it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use flow::Stamp;
use flow::control::Demand;

use crate::{Settings, Waits};
use worker::{Clock, Due, Request, Worker};

mod worker;

/// A request, numbered as it came; no number is used twice.
pub(crate) type JobKey = u64;
/// A worker, by its place among the owner's links.
pub(crate) type WorkerKey = usize;

/// How a request may be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handing {
    /// To an idle worker, once.
    Once,
    /// Also ahead to a busy one, in a frame of so many bytes; it may be recalled and sent again.
    Ahead(usize),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request came.
    Arrived(JobKey, Handing),
    /// A request came back from a worker that did not begin it. It is handed out with the next
    /// event, as others may return with it that came before it.
    Returned(JobKey, Handing),
    /// Nobody waits for a request's answer any more.
    Left(JobKey),
    /// A worker is there that takes so many requests at a time.
    Up(WorkerKey, u16),
    /// A worker takes no more requests.
    Leaving(WorkerKey),
    /// A worker has gone, with all it had.
    Down(WorkerKey),
    /// A worker has begun to answer a request.
    Answering(WorkerKey, JobKey),
    /// A worker has finished a request, and was at it for so long, if it says.
    Ended(WorkerKey, JobKey, Option<Duration>),
    /// Time has passed.
    Tick,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Hand the request to the worker.
    Hand(JobKey, WorkerKey),
    /// Take the request back from the worker, which has not begun it, and say that it returned.
    Recall(JobKey, WorkerKey),
    /// Answer the request with a refusal.
    Refuse(JobKey, Refusal),
    /// Say that the worker has been at the request for half of its time.
    Slow(JobKey, WorkerKey),
    /// Answer the request in the worker's place, and tell the worker to give it up.
    Expire(JobKey, WorkerKey),
    /// End the worker: it is stuck at the request.
    Kill(JobKey, WorkerKey),
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
    /// Requests that no worker has.
    waiting: VecDeque<Request>,
    workers: BTreeMap<WorkerKey, Worker>,
    /// The workers with room, the most recently idle one last.
    idle: Vec<WorkerKey>,
    /// How many requests were handed to a worker that was busy.
    written_ahead: u64,
    waits: Waits,
}

impl Dispatch {
    pub(crate) fn new(settings: Settings) -> Dispatch {
        let (waiting, idle) = (VecDeque::new(), Vec::new());
        let (workers, waits) = (BTreeMap::new(), Waits::default());
        Dispatch { settings, waiting, workers, idle, written_ahead: 0, waits }
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What is asked of the workers at the moment.
    pub(crate) fn demand(&self, now: Stamp) -> Demand {
        let (mut busy_thousandths, mut running) = (0, 0);
        for worker in self.workers.values() {
            let (runs, could) = worker.running();
            running += runs;
            busy_thousandths += 1000 * runs / could;
        }
        let first = self.waiting.front();
        let longest = first.map(|first| waited(&self.settings, now, *first)).unwrap_or_default();
        let busy = busy_thousandths.div_ceil(1000).max(usize::from(running > 0));
        Demand { waiting: self.waiting.len(), longest, busy }
    }

    /// Since when a worker has been at the oldest request that it runs.
    pub(crate) fn busy_since(&self, worker: WorkerKey) -> Option<Stamp> {
        self.workers.get(&worker)?.busy_since()
    }

    /// How long requests have waited for a worker.
    pub(crate) fn waits(&self) -> Waits {
        self.waits
    }

    /// How many requests have been written ahead to a busy worker.
    pub(crate) fn written_ahead(&self) -> u64 {
        self.written_ahead
    }

    /// The requests that were written ahead to a worker and wait there, the oldest first.
    pub(crate) fn behind(&self, worker: WorkerKey) -> Vec<JobKey> {
        let worker = self.workers.get(&worker);
        worker.map(|worker| worker.behind().map(|sent| sent.job).collect()).unwrap_or_default()
    }

    /// When the next requests are to be recalled, if nothing happens until then: a tick is due.
    pub(crate) fn next_recall(&self) -> Option<Stamp> {
        self.workers.values().filter_map(Worker::recall_at).min()
    }

    /// Takes an event and appends what is to be done.
    pub(crate) fn step(&mut self, now: Stamp, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Arrived(job, handing) => self.arrived(now, job, handing, actions),
            Event::Returned(job, handing) => return self.returned(now, job, handing),
            Event::Answering(worker, job) => {
                let worker = self.workers.get_mut(&worker);
                return worker.into_iter().for_each(|worker| worker.answers(job));
            }
            Event::Left(left) => self.waiting.retain(|waiting| waiting.job != left),
            Event::Up(worker, concurrency) => {
                self.workers.insert(worker, Worker::new(concurrency.into()));
                self.idle.push(worker);
            }
            Event::Leaving(worker) => {
                self.idle.retain(|idle| *idle != worker);
                if let Some(worker) = self.workers.get_mut(&worker) {
                    worker.leaving = true;
                }
            }
            Event::Down(worker) => {
                self.idle.retain(|idle| *idle != worker);
                self.workers.remove(&worker);
            }
            Event::Ended(worker, job, took) => {
                self.relieve(worker, |worker| worker.ended(now, job, took));
            }
            Event::Tick => {
                self.refuse_late(now, actions);
                self.recall(now, actions);
                self.expire(now, actions);
            }
        }
        self.hand_out(now, actions);
    }

    fn arrived(&mut self, now: Stamp, job: JobKey, handing: Handing, actions: &mut Vec<Action>) {
        let until = now.after(self.settings.wait_max);
        let request = Request { job, handing, until, clock: Clock::Unbegun };
        let nobody_waits = self.waiting.is_empty();
        let may_wait = self.waiting.len() < self.settings.waiting_max;
        if may_wait || (nobody_waits && self.choose(now, request).is_some()) {
            self.waiting.push_back(request);
        } else {
            actions.push(Action::Refuse(job, Refusal::Full));
        }
    }

    /// It goes back to where it was, among those that came before and after it.
    fn returned(&mut self, now: Stamp, job: JobKey, handing: Handing) {
        let sent = self.take(now, job);
        let until = sent.map_or_else(|| now.after(self.settings.wait_max), |sent| sent.until);
        let behind = self.waiting.partition_point(|waiting| waiting.job < job);
        let until = self.waiting.get(behind).map_or(until, |next| until.min(next.until));
        self.waiting.insert(behind, Request { job, handing, until, clock: Clock::Unbegun });
    }

    /// Takes a request from the worker that has it. If it was about to run there, because what was
    /// before it ended while it was being recalled, the worker has room again.
    fn take(&mut self, now: Stamp, job: JobKey) -> Option<Request> {
        let key = self.workers.iter().find(|(_, worker)| worker.has(job)).map(|(key, _)| *key)?;
        self.relieve(key, |worker| worker.take(now, job))?
    }

    /// Takes something off a worker; if that gives it room, it is the most recently idle one.
    fn relieve<T>(&mut self, key: WorkerKey, take: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        let worker = self.workers.get_mut(&key)?;
        let had_room = worker.has_room();
        let taken = take(worker);
        if worker.has_room() && !had_room && !worker.leaving {
            self.idle.push(key);
        }
        Some(taken)
    }

    /// All wait equally long, so the oldest is always in front.
    fn refuse_late(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        while let Some(first) = self.waiting.pop_front_if(|first| first.until <= now) {
            actions.push(Action::Refuse(first.job, Refusal::Late));
        }
    }

    fn recall(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        for (key, worker) in &mut self.workers {
            if worker.recall_at().is_some_and(|at| at <= now) {
                worker.recalling = true;
                actions.extend(worker.behind().map(|sent| Action::Recall(sent.job, *key)));
            }
        }
    }

    /// Looks for workers that have been at a request for too long.
    fn expire(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        for (key, worker) in &mut self.workers {
            for (job, due) in worker.due(now, self.settings.request_max) {
                match due {
                    Due::Slow => actions.push(Action::Slow(job, *key)),
                    Due::Stuck => actions.push(Action::Kill(job, *key)),
                    Due::Expired => {
                        actions.push(Action::Expire(job, *key));
                        actions.extend(worker.runs_one().then_some(Action::Kill(job, *key)));
                    }
                }
            }
        }
    }

    /// Strictly in the order of arrival: who must wait for an idle worker is not overtaken.
    fn hand_out(&mut self, now: Stamp, actions: &mut Vec<Action>) {
        while let Some(request) = self.waiting.front().copied()
            && let Some(key) = self.choose(now, request)
            && let Some(worker) = self.workers.get_mut(&key)
        {
            self.waiting.pop_front();
            self.waits.add(waited(&self.settings, now, request));
            self.written_ahead += u64::from(!worker.has_room());
            worker.hand(now, request);
            if !worker.has_room() {
                self.idle.retain(|idle| *idle != key);
            }
            actions.push(Action::Hand(request.job, key));
        }
    }

    /// The worker for a request, if there is one: the most recently idle one, or else the least
    /// loaded one that it may be written ahead to.
    fn choose(&self, now: Stamp, request: Request) -> Option<WorkerKey> {
        if let Some(idle) = self.idle.last() {
            return Some(*idle);
        }
        let Handing::Ahead(bytes) = request.handing else { return None };
        let mut quick = self.workers.iter().filter(|(_, worker)| worker.takes_ahead(now, bytes));
        let first = quick.next()?;
        let least = quick
            .fold(first, |least, next| if next.1.load() < least.1.load() { next } else { least });
        Some(*least.0)
    }
}

/// How long a request has waited, by the time until which it may.
fn waited(settings: &Settings, now: Stamp, request: Request) -> Duration {
    settings.wait_max.saturating_sub(request.until.since(now))
}

#[cfg(test)]
mod tests;
