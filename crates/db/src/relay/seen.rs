//! A session's watch, and where the statements go that it sees: into a channel with a limit. When
//! nobody keeps up with it they are lost and counted; no byte ever waits for them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use flow::{Query, Stamp};
use tokio::sync::mpsc;

use super::lock;
use super::watch::Watch;

/// Where the statements of all sessions go.
#[derive(Debug)]
pub(super) struct Seen {
    queries: mpsc::Sender<Query>,
    missed: AtomicU64,
    unread: AtomicU64,
}

impl Seen {
    pub(super) fn new(queries: mpsc::Sender<Query>) -> Seen {
        Seen { queries, missed: AtomicU64::new(0), unread: AtomicU64::new(0) }
    }

    /// How many statements found no room.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// How many sessions could not be followed.
    pub(super) fn unread(&self) -> u64 {
        self.unread.load(Ordering::Relaxed)
    }

    /// Counts a session that can't be followed.
    pub(super) fn count_unread(&self) {
        self.unread.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self, query: Query) {
        if self.queries.try_send(query).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The watch over one session, for both of its directions.
pub(super) struct Watched<'a> {
    watch: Mutex<Watch>,
    seen: &'a Seen,
}

impl<'a> Watched<'a> {
    pub(super) fn new(watch: Watch, seen: &'a Seen) -> Watched<'a> {
        Watched { watch: Mutex::new(watch), seen }
    }

    /// Looks at bytes of the client, before the server has them.
    pub(super) fn sent(&self, bytes: &[u8]) {
        lock(&self.watch).sent(bytes, Stamp::now());
    }

    /// Looks at bytes of the server, before the client has them.
    pub(super) fn answered(&self, bytes: &[u8]) {
        lock(&self.watch).answered(bytes, Stamp::now(), &mut |query| self.seen.tell(query));
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut watch = lock(&self.watch);
        if watch.is_lost() {
            self.seen.count_unread();
        }
        watch.closed(Stamp::now(), &mut |query| self.seen.tell(query));
    }
}
