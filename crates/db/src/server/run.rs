//! A short-lived program of the server's, run to its end.

use std::io;
use std::time::Duration;

use proc::{Exit, Limits, Output, Own, Signal, Spec};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// How it ended, and what it said.
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Runs the program; None if it was killed because it took longer than `limit`. It does not outlive
/// this process.
pub(crate) async fn run(own: &Own, mut spec: Spec, limit: Duration) -> io::Result<Option<Ran>> {
    spec.output = Output::Pipe;
    spec.limits = Limits { death: Some(Signal::Kill), ..Limits::default() };
    let mut child = proc::spawn(own, spec)?;
    let (out, err) = (child.take_stdout(), child.take_stderr());
    let ran = timeout(limit, async {
        let (stdout, stderr) = tokio::join!(last_bytes(out), last_bytes(err));
        child.wait().await.map(|exit| Ran { exit, stdout, stderr })
    });
    match ran.await {
        Ok(ran) => ran.map(Some),
        Err(_) => {
            child.signal_group(Signal::Kill);
            child.wait().await.map(|_| None)
        }
    }
}

/// Reads to the end, keeping the last bytes. A read error is taken for the end.
async fn last_bytes(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        let surplus = kept.len().saturating_sub(KEPT_BYTES_MAX);
        kept.drain(..surplus);
    }
    kept
}

/// The last lines of what a program said.
pub(crate) fn last_lines(said: &[u8]) -> String {
    let said = &said[said.len().saturating_sub(KEPT_BYTES_MAX)..];
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
}

const KEPT_BYTES_MAX: usize = 8 * 1024;
const LINES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_never_ends_is_killed_at_its_limit() {
        let spec = Spec::new(["/bin/sleep", "600"]);
        let ran = run(&Own::direct(), spec, Duration::from_millis(50)).await.unwrap();
        assert!(ran.is_none());
    }

    #[tokio::test]
    async fn only_the_last_words_are_kept() {
        let spec = Spec::new(["/bin/sh", "-c", "seq 1 20000 >&2; exit 3"]);
        let ran = run(&Own::direct(), spec, Duration::from_secs(60)).await.unwrap().unwrap();
        assert_eq!(ran.exit.code(), Some(3));
        let told = last_lines(&ran.stderr);
        assert!(told.ends_with("19999\n20000") && told.lines().count() == LINES_MAX);
    }
}
