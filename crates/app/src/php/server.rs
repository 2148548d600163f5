//! A site's PHP: one process that forks the children; started, watched, started again, ended.
//!
//! ```text
//!   start ──▶ a child answers: Ready(socket) ──▶ … ──▶ dies: Gone ──▶ back-off ──▶ start
//!                │ not once, and it ended: Failed, with its last lines
//! ```
//! Each start has a socket of a fresh name, so that nobody reaches an older process by it. Children
//! that die are php-fpm's to replace, at once.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proc::{Backoff, Child, Exit, Limits, Own, Readiness, Signal, Spec, Stdin};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

use super::pool::{self, User};
use super::{Kind, Php};
use crate::Error;
use crate::output::{SECOND, Tail, each_line};
use crate::workers::Sink;

/// What a site's PHP is.
#[derive(Clone)]
pub struct Settings {
    /// davy's own executable.
    pub own: Arc<Own>,
    /// Which PHP.
    pub php: Php,
    /// How many children: so many requests are worked on at a time.
    pub children: usize,
    /// After how many requests a child is replaced; never if None.
    pub requests_max: Option<u32>,
    /// After what time a request's stack is written to the slow log (php-fpm only).
    pub slow_after: Duration,
    /// Variables added to the inherited environment.
    pub env: Vec<(String, String)>,
    /// The socket of the site's database, if davy has one for it.
    pub mysql_socket: Option<PathBuf>,
    /// The project's folder: PHP is started in it.
    pub project: PathBuf,
    /// The private folder of the sockets.
    pub run: PathBuf,
    /// The folder of PHP's own files: configuration, sessions, uploads on their way, slow log.
    pub state: PathBuf,
    /// Where its lines go.
    pub output: Sink,
}

/// What is told about PHP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It accepts requests at this socket.
    Ready(PathBuf),
    /// It has ended, and is started again.
    Gone,
    /// The very first start failed. It is not started again.
    Failed {
        /// How, with its last lines.
        error: String,
    },
}

/// How a site's PHP stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its process, if there is one.
    pub pid: Option<u32>,
    /// Whether it accepts requests.
    pub ready: bool,
    /// How many times it was started again.
    pub restarts: u32,
}

/// A site's running PHP. Dropped, it is ended.
#[derive(Debug)]
pub struct Server {
    drain: mpsc::Sender<(Duration, oneshot::Sender<()>)>,
    status: watch::Receiver<Status>,
}

impl Server {
    /// Starts PHP; must be called on the main thread's runtime, as [`proc::spawn`].
    pub fn start(settings: Settings) -> (Server, mpsc::Receiver<Event>) {
        let (drain, orders) = mpsc::channel(1);
        let (events, told) = mpsc::channel(EVENTS_MAX);
        let (shown, status) = watch::channel(Status::default());
        let life = Life { settings, orders, events, shown, starts: 0 };
        tokio::spawn(life.run());
        (Server { drain, status }, told)
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Kills a child that is stuck at a request; PHP replaces it.
    pub fn kill(&self, child: u32) {
        let Some(parent) = self.status.borrow().pid else { return };
        match proc::kill_child_of(parent, child) {
            Ok(()) => tracing::warn!(child, "a child of PHP was stuck at a request, and is killed"),
            Err(error) => tracing::warn!(child, %error, "a stuck child of PHP can't be killed"),
        }
    }

    /// Lets PHP finish what it is at, and ends it; after `within` it is killed.
    pub async fn drain(&self, within: Duration) {
        let (done, ended) = oneshot::channel();
        let _ = self.drain.send((within, done)).await;
        let _ = ended.await;
    }
}

/// The task behind [`Server`].
struct Life {
    settings: Settings,
    orders: mpsc::Receiver<(Duration, oneshot::Sender<()>)>,
    events: mpsc::Sender<Event>,
    shown: watch::Sender<Status>,
    starts: u32,
}

/// How one start went.
enum End {
    Drained(Option<oneshot::Sender<()>>),
    Died { readiness: Readiness, how: String, told: String },
}

impl Life {
    async fn run(mut self) {
        let (mut backoff, mut ever_ready) = (Backoff::new(), false);
        loop {
            let since = Instant::now();
            let end = match self.start().await {
                Ok(end) => end,
                Err(error) => End::Died {
                    readiness: Readiness::NotReached,
                    how: error.to_string(),
                    told: String::new(),
                },
            };
            self.show(|status| (status.pid, status.ready) = (None, false));
            let (readiness, how, told) = match end {
                End::Drained(done) => return tell(done),
                End::Died { readiness, how, told } => (readiness, how, told),
            };
            ever_ready |= readiness == Readiness::Reached;
            let program = self.settings.php.kind.name();
            let told = if told.is_empty() { "  (it said nothing)" } else { &told };
            if !ever_ready {
                let error = format!("{program} did not start: {how}\n{told}");
                let _ = self.events.send(Event::Failed { error }).await;
                return;
            }
            let lived = since.elapsed();
            let wait = backoff.died(readiness, lived);
            let (lived_s, wait_ms) = (lived.as_secs_f32(), wait.as_millis());
            tracing::warn!(exit = how, lived_s, wait_ms, "{program} died; its last lines:\n{told}");
            let _ = self.events.send(Event::Gone).await;
            self.show(|status| status.restarts += 1);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                order = self.orders.recv() => return tell(order.map(|(_, done)| done)),
            }
        }
    }

    fn show(&self, change: impl FnOnce(&mut Status)) {
        self.shown.send_modify(change);
    }

    /// Starts PHP and sees it through to its end.
    async fn start(&mut self) -> Result<End, Error> {
        self.starts += 1;
        let socket = self.settings.run.join(format!("php-{}.sock", self.starts));
        let child = spawn(&self.settings, &socket)?;
        self.show(|status| status.pid = Some(child.pid()));
        let end = self.watch(child, &socket).await;
        let _ = std::fs::remove_file(&socket);
        Ok(end)
    }

    async fn watch(&mut self, mut child: Child, socket: &Path) -> End {
        let (tail, output, kind) =
            (Tail::default(), self.settings.output.clone(), self.settings.php.kind);
        let line = |line: &str| {
            tail.push(line);
            if kind == Kind::Cgi || !is_told_by_the_edge(line) {
                output(0, line);
            }
        };
        let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
        let mut reading =
            pin!(async { tokio::join!(each_line(stdout, line), each_line(stderr, line)) });
        let mut greeting = pin!(greeted(socket));
        let mut deadline = pin!(tokio::time::sleep(READY_WITHIN));
        let (mut all_read, mut ready, mut draining) = (false, false, None);
        let (mut overdue, mut ended) = (false, false);
        let exit = loop {
            tokio::select! {
                exit = child.wait() => break exit,
                _ = &mut reading, if !all_read => all_read = true,
                () = &mut greeting, if !ready => {
                    ready = true;
                    self.shown.send_modify(|status| status.ready = true);
                    let _ = self.events.send(Event::Ready(socket.to_owned())).await;
                }
                () = &mut deadline, if !overdue && (!ready || draining.is_some()) => {
                    overdue = true;
                    child.signal_group(Signal::Kill);
                }
                order = self.orders.recv(), if !ended => match order {
                    Some((within, done)) => {
                        deadline.as_mut().reset(tokio::time::Instant::now() + within);
                        draining = Some(done);
                        child.signal(end_signal(kind));
                    }
                    None => {
                        ended = true;
                        child.signal_group(Signal::Kill);
                    }
                },
            }
        };
        // No child of PHP's outlives it, or holds its pipes open.
        child.signal_group(Signal::Kill);
        if !all_read {
            let _ = tokio::time::timeout(SECOND, reading).await;
        }
        if ended || draining.is_some() {
            return End::Drained(draining);
        }
        let readiness = if ready { Readiness::Reached } else { Readiness::NotReached };
        End::Died { readiness, how: how(exit, overdue), told: tail.text() }
    }
}

/// Whoever waits for the end may have given up.
fn tell(done: Option<oneshot::Sender<()>>) {
    let _ = done.map(|done| done.send(()));
}

fn how(exit: io::Result<Exit>, overdue: bool) -> String {
    match exit {
        _ if overdue => format!("not ready within {} s", READY_WITHIN.as_secs()),
        Ok(exit) => exit.to_string(),
        Err(error) => error.to_string(),
    }
}

/// php-fpm lets its children finish on QUIT; php-cgi knows TERM.
fn end_signal(kind: Kind) -> Signal {
    match kind {
        Kind::Fpm => Signal::Quit,
        Kind::Cgi => Signal::Term,
    }
}

/// php-fpm writes the messages of its scripts to its own stderr as well as to the edge, which knows
/// the request.
fn is_told_by_the_edge(line: &str) -> bool {
    let trace =
        line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    trace || MESSAGES.iter().any(|start| line.starts_with(start))
}

fn spawn(settings: &Settings, socket: &Path) -> Result<Child, Error> {
    for folder in [pool::TEMPORARY, pool::SESSIONS] {
        let folder = settings.state.join(folder);
        proc::private_folder(&folder).map_err(Error::io(&folder))?;
    }
    let conf = settings.state.join("fpm.conf");
    let stdin = match settings.php.kind {
        Kind::Fpm => {
            std::fs::write(&conf, pool::conf(settings, socket)).map_err(Error::io(&conf))?;
            Stdin::Null
        }
        Kind::Cgi => Stdin::Fd(proc::listen_unix(socket).map_err(Error::io(socket))?),
    };
    let mut spec = Spec::new(pool::argv(settings, &conf, user()));
    let env = settings.env.iter().cloned().chain(pool::variables(settings));
    spec.env = env.map(|(name, value)| (name.into(), Some(value.into()))).collect();
    spec.dir = Some(settings.project.clone());
    spec.stdin = stdin;
    spec.output = proc::Output::Pipe;
    spec.limits = Limits { death: Some(Signal::Term), ..Limits::default() };
    proc::spawn(&settings.own, spec).map_err(Error::io(&settings.php.path))
}

fn user() -> User {
    use std::os::unix::fs::MetadataExt as _;
    match std::fs::metadata("/proc/self") {
        Ok(about) if about.uid() == 0 => User::Root,
        _ => User::Other,
    }
}

/// Waits until a child has answered an empty request.
async fn greeted(socket: &Path) {
    while greet(socket).await.is_err() {
        tokio::time::sleep(GREET_AGAIN).await;
    }
}

async fn greet(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&GREETING).await?;
    let mut answer = Vec::new();
    // The connection is not to be kept, so that the answer ends with it.
    stream.read_to_end(&mut answer).await?;
    if answer.starts_with(&[1]) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// FastCGI: BEGIN_REQUEST for a responder, no PARAMS, no STDIN.
const GREETING: [u8; 32] = [
    1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, //
    1, 4, 0, 1, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0,
];
const GREET_AGAIN: Duration = Duration::from_millis(5);
const READY_WITHIN: Duration = Duration::from_secs(30);
const EVENTS_MAX: usize = 4;
const MESSAGES: [&str; 4] =
    ["PHP message: ", "NOTICE: PHP message: ", "Stack trace:", "  thrown in "];
