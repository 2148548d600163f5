//! A running `davy up`: what it says, who belongs to it, and how it ends.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::eventually::eventually;
use crate::lines::Lines;
use crate::processes::{self, MARK};
use crate::project::{Project, Ran, is_free};

/// A davy that was started; killed with all that belongs to it when the test is over.
#[derive(Debug)]
pub struct Davy<'p> {
    project: &'p Project,
    child: Child,
    lines: Lines,
    mark: String,
}

/// A process of the stack, as `davy status` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `edge`, `db`, `site NAME`, `mariadbd`.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

impl<'p> Davy<'p> {
    pub(crate) fn start(mut command: Command, project: &'p Project) -> Davy<'p> {
        let mark = command.get_envs().find(|(name, _)| *name == MARK).and_then(|(_, mark)| mark);
        let mark = mark.unwrap_or_default().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("davy: {error}"));
        let lines = Lines::default();
        child.stdout.take().into_iter().for_each(|pipe| lines.collect(pipe));
        child.stderr.take().into_iter().for_each(|pipe| lines.collect(pipe));
        Davy { project, child, lines, mark }
    }

    /// Waits until everything is up, and gives the line that says so.
    pub fn ready(&self) -> String {
        self.says_within(READY_WITHIN, "ready    http://")
    }

    /// Waits for a line that contains `text`, on either output, and gives it.
    pub fn says(&self, text: &str) -> String {
        self.says_within(SAYS_WITHIN, text)
    }

    fn says_within(&self, within: Duration, text: &str) -> String {
        let line = self.lines.wait(within, |line| line.contains(text));
        line.unwrap_or_else(|| panic!("davy did not say {text:?}; it said\n{}", self.output()))
    }

    /// All it has said.
    pub fn output(&self) -> String {
        self.lines.text()
    }

    /// The keeper's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens for HTTP, by its own word.
    pub fn http(&self) -> SocketAddr {
        let line = self.ready();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        address.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"))
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http())
    }

    /// Where it listens for DNS, by its own word.
    pub fn dns(&self) -> SocketAddr {
        let line = self.says("(udp, tcp)");
        let address = line.split(" on ").nth(1).and_then(|rest| rest.split(' ').next());
        address.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"))
    }

    /// A role's log: `edge`, `site`, `db` or `keeper`.
    pub fn log(&self, role: &str) -> String {
        fs::read_to_string(self.project.path(&format!(".davy/log/{role}.log"))).unwrap_or_default()
    }

    /// The first line of a role's log that contains `text`, once it is written.
    pub fn logs(&self, role: &str, text: &str) -> String {
        eventually(&format!("{text:?} in {role}.log"), LOGS_WITHIN, || {
            self.log(role).lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }

    /// A command of davy on the same folder, run to its end.
    pub fn run(&self, words: &[&str]) -> Ran {
        self.project.run(words)
    }

    /// `davy status --json`.
    pub fn status(&self) -> Value {
        let ran = self.run(&["status", "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// The processes of the stack that live and are ready, without workers.
    pub fn parts(&self) -> Vec<Part> {
        Davy::parts_in(&self.status())
    }

    /// The processes of the stack that live and are ready, each worker as `worker N`.
    pub fn parts_and_workers(&self) -> Vec<Part> {
        let status = self.status();
        let mut parts = Davy::parts_in(&status);
        let workers = Davy::workers_in(&status);
        parts.extend(workers.map(|(n, pid)| Part { name: format!("worker {n}"), pid }));
        parts
    }

    fn parts_in(status: &Value) -> Vec<Part> {
        let lists = ["children", "programs"].map(|list| status[list].as_array().cloned());
        let ready = |part: &Value| part["ready"] != Value::Bool(false);
        let parts = lists.into_iter().flatten().flatten().filter(ready);
        parts
            .filter_map(|part| {
                let pid = u32::try_from(part["pid"].as_u64()?).ok()?;
                Some(Part { name: part["name"].as_str()?.to_owned(), pid })
            })
            .collect()
    }

    /// The process id of a part, once it is ready.
    pub fn pid_of(&self, name: &str) -> u32 {
        eventually(&format!("{name} is ready"), LOGS_WITHIN, || {
            let parts = self.parts();
            parts.iter().find(|part| part.name == name).map(|part| part.pid)
        })
    }

    /// The process ids of the workers that are ready.
    pub fn workers(&self) -> Vec<u32> {
        Davy::workers_in(&self.status()).map(|(_, pid)| pid).collect()
    }

    fn workers_in(status: &Value) -> impl Iterator<Item = (u64, u32)> {
        let children = status["children"].as_array().into_iter().flatten();
        let workers = children.filter_map(|child| child["status"]["workers"].as_array());
        workers.flatten().filter(|worker| worker["state"] == "ready").filter_map(|worker| {
            Some((worker["worker"].as_u64()?, u32::try_from(worker["pid"].as_u64()?).ok()?))
        })
    }

    /// Sends the keeper a signal.
    pub fn signal(&self, signal: Signal) {
        processes::send(self.pid(), signal);
    }

    /// Waits for the keeper's end.
    pub fn end(&mut self) -> ExitStatus {
        eventually("davy ends", ENDS_WITHIN, || match self.child.try_wait() {
            Ok(status) => status,
            Err(error) => panic!("davy can't be waited for: {error}"),
        })
    }

    /// Stops it as Ctrl-C does: exit code 0, and nothing is left.
    pub fn stop(mut self) {
        let ports = [self.http().port(), self.dns().port()];
        self.signal(Signal::INT);
        self.ends_well();
        for port in ports {
            assert!(is_free(port), "port {port} is still held");
        }
    }

    /// Waits for the end, which is a good one: exit code 0, and no process is left.
    pub fn ends_well(&mut self) {
        self.ends_with(0);
    }

    /// Waits for the end, which has a reason: exit code 1, and no process is left.
    pub fn ends_badly(&mut self) {
        self.ends_with(1);
    }

    fn ends_with(&mut self, code: i32) {
        let status = self.end();
        // At once: what ends a little later was left behind.
        self.leaves_nothing();
        self.lines.wait_for_end(LAST_WORDS_WITHIN);
        assert_eq!(status.code(), Some(code), "davy said\n{}", self.output());
    }

    /// No process that davy or one of its children started is there any more.
    pub fn leaves_nothing(&self) {
        let left = processes::marked(&self.mark);
        assert!(left.is_empty(), "left behind: {left:?}; davy said\n{}", self.output());
    }

    /// The processes of this davy, itself included.
    pub fn processes(&self) -> Vec<processes::Process> {
        processes::marked(&self.mark)
    }
}

impl Drop for Davy<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show(&self.output());
        }
        // What has ended meanwhile needs no signal.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for process in self.processes() {
            let pid = i32::try_from(process.pid).ok().and_then(rustix::process::Pid::from_raw);
            let _ = pid.map(|pid| rustix::process::kill_process(pid, Signal::KILL));
        }
    }
}

/// Into the output of the test that fails.
#[expect(clippy::print_stderr, reason = "cargo test shows it with the failure")]
fn show(output: &str) {
    eprintln!("davy said\n{output}\n");
}

/// Includes fetching MariaDB and packages, on a slow day.
const READY_WITHIN: Duration = Duration::from_secs(240);
const SAYS_WITHIN: Duration = Duration::from_secs(30);
const LOGS_WITHIN: Duration = Duration::from_secs(30);
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(2);
const ENDS_WITHIN: Duration = Duration::from_secs(40);
