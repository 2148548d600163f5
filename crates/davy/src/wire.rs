//! The roles, put together from the crates: one function each, to be read as a request goes.
//!
//! ```text
//! edge   2 dns, 3 record ▸ 4 connect ▸ 5 web ▸ 6 queue … 8 answer ▸ 9 response
//! site   7 app: what it is, what it needs, its workers
//! db     7 the application's database: server and relay
//! ```
//! Here the steps meet, and nowhere else.

use std::net::{TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use flow::control::ToKeeper;
use serde::de::DeserializeOwned;

use crate::cli::Role;
use crate::logs::{self, Logs, Reach};
use crate::roles::access;
use crate::roles::child::{Begin, Child};
use crate::roles::database::Database;
use crate::roles::edge::{self, Announce, Threads};
use crate::roles::hosts::Hosts;
use crate::roles::site::Site;
use crate::roles::traces::Traces;
use crate::settings;
use crate::settings::start::{DbStart, EdgeStart, SiteStart};
use crate::trace::told::Tracing;

/// Runs a role until the keeper ends it.
pub(crate) fn run(role: &Role) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match role {
            Role::Edge => play(edge).await,
            Role::Db => play(db).await,
            Role::Site { .. } => play(site).await,
        }
    })
}

/// Begins a role and plays it. When it can't do its work the keeper is told why.
async fn play<T: DeserializeOwned>(
    role: impl AsyncFnOnce(Child, Begin<T>) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let (child, begin) = Child::begin().await?;
    match role(child.clone(), begin).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            child.fail(&error);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Steps 2 to 6, 8 and 9.
async fn edge(child: Child, begin: Begin<EdgeStart>) -> anyhow::Result<()> {
    let Begin { settings, mut sockets, orders } = begin;
    let logs = logs::start(&settings.place.logs(), "edge")?;
    let mut inherited =
        |name: &str| sockets.remove(name).with_context(|| format!("no socket {name}"));

    // 2 dns, 3 record
    let names = dns::Server::start(
        &settings::dns::settings(&settings.sites),
        dns::Sockets {
            udp: vec![UdpSocket::from(inherited("dns-udp")?)],
            tcp: vec![TcpListener::from(inherited("dns-tcp")?)],
        },
    )?;
    // 6 queue, 8 answer: one for each site, all on this thread
    let (mut hosts, announcements) = Hosts::start(&settings.place, &settings.sites);
    // 4 connect, 5 web, 9 response: on every thread
    let traces = Traces::new(&settings);
    let log = log(&logs, &traces, settings.tracing);
    let threads = Threads::start(settings.threads, inherited("http")?, hosts.table(), log)?;

    let announce = Announce::new(&child, &settings);
    let deadline =
        edge::attend(&child, orders, &mut hosts, announcements, announce, &traces).await?;
    threads.drain(deadline).await;
    hosts.drain(deadline).await;
    names.drain(deadline).await;
    Ok(())
}

/// Where the web step tells of each request that is over.
fn log(logs: &Logs, traces: &Traces, tracing: Tracing) -> web::Log {
    let (logs, traces) = (logs.clone(), traces.clone());
    Arc::new(move |finished| {
        logs.line(&access::line(finished), Reach::Terminal);
        if tracing == Tracing::On {
            traces.note(finished);
        }
    })
}

/// Step 7, the site's side: from a folder to running workers.
async fn site(child: Child, begin: Begin<SiteStart>) -> anyhow::Result<()> {
    let Begin { settings, mut orders, .. } = begin;
    let logs = logs::start(&settings.place.logs(), "site")?;
    let mut end = orders.end();
    let start = async {
        let mut site = Site::detect(&child, settings, &logs).await?;
        site.install().await?;
        site.connect_database(&mut orders.meetings).await?;
        site.collect_files().await?;
        site.start()
    };
    let mut running = tokio::select! {
        running = start => running?,
        _ = end.ordered() => return Ok(()),
    };
    child.tell(&ToKeeper::Ready);
    let deadline = loop {
        tokio::select! {
            Some((peer, channel)) = orders.meetings.recv() => running.meet(&peer, channel),
            changed = running.changed() => changed?,
            Some(()) = orders.inquiries.recv() => {
                child.tell(&ToKeeper::Status(running.status().await));
            }
            deadline = end.ordered() => break deadline,
        }
    };
    running.drain(deadline).await;
    Ok(())
}

/// Step 7, the database's side: the server made ready, and the relay.
async fn db(child: Child, begin: Begin<DbStart>) -> anyhow::Result<()> {
    let Begin { settings, mut sockets, mut orders } = begin;
    logs::start(&settings.place.logs(), "db")?;
    let mut end = orders.end();
    let mysql = sockets.remove("mysql").context("no socket mysql")?;
    let database = tokio::select! {
        database = Database::start(&child, &settings, mysql, orders.ended.clone()) => database?,
        _ = end.ordered() => return Ok(()),
    };
    child.tell(&ToKeeper::Ready);
    let deadline = loop {
        tokio::select! {
            Some((peer, channel)) = orders.meetings.recv() => database.meet(peer, channel),
            Some(()) = orders.inquiries.recv() => child.tell(&ToKeeper::Status(database.status())),
            deadline = end.ordered() => break deadline,
        }
    };
    database.drain(deadline).await;
    Ok(())
}
