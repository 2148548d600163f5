//! A program run to its end, its lines handed out as they come: pip, the probes, collectstatic.
//! Workers are another matter: they are not meant to end.

use std::ffi::OsString;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use proc::{Exit, Limits, Output, Own, Signal, Spec};

use crate::output::{SECOND, Tail, each_line};
use crate::{Error, Progress};

/// A program, and what it is held to.
pub(crate) struct Program<'a> {
    /// What it does, for messages: `pip install -r requirements.txt`.
    pub(crate) what: &'a str,
    pub(crate) argv: Vec<OsString>,
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    pub(crate) dir: &'a Path,
    pub(crate) limit: Duration,
}

impl Program<'_> {
    /// Runs the program; anything but exit code 0 is an error that holds its last lines.
    pub(crate) async fn run(self, own: &Own, each: Progress<'_>) -> Result<(), Error> {
        let mut spec = Spec::new(self.argv);
        spec.env = self.env;
        spec.dir = Some(self.dir.to_owned());
        spec.output = Output::Pipe;
        spec.limits = Limits { death: Some(Signal::Kill), ..Limits::default() };
        let child = proc::spawn(own, spec).map_err(Error::io(self.dir))?;
        let tail = Tail::default();
        match watch(child, self.limit, &tail, each).await {
            Some(Ok(exit)) if exit.success() => Ok(()),
            Some(how) => Err(Error::Failed {
                what: self.what.to_owned(),
                how: how.map_or_else(|error| error.to_string(), |exit| exit.to_string()),
                told: tail.text(),
                advice: String::new(),
            }),
            None => Err(Error::TimedOut {
                what: self.what.to_owned(),
                limit: self.limit,
                told: tail.text(),
            }),
        }
    }
}

/// How the child ended; None when it had to be stopped.
async fn watch(
    mut child: proc::Child,
    limit: Duration,
    tail: &Tail,
    each: Progress<'_>,
) -> Option<std::io::Result<Exit>> {
    let line = |line: &str| {
        tail.push(line);
        each(line);
    };
    let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
    let mut reading =
        pin!(async { tokio::join!(each_line(stdout, line), each_line(stderr, line)) });
    let mut limit = pin!(tokio::time::sleep(limit));
    let mut all_read = false;
    let exit = loop {
        tokio::select! {
            exit = child.wait() => break Some(exit),
            _ = &mut reading, if !all_read => all_read = true,
            () = &mut limit => break None,
        }
    };
    // What the program started and left behind would hold its pipes open.
    child.signal_group(Signal::Kill);
    if !all_read {
        let _ = tokio::time::timeout(SECOND, reading).await;
    }
    exit
}
