//! `davy up`: what the folder says becomes a plan; the plan becomes a running stack.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use flow::control::Peer;
use proc::{Bound, Door, Lock, Locked, Own, Protocol, Wish};

use crate::cli::{self, Listen};
use crate::console::{Console, complain};
use crate::keeper::{Ending, Keeper, Recipe, Start};
use crate::place::{Place, Surroundings};
use crate::settings::start::{DbSite, DbStart, EdgeSite, EdgeStart, SiteStart};
use crate::{check, logs};

/// Runs the stack of a folder until it is asked to stop.
pub(crate) fn up(options: &cli::Up) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let own = Own::open().context("davy can't open its own executable")?;
    let place = Place::of(&options.folder, &Surroundings::read())?;
    let config = match config::load(&options.folder) {
        Ok(config) => config,
        Err(report) => {
            let report = check::render(&report, &std::io::stderr());
            complain(&format!("the site is not started\n{report}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    place.make().with_context(|| cannot_write(&place.state))?;
    let _lock = lock(&place)?;
    let roles = roles_lock(&place)?;
    let mut console = Console::new(started);
    let recipes = recipes(options, &config, &place, &roles, &mut console)?;
    let logs = logs::start(&place.logs(), "keeper").with_context(|| cannot_write(&place.logs()))?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ending = runtime.block_on(async {
        let socket = place.davy_socket();
        let door = Door::open(&socket).with_context(|| cannot_write(&socket))?;
        let ending = Keeper::new(own, console, logs, recipes).run(door).await;
        // Sockets and pids only; what stays is made anew by the next start.
        let _ = std::fs::remove_dir_all(&place.run);
        ending
    })?;
    Ok(if ending == Ending::Asked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lock(place: &Place) -> anyhow::Result<Lock> {
    match Lock::take(&place.lock()).with_context(|| cannot_write(&place.lock()))? {
        Locked::Ours(lock) => Ok(lock),
        Locked::Held { pid } => {
            let pid = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
            bail!(
                "davy runs in {} already{pid}; `davy status` shows it, `davy down` stops it",
                place.project.display()
            )
        }
    }
}

/// The lock that all roles hold together with the keeper. After a keeper was killed they go on for
/// up to half a second, and so do their ports: it is waited for.
fn roles_lock(place: &Place) -> anyhow::Result<Lock> {
    let path = place.roles_lock();
    let deadline = Instant::now() + ROLES_END_WITHIN;
    loop {
        match Lock::take(&path).with_context(|| cannot_write(&path))? {
            Locked::Ours(lock) => return Ok(lock),
            Locked::Held { .. } if Instant::now() < deadline => std::thread::sleep(ASK_AGAIN),
            Locked::Held { .. } => bail!(
                "the davy that ran in {} was killed, but not all of it has ended: \
                 `pgrep -af 'davy role'` shows what is left; end it, then start again",
                place.project.display()
            ),
        }
    }
}

/// The children of `davy up`, with the sockets they inherit.
fn recipes(
    options: &cli::Up,
    config: &config::Config,
    place: &Place,
    roles: &Lock,
    console: &mut Console,
) -> anyhow::Result<Vec<Recipe>> {
    let http = bind("web server", "--http", options.http, HTTP, console, |address, wish| {
        proc::bind_tcp(address, wish).map(|Bound { socket, address }| (address, socket))
    })?;
    let dns = bind("name server", "--dns", options.dns, DNS, console, |address, wish| {
        proc::bind_udp(address, wish).map(|(udp, tcp)| (udp.address, (udp.socket, tcp.socket)))
    })?;
    let site = place.site_name();
    let edge = EdgeStart {
        place: place.clone(),
        sites: vec![EdgeSite::of(&site, config)],
        http: http.0,
        dns: dns.0,
        tracing: options.trace,
        threads: std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX),
    };
    let (udp, tcp) = dns.1;
    let sockets: Vec<(String, OwnedFd)> = vec![
        ("http".into(), http.1.into()),
        ("dns-udp".into(), udp.into()),
        ("dns-tcp".into(), tcp.into()),
    ];
    let recipe = |peer, role: &[&str], settings, mut sockets: Vec<(String, OwnedFd)>, start| {
        let role = ["role"].iter().chain(role).map(ToString::to_string).collect();
        // Nobody asks for it: to be open is all it is for.
        sockets.push(("roles-lock".into(), roles.share()?));
        anyhow::Ok(Recipe { peer, role, settings, sockets, start })
    };
    let mysql = place.mysql_socket();
    let relay = proc::listen_unix(&mysql).with_context(|| cannot_write(&mysql))?;
    let sites = vec![DbSite { name: site.clone(), relay: config.db.relay }];
    let db = serde_json::to_value(DbStart { place: place.clone(), tracing: options.trace, sites })?;
    let own = serde_json::to_value(SiteStart { place: place.clone(), name: site.clone() })?;
    Ok(vec![
        recipe(Peer::Edge, &["edge"], serde_json::to_value(edge)?, sockets, Start::AtOnce)?,
        recipe(Peer::Db, &["db"], db, vec![("mysql".into(), relay)], Start::WhenWanted)?,
        recipe(Peer::Site(site.clone()), &["site", &site], own, Vec::new(), Start::AtOnce)?,
    ])
}

/// Binds to the address asked for, or else to the usual one or the next that is free.
fn bind<T>(
    what: &str,
    flag: &str,
    asked: Option<Listen>,
    usual: u16,
    console: &mut Console,
    bind: impl Fn(SocketAddr, Wish) -> std::io::Result<(SocketAddr, T)>,
) -> anyhow::Result<(SocketAddr, T)> {
    let (address, wish) = match asked {
        Some(Listen(address)) => (address, Wish::Exactly),
        None => (SocketAddr::from(([127, 0, 0, 1], usual)), Wish::OrNext),
    };
    let holder = || {
        let of = |protocol| proc::holder_of_port(protocol, address.port());
        of(Protocol::Tcp).or_else(|| of(Protocol::Udp))
    };
    let bound = bind(address, wish).map_err(|error| {
        let why = match (error.kind(), holder()) {
            (std::io::ErrorKind::AddrInUse, Some(holder)) => format!("{holder} holds it"),
            (std::io::ErrorKind::AddrInUse, None) => "a process of another user holds it".into(),
            _ => error.to_string(),
        };
        anyhow::anyhow!(
            "the {what} can't listen on {address}: {why}; choose another with {flag} PORT"
        )
    })?;
    if asked.is_none() && bound.0 != address {
        let holder = holder().map_or_else(|| "another process".into(), |holder| holder.to_string());
        let text = format!("{address} is held by {holder}; the {what} takes {}", bound.0.port());
        console.say("port", text);
    }
    Ok(bound)
}

fn cannot_write(path: &Path) -> String {
    format!("davy can't write {}", path.display())
}

/// Much more than the roles take to end.
const ROLES_END_WITHIN: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(10);
const HTTP: u16 = 8080;
const DNS: u16 = 5300;
/// More threads than this bring nothing to one machine's sites.
const THREADS_MAX: usize = 16;
