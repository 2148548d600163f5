//! The connections of one address that wait for their next request.
//!
//! The one used last is used next, so that those beyond the need grow old and go. A server closes
//! idle connections too, and a request may meet that: those that it closed already are seen, and
//! one that says for how long it keeps them (`Keep-Alive: timeout=5`) is not taken at its last second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{CONCURRENCY, Socket};

/// Kept connections.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Kept>>);

#[derive(Debug)]
struct Kept {
    socket: Socket,
    since: Instant,
    until: Instant,
}

/// How sure a request must be that its connection still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It can be sent again.
    Any,
    /// It must not be sent twice: the connection was used just now.
    Recent,
}

impl Pool {
    /// A connection that seems to live.
    pub(super) fn take(&self, now: Instant, freshness: Freshness) -> Option<Socket> {
        let mut kept = self.kept();
        while let Some(last) = kept
            .pop_if(|last| freshness == Freshness::Any || now.duration_since(last.since) < RECENT)
        {
            if last.is_good(now) {
                return Some(last.socket);
            }
        }
        None
    }

    /// Keeps a connection; `timeout` is how long the server says that it does.
    pub(crate) fn put(&self, socket: Socket, now: Instant, timeout: Option<Duration>) {
        let timeout = timeout.map_or(IDLE_MAX, |timeout| timeout.saturating_sub(MARGIN));
        let mut kept = self.kept();
        if kept.len() < usize::from(CONCURRENCY) && !timeout.is_zero() {
            kept.push(Kept { socket, since: now, until: now + timeout.min(IDLE_MAX) });
        }
    }

    /// Closes what has waited too long, or was closed by the server.
    pub(crate) fn sweep(&self, now: Instant) {
        self.kept().retain(|kept| kept.is_good(now));
    }

    /// Whether there is nothing to sweep.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept().is_empty()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        // A panic while holding the lock leaves a whole list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_good(&self, now: Instant) -> bool {
        now < self.until && self.socket.is_quiet()
    }
}

/// A connection is kept for so long at most.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// So long before the server would close it a connection is given up.
const MARGIN: Duration = Duration::from_secs(1);

/// A connection used within this time is most likely alive.
const RECENT: Duration = Duration::from_secs(1);
