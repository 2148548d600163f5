//! The database's keeper: the server made ready, its relay, and the sites that ask for a database.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use db::{Relay, Server};
use flow::control::{Access, FromDb, Peer, ToDb, ToKeeper};
use proc::{Channel, Own};
use tokio::sync::watch;
use tokio::time::Instant;

use super::child::Child;
use super::statements::Post;
use crate::place::Place;
use crate::settings;
use crate::settings::start::DbStart;
use crate::trace::told::Tracing;

/// The private server with its relay in front.
pub(crate) struct Database {
    server: Arc<Server>,
    relay: Relay,
    /// The sites that talk to the server itself.
    direct: HashSet<String>,
    /// None: the relay does not look at statements.
    post: Option<Post>,
}

impl Database {
    /// Finds or fetches MariaDB, has the keeper run it, and opens the relay when it answers.
    pub(crate) async fn start(
        child: &Child,
        settings: &DbStart,
        listener: OwnedFd,
        ended: watch::Receiver<Option<String>>,
    ) -> anyhow::Result<Database> {
        let own = Own::open()?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let place = &settings.place;
        let folders = settings::db::folders(place, path);
        let server = Server::prepare(folders, &own, |progress| child.doing("db", progress)).await?;
        child.tell(&ToKeeper::Run(server.program()?));
        child.doing("db", format!("starting MariaDB {}", server.version().series()));
        let deadline = Instant::now() + SERVER_STARTS_WITHIN;
        server.ready(deadline, ended).await?;
        // Before the relay opens, so that a site's connections are let in again after a restart.
        let mut users = HashSet::new();
        for site in &settings.sites {
            users.insert(server.site_database(&site.name).await?.user);
        }
        let (post, seen) = match settings.tracing {
            Tracing::On => Some(Post::open()).unzip(),
            Tracing::Off => (None, None),
        };
        let relay = Relay::start(settings::db::relay(server.socket(), users), listener, seen)?;
        let direct = settings.sites.iter().filter(|site| site.relay == config::Relay::Off);
        let direct = direct.map(|site| site.name.clone()).collect();
        Ok(Database { server: Arc::new(server), relay, direct, post })
    }

    /// Meets a site, or the edge, which is told of statements.
    pub(crate) fn meet(&self, peer: Peer, channel: Channel) {
        match (peer, &self.post) {
            (Peer::Site(site), _) => self.meet_site(site, channel),
            (Peer::Edge, Some(post)) => post.meet_edge(channel),
            _ => {}
        }
    }

    /// Gives a site its database whenever it asks for it.
    fn meet_site(&self, site: String, channel: Channel) {
        let server = self.server.clone();
        let direct = self.direct.contains(&site).then(|| server.socket());
        tokio::spawn(async move {
            while let Ok(Some((ToDb::Database, _))) = channel.receive::<ToDb>().await {
                let answer = match server.site_database(&site).await {
                    Ok(access) => FromDb::Database(Access {
                        socket: direct.clone().unwrap_or(access.socket),
                        ..access
                    }),
                    Err(error) => FromDb::Failed { error: error.to_string() },
                };
                if channel.send(&answer, &[]).await.is_err() {
                    return;
                }
            }
        });
    }

    /// How the relay is.
    pub(crate) fn status(&self) -> serde_json::Value {
        let status = self.relay.status();
        let peers: Vec<serde_json::Value> = status
            .peers
            .iter()
            .map(|peer| serde_json::json!({ "pid": peer.pid, "user": peer.user }))
            .collect();
        serde_json::json!({
            "server": format!("MariaDB {}", self.server.version().series()),
            "connections": status.connections,
            "peers": peers,
            "statements_missed": status.missed,
            "sessions_unread": status.unread,
        })
    }

    /// Sees the relay's sessions off.
    pub(crate) async fn drain(self, deadline: Instant) {
        self.relay.drain(deadline).await;
    }
}

/// Asks the database's keeper for the site's own database.
///
/// None: it has died meanwhile.
pub(crate) async fn ask(channel: &Channel) -> anyhow::Result<Option<Access>> {
    if channel.send(&ToDb::Database, &[]).await.is_err() {
        return Ok(None);
    }
    match channel.receive::<FromDb>().await? {
        Some((FromDb::Database(access), _)) => Ok(Some(access)),
        Some((FromDb::Failed { error }, _)) => anyhow::bail!("{error}"),
        None => Ok(None),
    }
}

/// The line that says where a database is, and why there is one.
pub(crate) fn line(access: &Access, place: &Place, because: &str) -> String {
    let socket = access.socket.strip_prefix(&place.project).unwrap_or(&access.socket);
    format!("{} on {} (database {}): {because}", access.server, socket.display(), access.database)
}

/// The time a server may take to come up; after a crash it recovers first.
const SERVER_STARTS_WITHIN: Duration = Duration::from_secs(120);
