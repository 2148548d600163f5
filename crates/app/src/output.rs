//! The lines that programs write: cut, kept, and held to a rate. Pure but for [`each_line`], which
//! reads a pipe.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flow::Stamp;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Makes lines of bytes as they come. A line is cut at 8 KiB, and its rest forgotten.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    cut: bool,
}

impl Lines {
    /// Takes bytes in, and hands out each line that they complete.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&str)) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.add(&bytes[..at]);
            self.finish(&mut each);
            bytes = &bytes[at + 1..];
        }
        self.add(bytes);
    }

    /// Hands out what came after the last line's end.
    pub(crate) fn end(&mut self, mut each: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.finish(&mut each);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.line.len();
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn finish(&mut self, each: &mut impl FnMut(&str)) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let mut text = String::from_utf8_lossy(line).into_owned();
        if std::mem::take(&mut self.cut) {
            text.push('…');
        }
        each(&text);
        self.line.clear();
    }
}

/// Reads a pipe to its end, line by line.
pub(crate) async fn each_line(pipe: Option<impl AsyncRead + Unpin>, each: impl Fn(&str)) {
    let Some(mut pipe) = pipe else { return };
    let mut lines = Lines::default();
    let mut bytes = vec![0; READ_BYTES];
    // A pipe that can't be read any more has ended.
    while let Ok(count @ 1..) = pipe.read(&mut bytes).await {
        lines.push(&bytes[..count], &each);
    }
    lines.end(&each);
}

/// The last 20 lines of a program, to be shown when it fails.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    /// Keeps a line, and forgets the oldest.
    pub(crate) fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// The lines, each indented.
    pub(crate) fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    }
}

/// Holds a site to 1,000 lines in each second: what comes above is dropped, and counted.
#[derive(Debug)]
pub(crate) struct Limiter {
    since: Stamp,
    passed: u32,
    dropped: u64,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// Passes, and that many were dropped before it.
    PassAfter(u64),
    Drop,
}

impl Limiter {
    pub(crate) fn new() -> Limiter {
        Limiter { since: Stamp(0), passed: 0, dropped: 0 }
    }

    /// Judges one line.
    pub(crate) fn take(&mut self, now: Stamp) -> Verdict {
        let dropped = self.flush(now);
        if self.passed == LINES_PER_SECOND {
            self.dropped += 1;
            return Verdict::Drop;
        }
        self.passed += 1;
        dropped.map_or(Verdict::Pass, Verdict::PassAfter)
    }

    /// How many lines were dropped in the second that is over; told once.
    pub(crate) fn flush(&mut self, now: Stamp) -> Option<u64> {
        if now.since(self.since) < SECOND {
            return None;
        }
        self.since = now;
        self.passed = 0;
        Some(std::mem::take(&mut self.dropped)).filter(|dropped| *dropped > 0)
    }
}

pub(crate) fn fuzz(bytes: &[u8]) {
    let mut lines = Lines::default();
    let check = |line: &str| assert!(line.len() <= 3 * LINE_BYTES_MAX + 3);
    for piece in bytes.chunks(7) {
        lines.push(piece, check);
    }
    lines.end(check);
}

/// The length of the second that lines are counted in.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
const LINES_PER_SECOND: u32 = 1_000;
const LINE_BYTES_MAX: usize = 8 * 1024;
const TAIL_LINES: usize = 20;
const READ_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests;
