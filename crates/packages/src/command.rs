//! One program run to its end: with a time limit, its lines reported, its last words kept.
//!
//! However much a program says, only the last lines of it are held.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Error, at};

/// Runs `command` under the name `what`. Each line of its standard output goes to `line`; it fails
/// if the program does, or if it takes longer than `limit` (it is killed then). What it said last
/// on standard error is returned, also when all went well.
pub(crate) async fn run(
    what: &str,
    mut command: Command,
    limit: Duration,
    mut line: impl FnMut(&str),
) -> Result<String, Error> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
    let program = command.as_std().get_program().to_owned();
    let mut child = command.spawn().map_err(at(Path::new(&program)))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut tail = Tail::default();
    let ended = timeout(limit, async {
        tokio::join!(lines(out, &mut line), lines(err, |line| tail.push(line)));
        child.wait().await
    });
    let status = match ended.await {
        Ok(status) => status.map_err(at(Path::new(&program)))?,
        Err(_) => {
            return Err(Error::TimedOut { command: what.into(), limit, told: tail.text() });
        }
    };
    match status.success() {
        true => Ok(tail.text()),
        false => Err(Error::Failed { command: what.into(), how: how(status), told: tail.text() }),
    }
}

fn how(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

/// Reads lines of any length; of a long one only the beginning is reported. A read error is taken
/// for the end: the exit status says the rest.
async fn lines(from: Option<impl AsyncRead + Unpin>, mut each: impl FnMut(&str)) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 4096];
    let mut line = Vec::new();
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        for &byte in &buffer[..read] {
            match byte {
                b'\n' | b'\r' => each(&String::from_utf8_lossy(&std::mem::take(&mut line))),
                _ if line.len() < LINE_BYTES_MAX => line.push(byte),
                _ => {}
            }
        }
    }
    if !line.is_empty() {
        each(&String::from_utf8_lossy(&line));
    }
}

/// The last lines that were said.
#[derive(Default)]
struct Tail(VecDeque<String>);

impl Tail {
    fn push(&mut self, line: &str) {
        if self.0.len() == TAIL_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    fn text(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

const LINE_BYTES_MAX: usize = 1000;
const TAIL_LINES: usize = 12;
