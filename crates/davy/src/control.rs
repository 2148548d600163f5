//! The commands that talk to a running keeper through its socket: `davy status`, `davy down`.

use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use proc::{Channel, Lock, Locked};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli;
use crate::console::{complain, put};
use crate::place::{Place, Surroundings};

/// What may be asked at davy.sock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// What runs, and how it is.
    Status,
    /// A channel to the edge, please.
    Edge,
    /// A channel to the site, please.
    Site,
    /// Stop everything.
    Down,
}

/// What is answered there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The answer to [`Ask::Status`].
    Status(Value),
    /// The channel that was asked for lies beside this.
    Channel,
    /// The stack is being stopped.
    Stopping,
}

/// `davy status`: exit code 0 when davy runs in the folder, 3 when it does not (as `systemctl` has it).
pub(crate) fn status(options: &cli::Status) -> anyhow::Result<ExitCode> {
    let place = Place::of(&options.folder, &Surroundings::read())?;
    let Some(reply) = ask(&place, Ask::Status)? else {
        if options.json {
            put("{\"up\":false}\n");
        } else {
            put(&format!("davy does not run in {}\n", place.project.display()));
        }
        return Ok(ExitCode::from(NOT_RUNNING));
    };
    let Reply::Status(status) = reply else { bail!("the keeper answered something else") };
    if options.json {
        put(&format!("{status:#}\n"));
    } else {
        put(&describe(&status));
    }
    Ok(ExitCode::SUCCESS)
}

/// `davy down`: returns when everything has stopped.
pub(crate) fn down(options: &cli::Down) -> anyhow::Result<ExitCode> {
    let place = Place::of(&options.folder, &Surroundings::read())?;
    if ask(&place, Ask::Down)?.is_none() {
        complain(&format!("davy does not run in {}", place.project.display()));
        return Ok(ExitCode::from(NOT_RUNNING));
    }
    // The lock is let go when the keeper's process has ended.
    for _ in 0..DOWN_CHECKS {
        if matches!(Lock::take(&place.lock())?, Locked::Ours(_)) {
            put("stopped\n");
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(DOWN_CHECK);
    }
    bail!("davy is still stopping; `davy status` shows what it waits for")
}

/// Asks the keeper of the folder; None when there is none.
pub(crate) fn ask(place: &Place, ask: Ask) -> anyhow::Result<Option<Reply>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(inquire(place, ask))?;
    Ok(answer.map(|(reply, _)| reply))
}

/// Asks the keeper of the folder; None when there is none, or when it has nothing to say.
pub(crate) async fn inquire(
    place: &Place,
    ask: Ask,
) -> anyhow::Result<Option<(Reply, Vec<OwnedFd>)>> {
    let Ok(keeper) = Channel::knock(&place.davy_socket()) else { return Ok(None) };
    keeper.send(&ask, &[]).await?;
    let reply = tokio::time::timeout(ANSWER_TIME, keeper.receive::<Reply>()).await;
    Ok(reply.context("the keeper does not answer")??)
}

/// The status as lines: what was said at the start, then a line for each process.
fn describe(status: &Value) -> String {
    let mut text = String::new();
    let mut line = |label: &str, rest: String| text.push_str(&format!("{label:<8} {rest}\n"));
    for said in array(status, "lines") {
        line(said[0].as_str().unwrap_or_default(), said[1].as_str().unwrap_or_default().into());
    }
    line("keeper", format!("pid {}  up {} s", status["pid"], status["up_s"]));
    for process in array(status, "children").chain(array(status, "programs")) {
        let name = process["name"].as_str().unwrap_or_default();
        let state = match (&process["pid"], &process["ready"]) {
            (Value::Null, _) => "waits to be started again".into(),
            (pid, Value::Bool(false)) => format!("pid {pid}  starting"),
            (pid, _) => format!("pid {pid}  up {} s", process["up_s"]),
        };
        line(name, format!("{state}  restarts {}", process["restarts"]));
        for worker in array(&process["status"], "workers") {
            line(
                "",
                format!("worker pid {}  {}", worker["pid"], worker["state"].as_str().unwrap_or("")),
            );
        }
        for job in array(&process["status"], "jobs") {
            line("", describe_job(job));
        }
    }
    text
}

/// `cron clean  next 2026-11-25T02:00:00Z  last exit code 0`.
fn describe_job(job: &Value) -> String {
    let mut text = String::new();
    for (label, value) in [
        ("", &job["kind"]),
        (" ", &job["name"]),
        ("  pid ", &job["pid"]),
        ("  next ", &job["next"]),
        ("  last ", &job["ended"]),
        ("  starts ", &job["starts"]),
    ] {
        match value {
            Value::Null => {}
            Value::String(value) => text += &format!("{label}{value}"),
            value => text += &format!("{label}{value}"),
        }
    }
    text
}

fn array<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

/// The exit code of a question to a davy that does not run.
pub(crate) const NOT_RUNNING: u8 = 3;
const ANSWER_TIME: Duration = Duration::from_secs(5);
const DOWN_CHECK: Duration = Duration::from_millis(50);
/// Two minutes: longer than a database server may take to stop.
const DOWN_CHECKS: u32 = 2400;
