//! The sites an edge serves: each with its queue, and the folders its own process passed on.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use arc_swap::ArcSwap;
use flow::SiteId;
use flow::control::{Pool, ToEdge};
use proc::Channel;
use queue::Queue;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use web::Sites;

use super::demand;
use crate::place::Place;
use crate::settings;
use crate::settings::start::EdgeSite;

/// What the web step, the queues and the sites' own processes have in common.
pub(crate) struct Hosts {
    hosts: Vec<Host>,
    sites: Arc<ArcSwap<Sites>>,
    announced: mpsc::Sender<Announcement>,
}

struct Host {
    site: EdgeSite,
    jobs: mpsc::Sender<flow::Job>,
    queue: Queue,
    mounts: Vec<web::Mount>,
    application: bool,
}

/// A site's process says where its workers and files are.
pub(crate) struct Announcement {
    site: String,
    message: ToEdge,
    folders: Vec<OwnedFd>,
}

/// How many workers a site will have, and how many of them are connected: it is ready when these are
/// the same.
pub(crate) struct Announced {
    /// What runs there, for people.
    pub(crate) text: String,
    pub(crate) workers: usize,
    pub(crate) connected: watch::Receiver<usize>,
}

impl Hosts {
    /// Starts a queue for each site, on the current runtime. Until a site announces itself its
    /// requests wait there.
    pub(crate) fn start(
        place: &Place,
        sites: &[EdgeSite],
    ) -> (Hosts, mpsc::Receiver<Announcement>) {
        let (announced, announcements) = mpsc::channel(ANNOUNCEMENTS_MAX);
        let hosts = sites
            .iter()
            .map(|site| {
                let (jobs, waiting) = mpsc::channel(HAND_OVER_MAX);
                let queue = Queue::start(settings::queue::settings(place, site), waiting);
                let site = site.clone();
                Host { site, jobs, queue, mounts: Vec::new(), application: true }
            })
            .collect();
        let hosts = Hosts { hosts, sites: Arc::default(), announced };
        hosts.publish();
        (hosts, announcements)
    }

    /// The table that the web step looks sites up in.
    pub(crate) fn table(&self) -> Arc<ArcSwap<Sites>> {
        self.sites.clone()
    }

    /// Meets a site's process: listens to its announcements.
    pub(crate) fn meet(&self, site: String, channel: Channel) {
        let Some(host) = self.hosts.iter().find(|host| host.site.name == site) else { return };
        tokio::spawn(attend(site, channel, self.announced.clone(), host.queue.clone()));
    }

    /// Takes an announcement over into the queue and the table.
    pub(crate) fn take(&mut self, announcement: Announcement) -> Option<Announced> {
        let Announcement { site, message, folders } = announcement;
        let host = self.hosts.iter_mut().find(|host| host.site.name == site)?;
        host.application = message.upstream.is_some();
        host.mounts = message
            .mounts
            .into_iter()
            .zip(folders)
            .map(|(mount, folder)| web::Mount {
                prefix: mount.prefix,
                folder: Arc::new(folder),
                scripts: mount.scripts.map(Arc::from),
            })
            .collect();
        let text = match message.wanted {
            0 if message.upstream.is_none() => "files only".into(),
            0 => "workers start with the first request".into(),
            1 => "1 worker".into(),
            n => format!("{n} workers"),
        };
        let connected = host.queue.connected();
        let announced = Announced { text, workers: message.wanted, connected };
        message.upstream.into_iter().for_each(|upstream| host.queue.reload(upstream));
        self.publish();
        Some(announced)
    }

    /// Waits for the end of any queue: none ends by itself, so it is a fault, and a new edge serves
    /// the sites better than this one.
    pub(crate) fn failed(&self) -> impl Future<Output = String> + use<> {
        let (fault, mut faults) = mpsc::channel(1);
        for host in &self.hosts {
            let (queue, site, fault) = (host.queue.clone(), host.site.name.clone(), fault.clone());
            tokio::spawn(async move {
                queue.ended().await;
                let _ = fault.send(site).await;
            });
        }
        async move {
            let site = faults.recv().await;
            site.unwrap_or_default()
        }
    }

    /// How the queues are.
    pub(crate) async fn status(&self) -> serde_json::Value {
        let mut sites = serde_json::Map::new();
        for host in &self.hosts {
            let value = demand::status(&host.site.domain, &host.queue.status().await);
            sites.insert(host.site.name.clone(), value);
        }
        serde_json::Value::Object(sites)
    }

    /// Answers what the queues hold.
    pub(crate) async fn drain(&self, deadline: Instant) {
        for host in &self.hosts {
            host.queue.drain(deadline).await;
        }
    }

    fn publish(&self) {
        let sites = self.hosts.iter().map(|host| web::Site {
            id: SiteId::new(&host.site.name),
            names: [&host.site.domain].into_iter().chain(&host.site.aliases).cloned().collect(),
            mounts: host.mounts.clone(),
            jobs: host.application.then(|| host.jobs.clone()),
            absent: web::Absent::default(),
        });
        self.sites.store(Arc::new(Sites::new(sites.collect())));
    }
}

/// Passes on what a site's process says, and tells it what is asked of it, until it ends.
async fn attend(
    site: String,
    channel: Channel,
    announced: mpsc::Sender<Announcement>,
    queue: Queue,
) {
    let (tell, pool) = watch::channel(Pool::Fixed);
    let listen = async {
        loop {
            match channel.receive::<ToEdge>().await {
                Ok(Some((message, folders))) => {
                    tell.send_replace(message.pool);
                    let site = site.clone();
                    let _ = announced.send(Announcement { site, message, folders }).await;
                }
                Ok(None) => return,
                Err(error) => return tracing::error!(site, %error, "a site sent nonsense"),
            }
        }
    };
    tokio::select! {
        () = listen => {}
        () = demand::report(&queue, &channel, pool) => {}
    }
}

/// Announcements that wait to be taken; a site that has more to say waits.
const ANNOUNCEMENTS_MAX: usize = 16;
/// Requests on their way from the web step's threads to a queue; the queue has its own limit.
const HAND_OVER_MAX: usize = 1024;
