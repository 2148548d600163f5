//! One worker process from its start to its end: its socket, its readiness, its lines.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use flow::Stamp;
use proc::{Child, Limits, Own, Signal, Spec, Stdin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};

use super::plan::Run;
use super::{Settings, Sink, slow};
use crate::output::{Limiter, SECOND, Tail, Verdict, each_line};

/// What a child's task tells the supervisor.
#[derive(Debug)]
pub(super) enum News {
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

    fn take(&self, worker: usize, line: &str) {
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

/// Starts a run's process, with its listening socket as file descriptor 0.
pub(super) fn spawn(settings: &Settings, socket: &Path) -> io::Result<Child> {
    let mut spec = Spec::new(&settings.argv);
    spec.env = settings.env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
    spec.dir = Some(settings.project.clone());
    spec.stdin = Stdin::Fd(proc::listen_unix(socket)?);
    spec.output = proc::Output::Pipe;
    spec.limits = Limits { death: Some(Signal::Term), ..Limits::default() };
    let own: &Own = &settings.own;
    proc::spawn(own, spec)
}

/// Watches a child until it has ended and its lines are read.
pub(super) async fn watch(
    run: Run,
    mut child: Child,
    socket: PathBuf,
    lines: Arc<Lines>,
    mut signals: mpsc::Receiver<Signal>,
    news: mpsc::Sender<News>,
) {
    let tail = Tail::default();
    let line = |line: &str| {
        tail.push(line);
        lines.take(run.worker, line);
    };
    let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
    let mut reading =
        pin!(async { tokio::join!(each_line(stdout, line), each_line(stderr, line)) });
    let mut greeting = pin!(hello(&socket));
    let (mut all_read, mut greeted) = (false, false);
    let exit = loop {
        tokio::select! {
            exit = child.wait() => break exit,
            _ = &mut reading, if !all_read => all_read = true,
            hello = &mut greeting, if !greeted => {
                greeted = true;
                // A worker that does not greet ends or is killed, and that is told.
                if hello.is_ok() {
                    let _ = news.send(News::Ready(run)).await;
                }
            }
            Some(signal) = signals.recv() => match signal {
                Signal::Kill => child.signal_group(signal),
                Signal::Term | Signal::Quit | Signal::Urg => child.signal(signal),
            },
        }
    };
    // Nothing that a worker started outlives it, or holds its pipes open.
    child.signal_group(Signal::Kill);
    if !all_read {
        let _ = tokio::time::timeout(SECOND, reading).await;
    }
    let _ = std::fs::remove_file(&socket);
    let _ = std::fs::remove_file(slow::file_of(&socket));
    let how = exit.map_or_else(|error| error.to_string(), |exit| exit.to_string());
    let _ = news.send(News::Ended { run, how, told: tail.text() }).await;
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
