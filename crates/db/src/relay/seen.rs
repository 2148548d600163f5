//! A session's watch, and where the statements go that it sees: into a channel with a limit. When
//! nobody keeps up with it they are lost and counted; no byte ever waits for them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use flow::{Query, Stamp};
use tokio::sync::mpsc;

use super::lock;
use super::watch::{Attention, Watch};

/// Where the statements of all sessions go.
#[derive(Debug)]
pub struct Seen {
    queries: mpsc::Sender<Query>,
    missed: Arc<AtomicU64>,
    listening: Arc<AtomicBool>,
    unread: AtomicU64,
}

/// The statements that were seen, in the order they ended.
#[derive(Debug)]
pub struct Statements {
    queries: mpsc::Receiver<Query>,
    missed: Arc<AtomicU64>,
    listening: Arc<AtomicBool>,
    told: u64,
}

impl Statements {
    /// The next statement; None: the relay has ended.
    pub async fn next(&mut self) -> Option<Query> {
        self.queries.recv().await
    }

    /// The next statement, if there is one already.
    pub fn waiting(&mut self) -> Option<Query> {
        self.queries.try_recv().ok()
    }

    /// Whether statements that begin from now on are to be told of; at first they are. While nobody
    /// listens the relay does not read them.
    pub fn listen(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
    }

    /// How many found no room since this was asked for the last time.
    pub fn missed(&mut self) -> u64 {
        let missed = self.missed.load(Ordering::Relaxed);
        missed - std::mem::replace(&mut self.told, missed)
    }
}

impl Seen {
    /// A way for statements, on which `room` of them may wait.
    pub fn channel(room: usize) -> (Seen, Statements) {
        let (sender, queries) = mpsc::channel(room);
        let missed = Arc::new(AtomicU64::new(0));
        let listening = Arc::new(AtomicBool::new(true));
        let statements =
            Statements { queries, missed: missed.clone(), listening: listening.clone(), told: 0 };
        (Seen { queries: sender, missed, listening, unread: AtomicU64::new(0) }, statements)
    }

    /// Tells of a statement; one that finds no room is counted.
    pub fn tell(&self, query: Query) {
        if self.queries.try_send(query).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
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
        let attention = match self.seen.listening.load(Ordering::Relaxed) {
            true => Attention::Statements,
            false => Attention::Course,
        };
        lock(&self.watch).sent(bytes, Stamp::now(), attention);
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
