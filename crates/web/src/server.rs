//! The accept loop of one edge thread, and its end.
//!
//! ```text
//! start -> accept, accept … -> drain: no more accepts
//!             |                  idle connections close, the others answer and close
//!             '-> one task each     '-> at the deadline the rest is cut
//! ```
//!
//! Several servers share one listening socket, one per thread, so that each connection stays on one
//! thread. When there are too many connections, new ones wait in the kernel's backlog while idle
//! ones are asked to go. Errors of accept are said once a second at most, and never spun upon.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use flow::{Client, Scheme};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::service::Phase;
use crate::{Log, Service, Settings, Sites, Status};

/// A running server. Dropped, it cuts all its connections; [`Server::drain`] ends it in good order.
#[derive(Debug)]
pub struct Server {
    service: Arc<Service>,
    accepting: JoinSet<()>,
}

impl Server {
    /// Starts to accept connections on the current tokio runtime.
    ///
    /// # Errors
    /// When the listener can't be used with the runtime.
    pub fn start(
        settings: Settings,
        listener: std::net::TcpListener,
        sites: Arc<ArcSwap<Sites>>,
        finished: Log,
    ) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        // Linux hands these on to the accepted sockets: one call instead of one per connection.
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        // A tunnel may be silent for long; a client that has vanished does not keep it for ever.
        rustix::net::sockopt::set_socket_keepalive(&listener, true)?;
        rustix::net::sockopt::set_tcp_keepidle(&listener, KEEPALIVE_IDLE)?;
        rustix::net::sockopt::set_tcp_keepintvl(&listener, KEEPALIVE_INTERVAL)?;
        let listener = TcpListener::from_std(listener)?;
        let service = Service::new(settings, sites, finished);
        let mut accepting = JoinSet::new();
        accepting.spawn(Accepting::new(service.clone(), listener).run());
        Ok(Server { service, accepting })
    }

    /// Stops accepting, answers what is in hand, closes idle connections; at the deadline cuts what
    /// is left.
    pub async fn drain(&mut self, deadline: Instant) {
        self.service.enter(Phase::Draining(deadline));
        while self.accepting.join_next().await.is_some() {}
    }

    /// The server at a glance.
    pub fn status(&self) -> Status {
        self.service.status()
    }
}

/// The accept loop's own state.
struct Accepting {
    service: Arc<Service>,
    listener: TcpListener,
    connections: JoinSet<()>,
    complaint: Option<Instant>,
}

impl Accepting {
    fn new(service: Arc<Service>, listener: TcpListener) -> Accepting {
        Accepting { service, listener, connections: JoinSet::new(), complaint: None }
    }

    async fn run(mut self) {
        let mut phase = self.service.phase();
        loop {
            let present = *phase.borrow_and_update();
            if let Phase::Draining(deadline) = present {
                return self.finish(deadline).await;
            }
            let crowded = self.connections.len() >= self.service.settings.connections_max;
            self.service.enter(if crowded { Phase::Crowded } else { Phase::Open });
            tokio::select! {
                biased;
                _ = phase.changed() => {}
                Some(ended) = self.connections.join_next() => report_panic(ended),
                accepted = self.listener.accept(), if !crowded => match accepted {
                    Ok((stream, address)) => self.serve(stream, address),
                    Err(error) => self.complain(&error).await,
                }
            }
        }
    }

    fn serve(&mut self, stream: TcpStream, address: std::net::SocketAddr) {
        // A socket that has no address of ours any more was closed meanwhile.
        let Ok(local) = stream.local_addr() else { return };
        let client = Client { address, local, scheme: Scheme::Http };
        let (source, sink) = stream.into_split();
        self.connections.spawn(self.service.clone().serve(source, sink, client));
    }

    /// Errors of one connection are passed over; all others (no descriptors, no memory) are said,
    /// and waited upon, as they would come again at once.
    async fn complain(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        let now = Instant::now();
        if self.complaint.is_none_or(|last| now - last >= COMPLAINT_INTERVAL) {
            tracing::error!(%error, "can't accept connections; raise the limit of open files?");
            self.complaint = Some(now);
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    async fn finish(self, deadline: Instant) {
        let Accepting { listener, mut connections, .. } = self;
        drop(listener);
        let all = async { while connections.join_next().await.map(report_panic).is_some() {} };
        if tokio::time::timeout_at(deadline, all).await.is_err() {
            tracing::warn!(connections = connections.len(), "connections cut at the deadline");
            connections.shutdown().await;
        }
    }
}

/// A panic costs the connection it happened on, and nothing else.
fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked; please report this");
    }
}

/// A connection that is silent for so long is probed by the kernel, then as often as the interval
/// says, and given up after nine probes in vain (tcp(7)).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// How long accepting rests after an error that would come again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often such an error is said.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
