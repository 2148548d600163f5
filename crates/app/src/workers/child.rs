//! One worker process from its start to its end: its socket, its readiness, its lines.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use flow::Stamp;
use proc::{Child, Limits, Own, Signal, Spec, Stdin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};

use super::plan::Run;
use super::zygote::{Forked, Refused, Zygote};
use super::{Settings, Sink, slow};
use crate::output::{Limiter, SECOND, Tail, Verdict, each_line};

/// What a child's task tells the supervisor.
#[derive(Debug)]
pub(super) enum News {
    /// It has a process, of this id.
    Started(Run, u32),
    /// It said HELLO: the application is loaded.
    Ready(Run),
    /// It has ended.
    Ended { run: Run, how: String, told: String },
}

/// Where the workers' lines go, held to the site's rate.
pub(super) struct Lines {
    sink: Sink,
    limiter: Mutex<Limiter>,
    dropping: Notify,
}

impl Lines {
    pub(super) fn new(sink: Sink) -> Lines {
        Lines { sink, limiter: Mutex::new(Limiter::new()), dropping: Notify::new() }
    }

    pub(super) fn take(&self, worker: usize, line: &str) {
        let verdict = self.limiter().take(Stamp::now());
        match verdict {
            Verdict::Pass => {}
            Verdict::PassAfter(dropped) => self.tell_dropped(worker, dropped),
            Verdict::Drop => return self.dropping.notify_one(),
        }
        (self.sink)(worker, line);
    }

    /// Tells of dropped lines also when no line follows them. Never ends.
    pub(super) async fn tell_drops(&self) -> std::convert::Infallible {
        loop {
            self.dropping.notified().await;
            tokio::time::sleep(SECOND).await;
            let dropped = self.limiter().flush(Stamp::now());
            if let Some(dropped) = dropped {
                self.tell_dropped(0, dropped);
            }
        }
    }

    fn tell_dropped(&self, worker: usize, dropped: u64) {
        (self.sink)(worker, &format!("({dropped} lines dropped: more than 1000 in a second)"));
    }

    fn limiter(&self) -> std::sync::MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a run listens: a fresh name for each start, so that nobody reaches an older process by it.
pub(super) fn socket_of(folder: &Path, run: Run) -> PathBuf {
    folder.join(format!("w{}-{}.sock", run.worker, run.start))
}

/// Starts a run's process on its own, with its listening socket as file descriptor 0.
fn spawn(settings: &Settings, socket: &Path) -> io::Result<Child> {
    let mut spec = Spec::new(&settings.argv);
    spec.env = settings.env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
    spec.dir = Some(settings.project.clone());
    spec.stdin = Stdin::Fd(proc::listen_unix(socket)?);
    spec.output = proc::Output::Pipe;
    spec.limits = Limits { death: Some(Signal::Term), ..Limits::default() };
    let own: &Own = &settings.own;
    proc::spawn(own, spec)
}

/// A worker's process, and how it came into being.
enum Body {
    Spawned(Child),
    Forked(Box<Forked>),
}

impl Body {
    fn pid(&self) -> u32 {
        match self {
            Body::Spawned(child) => child.pid(),
            Body::Forked(forked) => forked.process.pid(),
        }
    }

    fn signal(&self, signal: Signal) {
        match (self, signal) {
            (_, Signal::Kill) => self.kill_group(),
            (Body::Spawned(child), _) => child.signal(signal),
            (Body::Forked(forked), _) => forked.process.signal(signal),
        }
    }

    /// Nothing that a worker started outlives it, or holds its pipes open.
    fn kill_group(&self) {
        match self {
            Body::Spawned(child) => child.signal_group(Signal::Kill),
            Body::Forked(forked) => forked.process.signal_group(Signal::Kill),
        }
    }

    /// Waits for its end, and says how it came.
    async fn ended(&mut self) -> String {
        match self {
            Body::Spawned(child) => {
                child.wait().await.map_or_else(|error| error.to_string(), |exit| exit.to_string())
            }
            Body::Forked(forked) => {
                if let Err(error) = forked.process.ended().await {
                    return error.to_string();
                }
                match tokio::time::timeout(SECOND, &mut forked.exit).await {
                    Ok(Ok(exit)) => exit.to_string(),
                    // Who would know how has ended too.
                    _ => "ended".to_owned(),
                }
            }
        }
    }

    /// Reads its lines until both of its pipes are closed.
    fn lines<'a>(&mut self, line: impl Fn(&str) + Copy + Send + 'a) -> Reading<'a> {
        match self {
            Body::Spawned(child) => {
                let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
                Box::pin(async move {
                    tokio::join!(each_line(stdout, line), each_line(stderr, line));
                })
            }
            Body::Forked(forked) => {
                let (stdout, stderr) = (forked.stdout.take(), forked.stderr.take());
                Box::pin(async move {
                    tokio::join!(each_line(stdout, line), each_line(stderr, line));
                })
            }
        }
    }
}

type Reading<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What a worker's task works with.
pub(super) struct Task {
    pub(super) run: Run,
    pub(super) settings: Arc<Settings>,
    pub(super) zygote: Option<Arc<Zygote>>,
    pub(super) lines: Arc<Lines>,
    pub(super) signals: mpsc::Receiver<Signal>,
    pub(super) news: mpsc::Sender<News>,
}

impl Task {
    /// A worker's life: it is started, watched until it has ended, and cleared away.
    pub(super) async fn live(mut self) {
        let socket = socket_of(&self.settings.run, self.run);
        let (how, told) = match self.begin(&socket).await {
            Ok(body) => {
                let _ = self.news.send(News::Started(self.run, body.pid())).await;
                self.watch(body, &socket).await
            }
            Err(end) => end,
        };
        let _ = std::fs::remove_file(&socket);
        let _ = std::fs::remove_file(slow::file_of(&socket));
        let _ = self.news.send(News::Ended { run: self.run, how, told }).await;
    }

    /// Brings its process into being: a fork of the one that has loaded the application, if there is
    /// one. An error says how it failed, with the last lines.
    async fn begin(&mut self, socket: &Path) -> Result<Body, (String, String)> {
        let failed = |error: io::Error| (format!("can't be started: {error}"), String::new());
        if let Some(zygote) = &self.zygote {
            let forking = zygote.fork(proc::listen_unix(socket).map_err(failed)?);
            let forked = tokio::select! {
                forked = forking => forked,
                // Any but the look at its stack ends it; and it has none.
                Some(_) = self.signals.recv() => {
                    return Err(("stopped before it was started".into(), String::new()));
                }
            };
            match forked {
                Ok(forked) => return Ok(Body::Forked(Box::new(forked))),
                Err(Refused::Failed { how, told }) => return Err((how, told)),
                Err(Refused::Unsafe) => {}
            }
        }
        spawn(&self.settings, socket).map(Body::Spawned).map_err(failed)
    }

    /// Watches it until it has ended and its lines are read. Gives how it ended, and its last lines.
    async fn watch(&mut self, mut body: Body, socket: &Path) -> (String, String) {
        let (tail, lines, worker) = (Tail::default(), &self.lines, self.run.worker);
        let line = |line: &str| {
            tail.push(line);
            lines.take(worker, line);
        };
        let mut reading = body.lines(line);
        let mut greeting = pin!(hello(socket));
        let (mut all_read, mut greeted) = (false, false);
        let how = loop {
            tokio::select! {
                how = body.ended() => break how,
                () = &mut reading, if !all_read => all_read = true,
                hello = &mut greeting, if !greeted => {
                    greeted = true;
                    // A worker that does not greet ends or is killed, and that is told.
                    if hello.is_ok() {
                        let _ = self.news.send(News::Ready(self.run)).await;
                    }
                }
                Some(signal) = self.signals.recv() => body.signal(signal),
            }
        };
        body.kill_group();
        if !all_read {
            let _ = tokio::time::timeout(SECOND, &mut reading).await;
        }
        drop(reading);
        (how, tail.text())
    }
}

/// Waits for a worker's HELLO: it accepts connections only when the application is loaded.
async fn hello(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&HELLO).await?;
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).await?;
    // Length, type and version; the pid and the concurrency are for the edge.
    if answer[..5] == HELLO[..5] && answer[12..14] == HELLO[12..14] {
        return Ok(());
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// HELLO of docs/worker-protocol.md: 8 bytes, type 1, stream 0, version 1, concurrency 0, no pid.
const HELLO: [u8; 20] = [0, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
