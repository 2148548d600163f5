//! Logs: every role writes a file of its own, and what a person should see goes to the terminal too.
//!
//! A thread does the writing, a few milliseconds after the first line of a batch: so that it is woken
//! once for many lines. What it has not written is bounded: when disk or terminal can't follow, lines
//! are dropped and counted, and no request waits for them.
//! `read` is the other side: `davy logs`.

pub(crate) mod read;

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing_subscriber::fmt::MakeWriter;

/// The way into a role's log.
#[derive(Clone, Debug)]
pub(crate) struct Logs(Arc<Inbox>);

/// What lies between those who log and the thread that writes.
#[derive(Debug, Default)]
struct Inbox {
    batch: Mutex<Batch>,
    /// The batch is no longer empty, or somebody waits for it.
    begun: Condvar,
    /// A batch was written.
    written: Condvar,
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
struct Batch {
    for_file: Vec<u8>,
    for_terminal: Vec<u8>,
    /// Lines that found no room.
    dropped: u64,
    /// The thread sleeps until it is told of a line.
    asleep: bool,
    /// Somebody waits for what is in here.
    urgent: bool,
    clock: Clock,
    /// The number of this batch, from 0.
    number: u64,
    /// How many batches have been written.
    written: u64,
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
    let logs = open(folder, name)?;
    let subscriber = tracing_subscriber::fmt()
        .with_writer(logs.clone())
        .with_ansi(false)
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .finish();
    // Both fail only when there is a log already: then that one stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let _ = OWN.set(logs.clone());
    Ok(logs)
}

/// Opens `folder/name.log`.
pub(crate) fn open(folder: &Path, name: &str) -> io::Result<Logs> {
    let file = Rotating::open(folder.join(format!("{name}.log")), FILE_BYTES_MAX)?;
    let logs = Logs(Arc::default());
    let inbox = logs.0.clone();
    std::thread::Builder::new().name("log".into()).spawn(move || inbox.write(file))?;
    Ok(logs)
}

/// Waits, for a moment at most, until the lines of this process are written: its last act.
pub(crate) fn flush() {
    if let Some(logs) = OWN.get() {
        logs.flush();
    }
}

/// The log of this process, once it has one.
static OWN: OnceLock<Logs> = OnceLock::new();

impl Logs {
    /// Adds a line, with the time in front.
    pub(crate) fn line(&self, text: &str, reach: Reach) {
        let mut batch = self.0.lock();
        let time = batch.clock.read(since_1970());
        self.0.add(batch, &[&time, b" ", text.as_bytes(), b"\n"], reach);
    }

    /// Waits, for a moment at most, until all lines so far are written.
    fn flush(&self) {
        let mut batch = self.0.lock();
        let this = batch.number;
        batch.urgent = true;
        self.0.begun.notify_one();
        let unwritten = |batch: &mut Batch| batch.written <= this;
        // Who asks ends soon, and has waited long enough.
        drop(self.0.written.wait_timeout_while(batch, FLUSH_MAX, unwritten));
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
        self.0.0.add(self.0.0.lock(), &[&self.2], self.1);
    }
}

/// The time of a line, `2026-01-31T23:59:59.123456Z`. Only the end of it is new for most lines.
#[derive(Clone, Copy, Debug)]
struct Clock {
    second: u64,
    text: [u8; 27],
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { second: u64::MAX, text: [b'?'; 27] }
    }
}

impl Clock {
    /// The time so long after 1970.
    fn read(&mut self, now: Duration) -> [u8; 27] {
        if now.as_secs() != self.second {
            self.second = now.as_secs();
            let second = i64::try_from(self.second).unwrap_or_default();
            let time = jiff::Timestamp::from_second(second).unwrap_or_default();
            let text = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
            self.text.iter_mut().zip(text.bytes()).for_each(|(old, new)| *old = new);
        }
        let mut micros = now.subsec_micros();
        for digit in self.text[20..26].iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        self.text
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.for_file.is_empty() && self.dropped == 0
    }
}

impl Inbox {
    /// A fault of a thread that logs leaves whole lines behind, or a cut one: no reason to stop.
    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the parts of a line.
    fn add(&self, mut batch: MutexGuard<'_, Batch>, parts: &[&[u8]], reach: Reach) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if batch.for_file.len() + length > WAITING_BYTES_MAX {
            batch.dropped += 1;
            return;
        }
        for part in parts {
            batch.for_file.extend_from_slice(part);
            if reach == Reach::Terminal {
                batch.for_terminal.extend_from_slice(part);
            }
        }
        if std::mem::take(&mut batch.asleep) {
            self.begun.notify_one();
        }
    }

    /// The thread, which lives as long as the process.
    fn write(&self, mut file: Rotating) {
        let (mut for_file, mut for_terminal) = (Vec::new(), Vec::new());
        loop {
            let mut batch = self.wait();
            std::mem::swap(&mut batch.for_file, &mut for_file);
            std::mem::swap(&mut batch.for_terminal, &mut for_terminal);
            let lost = std::mem::take(&mut batch.dropped);
            let time = batch.clock.read(since_1970());
            batch.urgent = false;
            batch.number += 1;
            drop(batch);
            if lost > 0 {
                for_file.extend_from_slice(&time);
                let text = format!(" {lost} lines were dropped: the log could not follow\n");
                for_file.extend_from_slice(text.as_bytes());
            }
            // A full disk or a closed terminal must not end the thread.
            let _ = file.write(&for_file);
            let _ = io::stderr().write_all(&for_terminal);
            for_file.clear();
            for_terminal.clear();
            self.lock().written += 1;
            self.written.notify_all();
        }
    }

    /// Waits for lines, and then a little for more of them.
    fn wait(&self) -> MutexGuard<'_, Batch> {
        let mut batch = self.lock();
        while batch.is_empty() && !batch.urgent {
            batch.asleep = true;
            batch = self.begun.wait(batch).unwrap_or_else(PoisonError::into_inner);
        }
        batch.asleep = false;
        let more = self.begun.wait_timeout_while(batch, COLLECT, |batch| !batch.urgent);
        more.unwrap_or_else(PoisonError::into_inner).0
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
        for n in (1..FILES_MAX - 1).rev() {
            let _ = fs::rename(numbered(&self.path, n), numbered(&self.path, n + 1));
        }
        fs::rename(&self.path, numbered(&self.path, 1))?;
        self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

/// The name of a file that was put aside `n` times.
fn numbered(path: &Path, n: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// Text from outside, cut and made [`harmless`].
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    harmless(&text[..text.floor_char_boundary(TEXT_MAX)])
}

/// Text from outside, made harmless: control characters would let a request write lines of its own or
/// speak to the terminal, and marks of direction would turn a line around.
fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let harmless = |c: char| if is_harmful(c) { c.escape_default().to_string() } else { c.into() };
    text.chars().map(harmless).collect()
}

fn is_harmful(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\t')
}

const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// The file that is written to, and those put aside.
const FILES_MAX: usize = 5;
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a batch is collected.
const COLLECT: Duration = Duration::from_millis(5);
const FLUSH_MAX: Duration = Duration::from_millis(500);
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
    fn what_was_said_before_a_flush_is_written_and_what_finds_no_room_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.log");
        let logs = Logs(Arc::default());
        let line = [b'x'; 1023].iter().chain(b"\n").copied().collect::<Vec<u8>>();
        for _ in 0..WAITING_BYTES_MAX / line.len() + 3 {
            logs.0.add(logs.0.lock(), &[&line], Reach::File);
        }
        let (inbox, file) = (logs.0.clone(), Rotating::open(path.clone(), u64::MAX).unwrap());
        std::thread::spawn(move || inbox.write(file));
        logs.flush();
        let written = fs::read(&path).unwrap();
        assert!(written.ends_with(b"3 lines were dropped: the log could not follow\n"));
        for n in 0..50 {
            logs.line(&n.to_string(), Reach::File);
            logs.flush();
            assert!(fs::read_to_string(&path).unwrap().ends_with(&format!("{n}\n")), "{n}");
        }
    }

    #[test]
    fn times_are_those_of_the_log_of_events() {
        let mut clock = Clock::default();
        let mut read = |seconds, micros: u32| {
            String::from_utf8(clock.read(Duration::new(seconds, micros * 1000)).to_vec()).unwrap()
        };
        assert_eq!(read(1_700_000_000, 42), "2023-11-14T22:13:20.000042Z");
        assert_eq!(read(1_700_000_000, 999_999), "2023-11-14T22:13:20.999999Z");
        assert_eq!(read(1_709_251_199, 0), "2024-02-29T23:59:59.000000Z");
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
