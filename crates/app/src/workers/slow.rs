//! The slow log: what workers do that have been at a request for half of its time.
//!
//! ```text
//!   edge ──slow──▶ site ──SIGURG──▶ worker ──stack──▶ w1-3.stack ──▶ slow.log, with a line of ours
//! ```
//! SIGURG, because a program that does not know of it ignores it. A worker that does appends its
//! stack to the file beside its socket, without running any code of the application.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flow::control::AtWork;
use proc::Signal;
use tokio::sync::{Mutex, mpsc};

/// Takes an entry, of several lines.
pub type SlowLog = Arc<dyn Fn(&str) + Send + Sync>;

/// The file that a worker writes its stack to. One look is taken at a time.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    file: PathBuf,
    looking: Arc<Mutex<()>>,
}

impl Stack {
    /// That of the worker that listens on `socket`.
    pub(super) fn beside(socket: &Path) -> Stack {
        Stack { file: file_of(socket), looking: Arc::default() }
    }

    /// Asks the worker for its stack, and writes it down. Without an answer the entry says so.
    pub(super) async fn record(
        self,
        worker: usize,
        work: AtWork,
        signals: mpsc::Sender<Signal>,
        log: SlowLog,
    ) {
        let stack = {
            let _one = self.looking.lock().await;
            // A worker that has ended takes no signal, and has no stack.
            let _ = signals.send(Signal::Urg).await;
            self.written().await
        };
        let shown = stack.as_deref().unwrap_or("(it told no stack)").trim_end();
        let shown: Vec<String> = shown.lines().map(|line| format!("  {line}")).collect();
        log(&format!("{}\n{}", entry(worker, &work, "slow"), shown.join("\n")));
    }

    /// What is written within a second, once nothing more comes; the file is empty afterwards.
    async fn written(&self) -> Option<String> {
        let length = || fs::metadata(&self.file).map_or(0, |file| file.len());
        let mut before = 0;
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = length();
            if now > 0 && now == before {
                break;
            }
            before = now;
        }
        let mut file = OpenOptions::new().read(true).write(true).open(&self.file).ok()?;
        let mut text = Vec::new();
        file.by_ref().take(STACK_BYTES_MAX).read_to_end(&mut text).ok()?;
        let _ = file.set_len(0);
        Some(String::from_utf8_lossy(&text).into_owned()).filter(|text| !text.is_empty())
    }
}

/// Where the worker that listens on `socket` writes its stack.
pub(super) fn file_of(socket: &Path) -> PathBuf {
    socket.with_extension("stack")
}

/// The entry for a worker that is killed.
pub(super) fn killed(worker: usize, work: &AtWork) -> String {
    entry(worker, work, "killed")
}

/// `slow 4f5e0c1d2b3a  GET /report  30.0 s  worker 2 (pid 4711)`
fn entry(worker: usize, work: &AtWork, what: &str) -> String {
    let AtWork { pid, taken, request, line } = work;
    format!("{what} {request}  {line}  {:.1} s  worker {worker} (pid {pid})", taken.as_secs_f32())
}

const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 20;
const STACK_BYTES_MAX: u64 = 64 * 1024;
