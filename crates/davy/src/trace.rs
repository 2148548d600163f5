//! `davy trace URL`: one request through all nine steps, and where its time went.
//!
//! It asks davy's own name server, then davy's own web server, whatever address the record names:
//! nothing leaves this machine. What happened in between it is told by the edge (`told`), and shows
//! it as a picture (`picture`).

mod journey;
mod picture;
pub(crate) mod told;
mod visit;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use flow::Stamp;
use proc::Channel;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::cli;
use crate::console::put;
use crate::control::{Ask, Reply, inquire};
use crate::place::{Place, Surroundings};
use crate::settings::start::EdgeSite;
use journey::Journey;
use told::{Told, Tracing, Visited, Wish};
use visit::Target;

/// `davy trace`: exit code 0 when an answer came, whatever its status.
pub(crate) fn trace(options: &cli::Trace) -> anyhow::Result<ExitCode> {
    let place = Place::of(&options.folder, &Surroundings::read())?;
    let target = Target::read(&options.url, || own_domain(options, &place))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let journey = runtime.block_on(travel(&place, target))?;
    if options.json {
        put(&format!("{:#}\n", picture::json(&journey)));
    } else {
        put(&picture::lines(&journey, picture::Style::of_stdout()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The domain of the project in the folder, for an URL that is only a path.
fn own_domain(options: &cli::Trace, place: &Place) -> anyhow::Result<String> {
    match config::load(&options.folder) {
        Ok(config) => Ok(EdgeSite::of(&place.site_name(), &config).domain),
        Err(_) => bail!("davy.toml has problems; `davy check` tells them"),
    }
}

async fn travel(place: &Place, target: Target) -> anyhow::Result<Journey> {
    let edge = Edge::of(place).await?;
    let Told::Addresses { http, dns, tracing } = edge.ask(Wish::Addresses).await? else {
        bail!(UNEXPECTED);
    };
    if tracing == Tracing::Off {
        bail!("davy runs with `--trace off`; start it without that to trace requests");
    }
    let begun = Stamp::now();
    let answered = dns::ask(dns, &target.host, WITHIN).await;
    let named = Stamp::now();
    let connection = visit::connect(http, WITHIN).await?;
    match edge.ask(Wish::Watch(connection.own_address()?)).await? {
        Told::Watching => {}
        Told::Busy => bail!("too many traces run at a time; try again"),
        _ => bail!(UNEXPECTED),
    }
    let response = connection.get(&target, ANSWER_WITHIN).await?;
    let ended = Stamp::now();
    let (visited, statements, missed) = edge.hear_all().await?;
    let stamps = journey::Stamps { begun, named, connecting: response.connecting, ended };
    let names = journey::Names { server: dns, answered };
    Ok(Journey { target, stamps, names, http, response, visited, statements, missed })
}

/// The edge, at the other end of a channel.
struct Edge(Channel);

impl Edge {
    async fn of(place: &Place) -> anyhow::Result<Edge> {
        match inquire(place, Ask::Edge).await? {
            Some((Reply::Channel, mut fds)) => {
                let fd = fds.pop().context(UNEXPECTED)?;
                Ok(Edge(Channel::from_fd(fd)?))
            }
            _ => bail!("davy does not run in {}; start it with `davy up`", place.project.display()),
        }
    }

    async fn ask(&self, wish: Wish) -> anyhow::Result<Told> {
        self.send(&wish).await?;
        self.hear(WITHIN).await
    }

    async fn send<T: Serialize>(&self, message: &T) -> anyhow::Result<()> {
        self.0.send(message, &[]).await.context(GONE)
    }

    async fn hear<T: DeserializeOwned>(&self, within: Duration) -> anyhow::Result<T> {
        let heard = timeout(within, self.0.receive::<T>()).await.context("the edge is silent")?;
        Ok(heard.context(GONE)?.context(GONE)?.0)
    }

    /// What there is to know of the request that is over.
    async fn hear_all(&self) -> anyhow::Result<(Visited, Vec<told::Statement>, u64)> {
        let mut statements = Vec::new();
        let mut request = None;
        loop {
            match self.hear(WITHIN).await? {
                Told::Visited(visited) => request = Some(*visited),
                Told::Statements(some) => statements.extend(some),
                Told::End { missed } => {
                    return Ok((request.context(UNEXPECTED)?, statements, missed));
                }
                _ => bail!(UNEXPECTED),
            }
        }
    }
}

const GONE: &str = "the edge has gone; `davy status` shows how it is, try again";
const UNEXPECTED: &str = "the running davy is another version: `davy down` and `davy up` it";
const WITHIN: Duration = Duration::from_secs(5);
/// The answer itself may take longer: that is what is to be found out.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
