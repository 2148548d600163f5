//! What runs beside the application: programs that are started again when they end, and commands
//! that run at times.
//!
//! ```text
//!   [jobs]   start ─▶ runs ─▶ ended ─▶ back-off ─▶ start …
//!   [cron]   wait until due ─▶ runs ─▶ ended ─▶ wait …      one at a time: what falls due meanwhile
//!            '- in .davy/cron: when it last began -'        is left out, and said
//!   drain    SIGTERM to the group; at the deadline SIGKILL
//! ```
//! A shell reads the command lines, in the environment of the site's workers. Nothing here knows
//! requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flow::Stamp;
use jiff::{SignedDuration, Timestamp};
use proc::{Backoff, Child, Limits, Output, Own, Readiness, Signal, Spec};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::cron::Times;
use crate::output::{Limiter, SECOND, Verdict, each_line};

/// Takes a job's name and a line of its output.
pub type Sink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// What runs beside an application.
#[derive(Clone)]
pub struct Settings {
    /// davy's own executable.
    pub own: Arc<Own>,
    /// Variables added to the inherited environment.
    pub env: Vec<(String, String)>,
    /// The project's folder: everything runs in it.
    pub project: PathBuf,
    /// The folder that remembers when commands last began.
    pub state: PathBuf,
    /// Programs, by name.
    pub jobs: BTreeMap<String, String>,
    /// Commands and their times, by name.
    pub cron: BTreeMap<String, (Times, String)>,
    /// Where lines go: at most 8 KiB each, and of each job at most 1,000 in a second.
    pub output: Sink,
}

/// How a job stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// `job` or `cron`.
    pub kind: &'static str,
    /// Its process, if it runs.
    pub pid: Option<u32>,
    /// How often it was started.
    pub starts: u32,
    /// When it last began.
    pub began: Option<String>,
    /// How it last ended: `exit code 0`.
    pub ended: Option<String>,
    /// When it is due next.
    pub next: Option<String>,
    /// How often it was left out, as it still ran.
    pub left_out: u32,
}

/// Running jobs. Dropped, they are told to stop and killed after that.
#[derive(Debug)]
pub struct Jobs {
    tasks: Vec<JoinHandle<()>>,
    board: Board,
    drain: watch::Sender<Option<Instant>>,
}

impl Jobs {
    /// Starts the jobs, and waits for the times of the others; must be called on the main thread's
    /// runtime, as [`proc::spawn`].
    pub fn start(settings: Settings) -> Jobs {
        let (drain, drained) = watch::channel(None);
        let (board, settings) = (Board::default(), Arc::new(settings));
        let post = |name: &str, kind| Post {
            name: name.to_owned(),
            kind,
            settings: settings.clone(),
            board: board.clone(),
            drained: drained.clone(),
        };
        let mut tasks = Vec::new();
        for (name, command) in &settings.jobs {
            tasks.push(tokio::spawn(post(name, "job").keep(command.clone())));
        }
        for (name, (times, command)) in &settings.cron {
            tasks.push(tokio::spawn(post(name, "cron").attend(times.clone(), command.clone())));
        }
        Jobs { tasks, board, drain }
    }

    /// How each stands, in the order of their names.
    pub fn status(&self) -> Vec<Status> {
        self.board.lock().values().cloned().collect()
    }

    /// Tells all to stop; after `within` they are killed. Returns when all have ended.
    pub async fn drain(&mut self, within: Duration) {
        let _ = self.drain.send(Some(Instant::now() + within));
        for task in self.tasks.drain(..) {
            // A task that panicked has ended too.
            let _ = task.await;
        }
    }
}

/// How all jobs stand.
#[derive(Clone, Debug, Default)]
struct Board(Arc<Mutex<BTreeMap<(&'static str, String), Status>>>);

impl Board {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(&'static str, String), Status>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One job, and what it needs.
struct Post {
    name: String,
    kind: &'static str,
    settings: Arc<Settings>,
    board: Board,
    /// By when it is to have ended.
    drained: watch::Receiver<Option<Instant>>,
}

impl Post {
    /// A program that is started again whenever it ends.
    async fn keep(mut self, command: String) {
        let mut backoff = Backoff::new();
        while !self.is_drained() {
            let since = Stamp::now();
            self.run(&command).await;
            let wait = backoff.died(Readiness::NotReached, Stamp::now().since(since));
            self.sleep(wait).await;
        }
    }

    /// A command that runs at times.
    async fn attend(mut self, times: Times, command: String) {
        let memory = self.settings.state.join(&self.name);
        let oldest = Timestamp::now().saturating_sub(MADE_UP_WITHIN).unwrap_or(Timestamp::MIN);
        let mut last = remembered(&memory).map_or_else(Timestamp::now, |last| last.max(oldest));
        while !self.is_drained() {
            let Some(due) = times.next(last) else { return };
            self.note(|status| status.next = Some(due.to_string()));
            let now = Timestamp::now();
            if due > now {
                // In short waits, as the clock may be set meanwhile.
                let wait = Duration::try_from(now.duration_until(due)).unwrap_or_default();
                self.sleep(wait.min(CLOCK_CHECK)).await;
                last = last.min(Timestamp::now());
                continue;
            }
            if due.duration_until(now) > SignedDuration::from_mins(1) {
                self.say(&format!("was due at {due}, and is made up for now"));
            }
            last = now;
            self.remember(&memory, last);
            self.run(&command).await;
            let ended = Timestamp::now();
            if times.next(last).is_some_and(|next| next <= ended) && !self.is_drained() {
                self.note(|status| status.left_out += 1);
                self.say("was due again while it still ran, and was left out");
                last = ended;
            }
        }
    }

    /// Runs a command line to its end, or to that of the drain.
    async fn run(&mut self, command: &str) {
        let mut spec = Spec::new(["/bin/sh", "-c", command]);
        let env = &self.settings.env;
        spec.env = env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
        spec.dir = Some(self.settings.project.clone());
        spec.output = Output::Pipe;
        spec.limits = Limits { death: Some(Signal::Term), ..Limits::default() };
        let how = match proc::spawn(&self.settings.own, spec) {
            Ok(child) => {
                let pid = child.pid();
                self.note(|status| {
                    status.pid = Some(pid);
                    status.starts += 1;
                    status.began = Some(Timestamp::now().to_string());
                });
                self.watch(child).await
            }
            Err(error) => format!("can't be started: {error}"),
        };
        if how != GOOD && !self.is_drained() {
            self.say(&how);
        }
        self.note(|status| {
            status.pid = None;
            status.ended = Some(how);
        });
    }

    /// Waits for the child's end, hands its lines on, and says how it ended.
    async fn watch(&mut self, mut child: Child) -> String {
        let limiter = Mutex::new(Limiter::new());
        let (output, name) = (&self.settings.output, &self.name);
        let line = |line: &str| {
            let verdict = limiter.lock().unwrap_or_else(PoisonError::into_inner).take(Stamp::now());
            match verdict {
                Verdict::Drop => return,
                Verdict::Pass => {}
                Verdict::PassAfter(dropped) => {
                    output(name, &format!("({dropped} lines dropped: more than 1000 in a second)"));
                }
            }
            output(name, line);
        };
        let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
        let mut reading =
            pin!(async { tokio::join!(each_line(stdout, line), each_line(stderr, line)) });
        let (mut all_read, mut told) = (false, None);
        let mut drained = self.drained.clone();
        let exit = loop {
            tokio::select! {
                exit = child.wait() => break exit,
                _ = &mut reading, if !all_read => all_read = true,
                deadline = ordered(&mut drained), if told.is_none() => {
                    child.signal_group(Signal::Term);
                    told = Some(deadline);
                }
                () = tokio::time::sleep_until(told.unwrap_or_else(Instant::now)), if told.is_some() => {
                    child.signal_group(Signal::Kill);
                    told = Some(Instant::now() + SECOND);
                }
            }
        };
        // What it started and left behind ends with it.
        child.signal_group(Signal::Kill);
        if !all_read {
            let _ = tokio::time::timeout(SECOND, reading).await;
        }
        exit.map_or_else(|error| error.to_string(), |exit| exit.to_string())
    }

    fn is_drained(&self) -> bool {
        self.drained.borrow().is_some() || self.drained.has_changed().is_err()
    }

    /// Sleeps, unless the end is ordered.
    async fn sleep(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, ordered(&mut self.drained)).await;
    }

    fn note(&self, change: impl FnOnce(&mut Status)) {
        let mut board = self.board.lock();
        let fresh = || Status { name: self.name.clone(), kind: self.kind, ..Status::default() };
        change(board.entry((self.kind, self.name.clone())).or_insert_with(fresh));
    }

    fn say(&self, text: &str) {
        (self.settings.output)(&self.name, text);
    }

    fn remember(&self, memory: &Path, last: Timestamp) {
        let written = std::fs::create_dir_all(&self.settings.state)
            .and_then(|()| std::fs::write(memory, last.to_string()));
        if let Err(error) = written {
            tracing::warn!(job = self.name, %error, "when it began can't be remembered");
        }
    }
}

/// Waits for the order to end, and says by when; at once when nobody is left to order it.
async fn ordered(drained: &mut watch::Receiver<Option<Instant>>) -> Instant {
    let deadline = drained.wait_for(Option::is_some).await;
    deadline.ok().and_then(|deadline| *deadline).unwrap_or_else(Instant::now)
}

/// When a command last began, by its file.
fn remembered(memory: &Path) -> Option<Timestamp> {
    std::fs::read_to_string(memory).ok()?.trim().parse().ok()
}

const GOOD: &str = "exit code 0";
/// A run that was missed is made up for if it was due so recently.
const MADE_UP_WITHIN: SignedDuration = SignedDuration::from_hours(24);
const CLOCK_CHECK: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
