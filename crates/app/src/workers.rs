//! A site's worker processes: started, watched, restarted, drained.
//!
//! ```text
//!   Workers ──orders──▶ supervisor ──events──▶ the site's wiring (-> edge)
//!                        │  ▲ plan: what to do when (pure)
//!                  signals  news
//!                        ▼  │
//!                       one task per process ── w1-3.sock ──▶ worker
//! ```
//! Each start listens on a socket of a fresh name. A worker is ready when it has said HELLO on it.
//! What changes is told as the newest state: a slow listener misses states, never the last one.
//!
//! It never reads what passes through the sockets: that is between the edge and the worker.

mod child;
mod memory;
mod plan;
mod slow;
mod status;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use flow::Stamp;
use flow::control::{AtWork, FromEdge};
use proc::{Own, Readiness, Signal};
use tokio::sync::{mpsc, oneshot};

use child::{Lines, News, socket_of};
use plan::{Action, Plan, Run};
pub use plan::{Pool, Reason, Recycling};
pub use slow::SlowLog;
pub use status::{Status, WorkerStatus};

/// Takes a worker's number (0: the site's) and a line of its output.
pub type Sink = Arc<dyn Fn(usize, &str) + Send + Sync>;

/// What a site's workers are.
#[derive(Clone)]
pub struct Settings {
    /// davy's own executable.
    pub own: Arc<Own>,
    /// How many workers.
    pub pool: Pool,
    /// After what one is replaced.
    pub recycling: Recycling,
    /// What starts one, see [`crate::carried::worker_argv`].
    pub argv: Vec<OsString>,
    /// Variables added to the inherited environment, see [`crate::variables::environment`].
    pub env: Vec<(String, String)>,
    /// The project's folder: the workers run in it.
    pub project: PathBuf,
    /// The private folder of the sockets. Its path must be short: with `/w10-1000.sock` at most 107
    /// bytes.
    pub run: PathBuf,
    /// Where the workers' lines go: at most 8 KiB each, at most 1,000 in a second.
    pub output: Sink,
    /// Where goes what workers do that take long.
    pub slow: SlowLog,
}

/// What is told about workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The sockets of the workers that are ready.
    Changed(Vec<PathBuf>),
    /// The very first start failed. All workers are stopped, and none is started again.
    Failed {
        /// How, with the last lines of the worker.
        error: String,
    },
}

/// A site's running workers. Dropped, it kills them.
#[derive(Debug)]
pub struct Workers {
    orders: mpsc::Sender<Order>,
}

enum Order {
    Status(oneshot::Sender<Status>),
    Edge(FromEdge),
    Drain(Duration, oneshot::Sender<()>),
}

impl Workers {
    /// Starts the workers; must be called on the main thread's runtime, as [`proc::spawn`].
    pub fn start(settings: Settings) -> (Workers, mpsc::Receiver<Event>) {
        let (orders, for_supervisor) = mpsc::channel(ORDERS_MAX);
        let (events, for_wiring) = mpsc::channel(1);
        let (news, heard) = mpsc::channel(NEWS_MAX);
        tokio::spawn(Supervisor::new(settings, news).run(for_supervisor, heard, events));
        (Workers { orders }, for_wiring)
    }

    /// What the edge says of the workers and of what is asked of them.
    pub async fn hear(&self, message: FromEdge) {
        // A supervisor that has ended has no use for it.
        let _ = self.orders.send(Order::Edge(message)).await;
    }

    /// How each worker stands; empty when all was drained and told.
    pub async fn status(&self) -> Status {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.send(Order::Status(reply)).await;
        answer.await.unwrap_or_default()
    }

    /// Tells all workers to stop: they finish the request in hand. After `within` they are killed.
    /// Returns when all have ended and their sockets are removed; a second call may shorten the
    /// time.
    pub async fn drain(&self, within: Duration) {
        let (reply, done) = oneshot::channel();
        // A supervisor that has ended has drained, and drops the reply.
        let _ = self.orders.send(Order::Drain(within, reply)).await;
        let _ = done.await;
    }
}

/// The task behind [`Workers`].
struct Supervisor {
    settings: Settings,
    plan: Plan,
    /// The process of each worker that has one.
    processes: BTreeMap<usize, Process>,
    lines: Arc<Lines>,
    news: mpsc::Sender<News>,
    /// What the wiring has not been told yet: a failure, and the newest sockets.
    failed: Option<Event>,
    changed: Option<Event>,
    finished: bool,
}

struct Process {
    pid: u32,
    signals: mpsc::Sender<Signal>,
    /// What became of it by our hand, for the log.
    fate: Option<&'static str>,
    stack: slow::Stack,
}

/// How a process ended, and its last lines.
#[derive(Default)]
struct End {
    how: String,
    told: String,
}

impl Supervisor {
    fn new(settings: Settings, news: mpsc::Sender<News>) -> Supervisor {
        Supervisor {
            plan: Plan::new(settings.pool, settings.recycling),
            processes: BTreeMap::new(),
            lines: Arc::new(Lines::new(settings.output.clone())),
            news,
            failed: None,
            changed: None,
            finished: false,
            settings,
        }
    }

    async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut news: mpsc::Receiver<News>,
        events: mpsc::Sender<Event>,
    ) {
        let lines = self.lines.clone();
        let mut drops = pin!(lines.tell_drops());
        let mut drained = Vec::new();
        let mut dropped = false;
        let weighs = self.settings.recycling.memory.is_some();
        let mut weigh = tokio::time::interval(memory::EVERY);
        weigh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.step(plan::Event::Tick, End::default());
        while !self.finished || self.has_untold() {
            let (due, untold) = (self.plan.due(), self.has_untold());
            let wait = due.unwrap_or_default().since(Stamp::now());
            tokio::select! {
                order = orders.recv(), if !dropped => match order {
                    Some(Order::Status(reply)) => drop(reply.send(self.status())),
                    Some(Order::Edge(message)) => self.hear_edge(message),
                    Some(Order::Drain(within, done)) => {
                        drained.push(done);
                        self.drain(within);
                    }
                    None => {
                        dropped = true;
                        self.drain(Duration::ZERO);
                    }
                },
                Some(news) = news.recv() => self.hear(news),
                permit = events.reserve(), if untold => self.tell(permit.ok()),
                () = tokio::time::sleep(wait), if due.is_some() => {
                    self.step(plan::Event::Tick, End::default());
                }
                _ = weigh.tick(), if weighs => self.weigh(),
                never = &mut drops => match never {},
            }
            if self.finished {
                // Whoever waits for the drain may be the one who takes the events.
                drained.clear();
            }
        }
    }

    fn drain(&mut self, within: Duration) {
        self.step(plan::Event::Drain(Stamp::now().after(within)), End::default());
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Ready(run) => self.step(plan::Event::Ready(run), End::default()),
            News::Ended { run, how, told } => {
                let fate = self.processes.remove(&run.worker).and_then(|process| process.fate);
                let how = fate.map_or(how, str::to_owned);
                self.step(plan::Event::Ended(run), End { how, told });
            }
        }
    }

    fn hear_edge(&mut self, message: FromEdge) {
        match message {
            FromEdge::Report { demand, served } => {
                for of in served {
                    if let Some(run) = self.run_of(of.pid) {
                        self.step(plan::Event::Served(run, of.requests), End::default());
                    }
                }
                self.step(plan::Event::Demand(demand), End::default());
            }
            FromEdge::Slow(work) => self.look_at(work),
            FromEdge::Stuck(work) => {
                let Some(run) = self.run_of(work.pid) else { return };
                (self.settings.slow)(&slow::killed(run.worker, &work));
                if let Some(process) = self.processes.get_mut(&run.worker) {
                    process.fate = Some("killed, as it was stuck at a request");
                }
                self.step(plan::Event::Stuck(run), End::default());
            }
        }
    }

    /// Writes down what a worker does that has been at a request for long.
    fn look_at(&self, work: AtWork) {
        let Some(run) = self.run_of(work.pid) else { return };
        if let Some(process) = self.processes.get(&run.worker) {
            let (stack, signals) = (process.stack.clone(), process.signals.clone());
            tokio::spawn(stack.record(run.worker, work, signals, self.settings.slow.clone()));
        }
    }

    /// Looks how much memory the workers take.
    fn weigh(&mut self) {
        let most = self.settings.recycling.memory.unwrap_or(u64::MAX);
        let ready: Vec<Run> = self.plan.ready().collect();
        for run in ready {
            let pid = self.processes.get(&run.worker).map(|process| process.pid);
            if let Some(bytes) = pid.and_then(|pid| memory::above(pid, most)) {
                self.step(plan::Event::Memory(run, bytes), End::default());
            }
        }
    }

    /// The run whose process this is.
    fn run_of(&self, pid: u32) -> Option<Run> {
        let process = |run: &Run| self.processes.get(&run.worker).is_some_and(|it| it.pid == pid);
        self.plan.workers().map(|(run, _)| run).find(process)
    }

    /// Takes in what happened and does what is to be done. A start that fails is an event again.
    fn step(&mut self, event: plan::Event, end: End) {
        let mut waiting = vec![(event, end)];
        while let Some((event, end)) = waiting.pop() {
            for action in self.plan.step(Stamp::now(), event) {
                waiting.extend(self.perform(action, &end));
            }
        }
    }

    fn perform(&mut self, action: Action, end: &End) -> Option<(plan::Event, End)> {
        match action {
            Action::Start(run) => {
                let error = self.start(run).err()?;
                let end = End { how: format!("can't be started: {error}"), told: String::new() };
                return Some((plan::Event::Ended(run), end));
            }
            Action::Signal(run, signal) => {
                if let Some(process) = self.processes.get(&run.worker) {
                    // Full only when the same signals wait there already.
                    let _ = process.signals.try_send(signal);
                }
            }
            Action::Announce => {
                let sockets = self.plan.ready().map(|run| socket_of(&self.settings.run, run));
                self.changed = Some(Event::Changed(sockets.collect()));
            }
            Action::Died { run, readiness, lived, wait } => {
                let (worker, exit, lived_s) = (run.worker, &end.how, lived.as_secs_f32());
                let wait_ms = wait.as_millis();
                match readiness {
                    Readiness::Reached => {
                        tracing::warn!(worker, exit, lived_s, wait_ms, "worker died");
                    }
                    Readiness::NotReached => {
                        let told = format!("\n{}", end.told);
                        tracing::warn!(worker, exit, lived_s, wait_ms, told, "worker not ready");
                    }
                }
            }
            Action::Overdue(run) => {
                if let Some(process) = self.processes.get_mut(&run.worker) {
                    process.fate = Some("not ready within 60 s");
                }
            }
            Action::Retire(run, reason) => {
                tracing::info!(worker = run.worker, reason = reason.name(), "worker is replaced");
            }
            Action::Resize(workers) => tracing::info!(workers, "pool resized"),
            Action::Fail(run) => {
                let told = if end.told.is_empty() { "  (it said nothing)" } else { &end.told };
                let error = format!("worker {} did not start: {}\n{told}", run.worker, end.how);
                self.failed = Some(Event::Failed { error });
            }
            Action::Finish => self.finished = true,
        }
        None
    }

    fn start(&mut self, run: Run) -> std::io::Result<()> {
        let socket = socket_of(&self.settings.run, run);
        let stack = slow::Stack::beside(&socket);
        let child = child::spawn(&self.settings, &socket).inspect_err(|_| {
            // It may not have come into being at all.
            let _ = std::fs::remove_file(&socket);
        })?;
        let (signals, for_child) = mpsc::channel(SIGNALS_MAX);
        let pid = child.pid();
        tracing::debug!(worker = run.worker, start = run.start, pid, "worker started");
        let watch =
            child::watch(run, child, socket, self.lines.clone(), for_child, self.news.clone());
        tokio::spawn(watch);
        self.processes.insert(run.worker, Process { pid, signals, fate: None, stack });
        Ok(())
    }

    fn has_untold(&self) -> bool {
        self.failed.is_some() || self.changed.is_some()
    }

    /// Tells the wiring one thing; without a permit nobody listens any more.
    fn tell(&mut self, permit: Option<mpsc::Permit<'_, Event>>) {
        match permit {
            Some(permit) => {
                if let Some(event) = self.failed.take().or_else(|| self.changed.take()) {
                    permit.send(event);
                }
            }
            None => (self.failed, self.changed) = (None, None),
        }
    }

    fn status(&self) -> Status {
        let one = |(run, slot): (Run, &plan::Slot)| {
            let process = self.processes.get(&run.worker);
            WorkerStatus::of(run, slot, process.map(|process| process.pid))
        };
        Status {
            workers: self.plan.workers().map(one).collect(),
            wanted: self.plan.target(),
            restarts: self.plan.restarts().clone(),
        }
    }
}

const ORDERS_MAX: usize = 16;
const NEWS_MAX: usize = 64;
const SIGNALS_MAX: usize = 4;
