//! A server that runs as long as it is held, and never longer than the bench itself.
//!
//! It is started through `setpriv`, which asks the kernel to send it SIGTERM when the bench dies,
//! however that may be, and in a process group of its own, so that Ctrl-C reaches the bench alone.
//! Both programs turn into the server: its pid is the one that was started.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::layout::Layout;

/// A running server; dropped, it is stopped and waited for.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

/// Where a server's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Words<'a> {
    /// It has a log of its own, and says the same to the terminal for each request.
    Unheard,
    /// Into this file.
    File(&'a Path),
}

impl Process {
    /// A program with its arguments, to be completed by the caller and then started.
    pub(crate) fn command(program: &Path, layout: Layout) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "taskset", "--cpu-list", layout.servers()]);
        command.arg(program).process_group(0).stdin(Stdio::null());
        command
    }

    /// Starts it.
    pub(crate) fn start(command: &mut Command, words: Words<'_>) -> Result<Process> {
        let (out, error) = match words {
            Words::Unheard => (Stdio::null(), Stdio::null()),
            Words::File(path) => {
                let file = File::create(path).with_context(|| path.display().to_string())?;
                (file.try_clone()?.into(), file.into())
            }
        };
        let child = command.stdout(out).stderr(error).spawn().context("setpriv can't start")?;
        Ok(Process { child })
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    fn stop(&mut self) -> io::Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let kill = format!("kill -TERM {}", self.pid());
        Command::new("sh").args(["-c", &kill]).status()?;
        let deadline = Instant::now() + STOP_WITHIN;
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                return Err(io::Error::other("it did not end by itself and was killed"));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.pid();
        if let Err(error) = self.stop() {
            eprintln!("xtask: stopping process {pid}: {error}");
        }
    }
}

/// A server gets this long to end; davy may have a database to shut down.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// How often it is looked whether something has happened.
pub(crate) const POLL: Duration = Duration::from_millis(20);
