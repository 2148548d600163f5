//! One worker process from its start to its end: its socket, its readiness, its lines.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flow::Stamp;
use flow::control::Address;
use proc::{Child, Limits, Own, Signal, Spec, Stdin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, mpsc};

use super::plan::Run;
use super::zygote::{Forked, Refused, Zygote};
use super::{Launch, Settings, Sink, slow};
use crate::command::{Command, Listens};
use crate::output::{Limiter, SECOND, Tail, Verdict, each_line};

/// What a child's task tells the supervisor.
#[derive(Debug)]
pub(super) enum News {
    /// It has a process of this id, which will listen there.
    Started(Run, u32, Address),
    /// It said HELLO, or accepts: the application is loaded.
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

/// Starts a run's process, and says where it listens: on `socket`, or on a port that is free now.
fn spawn(settings: &Settings, socket: &Path) -> io::Result<(Child, Address)> {
    let (mut spec, address) = match &settings.launch {
        Launch::Frames { argv, .. } => {
            let mut spec = Spec::new(argv);
            spec.stdin = Stdin::Fd(proc::listen_unix(socket)?);
            (spec, Address::Unix(socket.to_owned()))
        }
        Launch::Http(command) => server(command, socket)?,
    };
    // What a server is told here wins over the site's own variables.
    let told = std::mem::take(&mut spec.env);
    let env = settings.env.iter().map(|(name, value)| (name.into(), Some(value.into())));
    spec.env = env.chain(told).collect();
    spec.dir = Some(settings.project.clone());
    spec.output = proc::Output::Pipe;
    spec.limits = Limits { death: Some(Signal::Term), ..Limits::default() };
    let own: &Own = &settings.own;
    Ok((proc::spawn(own, spec)?, address))
}

/// A server that is told where to listen.
fn server(command: &Command, socket: &Path) -> io::Result<(Spec, Address)> {
    match command.listens() {
        Listens::Socket => {
            let mut spec = Spec::new(command.argv(Some(socket)));
            spec.env.push(("SOCKET".into(), Some(socket.into())));
            Ok((spec, Address::Unix(socket.to_owned())))
        }
        Listens::Port => {
            let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = free.local_addr()?.port();
            let mut spec = Spec::new(command.argv(None));
            spec.env.push(("PORT".into(), Some(port.to_string().into())));
            Ok((spec, Address::Tcp(Ipv4Addr::LOCALHOST.to_string(), port)))
        }
    }
}

/// How a worker shows that it is ready.
enum Reach {
    /// It says HELLO on its socket.
    Greets(PathBuf),
    /// It accepts connections.
    Accepts(Address),
}

impl Reach {
    /// Waits until it is.
    async fn ready(&self) -> io::Result<()> {
        match self {
            Reach::Greets(socket) => hello(socket).await,
            Reach::Accepts(address) => {
                while !accepts(address).await {
                    tokio::time::sleep(AGAIN).await;
                }
                Ok(())
            }
        }
    }
}

async fn accepts(address: &Address) -> bool {
    match address {
        Address::Unix(path) => UnixStream::connect(path).await.is_ok(),
        Address::Tcp(host, port) => TcpStream::connect((host.as_str(), *port)).await.is_ok(),
    }
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

    fn signal(&self, signal: Signal, reach: &Reach) {
        match (self, signal) {
            (_, Signal::Kill) => self.kill_group(),
            // A server may have a shell or npm around it, which would keep the signal to itself.
            (Body::Spawned(child), Signal::Term) if matches!(reach, Reach::Accepts(_)) => {
                child.signal_group(signal);
            }
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
            Ok((body, address)) => {
                let reach = match &self.settings.launch {
                    Launch::Frames { .. } => Reach::Greets(socket.clone()),
                    Launch::Http(_) => Reach::Accepts(address.clone()),
                };
                let _ = self.news.send(News::Started(self.run, body.pid(), address)).await;
                self.watch(body, &reach).await
            }
            Err(end) => end,
        };
        let _ = std::fs::remove_file(&socket);
        let _ = std::fs::remove_file(slow::file_of(&socket));
        let _ = self.news.send(News::Ended { run: self.run, how, told }).await;
    }

    /// Brings its process into being: a fork of the one that has loaded the application, if there is
    /// one. An error says how it failed, with the last lines.
    async fn begin(&mut self, socket: &Path) -> Result<(Body, Address), (String, String)> {
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
                Ok(forked) => {
                    let body = Body::Forked(Box::new(forked));
                    return Ok((body, Address::Unix(socket.to_owned())));
                }
                Err(Refused::Failed { how, told }) => return Err((how, told)),
                Err(Refused::Unsafe) => {}
            }
        }
        let (child, address) = spawn(&self.settings, socket).map_err(failed)?;
        Ok((Body::Spawned(child), address))
    }

    /// Watches it until it has ended and its lines are read. Gives how it ended, and its last lines.
    async fn watch(&mut self, mut body: Body, reach: &Reach) -> (String, String) {
        let (tail, lines, worker) = (Tail::default(), &self.lines, self.run.worker);
        let line = |line: &str| {
            tail.push(line);
            lines.take(worker, line);
        };
        let mut reading = body.lines(line);
        let mut greeting = pin!(reach.ready());
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
                Some(signal) = self.signals.recv() => body.signal(signal, reach),
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

/// How often is looked whether a server accepts.
const AGAIN: Duration = Duration::from_millis(20);

/// HELLO of docs/worker-protocol.md: 8 bytes, type 1, stream 0, version 1, concurrency 0, no pid.
const HELLO: [u8; 20] = [0, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
