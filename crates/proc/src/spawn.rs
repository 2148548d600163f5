//! Starting children: [`spawn`] in the parent, [`run_spawn_role`] in the half-way process.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Resource, Rlimit};
use serde::{Deserialize, Serialize};

use crate::{Exit, Signal};

/// davy's own executable, held open from the start: children started from it are of the same version
/// even when the file has been replaced since.
#[derive(Debug)]
pub struct Own(Option<File>);

impl Own {
    /// Opens the executable of this very process.
    pub fn open() -> io::Result<Own> {
        File::open("/proc/self/exe").map(|file| Own(Some(file)))
    }

    /// Children start without the half-way process: no session, no limits. For tests that have no
    /// davy at hand.
    pub fn direct() -> Own {
        Own(None)
    }

    /// What a [`Spec`] names to start another davy: by the time it is executed, the half-way process
    /// is davy itself.
    pub const NAME: &str = "/proc/self/exe";

    /// A path that names the executable for as long as this value lives.
    fn path(&self) -> Option<PathBuf> {
        self.0.as_ref().map(|file| format!("/proc/self/fd/{}", file.as_raw_fd()).into())
    }
}

/// What to start, and how.
#[derive(Debug)]
pub struct Spec {
    /// The program and its arguments. A program without a slash is looked for on the PATH.
    pub argv: Vec<OsString>,
    /// Changes to the inherited environment; None removes a variable.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// The working directory; the parent's when None.
    pub dir: Option<PathBuf>,
    /// File descriptor 0.
    pub stdin: Stdin,
    /// File descriptors 1 and 2.
    pub output: Output,
    /// What the child is held to.
    pub limits: Limits,
}

/// What a child gets as file descriptor 0.
#[derive(Debug)]
pub enum Stdin {
    /// Nothing to read.
    Null,
    /// A control channel or a listening socket.
    Fd(OwnedFd),
}

/// What a child gets as file descriptors 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The parent's own.
    Inherit,
    /// Pipes to the parent.
    Pipe,
}

/// What a child is held to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The signal the child gets when its parent dies; None: it lives on.
    pub death: Option<Signal>,
    /// The most files it may have open (RLIMIT_NOFILE); the inherited limit when None.
    pub open_files: Option<u64>,
}

impl Spec {
    /// A child with nothing to read, its parent's output and no limits.
    pub fn new(argv: impl IntoIterator<Item = impl Into<OsString>>) -> Spec {
        Spec {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            dir: None,
            stdin: Stdin::Null,
            output: Output::Inherit,
            limits: Limits::default(),
        }
    }
}

/// A running child. Dropping it neither stops nor forgets the process: it is reaped all the same.
#[derive(Debug)]
pub struct Child {
    child: tokio::process::Child,
    pid: u32,
    leads: Leads,
}

/// Whether a child leads a session of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    Session,
    Nothing,
}

/// Starts a child. The death signal follows the thread that called this, so it is called on the main
/// thread, inside its tokio runtime.
pub fn spawn(own: &Own, spec: Spec) -> io::Result<Child> {
    let mut command = match own.path() {
        Some(path) => through_spawn_role(&path, &spec)?,
        None => directly(&spec)?,
    };
    for (name, value) in &spec.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(dir) = &spec.dir {
        command.current_dir(dir);
    }
    command.stdin(match spec.stdin {
        Stdin::Null => Stdio::null(),
        Stdin::Fd(fd) => Stdio::from(fd),
    });
    let output = || match spec.output {
        Output::Inherit => Stdio::inherit(),
        Output::Pipe => Stdio::piped(),
    };
    command.stdout(output()).stderr(output());
    let child = tokio::process::Command::from(command).spawn()?;
    let pid = child.id().ok_or_else(|| io::Error::other("the child ended at once"))?;
    let leads = if own.0.is_some() { Leads::Session } else { Leads::Nothing };
    Ok(Child { child, pid, leads })
}

impl Child {
    /// The process id. It stays the same through both steps of the start.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the end. Cancelling the wait loses nothing.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        self.child.wait().await.map(Exit::from)
    }

    /// The reading end of the child's piped stdout, once.
    pub fn take_stdout(&mut self) -> Option<tokio::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// The reading end of the child's piped stderr, once.
    pub fn take_stderr(&mut self) -> Option<tokio::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// Sends a signal to the child; nothing happens when it has been reaped.
    pub fn signal(&self, signal: Signal) {
        if self.child.id().is_some()
            && let Some(pid) = pid_of(self.pid)
        {
            // ESRCH: it has just ended, which is what most signals are sent for.
            let _ = rustix::process::kill_process(pid, signal.into());
        }
    }

    /// Sends a signal to all processes of the child's session that stayed in its process group, also
    /// when the child itself has ended.
    pub fn signal_group(&self, signal: Signal) {
        match (self.leads, pid_of(self.pid)) {
            (Leads::Session, Some(pid)) => {
                let _ = rustix::process::kill_process_group(pid, signal.into());
            }
            _ => self.signal(signal),
        }
    }
}

pub(crate) fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// What the half-way process is told, as its one JSON argument.
#[derive(Serialize, Deserialize)]
struct Orders {
    parent: u32,
    limits: Limits,
}

fn through_spawn_role(own: &Path, spec: &Spec) -> io::Result<std::process::Command> {
    let orders = Orders { parent: std::process::id(), limits: spec.limits.clone() };
    let mut command = std::process::Command::new(own);
    command.arg0("davy").arg("spawn").arg(serde_json::to_string(&orders)?).arg("--");
    command.args(&spec.argv);
    Ok(command)
}

fn directly(spec: &Spec) -> io::Result<std::process::Command> {
    let (program, arguments) = split(&spec.argv)?;
    let mut command = std::process::Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn split(argv: &[OsString]) -> io::Result<(&OsString, &[OsString])> {
    argv.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "empty argv"))
}

/// The role `spawn`: becomes the leader of a session, takes on the limits and turns into the program.
/// Returns only when that failed.
pub fn run_spawn_role(orders: &str, argv: &[OsString]) -> io::Error {
    match prepare(orders).and_then(|()| split(argv)) {
        Ok((program, arguments)) => {
            let mut command = std::process::Command::new(program);
            command.args(arguments);
            if program == Own::NAME {
                command.arg0("davy");
            }
            command.exec()
        }
        Err(error) => error,
    }
}

fn prepare(orders: &str) -> io::Result<()> {
    let orders: Orders = serde_json::from_str(orders)?;
    // Fails only for a process that leads a group already, as one started from a shell does.
    let _ = rustix::process::setsid();
    if let Some(signal) = orders.limits.death {
        rustix::process::set_parent_process_death_signal(Some(signal.into()))?;
        // The parent may have died before the line above.
        if rustix::process::getppid() != pid_of(orders.parent) {
            return Err(io::Error::other("the parent process has ended"));
        }
    }
    if let Some(files) = orders.limits.open_files {
        let most = rustix::process::getrlimit(Resource::Nofile).maximum;
        let current = Some(most.map_or(files, |most| files.min(most)));
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current, maximum: most })?;
    }
    Ok(())
}
