//! Programs that run beside the children: the database server. They outlive the child that asked for
//! them, and are stopped last.

use std::time::{Duration, Instant};

use flow::control::{Peer, Program, ToChild};
use proc::{Limits, Output, Readiness, Signal, Spec, spawn};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::mpsc;

use super::{Event, Keeper, Restarts};
use crate::logs::{Logs, Reach};

/// A program the keeper looks after.
#[derive(Debug)]
pub(super) struct Running {
    program: Program,
    pub(super) life: Option<ProgramLife>,
    pub(super) restarts: Restarts,
    waiting: bool,
}

/// One run of a program.
#[derive(Debug)]
pub(super) struct ProgramLife {
    pub(super) pid: u32,
    pub(super) since: Instant,
    pub(super) signals: mpsc::UnboundedSender<Signal>,
}

impl Keeper {
    /// Takes on a program. One of that name that runs already is left alone, and told of.
    pub(super) fn take_program(&mut self, program: Program) {
        let name = program.name.clone();
        let (life, restarts) = (None, Restarts::default());
        let known = self.programs.entry(name.clone()).or_insert_with(|| Running {
            program: program.clone(),
            life,
            restarts,
            waiting: false,
        });
        known.program = program;
        if let Some(pid) = known.life.as_ref().map(|life| life.pid) {
            self.tell(&Peer::Db, &ToChild::Running { name, pid });
        } else if !known.waiting {
            self.start_program(&name);
        }
    }

    pub(super) fn start_program(&mut self, name: &str) {
        let Some(running) = self.programs.get_mut(name) else { return };
        running.waiting = false;
        if running.life.is_some() {
            return;
        }
        let program = &running.program;
        let mut spec = Spec::new(&program.argv);
        spec.dir = Some(program.dir.clone());
        spec.output = Output::Pipe;
        spec.env =
            program.env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
        // Under `davy up` everything ends with the keeper; the server takes TERM as a clean stop.
        spec.limits = Limits { death: Some(Signal::Term), open_files: None };
        let child = match spawn(&self.own, spec) {
            Ok(child) => child,
            Err(error) => {
                self.warn(&Peer::Db, format!("{name} can't be started: {error}"));
                return self.put_program_off(name, Instant::now());
            }
        };
        let (signals, orders) = mpsc::unbounded_channel();
        let (pid, since) = (child.pid(), Instant::now());
        running.life = Some(ProgramLife { pid, since, signals });
        tokio::spawn(attend(name.into(), child, orders, self.events.clone(), self.logs.clone()));
        self.tell(&Peer::Db, &ToChild::Running { name: name.into(), pid });
    }

    pub(super) fn bury_program(&mut self, name: &str, exit: proc::Exit) {
        let Some(life) = self.programs.get_mut(name).and_then(|running| running.life.take()) else {
            return;
        };
        self.tell(&Peer::Db, &ToChild::Ended { name: name.into(), how: exit.to_string() });
        let lived = life.since.elapsed().as_secs_f64();
        self.warn(&Peer::Db, format!("{name}: {exit} after {lived:.1} s; it is started again"));
        self.put_program_off(name, life.since);
    }

    fn put_program_off(&mut self, name: &str, since: Instant) {
        let Some(running) = self.programs.get_mut(name) else { return };
        // The keeper does not know whether it answered its clients.
        let wait = running.restarts.backoff.died(Readiness::NotReached, since.elapsed());
        running.restarts.count += 1;
        running.waiting = true;
        self.later(wait, Event::RestartProgram(name.to_string()));
    }
}

/// Waits on one program: its output goes to the log, signals are carried out, its end is reported.
async fn attend(
    name: String,
    mut child: proc::Child,
    mut orders: mpsc::UnboundedReceiver<Signal>,
    events: mpsc::UnboundedSender<Event>,
    logs: Logs,
) {
    if let Some(stdout) = child.take_stdout() {
        tokio::spawn(log_lines(name.clone(), stdout, logs.clone()));
    }
    if let Some(stderr) = child.take_stderr() {
        tokio::spawn(log_lines(name.clone(), stderr, logs));
    }
    let exit = loop {
        tokio::select! {
            exit = child.wait() => break exit,
            Some(signal) = orders.recv() => child.signal(signal),
        }
    };
    match exit {
        Ok(exit) => drop(events.send(Event::ProgramEnded(name, exit))),
        Err(error) => tracing::error!(program = name, %error, "a program can't be waited for"),
    }
}

/// Copies output into the log, line by line; a line that never ends is cut.
async fn log_lines(name: String, output: impl AsyncRead + Unpin, logs: Logs) {
    let mut output = BufReader::with_capacity(LINE_BYTES_MAX, output);
    loop {
        let (text, used) = match output.fill_buf().await {
            Ok([]) | Err(_) => return,
            Ok(bytes) => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                let line = &bytes[..end.unwrap_or(bytes.len())];
                (String::from_utf8_lossy(line).into_owned(), end.map_or(line.len(), |end| end + 1))
            }
        };
        logs.line(&format!("{name}: {text}"), Reach::File);
        output.consume(used);
    }
}

const LINE_BYTES_MAX: usize = 8 * 1024;

/// How long a database server may take to write down what it has in memory.
pub(super) const PROGRAM_STOP: Duration = Duration::from_secs(60);
