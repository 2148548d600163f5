//! One worker as the policy sees it: what it has been handed, and how quick it was of late.

use std::collections::VecDeque;
use std::time::Duration;

use flow::Stamp;

use super::{Handing, JobKey};

/// Frames that may wait at a worker behind those it runs: so many always, and more as long as all
/// of them would take next to no time. Both sides wake up once for each such batch.
const AHEAD_FRAMES_MIN: usize = 8;
const AHEAD_FRAMES_MAX: usize = 32;
const AHEAD_NS: u64 = 200_000;
/// Bytes that those may have together.
const AHEAD_BYTES_MAX: usize = 64 * 1024;
/// Requests that took less are quick.
const QUICK: Duration = Duration::from_millis(1);
/// When nothing has ended for so long, what waits behind is recalled. Such a wait is to be below
/// 5 ms, and timers are as coarse as 1 ms.
const RECALL_AFTER: Duration = Duration::from_millis(4);
/// Of so many recent requests at most one may have been slow: the 99th percentile is quick.
const RECENT: u32 = 100;
/// Fewer say nothing about a worker.
const RECENT_MIN: u32 = 20;
/// What a worker that runs several requests gets to end one of them in, whose time is over.
const GRACE: Duration = Duration::from_secs(5);

/// A request, waiting or at a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) job: JobKey,
    pub(super) handing: Handing,
    /// How long it may wait for a worker, those times counted that it comes back.
    pub(super) until: Stamp,
    pub(super) clock: Clock,
}

/// Whether a request's time at its worker is counted, and what was done about it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// No worker runs it yet.
    Unbegun,
    /// A worker runs it, and owes the head of its answer.
    Running(Stamp),
    /// Half of the time is over, and that was told.
    Slow(Stamp),
    /// The time is over, and the visitor has been answered in the worker's place.
    Expired(Stamp),
    /// The answer has begun, and may take as long as it wants; or all that can be done was done.
    Over(Stamp),
}

impl Clock {
    /// When the worker began the request.
    fn since(self) -> Option<Stamp> {
        match self {
            Clock::Unbegun => None,
            Clock::Running(at) | Clock::Slow(at) | Clock::Expired(at) | Clock::Over(at) => Some(at),
        }
    }
}

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    /// How many requests it runs at a time.
    concurrency: usize,
    /// What it was handed and has not finished, the oldest first: it runs those in front.
    sent: VecDeque<Request>,
    /// Since when those it runs have been running without one of them ending.
    since: Stamp,
    recent: Recent,
    /// It takes no more requests.
    pub(super) leaving: bool,
    /// What waits behind is being recalled already.
    pub(super) recalling: bool,
}

/// What is due for a request that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Half of its time is over.
    Slow,
    /// Its time is over.
    Expired,
    /// And the worker has not ended it, though it was told to.
    Stuck,
}

impl Worker {
    pub(super) fn new(concurrency: usize) -> Worker {
        Worker {
            concurrency: concurrency.max(1),
            sent: VecDeque::new(),
            since: Stamp::default(),
            recent: Recent::default(),
            leaving: false,
            recalling: false,
        }
    }

    /// How many requests it has.
    pub(super) fn load(&self) -> usize {
        self.sent.len()
    }

    /// Whether it would run one more at once.
    pub(super) fn has_room(&self) -> bool {
        self.sent.len() < self.concurrency
    }

    /// What waits behind the requests it runs, the oldest first.
    pub(super) fn behind(&self) -> impl Iterator<Item = &Request> {
        self.sent.range(self.concurrency.min(self.sent.len())..)
    }

    /// Whether a frame may be written ahead to it: there is room, it was quick of late, and it is
    /// quick now.
    pub(super) fn takes_ahead(&self, now: Stamp, bytes: usize) -> bool {
        let sizes = self.behind().map(|sent| match sent.handing {
            Handing::Ahead(bytes) => bytes,
            Handing::Once => 0,
        });
        !self.leaving
            && self.sent.len() < self.concurrency + self.recent.ahead_max()
            && self.recent.quick()
            && now.since(self.since) < QUICK
            && sizes.sum::<usize>() + bytes <= AHEAD_BYTES_MAX
    }

    /// When what waits behind is to be recalled.
    pub(super) fn recall_at(&self) -> Option<Stamp> {
        let waits = self.sent.len() > self.concurrency && !self.recalling;
        waits.then(|| self.since.after(RECALL_AFTER))
    }

    pub(super) fn hand(&mut self, now: Stamp, request: Request) {
        let mut clock = Clock::Unbegun;
        if self.has_room() {
            self.since = now;
            clock = Clock::Running(now);
        }
        self.sent.push_back(Request { clock, ..request });
    }

    /// How many requests it runs, and how many it could.
    pub(super) fn running(&self) -> (usize, usize) {
        (self.sent.len().min(self.concurrency), self.concurrency)
    }

    /// Whether it runs one request at a time: then no other suffers from its end.
    pub(super) fn runs_one(&self) -> bool {
        self.concurrency == 1
    }

    /// A request's answer has begun.
    pub(super) fn answers(&mut self, job: JobKey) {
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.job == job) {
            sent.clock = sent.clock.since().map_or(sent.clock, Clock::Over);
        }
    }

    /// Since when it has been at the oldest of those it runs.
    pub(super) fn busy_since(&self) -> Option<Stamp> {
        let running = self.sent.iter().take(self.concurrency);
        running.filter_map(|sent| sent.clock.since()).min()
    }

    /// What is due for the requests it runs, each thing once.
    pub(super) fn due(&mut self, now: Stamp, limit: Duration) -> Vec<(JobKey, Due)> {
        let (slow, grace) = (limit / 2, limit.saturating_add(GRACE));
        // Who runs one request at a time is killed at once.
        let expired = if self.runs_one() { Clock::Over } else { Clock::Expired };
        let running = self.sent.iter_mut().take(self.concurrency);
        let due = running.filter_map(|sent| {
            let (due, clock) = match sent.clock {
                Clock::Running(since) | Clock::Slow(since) if now >= since.after(limit) => {
                    (Due::Expired, expired(since))
                }
                Clock::Running(since) if now >= since.after(slow) => {
                    (Due::Slow, Clock::Slow(since))
                }
                Clock::Expired(since) if now >= since.after(grace) => {
                    (Due::Stuck, Clock::Over(since))
                }
                _ => return None,
            };
            sent.clock = clock;
            Some((sent.job, due))
        });
        due.collect()
    }

    /// A request has ended. That of one that only waited behind says nothing about those it runs.
    pub(super) fn ended(&mut self, now: Stamp, job: JobKey, took: Option<Duration>) {
        let Some(at) = self.place_of(job) else { return };
        self.sent.remove(at);
        if at < self.concurrency {
            self.since = now;
            self.recalling = false;
            self.begin_next(now);
        }
        took.into_iter().for_each(|took| self.recent.add(took));
    }

    /// The request that comes to run by the end of another.
    fn begin_next(&mut self, now: Stamp) {
        if let Some(next) = self.sent.get_mut(self.concurrency - 1)
            && next.clock == Clock::Unbegun
        {
            next.clock = Clock::Running(now);
        }
    }

    /// Whether it has the request.
    pub(super) fn has(&self, job: JobKey) -> bool {
        self.place_of(job).is_some()
    }

    /// Forgets a request that it has not begun.
    pub(super) fn take(&mut self, now: Stamp, job: JobKey) -> Option<Request> {
        let taken = self.sent.remove(self.place_of(job)?)?;
        self.begin_next(now);
        Some(Request { clock: Clock::Unbegun, ..taken })
    }

    fn place_of(&self, job: JobKey) -> Option<usize> {
        self.sent.iter().position(|sent| sent.job == job)
    }
}

/// Which of the last requests were slow, a bit for each, the newest lowest.
#[derive(Debug, Default)]
struct Recent {
    slow: u128,
    count: u32,
    /// How long they took, the newest ones counting most.
    mean_ns: u64,
}

impl Recent {
    fn add(&mut self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / 8;
        self.mean_ns = if self.count == 0 { ns * 8 } else { self.mean_ns / 8 * 7 + ns };
        let window = (1 << RECENT) - 1;
        self.slow = (self.slow << 1 | u128::from(took >= QUICK)) & window;
        self.count = (self.count + 1).min(RECENT);
    }

    /// How many may be written ahead, by the time that such requests took of late.
    fn ahead_max(&self) -> usize {
        let fit = AHEAD_NS / self.mean_ns.max(1);
        usize::try_from(fit).unwrap_or(usize::MAX).clamp(AHEAD_FRAMES_MIN, AHEAD_FRAMES_MAX)
    }

    /// Whether the 99th percentile is quick.
    fn quick(&self) -> bool {
        self.count >= RECENT_MIN && self.slow.count_ones() <= 1
    }
}
