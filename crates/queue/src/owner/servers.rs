//! The owner's part with upstreams that speak HTTP: which of them can be reached, and which requests
//! they are at.
//!
//! ```text
//!  listed ─▶ Connecting ──reached──▶ Up: a worker to the policy ──not reached──▶ Connecting …
//!               '── again, after 20 ms to 1 s: meanwhile requests wait in the queue, with its limits
//! ```

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use flow::control::Server;
use flow::{Failure, Mark, Stamp, Step};
use http::StatusCode;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Command, Owner, RECONNECT_MAX, RECONNECT_MIN};
use crate::dispatch::{Event, JobKey};
use crate::http::{CONCURRENCY, Exchange, Outcome, Pool, Report, Socket};
use crate::stream::Ticket;

/// The servers of an upstream, each by its number as a worker.
#[derive(Default)]
pub(super) struct Servers {
    listed: BTreeMap<usize, Listed>,
    /// The requests that they are at, each with the way to answer in a server's place.
    exchanges: HashMap<JobKey, oneshot::Sender<Failure>>,
    /// Why one could not be reached, while none is.
    unreached: Option<String>,
}

struct Listed {
    server: Arc<Server>,
    pool: Arc<Pool>,
    state: State,
}

enum State {
    Connecting(AbortHandle),
    Up,
}

impl Servers {
    /// How many requests they are at.
    pub(super) fn running(&self) -> usize {
        self.exchanges.len()
    }

    /// How many can be reached.
    pub(super) fn up(&self) -> usize {
        self.listed.values().filter(|listed| matches!(listed.state, State::Up)).count()
    }

    /// Why none of them can be reached.
    pub(super) fn unreached(&self) -> Option<&str> {
        self.unreached.as_deref().filter(|_| !self.listed.is_empty() && self.up() == 0)
    }

    /// Whether connections wait that grow old.
    pub(super) fn keep_any(&self) -> bool {
        self.listed.values().any(|listed| !listed.pool.is_empty())
    }

    /// Closes connections that have waited too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.listed.values().for_each(|listed| listed.pool.sweep(now));
    }

    /// Answers a request in its server's place, unless its answer has begun; says whether it is at one.
    pub(super) fn expire(&mut self, job: JobKey, failure: Failure) -> bool {
        let exchange = self.exchanges.remove(&job);
        exchange.is_some_and(|exchange| exchange.send(failure).is_ok())
    }
}

impl Owner {
    /// Takes on a new list of servers.
    pub(super) fn list_servers(&mut self, mut wanted: Vec<Server>) {
        let old: Vec<(usize, Arc<Server>)> =
            self.servers.listed.iter().map(|(key, listed)| (*key, listed.server.clone())).collect();
        for (key, server) in old {
            match wanted.iter().position(|wanted| *wanted == *server) {
                Some(at) => drop(wanted.swap_remove(at)),
                None => drop(self.unlist(key)),
            }
        }
        for server in wanted {
            self.reach(Arc::new(server), Duration::ZERO);
        }
        self.count_connected();
    }

    /// A server is not asked any more. What it is at, it may finish.
    fn unlist(&mut self, key: usize) -> Option<Arc<Server>> {
        let listed = self.servers.listed.remove(&key)?;
        match listed.state {
            State::Connecting(task) => task.abort(),
            State::Up => self.step(Event::Down(key)),
        }
        Some(listed.server)
    }

    /// Tries to connect to a server, after a wait, and again until it succeeds or is unlisted.
    fn reach(&mut self, server: Arc<Server>, wait: Duration) {
        // A new number each time: what was handed to it before is not counted again.
        let key = self.next_link;
        self.next_link += 1;
        let (commands, address) = (self.commands.clone(), server.address.clone());
        let task = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let mut again = RECONNECT_MIN;
            loop {
                let reached = Socket::connect(&address).await;
                let over = reached.is_ok();
                let Some(commands) = commands.upgrade() else { return };
                let _ = commands.send(Command::Reached(key, reached));
                drop(commands);
                if over {
                    return;
                }
                tokio::time::sleep(again).await;
                again = (again * 2).min(RECONNECT_MAX);
            }
        });
        let state = State::Connecting(task.abort_handle());
        self.servers.listed.insert(key, Listed { server, pool: Arc::default(), state });
    }

    /// A server was tried.
    pub(super) fn tried(&mut self, key: usize, reached: io::Result<Socket>) {
        let Some(listed) = self.servers.listed.get_mut(&key) else { return };
        match reached {
            Ok(socket) => {
                listed.pool.put(socket, Instant::now(), None);
                listed.state = State::Up;
                self.servers.unreached = None;
                self.step(Event::Up(key, CONCURRENCY));
                self.count_connected();
            }
            Err(error) => {
                let text = format!("{} can't be reached: {error}", listed.server.address);
                tracing::debug!("{text}");
                self.servers.unreached = Some(text);
            }
        }
    }

    /// Sends a request to a server; gives it back when that is none.
    pub(super) fn exchange(&mut self, ticket: Ticket, key: usize) -> Option<Ticket> {
        let (Some(listed), Some(commands)) =
            (self.servers.listed.get(&key), self.commands.upgrade())
        else {
            return Some(ticket);
        };
        ticket.trace.mark(Mark::Handed, Stamp::now());
        self.handed += 1;
        let (expire, expired) = oneshot::channel();
        self.servers.exchanges.insert(ticket.job, expire);
        let report = Report::new(commands, key, ticket.job);
        let exchange =
            Exchange { server: listed.server.clone(), pool: listed.pool.clone(), expired };
        tokio::spawn(exchange.run(ticket, report));
        None
    }

    /// A request needs no server any more, or waits for one again.
    pub(super) fn served(&mut self, key: usize, job: JobKey, outcome: Outcome) {
        self.servers.exchanges.remove(&job);
        match outcome {
            Outcome::Ended => {
                self.ended += 1;
                self.step(Event::Ended(key, job, None));
            }
            Outcome::Unreached(ticket, error) => {
                self.take_back(*ticket);
                if let Some(server) = self.unlist(key) {
                    let text = format!("{} can't be reached: {error}", server.address);
                    tracing::warn!("{text}");
                    self.servers.unreached = Some(text);
                    self.reach(server, RECONNECT_MIN);
                    self.count_connected();
                }
            }
        }
    }
}

/// The request waited for an upstream of another kind.
pub(crate) fn replaced() -> Failure {
    let cause = "the site's application was replaced while the request waited";
    Failure::new(Step::Queue, StatusCode::SERVICE_UNAVAILABLE, cause)
}
