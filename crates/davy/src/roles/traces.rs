//! What the edge remembers of requests and statements, for `davy trace`: bounded, and joined only
//! when somebody asks.
//!
//! ```text
//!  web ──Finished──▶ note ──▶ past requests: worker, started, ended     ┐
//!                       └───▶ the one that is watched for ─▶ its caller ├─▶ join ─▶ statements
//!  db ────Passed───▶ pass ──▶ past statements: pid, begun, ended        ┘
//! ```
//! A statement belongs to a request if the process that asked it is the request's worker, and it
//! began while the worker was at the request. With several requests at a time in one worker that may
//! be true of more than one: then it is marked.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flow::{Flush, Mark, Marks, Passed, Query, Stamp};
use proc::Channel;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use web::Finished;

use crate::settings::start::EdgeStart;
use crate::trace::told::{Statement, Told, Visited, Wish};

/// What is remembered; one for all threads of the edge.
#[derive(Clone, Debug)]
pub(crate) struct Traces(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What [`Wish::Addresses`] is answered with.
    addresses: Told,
    past: Mutex<Past>,
    /// The channel to the database's side, while there is one.
    db: Mutex<Option<Arc<Channel>>>,
    flushes: AtomicU64,
    flushed: watch::Sender<u64>,
    /// How many requests are watched for: while there is none, nothing is remembered.
    watching: AtomicUsize,
}

#[derive(Debug, Default)]
struct Past {
    runs: VecDeque<Run>,
    queries: VecDeque<Query>,
    missed: u64,
    watched: HashMap<SocketAddr, oneshot::Sender<Visited>>,
}

/// When a worker was at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    worker: u32,
    started: Stamp,
    ended: Stamp,
}

impl Run {
    /// The run of a request, if a worker was at it. One whose end the worker did not tell was over
    /// when the answer was sent.
    fn of(worker: Option<u32>, marks: &Marks) -> Option<Run> {
        let ended = marks.at(Mark::Ended).or_else(|| marks.at(Mark::Sent))?;
        Some(Run { worker: worker?, started: marks.at(Mark::Started)?, ended })
    }

    fn has(&self, query: &Query) -> bool {
        self.worker == query.pid && self.started <= query.begun && query.begun <= self.ended
    }
}

impl Traces {
    pub(crate) fn new(settings: &EdgeStart) -> Traces {
        let EdgeStart { http, dns, tracing, .. } = *settings;
        Traces::telling(Told::Addresses { http, dns, tracing })
    }

    fn telling(addresses: Told) -> Traces {
        let (past, db) = Default::default();
        let flushed = watch::Sender::new(0);
        let (flushes, watching) = Default::default();
        Traces(Arc::new(Shared { addresses, past, db, flushes, flushed, watching }))
    }

    /// Takes note of a request that is over.
    pub(crate) fn note(&self, finished: &Finished<'_>) {
        if self.0.watching.load(Ordering::Acquire) == 0 {
            return;
        }
        let marks = finished.trace.marks();
        let worker = finished.trace.worker();
        let mut past = self.past();
        if let Some(run) = Run::of(worker, &marks) {
            keep(&mut past.runs, run, RUNS_MAX);
        }
        if let Some(caller) = past.watched.remove(&finished.client.address) {
            // A caller that has gone wants nothing any more.
            let _ = caller.send(Visited {
                id: finished.trace.id,
                site: finished.site.map(ToString::to_string),
                status: finished.status.as_u16(),
                bytes_sent: finished.bytes_sent,
                marks,
                worker,
                failure: finished.failure.map(|failure| (failure.step, failure.cause.clone())),
            });
        }
    }

    /// Listens to the database's side, until it ends.
    pub(crate) async fn attend_database(self, channel: Channel) {
        let channel = Arc::new(channel);
        *self.db() = Some(channel.clone());
        loop {
            match channel.receive::<Passed>().await {
                Ok(Some((passed, _))) => self.pass(passed),
                Ok(None) => break,
                Err(error) => break tracing::error!(%error, "the database's side sent nonsense"),
            }
        }
        // Another one may have been met meanwhile.
        self.db().take_if(|db| Arc::ptr_eq(db, &channel));
    }

    fn pass(&self, passed: Passed) {
        let mut past = self.past();
        past.missed += passed.missed;
        passed.queries.into_iter().for_each(|query| keep(&mut past.queries, query, QUERIES_MAX));
        drop(past);
        self.0.flushed.send_modify(|flushed| *flushed = passed.flushed.max(*flushed));
    }

    /// Answers a command's wishes, until it ends.
    pub(crate) async fn attend_console(self, channel: Channel) {
        while let Ok(Some((wish, _))) = channel.receive::<Wish>().await {
            let told = match wish {
                Wish::Addresses => channel.send(&self.0.addresses, &[]).await,
                Wish::Watch(client) => self.watch(client, &channel).await,
            };
            if told.is_err() {
                return;
            }
        }
    }

    /// Tells of the next request from there. Only meanwhile is anything remembered, and does the
    /// relay look at statements.
    async fn watch(&self, client: SocketAddr, channel: &Channel) -> std::io::Result<()> {
        let watching = Watching::begin(&self.0.watching);
        let watched = self.watch_one(client, channel).await;
        drop(watching);
        self.ask_database();
        watched
    }

    async fn watch_one(&self, client: SocketAddr, channel: &Channel) -> std::io::Result<()> {
        self.flush().await;
        let missed_before = self.past().missed;
        let Some(visited) = self.watch_for(client) else {
            return channel.send(&Told::Busy, &[]).await;
        };
        channel.send(&Told::Watching, &[]).await?;
        let visited = tokio::select! {
            visited = visited => visited.map_err(std::io::Error::other)?,
            _ = channel.receive::<Wish>() => return Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        self.flush().await;
        let (statements, missed) = self.statements(&visited);
        channel.send(&Told::Visited(Box::new(visited)), &[]).await?;
        for some in statements.chunks(STATEMENTS_TOLD) {
            channel.send(&Told::Statements(some.to_vec()), &[]).await?;
        }
        channel.send(&Told::End { missed: missed - missed_before }, &[]).await
    }

    /// Lets the next request from there be told; None when too many are watched for.
    fn watch_for(&self, client: SocketAddr) -> Option<oneshot::Receiver<Visited>> {
        let (caller, visited) = oneshot::channel();
        let mut past = self.past();
        past.watched.retain(|_, caller| !caller.is_closed());
        (past.watched.len() < WATCHED_MAX).then(|| {
            past.watched.insert(client, caller);
            visited
        })
    }

    /// Waits, for a moment at most, until all statements so far are known.
    async fn flush(&self) {
        if let Some(number) = self.ask_database() {
            let mut flushed = self.0.flushed.subscribe();
            let _ = timeout(FLUSH_MAX, flushed.wait_for(|flushed| *flushed >= number)).await;
        }
    }

    /// Asks the database's side for what passed so far, and to go on if anybody watches. None when
    /// there is no such side.
    fn ask_database(&self) -> Option<u64> {
        let db = self.db().clone()?;
        let number = self.0.flushes.fetch_add(1, Ordering::Relaxed) + 1;
        let listening = self.0.watching.load(Ordering::Acquire) > 0;
        db.try_send(&Flush { number, listening }, &[]).ok().map(|()| number)
    }

    fn statements(&self, visited: &Visited) -> (Vec<Statement>, u64) {
        let past = self.past();
        let run = Run::of(visited.worker, &visited.marks);
        let statements = run.map(|run| join(run, &past.runs, &past.queries)).unwrap_or_default();
        (statements, past.missed)
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.0.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn db(&self) -> MutexGuard<'_, Option<Arc<Channel>>> {
        self.0.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one that watches.
struct Watching<'a>(&'a AtomicUsize);

impl<'a> Watching<'a> {
    fn begin(watching: &'a AtomicUsize) -> Watching<'a> {
        watching.fetch_add(1, Ordering::AcqRel);
        Watching(watching)
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The statements of a run, in the order they ended.
fn join(run: Run, runs: &VecDeque<Run>, queries: &VecDeque<Query>) -> Vec<Statement> {
    let own = queries.iter().filter(|query| run.has(query)).take(STATEMENTS_MAX);
    let sure = |query: &Query| !runs.iter().any(|other| *other != run && other.has(query));
    own.map(|query| Statement { query: query.clone(), sure: sure(query) }).collect()
}

/// Adds to a queue that forgets its oldest.
fn keep<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// Requests that are remembered, of all sites.
const RUNS_MAX: usize = 4096;
/// Statements that are remembered, of all sites; each has a text of 1 KiB at most.
const QUERIES_MAX: usize = 2048;
/// Statements that one trace tells.
const STATEMENTS_MAX: usize = 1000;
/// Statements in one message: with all that JSON adds, these fit into one packet.
const STATEMENTS_TOLD: usize = 8;
/// Requests that may be watched for at a time.
const WATCHED_MAX: usize = 16;
const FLUSH_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
