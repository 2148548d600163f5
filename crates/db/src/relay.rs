//! The relay: between a site and the server, one connection for one, byte for byte.
//!
//! ```text
//!   accept ─▶ connect (held while the server restarts) ─▶ greeting ─▶ user? ─▶ bytes both ways
//!     │ 1040      │ 1053: still not there                             │ 1045     │
//!     too many                                              a user of no site    └▶ new user? 1045
//! ```
//! The server's greeting, and with it its salt, reaches the client: the two authenticate each
//! other, and the relay knows no password. It judges one thing: which user a client wants to be,
//! because that is what the server, which sees the relay's uid for everybody, can't be left to
//! judge. If somebody wants to know, it also tells which statements pass ([`watch`]); the bytes are
//! the same either way. Packets: <https://mariadb.com/kb/en/clientserver-protocol/>.

pub(crate) mod greeting;
pub(crate) mod mask;
pub(crate) mod packet;
mod seen;
mod session;
pub(crate) mod watch;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

use packet::refusal;
pub use seen::{Seen, Statements};

/// How the relay works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's own socket.
    pub server: PathBuf,
    /// The users that may come in.
    pub users: HashSet<String>,
    /// How many connections there may be; one more is answered with error 1040.
    pub connections_max: usize,
    /// How long a new connection is held while the server is away; then it gets error 1053.
    pub hold: Duration,
    /// How long the exchange of names may take, until the user is known.
    pub handshake: Duration,
}

impl Settings {
    /// A relay to the server at `server`, with no users yet and the usual limits.
    pub fn new(server: PathBuf) -> Settings {
        Settings {
            server,
            users: HashSet::new(),
            connections_max: crate::CONNECTIONS_MAX,
            hold: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
        }
    }
}

/// A running relay. Dropped, it cuts all connections off.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    drain: oneshot::Sender<Instant>,
    task: JoinHandle<()>,
}

/// How the relay stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How many connections there are.
    pub connections: usize,
    /// Who is at the other end of each.
    pub peers: Vec<Peer>,
    /// Statements that were not told of since the start, because nobody kept up with them.
    pub missed: u64,
    /// Sessions since the start whose statements could not be followed to their end.
    pub unread: u64,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// The process that connected, by the kernel's word.
    pub pid: u32,
    /// The user it asked to be; None before it has.
    pub user: Option<String>,
}

/// What the sessions share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    users: Mutex<HashSet<String>>,
    peers: Mutex<BTreeMap<u64, Peer>>,
    /// None: nobody wants to know of statements.
    seen: Option<Seen>,
}

impl Relay {
    /// Starts to accept on `listener`, a listening UNIX socket, on the current tokio runtime. The
    /// statements that pass are told to `seen`, as long as there is room in it; without it, nobody
    /// looks at them.
    pub fn start(settings: Settings, listener: OwnedFd, seen: Option<Seen>) -> io::Result<Relay> {
        let listener = std::os::unix::net::UnixListener::from(listener);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let users = Mutex::new(settings.users.clone());
        let shared = Arc::new(Shared { settings, users, peers: Mutex::default(), seen });
        let (drain, drained) = oneshot::channel();
        let task = tokio::spawn(accept(listener, shared.clone(), drained));
        Ok(Relay { shared, drain, task })
    }

    /// Replaces the users that may come in; sessions that are there go on.
    pub fn reload(&self, users: HashSet<String>) {
        *lock(&self.shared.users) = users;
    }

    /// Accepts no more, waits until the last session has ended and cuts off those that are left at
    /// the deadline.
    pub async fn drain(self, deadline: Instant) {
        // It fails only if the task has ended, which is what is wanted.
        let _ = self.drain.send(deadline);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "relay task failed");
        }
    }

    /// How the relay stands.
    pub fn status(&self) -> Status {
        let peers: Vec<Peer> = lock(&self.shared.peers).values().cloned().collect();
        let count = |count: fn(&Seen) -> u64| self.shared.seen.as_ref().map_or(0, count);
        let (missed, unread) = (count(Seen::missed), count(Seen::unread));
        Status { connections: peers.len(), peers, missed, unread }
    }
}

/// Accepts until told to drain; then sees the sessions off.
async fn accept(
    listener: UnixListener,
    shared: Arc<Shared>,
    mut drained: oneshot::Receiver<Instant>,
) {
    let mut sessions = JoinSet::new();
    let mut count = 0;
    let deadline = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) if sessions.len() >= shared.settings.connections_max => {
                    turn_away(client, shared.settings.connections_max);
                }
                Ok((client, _)) => {
                    count += 1;
                    // Whoever is gone already has no process id, and needs no answer.
                    if let Ok(pid) = proc::peer_pid(&client) {
                        let seat = Seat::take(shared.clone(), count, pid);
                        sessions.spawn(session::run(client, seat));
                    }
                }
                Err(error) => {
                    // Mostly EMFILE: descriptors come back when sessions end.
                    tracing::warn!(%error, "relay can't accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = sessions.join_next() => note(&ended),
            deadline = &mut drained => break deadline.unwrap_or_else(|_| Instant::now()),
        }
    };
    drop(listener);
    while let Ok(Some(ended)) = timeout_at(deadline, sessions.join_next()).await {
        note(&ended);
    }
    sessions.shutdown().await;
}

/// A session that panicked costs itself only.
fn note(ended: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "relay session failed");
    }
}

/// Says why, as far as the socket takes it without waiting.
fn turn_away(client: UnixStream, most: usize) {
    tracing::warn!(most, "relay is full");
    let text = format!("Too many connections: the relay takes {most}");
    if let Ok(mut client) = client.into_std() {
        let _ = client.write(&refusal(0, 1040, "08004", &text));
    }
}

/// A session's place in the list of peers, given back when the session ends, however it ends.
struct Seat {
    shared: Arc<Shared>,
    number: u64,
    pid: u32,
}

impl Seat {
    fn take(shared: Arc<Shared>, number: u64, pid: u32) -> Seat {
        lock(&shared.peers).insert(number, Peer { pid, user: None });
        Seat { shared, number, pid }
    }

    /// Whether the client may be `user`; if so, it is noted as that.
    fn admits(&self, user: &[u8]) -> bool {
        let Ok(user) = std::str::from_utf8(user) else { return false };
        if !lock(&self.shared.users).contains(user) {
            return false;
        }
        if let Some(peer) = lock(&self.shared.peers).get_mut(&self.number) {
            peer.user = Some(user.to_owned());
        }
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.shared.peers).remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is one statement: a panic leaves them whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
