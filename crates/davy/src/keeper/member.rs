//! The keeper's children: their recipes, their lives, their deaths.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use flow::control::{Peer, ToChild, ToKeeper, VERSION};
use proc::{Channel, Child, Limits, Own, Readiness, Signal, Spec, Stdin, spawn};
use tokio::sync::mpsc;

use super::{Event, Keeper, Restarts, name};

/// How to start a child: plain data, the same at every start.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// Who it is.
    pub(crate) peer: Peer,
    /// The arguments of davy that make the role.
    pub(crate) role: Vec<String>,
    /// What it is told at its start; opaque to the keeper.
    pub(crate) settings: serde_json::Value,
    /// Sockets it inherits, by name. The keeper keeps its own copies: no restart loses a connection
    /// that waits to be accepted.
    pub(crate) sockets: Vec<(String, OwnedFd)>,
    /// When it is started.
    pub(crate) start: Start,
}

/// When a child is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the keeper.
    AtOnce,
    /// When another child asks for it.
    WhenWanted,
}

/// A child, alive or not.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) recipe: Recipe,
    pub(super) life: Option<Life>,
    pub(super) ready: bool,
    pub(super) restarts: Restarts,
    /// Whether a restart has been put off.
    pub(super) waiting: bool,
}

/// One life of a child.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) number: u64,
    pub(super) pid: u32,
    pub(super) since: Instant,
    pub(super) channel: Arc<Channel>,
    pub(super) signals: mpsc::UnboundedSender<Signal>,
}

impl Member {
    pub(super) fn new(recipe: Recipe) -> Member {
        let restarts = Restarts::default();
        Member { recipe, life: None, ready: false, restarts, waiting: false }
    }
}

impl Keeper {
    pub(super) fn is_alive(&self, peer: &Peer, number: u64) -> bool {
        self.life(peer).is_some_and(|life| life.number == number)
    }

    pub(super) fn life(&self, peer: &Peer) -> Option<&Life> {
        self.members.get(peer)?.life.as_ref()
    }

    pub(super) fn channel(&self, peer: &Peer) -> Option<Arc<Channel>> {
        self.life(peer).map(|life| life.channel.clone())
    }

    /// Starts a child and introduces it to those it works with.
    pub(super) fn start(&mut self, peer: &Peer) {
        match self.bear(peer) {
            Ok(()) => self.introduce_all(peer),
            Err(error) => {
                self.warn(peer, format!("could not be started: {error}"));
                self.put_off(peer, Readiness::NotReached, Instant::now());
            }
        }
    }

    fn bear(&mut self, peer: &Peer) -> std::io::Result<()> {
        let number = self.number();
        let Some(member) = self.members.get_mut(peer) else { return Ok(()) };
        member.waiting = false;
        if member.life.is_some() {
            return Ok(());
        }
        let (channel, theirs) = Channel::pair()?;
        let role = member.recipe.role.iter().map(String::as_str);
        let mut spec = Spec::new(std::iter::once(Own::NAME).chain(role));
        spec.stdin = Stdin::Fd(theirs);
        spec.limits = Limits { death: None, open_files: Some(OPEN_FILES) };
        let child = spawn(&self.own, spec)?;

        let recipe = &member.recipe;
        let (names, fds): (Vec<_>, Vec<_>) =
            recipe.sockets.iter().map(|(name, fd)| (name.clone(), fd.as_fd())).unzip();
        let settings = recipe.settings.clone();
        // The pair is new and empty, so the message fits.
        channel.try_send(&ToChild::Start { version: VERSION, settings, sockets: names }, &fds)?;

        let (signals, orders) = mpsc::unbounded_channel();
        let (pid, since, channel) = (child.pid(), Instant::now(), Arc::new(channel));
        member.life = Some(Life { number, pid, since, channel: channel.clone(), signals });
        member.ready = false;
        tokio::spawn(attend(peer.clone(), number, child, channel, orders, self.events.clone()));
        Ok(())
    }

    fn introduce_all(&mut self, peer: &Peer) {
        let others: Vec<Peer> = self
            .members
            .keys()
            .filter(|other| work_together(peer, other) || work_together(other, peer))
            .cloned()
            .collect();
        others.iter().for_each(|other| self.introduce(peer, other));
    }

    /// A child has ended: it is started again, later the more often it dies.
    pub(super) fn bury(&mut self, peer: &Peer, number: u64, exit: proc::Exit) {
        if !self.is_alive(peer, number) {
            return;
        }
        let Some(member) = self.members.get_mut(peer) else { return };
        let Some(life) = member.life.take() else { return };
        let ready = std::mem::take(&mut member.ready);
        let readiness = if ready { Readiness::Reached } else { Readiness::NotReached };
        let lived = life.since.elapsed();
        let text = format!("{exit} after {:.1} s; it is started again", lived.as_secs_f64());
        self.warn(peer, text);
        self.lines.retain(|(by, _)| by != peer);
        self.forget_in_inquiries(peer);
        self.put_off(peer, readiness, life.since);
    }

    fn put_off(&mut self, peer: &Peer, readiness: Readiness, since: Instant) {
        let Some(member) = self.members.get_mut(peer) else { return };
        let wait = member.restarts.backoff.died(readiness, since.elapsed());
        member.restarts.count += 1;
        member.waiting = true;
        self.later(wait, Event::Restart(peer.clone()));
    }

    /// Sends a message to a child; one that can't take it is about to be buried.
    pub(super) fn tell(&self, peer: &Peer, message: &ToChild) {
        if let Some(channel) = self.channel(peer)
            && let Err(error) = channel.try_send(message, &[])
        {
            tracing::info!(child = name(peer), %error, "a child does not take its messages");
        }
    }
}

/// The relations of the house: sites with the edge and the database, the database with the edge.
fn work_together(one: &Peer, other: &Peer) -> bool {
    matches!((one, other), (Peer::Site(_), Peer::Edge | Peer::Db) | (Peer::Db, Peer::Edge))
}

/// Waits on one child: passes on what it says, carries out signals, and reports its end after its
/// last message.
async fn attend(
    peer: Peer,
    number: u64,
    mut child: Child,
    channel: Arc<Channel>,
    mut orders: mpsc::UnboundedReceiver<Signal>,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut talking = true;
    let exit = loop {
        tokio::select! {
            message = channel.receive::<ToKeeper>(), if talking => match message {
                Ok(Some((message, _))) => {
                    // The edge says that a site is ready because of what the site did: what the
                    // site said before that lies in its own channel, and is read first.
                    if peer == Peer::Edge {
                        tokio::task::yield_now().await;
                    }
                    let _ = events.send(Event::Said(peer.clone(), number, message));
                }
                Ok(None) => talking = false,
                Err(error) => {
                    tracing::warn!(child = name(&peer), %error, "a child sent nonsense and is ended");
                    talking = false;
                    child.signal_group(Signal::Kill);
                }
            },
            exit = child.wait() => break exit,
            Some(signal) = orders.recv() => child.signal_group(signal),
        }
    };
    while talking
        && let Ok(Ok(Some((message, _)))) =
            tokio::time::timeout(LAST_WORDS, channel.receive::<ToKeeper>()).await
    {
        let _ = events.send(Event::Said(peer.clone(), number, message));
    }
    match exit {
        Ok(exit) => drop(events.send(Event::Ended(peer, number, exit))),
        Err(error) => tracing::error!(child = name(&peer), %error, "a child can't be waited for"),
    }
}

/// An edge with many connections needs many; the hard limit still holds.
const OPEN_FILES: u64 = 65_536;
const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(200);
