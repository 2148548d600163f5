//! The process that workers are forked from, once it has imported the application
//! (workers/python/zygote.py).
//!
//! ```text
//!   Absent ──first fork──▶ Loading ──loaded──▶ Loaded ──▶ forks, one after the other
//!      ▲                      │ died: those who wait are told how     │ died: workers live on
//!      '──────────────────────┴───────────────────────────────────────'
//!                             └─ can't be forked ─▶ Unsafe: each worker is started on its own
//! ```
//! A worker is the zygote's child: it is watched by a descriptor of its own, and its exit comes as a
//! message. Should this process die, the kernel tells each worker by the `life` socket. When nobody
//! needs workers any more the zygote ends: it would hold memory for nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use proc::{Channel, Child, Exit, Limits, Output, Process, Signal, Spec, Stdin};
use serde::{Deserialize, Serialize};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Settings;
use super::child::Lines;
use crate::output::{SECOND, Tail, each_line};

/// The way to a zygote, which is started when it is first needed. Dropped, it ends it.
#[derive(Debug)]
pub(super) struct Zygote {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    Fork(Ask),
    /// Nobody needs workers any more.
    Rest,
}

/// Somebody wants a worker.
#[derive(Debug)]
struct Ask {
    listener: OwnedFd,
    reply: oneshot::Sender<Result<Forked, Refused>>,
}

/// A worker that was forked.
#[derive(Debug)]
pub(super) struct Forked {
    pub(super) process: Process,
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
    /// How it ended; nothing comes when the zygote died before it.
    pub(super) exit: oneshot::Receiver<Exit>,
    /// When this is closed the worker is told to stop.
    _life: UnixStream,
}

/// Why no worker was forked.
#[derive(Debug)]
pub(super) enum Refused {
    /// It can't be forked safely: start the worker on its own.
    Unsafe,
    /// The application could not be loaded, or the fork failed: how, and the last lines.
    Failed { how: String, told: String },
}

/// To the zygote.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum ToZygote {
    Fork(u64),
}

/// From the zygote.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FromZygote {
    Loaded {
        /// Why it must not be forked.
        r#unsafe: Option<String>,
    },
    Forked {
        number: u64,
        pid: u32,
    },
    Failed {
        number: u64,
        error: String,
    },
    Ended {
        pid: u32,
        status: i32,
    },
}

impl Zygote {
    /// The zygote that these arguments start; must be called on the main thread's runtime.
    pub(super) fn new(argv: Vec<OsString>, settings: &Settings, lines: Arc<Lines>) -> Zygote {
        let (orders, ordered) = mpsc::channel(ASKS_MAX);
        tokio::spawn(attend(argv, settings.clone(), lines, ordered));
        Zygote { orders }
    }

    /// Nobody needs workers at the moment. The next one may ask again.
    pub(super) fn rest(&self) {
        // With so many orders waiting there is no rest.
        let _ = self.orders.try_send(Order::Rest);
    }

    /// Has a worker forked that listens on `listener`. Cancelled, the worker does not live.
    pub(super) fn fork(
        &self,
        listener: OwnedFd,
    ) -> impl Future<Output = Result<Forked, Refused>> + use<> {
        let (orders, (reply, answer)) = (self.orders.clone(), oneshot::channel());
        async move {
            let _ = orders.send(Order::Fork(Ask { listener, reply })).await;
            let gone = || Refused::Failed { how: "the site stops".into(), told: String::new() };
            answer.await.unwrap_or_else(|_| Err(gone()))
        }
    }
}

/// Starts zygotes, one after another, for as long as somebody may ask.
async fn attend(
    argv: Vec<OsString>,
    settings: Settings,
    lines: Arc<Lines>,
    mut orders: mpsc::Receiver<Order>,
) {
    while let Some(order) = orders.recv().await {
        let Order::Fork(first) = order else { continue };
        let loaded = match start(&argv, &settings) {
            Ok((child, channel)) => {
                let tail = Arc::new(Tail::default());
                let life = Life { child, channel, lines: lines.clone(), tail };
                life.run(first, &mut orders).await
            }
            Err(error) => {
                let how = format!("can't be started: {error}");
                let _ = first.reply.send(Err(Refused::Failed { how, told: String::new() }));
                Loaded::Unknown
            }
        };
        if loaded == Loaded::Unsafe {
            while let Some(order) = orders.recv().await {
                let Order::Fork(ask) = order else { continue };
                let _ = ask.reply.send(Err(Refused::Unsafe));
            }
        }
    }
}

fn start(argv: &[OsString], settings: &Settings) -> io::Result<(Child, Channel)> {
    let (channel, theirs) = Channel::pair()?;
    let mut spec = Spec::new(argv);
    spec.env = settings.env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
    spec.dir = Some(settings.project.clone());
    spec.stdin = Stdin::Fd(theirs);
    spec.output = Output::Pipe;
    spec.limits = Limits { death: Some(Signal::Kill), ..Limits::default() };
    Ok((proc::spawn(&settings.own, spec)?, channel))
}

/// What is known of a zygote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loaded {
    Unknown,
    Safe,
    Unsafe,
}

/// One zygote, from its start to its end.
struct Life {
    child: Child,
    channel: Channel,
    lines: Arc<Lines>,
    tail: Arc<Tail>,
}

/// What a zygote owes.
#[derive(Default)]
struct Owed {
    number: u64,
    /// Those who wait for a worker, by the number of their fork.
    forks: BTreeMap<u64, (Ask, Outputs)>,
    /// Those who want to know how a worker ended, by its process id.
    exits: BTreeMap<u32, oneshot::Sender<Exit>>,
}

/// Our ends of a worker's pipes and of the socket that tells it of our end.
struct Outputs {
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
    life: UnixStream,
}

impl Life {
    async fn run(mut self, first: Ask, orders: &mut mpsc::Receiver<Order>) -> Loaded {
        let reading = self.reading();
        let (mut waiting, mut owed) = (vec![first], Owed::default());
        let (mut loaded, late) = (Loaded::Unknown, Instant::now() + LOADED_WITHIN);
        let how = loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Fork(ask)) if loaded == Loaded::Safe => self.fork(ask, &mut owed),
                    // Each worker asks once, and their number is limited.
                    Some(Order::Fork(ask)) => waiting.push(ask),
                    Some(Order::Rest) | None => break "not needed any more".into(),
                },
                message = self.channel.receive::<FromZygote>() => match message {
                    Ok(Some((FromZygote::Loaded { r#unsafe: None }, _))) => {
                        loaded = Loaded::Safe;
                        waiting.drain(..).for_each(|ask| self.fork(ask, &mut owed));
                    }
                    Ok(Some((FromZygote::Loaded { r#unsafe: Some(reason) }, _))) => {
                        tracing::info!(reason, "workers share no memory: each is started on its own");
                        loaded = Loaded::Unsafe;
                        break reason;
                    }
                    Ok(Some((message, fds))) => owed.take(message, fds),
                    Ok(None) => break self.how_ended().await,
                    Err(error) => break format!("it said something else: {error}"),
                },
                () = tokio::time::sleep_until(late), if loaded == Loaded::Unknown => {
                    break format!("not loaded within {} s", LOADED_WITHIN.as_secs());
                }
            }
        };
        self.child.signal_group(Signal::Kill);
        let _ = tokio::time::timeout(SECOND, reading).await;
        let told = self.tail.text();
        let waiting = waiting.into_iter().chain(owed.forks.into_values().map(|(ask, _)| ask));
        for ask in waiting {
            let failed = Refused::Failed { how: how.clone(), told: told.clone() };
            let refused = if loaded == Loaded::Unsafe { Refused::Unsafe } else { failed };
            let _ = ask.reply.send(Err(refused));
        }
        loaded
    }

    /// How the process ended, which has closed its channel.
    async fn how_ended(&mut self) -> String {
        match tokio::time::timeout(SECOND, self.child.wait()).await {
            Ok(Ok(exit)) => exit.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it closed its channel".into(),
        }
    }

    /// Starts to read what it writes: the lines of the site's own, as it is no worker.
    fn reading(&mut self) -> tokio::task::JoinHandle<()> {
        let (stdout, stderr) = (self.child.take_stdout(), self.child.take_stderr());
        let (lines, tail) = (self.lines.clone(), self.tail.clone());
        tokio::spawn(async move {
            let line = |line: &str| {
                tail.push(line);
                lines.take(0, line);
            };
            tokio::join!(each_line(stdout, line), each_line(stderr, line));
        })
    }

    fn fork(&self, ask: Ask, owed: &mut Owed) {
        owed.number += 1;
        match self.ask_for(owed.number, &ask) {
            Ok(outputs) => drop(owed.forks.insert(owed.number, (ask, outputs))),
            Err(error) => {
                let (how, told) = (format!("can't be forked: {error}"), String::new());
                let _ = ask.reply.send(Err(Refused::Failed { how, told }));
            }
        }
    }

    fn ask_for(&self, number: u64, ask: &Ask) -> io::Result<Outputs> {
        let ((stdout, out), (stderr, err)) = (std::io::pipe()?, std::io::pipe()?);
        let (life, end) = UnixStream::pair()?;
        let fds = [ask.listener.as_fd(), out.as_fd(), err.as_fd(), end.as_fd()];
        self.channel.try_send(&ToZygote::Fork(number), &fds)?;
        let stdout = pipe::Receiver::from_owned_fd(stdout.into())?;
        let stderr = pipe::Receiver::from_owned_fd(stderr.into())?;
        Ok(Outputs { stdout, stderr, life })
    }
}

impl Owed {
    fn take(&mut self, message: FromZygote, fds: Vec<OwnedFd>) {
        match message {
            FromZygote::Forked { number, pid } => {
                let Some((ask, outputs)) = self.forks.remove(&number) else { return };
                let forked = self.forked(pid, fds, outputs);
                let failed = |error: io::Error| {
                    let how = format!("can't be watched: {error}");
                    Refused::Failed { how, told: String::new() }
                };
                if let Err(Ok(unwanted)) = ask.reply.send(forked.map_err(failed)) {
                    unwanted.process.signal_group(Signal::Kill);
                }
            }
            FromZygote::Failed { number, error } => {
                let Some((ask, _)) = self.forks.remove(&number) else { return };
                let (how, told) = (format!("can't be forked: {error}"), String::new());
                let _ = ask.reply.send(Err(Refused::Failed { how, told }));
            }
            FromZygote::Ended { pid, status } => {
                if let Some(exit) = self.exits.remove(&pid) {
                    let _ = exit.send(Exit::from(ExitStatus::from_raw(status)));
                }
            }
            FromZygote::Loaded { .. } => {}
        }
    }

    fn forked(&mut self, pid: u32, fds: Vec<OwnedFd>, outputs: Outputs) -> io::Result<Forked> {
        let pidfd = fds.into_iter().next().ok_or(io::ErrorKind::InvalidData)?;
        let process = Process::from_pidfd(pidfd, pid)?;
        let (tell, exit) = oneshot::channel();
        self.exits.insert(pid, tell);
        let Outputs { stdout, stderr, life } = outputs;
        let (stdout, stderr) = (Some(stdout), Some(stderr));
        Ok(Forked { process, stdout, stderr, exit, _life: life })
    }
}

/// Less than a worker may take to become ready, so that its failure is the one that is told.
const LOADED_WITHIN: Duration = Duration::from_secs(55);
/// Workers that may be asked for at a time.
const ASKS_MAX: usize = 1024;
