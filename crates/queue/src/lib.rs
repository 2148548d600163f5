//! Steps 6 and 8: a site's queue, the choice of a worker, and the way of the answer back.
//!
//! ```text
//!  web ──Job──▶ Queue ──▶ Dispatch (pure: who is next, who is free, who waited too long)
//!                 │
//!                 ├─ Link ══ frames ══▶ worker 1     docs/worker-protocol.md
//!                 ├─ Link ══ frames ══▶ worker 2
//!                 ├─ Connection ══ FastCGI ══▶ a child of php-fpm
//!                 └─ Exchange ══ HTTP/1.1 ══▶ a server of its own
//! ```
//! One task on one edge thread owns a site's queue and all of its links; other threads hand jobs over
//! in batches through the channel. Nothing here knows sites, files or HTTP connections: a [`flow::Job`]
//! comes in, an answer or a failure goes out through it.

mod answer;
mod dispatch;
mod fastcgi;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod http;
mod link;
mod owner;
mod spool;
mod status;
mod stream;
mod variables;
mod wire;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;

use flow::Job;
use flow::control::{FromEdge, Upstream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use owner::{Command, Outside, Owner};
pub use status::{Activity, Status, Waits, WorkerStatus};

/// The limits of a site's queue.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Requests that may wait for a worker; one more is answered 503.
    pub waiting_max: usize,
    /// How long a request may wait for a worker before it is answered 503.
    pub wait_max: Duration,
    /// How long a worker may take to begin its answer before the request is answered 504.
    pub request_max: Duration,
    /// The folder for content that waits for a worker or a slow client; a file there has no name.
    pub spool: PathBuf,
    /// How long these files may be together, in bytes. Beyond, uploads are answered 503, and answers
    /// wait for their clients at the worker.
    pub spool_bytes_max: u64,
    /// How much of what was sent through a UNIX socket is not read yet. PHP that has not read the
    /// end of a request is still at it, though it has ended its answer.
    pub unread: fn(BorrowedFd<'_>) -> io::Result<usize>,
}

impl Settings {
    /// The usual limits, with files in `spool`. Without anybody to ask, all counts as read.
    pub fn new(spool: PathBuf) -> Settings {
        Settings {
            waiting_max: 1000,
            wait_max: Duration::from_secs(30),
            request_max: Duration::from_secs(60),
            spool,
            spool_bytes_max: 4 << 30,
            unread: |_| Ok(0),
        }
    }
}

/// The handle of a running queue. When all handles and the jobs' sender have gone, it ends with its
/// last job.
#[derive(Clone, Debug)]
pub struct Queue {
    commands: mpsc::UnboundedSender<Command>,
    connected: watch::Receiver<usize>,
    activity: watch::Receiver<Activity>,
}

impl Queue {
    /// Starts a queue on the current tokio runtime. Jobs that come while there is no worker wait.
    pub fn start(settings: Settings, jobs: mpsc::Receiver<Job>) -> Queue {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (tell_connected, connected) = watch::channel(0);
        let (tell_activity, activity) = watch::channel(Activity::default());
        let outside = Outside { connected: tell_connected, activity: tell_activity, site: None };
        let owner = Owner::new(settings, outside, commands.downgrade());
        tokio::spawn(owner.run(jobs, inbox));
        Queue { commands, connected, activity }
    }

    /// Replaces what the application is reached at. Links to sockets that are no longer listed finish
    /// what they have and close.
    pub fn reload(&self, upstream: Upstream) {
        self.tell(Command::Reload(upstream));
    }

    /// Answers what waits and runs, for as long as `deadline` allows, and ends. Jobs that come later
    /// find the queue closed.
    pub async fn drain(&self, deadline: Instant) {
        let (done, ended) = oneshot::channel();
        self.tell(Command::Drain(done));
        let _ = tokio::time::timeout_at(deadline, ended).await;
    }

    /// What the queue does at the moment; all zero when it has ended.
    pub async fn status(&self) -> Status {
        let (reply, status) = oneshot::channel();
        self.tell(Command::Status(reply));
        status.await.unwrap_or_default()
    }

    /// How many workers are connected: now, and whenever that changes.
    pub fn connected(&self) -> watch::Receiver<usize> {
        self.connected.clone()
    }

    /// What the queue is at: now, and whenever that changes.
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.activity.clone()
    }

    /// Has it told there of slow and stuck workers from now on. What finds no room is dropped.
    pub fn notify(&self, site: mpsc::Sender<FromEdge>) {
        self.tell(Command::Notify(site));
    }

    /// Waits for the queue's end, which comes after [`Queue::drain`], or of a fault.
    pub async fn ended(&self) {
        let mut connected = self.connected.clone();
        while connected.changed().await.is_ok() {}
    }

    fn tell(&self, command: Command) {
        // A queue that has ended has nothing to be told.
        let _ = self.commands.send(command);
    }
}
