//! Logs: every role writes a file of its own, and what a person should see goes to the terminal too.
//!
//! A thread does the writing. Its inbox is bounded: when disk or terminal can't follow, lines are
//! dropped and counted, and no request waits for them.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// The way into a role's log.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>, Reach),
    Flush(SyncSender<()>),
}

/// How far a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Into the file.
    File,
    /// Into the file and onto the terminal.
    Terminal,
}

/// Opens `folder/name.log`, and makes it the place of all `tracing` events of this process: warnings
/// and errors are shown on the terminal too.
pub(crate) fn start(folder: &Path, name: &str) -> io::Result<Logs> {
    let file = Rotating::open(folder.join(format!("{name}.log")), FILE_BYTES_MAX)?;
    let (lines, inbox) = sync_channel(LINES_WAITING_MAX);
    let logs = Logs { lines, dropped: Arc::default() };
    let dropped = logs.dropped.clone();
    std::thread::Builder::new().name("log".into()).spawn(move || write(&inbox, file, &dropped))?;
    let subscriber = tracing_subscriber::fmt()
        .with_writer(logs.clone())
        .with_ansi(false)
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .finish();
    // Fails only when a subscriber is set already: then that one stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(logs)
}

impl Logs {
    /// Adds a line, with the time in front.
    pub(crate) fn line(&self, text: &str, reach: Reach) {
        let mut line = String::with_capacity(text.len() + 32);
        // Writing to a String can't fail.
        let _ = SystemTime.format_time(&mut Writer::new(&mut line));
        line.push(' ');
        line.push_str(text);
        line.push('\n');
        self.add(line.into_bytes(), reach);
    }

    /// Waits, for a moment at most, until all lines so far are written.
    pub(crate) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(Duration::from_millis(500));
        }
    }

    fn add(&self, line: Vec<u8>, reach: Reach) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Line(line, reach)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One event of `tracing`, on its way into the log.
pub(crate) struct Event<'a>(&'a Logs, Reach, Vec<u8>);

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Event<'a>;

    fn make_writer(&'a self) -> Event<'a> {
        Event(self, Reach::File, Vec::new())
    }

    fn make_writer_for(&'a self, event: &tracing::Metadata<'_>) -> Event<'a> {
        let worth_seeing = *event.level() <= tracing::Level::WARN;
        Event(self, if worth_seeing { Reach::Terminal } else { Reach::File }, Vec::new())
    }
}

impl Write for Event<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.2.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        self.0.add(std::mem::take(&mut self.2), self.1);
    }
}

/// The thread: ends when the last [`Logs`] has gone. Lines that wait together are written together.
fn write(inbox: &Receiver<Message>, mut file: Rotating, dropped: &AtomicU64) {
    let (mut for_file, mut for_terminal, mut flushed) = (Vec::new(), Vec::new(), Vec::new());
    while let Ok(first) = inbox.recv() {
        for message in std::iter::once(first).chain(inbox.try_iter()) {
            match message {
                Message::Line(line, reach) => {
                    for_file.extend_from_slice(&line);
                    if reach == Reach::Terminal {
                        for_terminal.extend_from_slice(&line);
                    }
                }
                Message::Flush(done) => flushed.push(done),
            }
            if for_file.len() > BATCH_BYTES_MAX {
                break;
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("{lost} lines were dropped: the log could not follow\n");
            for_file.extend_from_slice(text.as_bytes());
        }
        // A full disk or a closed terminal must not end the thread.
        let _ = file.write(&for_file);
        let _ = io::stderr().write_all(&for_terminal);
        for done in flushed.drain(..) {
            // Who asked may have stopped waiting.
            let _: Result<(), _> = SyncSender::send(&done, ());
        }
        for_file.clear();
        for_terminal.clear();
    }
}

/// A file that is put aside when it has grown to a limit: `edge.log`, `edge.log.1` … `edge.log.4`.
struct Rotating {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl Rotating {
    fn open(path: PathBuf, bytes_max: u64) -> io::Result<Rotating> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Rotating { path, file, bytes, bytes_max })
    }

    /// Adds whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + lines.len() as u64 > self.bytes_max {
            self.rotate()?;
        }
        self.bytes += lines.len() as u64;
        self.file.write_all(lines)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |n: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{n}"));
            name
        };
        for n in (1..FILES_MAX - 1).rev() {
            let _ = fs::rename(numbered(n), numbered(n + 1));
        }
        fs::rename(&self.path, numbered(1))?;
        self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

/// Text from outside, made harmless: control characters would let a request write lines of its own or
/// speak to the terminal, and marks of direction would turn a line around.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_MAX && !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let harmless = |c: char| if is_harmful(c) { c.escape_default().to_string() } else { c.into() };
    text.chars().take(TEXT_MAX).map(harmless).collect()
}

fn is_harmful(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\t')
}

const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// The file that is written to, and those put aside.
const FILES_MAX: usize = 5;
const LINES_WAITING_MAX: usize = 8192;
const BATCH_BYTES_MAX: usize = 64 * 1024;
/// In bytes; workers' lines are cut at the same length.
const TEXT_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        assert_eq!(printable("grüße\t1"), "grüße\t1");
        assert_eq!(printable("a\u{1b}[2J\u{202e}b"), "a\\u{1b}[2J\\u{202e}b");
    }

    #[test]
    fn five_files_are_kept_and_the_oldest_lines_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.log");
        let mut log = Rotating::open(path.clone(), 20).unwrap();
        for n in 0..100 {
            log.write(format!("line {n:04}\n").as_bytes()).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["edge.log", "edge.log.1", "edge.log.2", "edge.log.3", "edge.log.4"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 0098\nline 0099\n");
        let oldest = fs::read_to_string(folder.path().join("edge.log.4")).unwrap();
        assert_eq!(oldest, "line 0090\nline 0091\n");
    }

    #[test]
    fn a_log_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.log");
        for _ in 0..2 {
            Rotating::open(path.clone(), 100).unwrap().write(b"line\n").unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "line\nline\n");
    }
}
