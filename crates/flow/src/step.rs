//! The nine steps, and the stamps a request collects on its way through them.
//!
//! All stamps are CLOCK_MONOTONIC nanoseconds, so that stamps taken in different processes of one
//! machine (edge, worker) can be compared. A stamp of zero means "did not happen".

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One of the nine steps of a request. Pages, log lines and traces name failures by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// 1: the visitor's browser.
    Browser,
    /// 2: the question for an address.
    Dns,
    /// 3: the record that answers it.
    Record,
    /// 4: TCP, TLS, the HTTP request.
    Connect,
    /// 5: the web server: routing and static files.
    Web,
    /// 6: waiting for a free worker.
    Queue,
    /// 7: the site's own code, and its database.
    App,
    /// 8: the application's response on its way back.
    Answer,
    /// 9: the response on its way to the browser.
    Response,
}

impl Step {
    /// The step's name as it stands in logs, pages and traces.
    pub fn name(self) -> &'static str {
        match self {
            Step::Browser => "browser",
            Step::Dns => "dns",
            Step::Record => "record",
            Step::Connect => "connect",
            Step::Web => "web",
            Step::Queue => "queue",
            Step::App => "app",
            Step::Answer => "answer",
            Step::Response => "response",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A moment on CLOCK_MONOTONIC, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The present moment.
    pub fn now() -> Stamp {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Stamp(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
    }

    /// The time from `earlier` to this stamp; zero when it lies the other way round.
    pub fn since(self, earlier: Stamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This stamp moved into the future.
    pub fn after(self, wait: Duration) -> Stamp {
        Stamp(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// What stands on an error page and in the log line of the same request: 12 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// The id of the `count`-th request of a server seeded with `seed`. Neighbours look unrelated
    /// (the finaliser of splitmix64), so ids of two servers or two restarts hardly ever collide.
    pub fn new(seed: u64, count: u64) -> RequestId {
        let mut z = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        RequestId((z ^ (z >> 31)) >> 16)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// A moment in the life of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The connection was accepted (only on its first request).
    Accepted,
    /// The request's first byte was there.
    Begun,
    /// The request's head was complete and understood.
    Received,
    /// The request was handed to the site's queue.
    Queued,
    /// The queue handed it to a worker.
    Handed,
    /// The worker started the application (the worker's own stamp).
    Started,
    /// The application had returned all of its answer (the worker's own stamp).
    Ended,
    /// The head of the response was there for the web step.
    Answered,
    /// The last byte of the response was given to the kernel.
    Sent,
}

const MARKS: usize = Mark::Sent as usize + 1;

/// The stamps of one request, shared by the steps it passes. Each step writes its own marks.
#[derive(Debug)]
pub struct Trace {
    /// The id that page, log line and trace share.
    pub id: RequestId,
    marks: [AtomicU64; MARKS],
    worker: AtomicU32,
}

impl Trace {
    /// A trace with no marks yet.
    pub fn new(id: RequestId) -> Trace {
        Trace { id, marks: [const { AtomicU64::new(0) }; MARKS], worker: AtomicU32::new(0) }
    }

    /// Leaves a mark; a second one at the same place replaces the first.
    pub fn mark(&self, mark: Mark, at: Stamp) {
        self.marks[mark as usize].store(at.0, Ordering::Relaxed);
    }

    /// When the mark was left, if it was.
    pub fn at(&self, mark: Mark) -> Option<Stamp> {
        match self.marks[mark as usize].load(Ordering::Relaxed) {
            0 => None,
            at => Some(Stamp(at)),
        }
    }

    /// Says which worker the request was handed to, by its process id; the last one counts.
    pub fn hand_to(&self, worker: u32) {
        self.worker.store(worker, Ordering::Relaxed);
    }

    /// The process id of the worker it was handed to, if it was.
    pub fn worker(&self) -> Option<u32> {
        Some(self.worker.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// How long a step took, if both of its ends were marked.
    ///
    /// ```text
    /// Accepted  Begun  Received  Queued  Handed  Started  Ended  Answered  Sent
    ///    '-connect-'      '--web--'--queue--'       '--app--'        '--response--'
    ///                                               '--- answer: Handed..Answered less app
    /// ```
    /// `answer` is the hand-over there and back: from the hand-over to the head of the answer,
    /// without the application's own time. It is left out while the answer still streams.
    pub fn took(&self, step: Step) -> Option<Duration> {
        match step {
            Step::Browser | Step::Dns | Step::Record => None,
            Step::Connect => self.between(Mark::Accepted, Mark::Received),
            Step::Web => self
                .between(Mark::Received, Mark::Queued)
                .or_else(|| self.between(Mark::Received, Mark::Answered)),
            Step::Queue => self.between(Mark::Queued, Mark::Handed),
            Step::App => self.between(Mark::Started, Mark::Ended),
            Step::Answer => {
                let whole = self.between(Mark::Handed, Mark::Answered)?;
                Some(whole.saturating_sub(self.took(Step::App)?))
            }
            Step::Response => self.between(Mark::Answered, Mark::Sent),
        }
    }

    /// From the first byte of the request to the last byte of the response.
    pub fn total(&self) -> Option<Duration> {
        self.between(Mark::Begun, Mark::Sent)
    }

    fn between(&self, from: Mark, to: Mark) -> Option<Duration> {
        Some(self.at(to)?.since(self.at(from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_measured_between_their_marks() {
        let trace = Trace::new(RequestId::new(7, 1));
        let marks = [Mark::Begun, Mark::Received, Mark::Queued, Mark::Handed, Mark::Started];
        for (at, mark) in (1u64..).zip(marks) {
            trace.mark(mark, Stamp(at * 1_000));
        }
        assert_eq!(trace.took(Step::Web), Some(Duration::from_micros(1)));
        assert_eq!(trace.took(Step::Queue), Some(Duration::from_micros(1)));
        assert_eq!(trace.took(Step::App), None, "the application has not ended");
        trace.mark(Mark::Ended, Stamp(9_000));
        trace.mark(Mark::Answered, Stamp(10_000));
        trace.mark(Mark::Sent, Stamp(11_000));
        assert_eq!(trace.took(Step::App), Some(Duration::from_micros(4)));
        assert_eq!(trace.took(Step::Answer), Some(Duration::from_micros(2)));
        assert_eq!(trace.total(), Some(Duration::from_micros(10)));
    }

    #[test]
    fn ids_are_twelve_hexadecimal_digits_and_differ() {
        let ids: Vec<String> = (0..1000).map(|n| RequestId::new(3, n).to_string()).collect();
        assert!(ids.iter().all(|id| id.len() == 12));
        let distinct: std::collections::HashSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
