//! A site that is up: it tells the edge where its workers and files are, whenever that changes.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use app::jobs::Jobs;
use app::php;
use app::workers::{Event, Launch, Settings, Workers};
use flow::control::{Address, Buffering, FromEdge, Mount, Peer, Pool, Server, ToEdge, Upstream};
use proc::Channel;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::run::Surround;

/// A running site.
pub(crate) struct Running {
    folders: BTreeMap<String, OwnedFd>,
    edge: Option<Arc<Channel>>,
    workers: Option<(Workers, mpsc::Receiver<Event>)>,
    php: Option<Php>,
    /// How many workers there will be before the site is ready.
    wanted: usize,
    pool: Pool,
    wire: Wire,
    state: State,
    jobs: Option<Jobs>,
    /// What its processes run with, for `davy run`.
    surround: Surround,
}

/// How the workers are spoken to.
#[derive(Clone, Copy)]
enum Wire {
    /// By davy's frames, and with clients that are slow as it says.
    Frames(Buffering),
    Http,
}

impl Wire {
    /// What the edge is told of workers that listen there.
    fn upstream(self, addresses: Vec<Address>) -> Upstream {
        match self {
            Wire::Frames(buffering) => {
                let socket = |address| match address {
                    Address::Unix(path) => Some(path),
                    Address::Tcp(..) => None,
                };
                let sockets = addresses.into_iter().filter_map(socket).collect();
                Upstream::Frames { sockets, buffering }
            }
            Wire::Http => {
                let server = |address| Server { address, prefix: String::new(), host: None };
                Upstream::Http { servers: addresses.into_iter().map(server).collect() }
            }
        }
    }
}

/// What a site's PHP is, and for which folder.
pub(crate) struct PhpSite {
    pub(crate) settings: php::Settings,
    /// The folder of its scripts, which is the one at `/`.
    pub(crate) root: PathBuf,
    pub(crate) upload_bytes_max: u64,
}

/// A site's PHP at work.
struct Php {
    server: php::Server,
    events: mpsc::Receiver<php::Event>,
    root: PathBuf,
    upload_bytes_max: u64,
}

/// How far a site is.
enum State {
    /// There is nothing to tell the edge yet.
    Starting,
    /// It has files alone.
    Files,
    /// Its application answers there.
    Up(Upstream),
}

impl Running {
    /// A site without workers so far.
    pub(crate) fn new(folders: BTreeMap<String, OwnedFd>, edge: Option<Channel>) -> Running {
        let (edge, state) = (edge.map(Arc::new), State::Starting);
        Running {
            folders,
            edge,
            workers: None,
            php: None,
            wanted: 0,
            pool: Pool::Fixed,
            wire: Wire::Frames(Buffering::Whole),
            state,
            jobs: None,
            surround: Surround::default(),
        }
    }

    /// Takes note of what the site's processes run with.
    pub(crate) fn surround(&mut self, folder: PathBuf, env: &[(String, String)]) {
        self.surround = Surround { folder, variables: env.iter().cloned().collect() };
    }

    /// Starts what runs beside the application.
    pub(crate) fn run_beside(&mut self, settings: app::jobs::Settings) {
        self.jobs = Some(Jobs::start(settings));
    }

    /// Starts the workers; the edge is told when they are ready. A site that starts its first one
    /// with the first request is ready at once.
    pub(crate) fn start(&mut self, settings: Settings, buffering: Buffering) {
        self.wanted = settings.pool.least;
        self.pool = if settings.pool.grows() { Pool::Grows } else { Pool::Fixed };
        self.wire = match settings.launch {
            Launch::Frames { .. } => Wire::Frames(buffering),
            Launch::Http(_) => Wire::Http,
        };
        self.workers = Some(Workers::start(settings));
        if self.wanted == 0 {
            self.state = State::Up(self.wire.upstream(Vec::new()));
            self.announce();
        }
    }

    /// Starts PHP; the edge is told when it is ready.
    pub(crate) fn start_php(&mut self, site: PhpSite) {
        let PhpSite { settings, root, upload_bytes_max } = site;
        self.wanted = settings.children;
        let (server, events) = php::Server::start(settings);
        self.php = Some(Php { server, events, root, upload_bytes_max });
    }

    /// A site of files alone is ready at once.
    pub(crate) fn announce_files(&mut self) {
        self.state = State::Files;
        self.announce();
    }

    /// A site whose server somebody else runs is ready at once: whether that is there shows with the
    /// first request.
    pub(crate) fn announce_proxy(&mut self, server: Server) {
        self.state = State::Up(Upstream::Http { servers: vec![server] });
        self.announce();
    }

    /// Meets another child. A new edge is told everything again.
    pub(crate) fn meet(&mut self, peer: &Peer, channel: Channel) {
        match peer {
            Peer::Edge => {
                self.edge = Some(Arc::new(channel));
                self.announce();
            }
            Peer::Console => {
                if let Err(error) = channel.try_send(&self.surround, &[]) {
                    tracing::warn!(%error, "a command could not be told of the environment");
                }
            }
            Peer::Db | Peer::Site(_) => {}
        }
    }

    /// Waits for the workers to change, and tells the edge, or for the edge to say what it asks of
    /// them. An error: they can't be started.
    pub(crate) async fn changed(&mut self) -> anyhow::Result<()> {
        if self.php.is_some() {
            return self.php_changed().await;
        }
        let Some((workers, events)) = &mut self.workers else {
            return std::future::pending().await;
        };
        let event = tokio::select! {
            event = events.recv() => event,
            message = hear(self.edge.as_deref()) => {
                match message {
                    Some(message) => workers.hear(message).await,
                    None => self.edge = None,
                }
                return Ok(());
            }
        };
        match event {
            Some(Event::Changed(addresses)) => {
                self.state = State::Up(self.wire.upstream(addresses));
                self.announce();
                Ok(())
            }
            Some(Event::Failed { error }) => bail!("{error}"),
            None => std::future::pending().await,
        }
    }

    async fn php_changed(&mut self) -> anyhow::Result<()> {
        let Some(php) = &mut self.php else { return Ok(()) };
        let event = tokio::select! {
            event = php.events.recv() => event,
            message = hear(self.edge.as_deref()) => {
                match message {
                    Some(FromEdge::Stuck(work)) => php.server.kill(work.pid),
                    // php-fpm has its own slow log, and as many children all the time.
                    Some(FromEdge::Slow(_) | FromEdge::Report { .. }) => {}
                    None => self.edge = None,
                }
                return Ok(());
            }
        };
        match event {
            Some(php::Event::Ready(socket)) => {
                let (connections, upload_bytes_max) = (self.wanted, php.upload_bytes_max);
                self.state = State::Up(Upstream::FastCgi { socket, connections, upload_bytes_max });
                self.announce();
                Ok(())
            }
            // Requests wait in the queue for its successor, whose socket is another one.
            Some(php::Event::Gone) => Ok(()),
            Some(php::Event::Failed { error }) => bail!("{error}"),
            None => std::future::pending().await,
        }
    }

    /// How the workers are.
    pub(crate) async fn status(&self) -> serde_json::Value {
        let mut status = match &self.workers {
            Some((workers, _)) => serde_json::json!(workers.status().await),
            None => serde_json::json!({ "workers": [] }),
        };
        if let Some(php) = &self.php {
            status["php"] = serde_json::json!(php.server.status());
        }
        status["jobs"] =
            serde_json::json!(self.jobs.as_ref().map(Jobs::status).unwrap_or_default());
        status
    }

    /// Lets the workers finish, and stops them.
    pub(crate) async fn drain(&mut self, deadline: Instant) {
        let within = deadline.saturating_duration_since(Instant::now());
        let workers = async {
            if let Some((workers, _)) = &self.workers {
                workers.drain(within).await;
            }
        };
        let jobs = async {
            if let Some(jobs) = &mut self.jobs {
                jobs.drain(within).await;
            }
        };
        let php = async {
            if let Some(php) = &self.php {
                php.server.drain(within).await;
            }
        };
        tokio::join!(workers, php, jobs);
    }

    fn announce(&self) {
        let Some(edge) = &self.edge else { return };
        let upstream = match &self.state {
            State::Starting => return,
            State::Files => None,
            State::Up(upstream) => Some(upstream.clone()),
        };
        let (mounts, folders): (Vec<Mount>, Vec<BorrowedFd<'_>>) = self
            .folders
            .iter()
            .map(|(prefix, folder)| {
                let php = self.php.as_ref().filter(|_| prefix == "/");
                let scripts = php.map(|php| php.root.clone());
                (Mount { prefix: prefix.clone(), scripts }, folder.as_fd())
            })
            .unzip();
        let message = ToEdge { upstream, wanted: self.wanted, pool: self.pool, mounts };
        if let Err(error) = edge.try_send(&message, &folders) {
            tracing::warn!(%error, "the edge could not be told of the site's workers");
        }
    }
}

/// The edge's next message. None: it has gone, and the next one will be introduced.
async fn hear(edge: Option<&Channel>) -> Option<FromEdge> {
    let Some(edge) = edge else { return std::future::pending().await };
    match edge.receive().await {
        Ok(message) => message.map(|(message, _)| message),
        Err(error) => {
            tracing::error!(%error, "the edge can't be understood");
            None
        }
    }
}
