//! `davy logs`: the lines of all roles' logs as one, in the order of their times.
//!
//! ```text
//!   edge.log.1  edge.log ─┐ Series: one log, over its rotations
//!   site.log ─────────────┼─▶ Reader: the oldest of their next lines ─▶ grep ─▶ standard output
//!   keeper.log ───────────┘
//! ```
//! It reads files and asks no process, so it works as well when davy does not run, or will only
//! run later. Following looks at the files every 100 ms instead of being told by inotify: that also
//! works where files are shared over a network or with a container, and when `.davy` is removed and
//! made anew, and it costs a thousandth of a CPU. Nothing is kept but a line of each log:
//! the last lines are found by where they begin, not by remembering them.

mod lines;
mod series;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use regex::Regex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::json;

use super::harmless;
use crate::cli::{self, LineCount};
use crate::console::complain;
use crate::place::{Place, Surroundings};
use series::{Entry, Series};

/// Prints logs; exit code 1 when nothing matches, as grep has it.
pub(crate) fn logs(options: &cli::Logs) -> anyhow::Result<ExitCode> {
    let place = Place::of(&options.folder, &Surroundings::read())?;
    let mut reader = Reader::open(place.logs());
    if reader.series.is_empty() {
        let project = place.project.display();
        if !options.follow {
            complain(&format!("davy has not run in {project} yet, so there are no logs"));
            return Ok(ExitCode::FAILURE);
        }
        complain(&format!("davy has not run in {project} yet; waiting for its logs"));
    }
    let stdout = io::stdout();
    let mut printer = Printer {
        to: BufWriter::new(stdout.lock()),
        grep: options.grep.as_ref(),
        form: if options.json { Form::Json } else { Form::Text },
        skip: 0,
        printed: 0,
    };
    let printed = printer.run(&mut reader, options, || is_read(&stdout));
    match printed {
        // Whoever read it has enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("the logs can't be read or printed"),
        Ok(()) if printer.printed == 0 && options.grep.is_some() => Ok(ExitCode::FAILURE),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// All logs of a folder.
#[derive(Clone, Debug)]
struct Reader {
    folder: PathBuf,
    /// By their names: `edge`, `site`.
    series: BTreeMap<String, Series>,
}

impl Reader {
    /// The logs as they are now, from their first lines on. There may be none yet.
    fn open(folder: PathBuf) -> Reader {
        let mut reader = Reader { folder, series: BTreeMap::new() };
        reader.refresh();
        reader
    }

    /// Looks at what has been added, and at new logs. All lengths are taken before any line is
    /// read: of two lines, the later one is then not seen without the earlier one.
    fn refresh(&mut self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
            if is_log && !self.series.contains_key(name) && self.series.len() < LOGS_MAX {
                self.series.insert(name.to_owned(), Series::new(path.clone()));
            }
        }
        self.series.values_mut().for_each(Series::refresh);
    }

    /// Leaves out all but the last `count` lines of each log; how many remain of all of them.
    fn go_to_last(&mut self, count: u64) -> io::Result<u64> {
        self.series.values_mut().map(|series| series.go_to_last(count)).sum()
    }

    /// Hands out all lines up to the lengths that were seen, oldest first.
    fn each(&mut self, mut take: impl FnMut(&str, &Entry) -> io::Result<()>) -> io::Result<()> {
        loop {
            let mut oldest: Option<(&str, &mut Series)> = None;
            for (name, series) in &mut self.series {
                let Some(time) = series.next_time()? else { continue };
                let is_older = match &mut oldest {
                    Some((_, other)) => other.next_time()?.is_none_or(|other| time < other),
                    None => true,
                };
                if is_older {
                    oldest = Some((name, series));
                }
            }
            let Some((name, series)) = oldest else { return Ok(()) };
            if let Some(entry) = series.next()? {
                take(name, &entry)?;
            }
        }
    }
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it stands in the file, with the log's name behind the time.
    Text,
    /// An object of JSON.
    Json,
}

/// Writes the lines that are asked for.
struct Printer<'a, W: Write> {
    to: W,
    grep: Option<&'a Regex>,
    form: Form,
    /// How many of the lines that match are still left out.
    skip: u64,
    printed: u64,
}

impl<W: Write> Printer<'_, W> {
    /// Prints what is there and, if asked for, what comes, until `wait` says that nobody reads it.
    fn run(
        &mut self,
        reader: &mut Reader,
        options: &cli::Logs,
        mut wait: impl FnMut() -> bool,
    ) -> io::Result<()> {
        if !options.follow {
            reader.series.values_mut().for_each(Series::complete);
        }
        self.skip = self.left_out(reader, options.count())?;
        loop {
            reader.each(|name, entry| self.print(name, entry))?;
            self.to.flush()?;
            if !options.follow || !wait() {
                break;
            }
            reader.refresh();
        }
        Ok(())
    }

    /// How many of the lines that match come before the last ones that are asked for. They are
    /// counted, not kept, so that a large number costs time only.
    fn left_out(&self, reader: &mut Reader, count: LineCount) -> io::Result<u64> {
        let LineCount::Last(count) = count else { return Ok(0) };
        if self.grep.is_none() {
            return Ok(reader.go_to_last(count)?.saturating_sub(count));
        }
        let mut matching: u64 = 0;
        reader.clone().each(|name, entry| {
            matching += u64::from(self.matches(&text(name, entry)));
            Ok(())
        })?;
        Ok(matching.saturating_sub(count))
    }

    fn matches(&self, text: &str) -> bool {
        self.grep.is_none_or(|pattern| pattern.is_match(text))
    }

    fn print(&mut self, name: &str, entry: &Entry) -> io::Result<()> {
        let text = text(name, entry);
        if !self.matches(&text) {
            return Ok(());
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        self.printed += 1;
        match self.form {
            Form::Text => writeln!(self.to, "{text}"),
            Form::Json => {
                let (time, line) = (entry.time(), harmless(entry.said()));
                writeln!(self.to, "{}", json!({ "time": time, "log": name, "line": line }))
            }
        }
    }
}

/// A line as it is shown and searched: the time, the log's name, and what it says. The roles escape
/// what comes from outside when they write it; but whoever may write the file may have put in
/// anything, and this is a terminal.
fn text(name: &str, entry: &Entry) -> String {
    let time = entry.time().unwrap_or_default();
    format!("{time:<TIME_WIDTH$} {name:<NAME_WIDTH$} {}", harmless(entry.said()))
}

/// Waits a moment; whether somebody still reads what is printed.
fn is_read(stdout: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(stdout, PollFlags::empty())];
    match poll(&mut fds, Some(&LOOK_AGAIN)) {
        Ok(_) => !fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
        Err(error) => error == Errno::INTR,
    }
}

/// So soon a new line is seen.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Five files of each may be open.
const LOGS_MAX: usize = 32;
/// Of `2026-11-23T23:21:16.406350Z`.
const TIME_WIDTH: usize = 27;
/// Of the longest name of a role, `keeper`.
const NAME_WIDTH: usize = 6;

#[cfg(test)]
mod tests;
