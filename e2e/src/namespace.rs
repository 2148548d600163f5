//! A namespace of processes and mounts, for what starts many of them: it ends with the test, or
//! with the test's death, and takes all of its processes and mounts along (pid_namespaces(7),
//! mount_namespaces(7)).
//!
//! ```text
//!   test ──pipe──▶ cat        the namespace's first process; at the pipe's end it ends
//!                  ├─ …       and the kernel kills the others, before the test can know of the end
//!                  └─ …
//! ```

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::clients::tool;
use crate::lines::Lines;
use crate::processes::{self, Process};

/// A namespace that lives as long as this value.
#[derive(Debug)]
pub(crate) struct Namespace {
    /// `unshare`, which waits for the first process.
    child: Child,
    lines: Lines,
}

impl Namespace {
    /// Makes a namespace, mounts its processes at `proc`, and runs a shell script there with these
    /// arguments from `$1` on. The script is done when it succeeds; then the namespace is held.
    pub(crate) fn start<S: AsRef<OsStr>>(proc: &Path, script: &str, words: &[S]) -> Namespace {
        let mut command = Command::new(tool("unshare"));
        command.args(["--mount", "--pid", "--fork"]);
        command.arg(format!("--mount-proc={}", proc.display()));
        if !is_root() {
            command.arg("--map-root-user");
        }
        command.args(["sh", "-c", &format!("set -e\n{script}\nexec cat"), "sh"]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("unshare: {error}"));
        let lines = Lines::default();
        child.stdout.take().into_iter().for_each(|pipe| lines.collect(pipe));
        child.stderr.take().into_iter().for_each(|pipe| lines.collect(pipe));
        Namespace { child, lines }
    }

    /// Waits for a line that contains `text`, on either output, and gives it.
    pub(crate) fn says(&self, text: &str) -> String {
        let line = self.lines.wait(SAYS_WITHIN, |line| line.contains(text));
        line.unwrap_or_else(|| panic!("{text:?} was not said, but\n{}", self.lines.text()))
    }

    /// A program that will run in the namespace, with the file systems of its mounts.
    pub(crate) fn enter(&self) -> Command {
        let mut command = Command::new(tool("nsenter"));
        command.arg(format!("--mount={}", self.link("mnt").display()));
        command.arg(format!("--pid={}", self.link("pid_for_children").display()));
        command
    }

    /// The processes in it, but for the first.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let own = fs::read_link(self.link("pid_for_children"));
        let own = own.unwrap_or_else(|error| panic!("the namespace has ended: {error}"));
        processes::all()
            .filter(|pid| fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|ns| ns == own))
            .map(processes::Process::of)
            .filter(|process| process.command.trim_end() != "cat")
            .collect()
    }

    fn link(&self, kind: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/{kind}", self.child.id()))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Closes the pipe first. Whether it was killed or ended makes no difference any more.
        let _ = self.child.wait();
    }
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

const SAYS_WITHIN: Duration = Duration::from_secs(30);
