//! What the server has done since it started, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Rcode;

/// The state of a server at one moment. All numbers but `tcp_open` count from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Messages that came in.
    pub queries: u64,
    /// How they were answered.
    pub answers: Answers,
    /// Answers that did not fit into a datagram, and told the client to come back over TCP.
    pub truncated: u64,
    /// Messages that got no answer: no whole header, answers themselves, or from port 0.
    pub dropped: u64,
    /// Messages that made the server panic; each was answered with SERVFAIL. More than none is a
    /// fault in davy.
    pub panics: u64,
    /// TCP connections that were taken.
    pub tcp_accepted: u64,
    /// TCP connections that were closed at once, because there were too many already.
    pub tcp_refused: u64,
    /// TCP connections open now.
    pub tcp_open: u64,
}

/// Answers by what they said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The name exists.
    pub no_error: u64,
    /// The message could not be read.
    pub form_err: u64,
    /// Something broke here.
    pub serv_fail: u64,
    /// There is no such name.
    pub nx_domain: u64,
    /// This kind of message is not implemented.
    pub not_imp: u64,
    /// Not for this server to answer.
    pub refused: u64,
    /// This version of EDNS is not implemented.
    pub bad_vers: u64,
}

/// The numbers while they are counted. Each stands for itself: a reader may see one moved and
/// another one not yet.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) queries: AtomicU64,
    by_rcode: [AtomicU64; Rcode::BadVers as usize + 1],
    pub(crate) truncated: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) tcp_accepted: AtomicU64,
    pub(crate) tcp_refused: AtomicU64,
    pub(crate) tcp_open: AtomicU64,
}

impl Counters {
    pub(crate) fn answered(&self, rcode: Rcode) {
        add(&self.by_rcode[rcode as usize]);
    }

    pub(crate) fn status(&self) -> Status {
        let by = |rcode: Rcode| self.by_rcode[rcode as usize].load(Relaxed);
        Status {
            queries: self.queries.load(Relaxed),
            answers: Answers {
                no_error: by(Rcode::NoError),
                form_err: by(Rcode::FormErr),
                serv_fail: by(Rcode::ServFail),
                nx_domain: by(Rcode::NxDomain),
                not_imp: by(Rcode::NotImp),
                refused: by(Rcode::Refused),
                bad_vers: by(Rcode::BadVers),
            },
            truncated: self.truncated.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            panics: self.panics.load(Relaxed),
            tcp_accepted: self.tcp_accepted.load(Relaxed),
            tcp_refused: self.tcp_refused.load(Relaxed),
            tcp_open: self.tcp_open.load(Relaxed),
        }
    }
}

/// Counts one more; the number before it comes back.
pub(crate) fn add(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Relaxed)
}
