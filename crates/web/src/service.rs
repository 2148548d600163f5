//! What all connections of a server share.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use flow::{Client, Failure, RequestId, SiteId, Trace};
use http::StatusCode;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::h1::connection::Connection;
use crate::{Settings, Sink, Site, Sites, Source};

/// Told of each request, after its last byte was sent or given up.
pub type Log = Arc<dyn Fn(&Finished<'_>) + Send + Sync>;

/// A request that is over, for the log.
#[derive(Debug)]
pub struct Finished<'a> {
    /// The site it was for, if one was found.
    pub site: Option<&'a SiteId>,
    /// The host it asked for, if it could be read.
    pub host: Option<&'a str>,
    /// Its method, or `-` if its head could not be read.
    pub method: &'a str,
    /// Its target, or `-`.
    pub target: &'a str,
    /// The status that was sent, or would have been; 499 when the client left before (nginx's).
    pub status: StatusCode,
    /// All bytes that the kernel took for it, head and content.
    pub bytes_sent: u64,
    /// The connection it came in on.
    pub client: &'a Client,
    /// Its stamps, and its id.
    pub trace: &'a Trace,
    /// Why it failed, if it did.
    pub failure: Option<&'a Failure>,
}

/// A server at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Open connections.
    pub connections: usize,
    /// Requests begun since the start.
    pub requests: u64,
    /// Whether it is finishing what it has in hand.
    pub draining: bool,
}

/// What all connections of a server share: limits, sites, and where finished requests are told.
pub struct Service {
    pub(crate) settings: Settings,
    sites: Arc<ArcSwap<Sites>>,
    finished: Log,
    seed: u64,
    requests: AtomicU64,
    connections: AtomicUsize,
    phase: watch::Sender<Phase>,
}

/// How welcome connections are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// As long as their timeouts let them.
    Open,
    /// There are too many: idle ones are closed.
    Crowded,
    /// What is in hand is answered, by this moment; then all is over.
    Draining(Instant),
}

impl Service {
    /// A service for these sites. `finished` is called on the connection's thread: it must not
    /// wait.
    pub fn new(settings: Settings, sites: Arc<ArcSwap<Sites>>, finished: Log) -> Arc<Service> {
        Arc::new(Service {
            settings,
            sites,
            finished,
            seed: RandomState::new().hash_one(std::process::id()),
            requests: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
            phase: watch::Sender::new(Phase::Open),
        })
    }

    /// Serves one connection until it ends. Whoever accepted it has set it up (TLS, TCP_NODELAY).
    pub async fn serve<R: Source, W: Sink>(self: Arc<Self>, source: R, sink: W, client: Client) {
        let _counted = Counted::new(&self.connections);
        Connection::new(self.clone(), source, sink, client).run().await;
    }

    /// The server at a glance.
    pub fn status(&self) -> Status {
        Status {
            connections: self.connections.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            draining: matches!(*self.phase.borrow(), Phase::Draining(_)),
        }
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Turns to another phase; draining is the last one.
    pub(crate) fn enter(&self, next: Phase) {
        self.phase.send_if_modified(|phase| {
            let changes = *phase != next && !matches!(phase, Phase::Draining(_));
            if changes {
                *phase = next;
            }
            changes
        });
    }

    pub(crate) fn site(&self, host: Option<&str>) -> Option<Arc<Site>> {
        self.sites.load().find(host).cloned()
    }

    /// The trace of a new request.
    pub(crate) fn trace(&self) -> Arc<Trace> {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        Arc::new(Trace::new(RequestId::new(self.seed, count)))
    }

    /// Tells of a request that is over. What went wrong with it stands in that one line, under the id
    /// of its page.
    pub(crate) fn finish(&self, request: &Finished<'_>) {
        (self.finished)(request);
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("settings", &self.settings)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// One open connection; counted off however its task ends.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(connections: &'a AtomicUsize) -> Counted<'a> {
        connections.fetch_add(1, Ordering::Relaxed);
        Counted(connections)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
