//! A role's side of the control channel: how it starts, reports and ends.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use flow::control::{Line, LineState, Peer, ToChild, ToKeeper, VERSION};
use proc::Channel;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// The channel to the keeper.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    keeper: Arc<Channel>,
}

/// What a role is started with.
#[derive(Debug)]
pub(crate) struct Begin<T> {
    pub(crate) settings: T,
    pub(crate) sockets: BTreeMap<String, OwnedFd>,
    pub(crate) orders: Orders,
}

/// What the keeper wants of a role while it runs, each kind on a way of its own.
#[derive(Debug)]
pub(crate) struct Orders {
    /// Other children to meet.
    pub(crate) meetings: mpsc::UnboundedReceiver<(Peer, Channel)>,
    /// Somebody wants to know how things are.
    pub(crate) inquiries: mpsc::UnboundedReceiver<()>,
    /// How the program that was asked for ended, while it does not run.
    pub(crate) ended: watch::Receiver<Option<String>>,
    /// When the role must have ended, once it shall.
    drain: watch::Receiver<Option<Instant>>,
}

impl Orders {
    /// A way to wait for the end.
    pub(crate) fn end(&self) -> End {
        End(self.drain.clone())
    }
}

/// The order to finish and end.
#[derive(Clone, Debug)]
pub(crate) struct End(watch::Receiver<Option<Instant>>);

impl End {
    /// Waits for the order, and gives the deadline. A keeper that has gone means the end too, soon.
    pub(crate) async fn ordered(&mut self) -> Instant {
        let deadline = self.0.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
        deadline.unwrap_or_else(|| Instant::now() + KEEPER_GONE)
    }
}

impl Child {
    /// Takes the channel this process was started with, and waits for the first message.
    pub(crate) async fn begin<T: DeserializeOwned>() -> anyhow::Result<(Child, Begin<T>)> {
        let channel =
            Channel::inherited().context("a role is started by the keeper, not by hand")?;
        let first = channel.receive::<ToChild>().await?;
        let Some((ToChild::Start { version, settings, sockets }, fds)) = first else {
            bail!("the keeper did not say what to start");
        };
        if version != VERSION {
            bail!("the keeper speaks version {version} of the control messages, not {VERSION}");
        }
        let sockets = sockets.into_iter().zip(fds).collect();
        let settings = serde_json::from_value(settings).context("settings of another davy")?;
        let keeper = Arc::new(channel);
        let orders = listen(keeper.clone());
        Ok((Child { keeper }, Begin { settings, sockets, orders }))
    }

    /// Sends the keeper a message. A keeper that has gone is noticed by [`End::ordered`].
    pub(crate) fn tell(&self, message: &ToKeeper) {
        if let Err(error) = self.keeper.try_send(message, &[]) {
            tracing::warn!(%error, "the keeper does not take messages");
        }
    }

    /// Something was done.
    pub(crate) fn done(
        &self,
        label: &str,
        text: impl AsRef<str>,
        since: Option<std::time::Instant>,
    ) {
        let took = since.map(|since| since.elapsed().as_millis());
        let took_ms = took.map(|took| u64::try_from(took).unwrap_or(u64::MAX));
        self.say(label, text.as_ref(), LineState::Done { took_ms });
    }

    /// Something is being done.
    pub(crate) fn doing(&self, label: &str, text: impl AsRef<str>) {
        if !text.as_ref().trim().is_empty() {
            self.say(label, text.as_ref().trim(), LineState::Doing);
        }
    }

    /// Something to know.
    pub(crate) fn warn(&self, label: &str, text: impl AsRef<str>) {
        self.say(label, text.as_ref(), LineState::Warning);
    }

    /// The role can't do its work; it ends after this.
    pub(crate) fn fail(&self, error: &anyhow::Error) {
        let error = format!("{error:#}");
        // The keeper shows it; here it goes into the role's own log.
        tracing::info!(error, "this role can't do its work");
        self.tell(&ToKeeper::Failed { error });
    }

    fn say(&self, label: &str, text: &str, state: LineState) {
        let text = text.chars().take(TEXT_MAX).collect();
        self.tell(&ToKeeper::Say(Line { label: label.into(), text, state }));
    }
}

/// Starts to sort the keeper's messages.
fn listen(keeper: Arc<Channel>) -> Orders {
    let (meet, meetings) = mpsc::unbounded_channel();
    let (inquire, inquiries) = mpsc::unbounded_channel();
    let (end, ended) = watch::channel(None);
    let (stop, drain) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            let (message, mut fds) = match keeper.receive::<ToChild>().await {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => break tracing::error!(%error, "the keeper can't be understood"),
            };
            // Who no longer listens to one kind of order is about to end.
            match message {
                ToChild::Meet { peer } => match fds.pop().map(Channel::from_fd) {
                    Some(Ok(channel)) => drop(meet.send((peer, channel))),
                    _ => tracing::error!("an introduction without a channel"),
                },
                ToChild::Running { .. } => drop(end.send(None)),
                ToChild::Ended { how, .. } => drop(end.send(Some(how))),
                ToChild::Status => drop(inquire.send(())),
                ToChild::Drain { within_ms } => {
                    let _ = stop.send(Some(Instant::now() + Duration::from_millis(within_ms)));
                }
                ToChild::Start { .. } => tracing::error!("started twice"),
            }
        }
    });
    Orders { meetings, inquiries, ended, drain }
}

/// What a role may take to end when its keeper has died.
const KEEPER_GONE: Duration = Duration::from_millis(500);
/// A line for people; a message of the control plane holds 64 KiB.
const TEXT_MAX: usize = 8 * 1024;
