//! The running server: a task for each socket, and the four verbs every part of davy has.
//!
//! ```text
//! start ─▶ serving ─ reload: new zones for the next batch ─▶ serving ─▶ drain ─▶ ended
//!                  └ reload fails: the old zones stay ──────▶ serving
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::authority::Authority;
use crate::{Error, Settings, Status, Zones, tcp, udp};

/// The sockets of a server, bound and, if TCP, listening. There is one of each kind for each
/// address, so that answers come from the address that was asked.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For datagrams.
    pub udp: Vec<std::net::UdpSocket>,
    /// For connections: at most 128 each, and 16 for each client.
    pub tcp: Vec<std::net::TcpListener>,
}

/// A server at work. Dropped, it stops at once.
#[derive(Debug)]
pub struct Server {
    authority: Arc<Authority>,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Server {
    /// Compiles the zones and serves them on the current tokio runtime.
    ///
    /// # Errors
    /// Settings that make no zones (see [`Zones::new`]), or a socket that can't be used.
    ///
    /// # Panics
    /// If it is called outside a tokio runtime.
    pub fn start(settings: &Settings, sockets: Sockets) -> Result<Server, Error> {
        let authority = Arc::new(Authority::new(Zones::new(settings)?));
        let (stop, stopped) = watch::channel(false);
        let stopped = Stop::new(stopped);
        let mut tasks = JoinSet::new();
        for socket in sockets.udp {
            socket.set_nonblocking(true)?;
            let socket = tokio::net::UdpSocket::from_std(socket)?;
            tasks.spawn(udp::serve(socket, authority.clone(), stopped.clone()));
        }
        for listener in sockets.tcp {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tasks.spawn(tcp::listen(listener, authority.clone(), stopped.clone()));
        }
        Ok(Server { authority, stop, tasks: Mutex::new(tasks) })
    }

    /// Serves other zones from the next message on.
    ///
    /// # Errors
    /// Settings that make no zones; then the old ones stay.
    pub fn reload(&self, settings: &Settings) -> Result<(), Error> {
        self.authority.replace(Zones::new(settings)?);
        Ok(())
    }

    /// Takes no more messages and no more connections, answers what is under way, and ends at the
    /// deadline at the latest.
    pub async fn drain(&self, deadline: Instant) {
        self.stop.send_replace(true);
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = timeout_at(deadline, async { while tasks.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::info!("DNS clients were still connected at the deadline");
        }
    }

    /// What has been done so far.
    pub fn status(&self) -> Status {
        self.authority.counters.status()
    }
}

/// The word to stop, as each task hears it.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(crate) fn new(stopped: watch::Receiver<bool>) -> Stop {
        Stop(stopped)
    }

    /// Waits for the word. A server that is gone has given it, too.
    pub(crate) async fn requested(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

#[cfg(test)]
mod tests;
