//! The edge's threads, and the lines it says when a site is ready.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use flow::control::{Peer, ToKeeper};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use web::Sites;

use super::child::{Child, Orders};
use super::hosts::{Announced, Announcement, Hosts};
use super::traces::Traces;
use crate::settings;
use crate::settings::start::{EdgeSite, EdgeStart};

/// Threads that serve HTTP, each with a runtime of its own; they share one listening socket.
pub(crate) struct Threads {
    first: web::Server,
    others: Vec<JoinHandle<()>>,
    drain: watch::Sender<Option<Instant>>,
}

impl Threads {
    /// Starts `count` servers: one on the current runtime, the others on threads of their own.
    pub(crate) fn start(
        count: usize,
        listener: OwnedFd,
        sites: Arc<ArcSwap<Sites>>,
        log: web::Log,
    ) -> anyhow::Result<Threads> {
        let listener = TcpListener::from(listener);
        let settings = settings::web::settings(count);
        let (drain, drained) = watch::channel(None);
        let mut others = Vec::new();
        for n in 1..count {
            let (listener, sites, log) = (listener.try_clone()?, sites.clone(), log.clone());
            let settings = settings.clone();
            let drained = drained.clone();
            let thread = std::thread::Builder::new().name(format!("edge {n}"));
            others.push(thread.spawn(move || serve(settings, listener, sites, log, drained))?);
        }
        let first = web::Server::start(settings, listener, sites, log)
            .context("the web server can't listen")?;
        Ok(Threads { first, others, drain })
    }

    /// Answers what is in hand, on all threads, and ends them.
    pub(crate) async fn drain(mut self, deadline: Instant) {
        let _ = self.drain.send(Some(deadline));
        self.first.drain(deadline).await;
        let joined = tokio::task::spawn_blocking(move || {
            // A thread that panicked has ended too.
            self.others.into_iter().for_each(|thread| drop(thread.join()));
        });
        let _ = tokio::time::timeout_at(deadline, joined).await;
    }
}

/// One thread: a runtime, a server, until the end is ordered.
fn serve(
    settings: web::Settings,
    listener: TcpListener,
    sites: Arc<ArcSwap<Sites>>,
    log: web::Log,
    mut drained: watch::Receiver<Option<Instant>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "an edge thread has no runtime"),
    };
    runtime.block_on(async {
        match web::Server::start(settings, listener, sites, log) {
            Ok(mut server) => {
                let deadline = drained.wait_for(Option::is_some).await.ok().and_then(|at| *at);
                server.drain(deadline.unwrap_or_else(Instant::now)).await;
            }
            Err(error) => tracing::error!(%error, "an edge thread can't listen"),
        }
    });
}

/// What an edge does besides its requests: it meets sites, takes their announcements and says how it
/// is, until its end is ordered.
pub(crate) async fn attend(
    child: &Child,
    mut orders: Orders,
    hosts: &mut Hosts,
    mut announcements: mpsc::Receiver<Announcement>,
    announce: Announce,
    traces: &Traces,
) -> anyhow::Result<Instant> {
    let (mut end, mut failed) = (orders.end(), pin!(hosts.failed()));
    loop {
        tokio::select! {
            Some((peer, channel)) = orders.meetings.recv() => match peer {
                Peer::Site(site) => hosts.meet(site, channel),
                Peer::Db => drop(tokio::spawn(traces.clone().attend_database(channel))),
                Peer::Console => drop(tokio::spawn(traces.clone().attend_console(channel))),
                Peer::Edge => {}
            },
            Some(announcement) = announcements.recv() => {
                hosts.take(announcement).into_iter().for_each(|site| announce.when_ready(site));
            }
            Some(()) = orders.inquiries.recv() => {
                child.tell(&ToKeeper::Status(hosts.status().await));
            }
            site = &mut failed => bail!("the queue of {site} has ended by a fault"),
            deadline = end.ordered() => return Ok(deadline),
        }
    }
}

/// Says that DNS answers and that the site is ready, once its workers are connected.
pub(crate) struct Announce {
    child: Child,
    dns: Vec<String>,
    address: SocketAddr,
    /// A site announces itself at each change; that it is ready is said once.
    said: Arc<AtomicBool>,
}

impl Announce {
    pub(crate) fn new(child: &Child, settings: &EdgeStart) -> Announce {
        let dns = settings.sites.iter().map(|site| dns_line(site, settings.dns)).collect();
        let said = Arc::default();
        Announce { child: child.clone(), dns, address: settings.http, said }
    }

    /// Waits for the site's workers in the background.
    pub(crate) fn when_ready(&self, site: Announced) {
        let Announced { text, workers, mut connected } = site;
        let (child, dns, address) = (self.child.clone(), self.dns.clone(), self.address);
        let said = self.said.clone();
        tokio::spawn(async move {
            let ready = connected.wait_for(|connected| *connected >= workers).await.is_ok();
            if !ready || said.swap(true, Ordering::Relaxed) {
                return;
            }
            dns.iter().for_each(|line| child.done("dns", line, None));
            child.done("ready", format!("http://{address}/   {text}"), None);
            child.tell(&ToKeeper::Ready);
        });
    }
}

/// `www.foobar.com A 8.8.8.8 on 127.0.0.1:5300 (udp, tcp)`
fn dns_line(site: &EdgeSite, listens: SocketAddr) -> String {
    let records: Vec<String> = site
        .address
        .iter()
        .map(|address| format!("{} {address}", if address.is_ipv4() { "A" } else { "AAAA" }))
        .collect();
    format!("{} {} on {listens} (udp, tcp)", site.domain, records.join(", "))
}
