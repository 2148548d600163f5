//! The stamps a request collects on its way through the steps.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{RequestId, Stamp, Step};

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

    /// The marks so far.
    pub fn marks(&self) -> Marks {
        Marks(std::array::from_fn(|mark| self.stamp(mark)))
    }

    /// When the mark was left, if it was.
    pub fn at(&self, mark: Mark) -> Option<Stamp> {
        Some(self.stamp(mark as usize)).filter(|at| at.0 != 0)
    }

    fn stamp(&self, mark: usize) -> Stamp {
        Stamp(self.marks[mark].load(Ordering::Relaxed))
    }

    /// Says which worker the request was handed to, by its process id; the last one counts.
    pub fn hand_to(&self, worker: u32) {
        self.worker.store(worker, Ordering::Relaxed);
    }

    /// The process id of the worker it was handed to, if it was.
    pub fn worker(&self) -> Option<u32> {
        Some(self.worker.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }
}

/// The marks of a request, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks([Stamp; MARKS]);

impl Marks {
    /// When the mark was left, if it was.
    pub fn at(&self, mark: Mark) -> Option<Stamp> {
        Some(self.0[mark as usize]).filter(|at| at.0 != 0)
    }

    /// When a step began, if it was marked.
    pub fn began(&self, step: Step) -> Option<Stamp> {
        match step {
            Step::Browser | Step::Dns | Step::Record => None,
            Step::Connect => self.at(Mark::Accepted),
            Step::Web => self.at(Mark::Received),
            Step::Queue => self.at(Mark::Queued),
            Step::App => self.at(Mark::Started),
            Step::Answer => self.at(Mark::Ended),
            Step::Response => self.at(Mark::Answered),
        }
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
        let took = |step| trace.marks().took(step);
        let marks = [Mark::Begun, Mark::Received, Mark::Queued, Mark::Handed, Mark::Started];
        for (at, mark) in (1u64..).zip(marks) {
            trace.mark(mark, Stamp(at * 1_000));
        }
        assert_eq!(took(Step::Web), Some(Duration::from_micros(1)));
        assert_eq!(took(Step::Queue), Some(Duration::from_micros(1)));
        assert_eq!(took(Step::App), None, "the application has not ended");
        trace.mark(Mark::Ended, Stamp(9_000));
        trace.mark(Mark::Answered, Stamp(10_000));
        trace.mark(Mark::Sent, Stamp(11_000));
        assert_eq!(took(Step::App), Some(Duration::from_micros(4)));
        assert_eq!(took(Step::Answer), Some(Duration::from_micros(2)));
        assert_eq!(trace.marks().total(), Some(Duration::from_micros(10)));
    }
}
