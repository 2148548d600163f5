//! What the person who started davy sees: a line for each thing done, with the time it took.
//!
//! On a terminal the thing being done is shown while it lasts; on a pipe there are plain lines only.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use flow::control::{Line, LineState};

/// The lines of a `davy up`.
#[derive(Debug)]
pub(crate) struct Console {
    to: Kind,
    started: Instant,
    doing: Option<(Line, Instant)>,
    told: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Terminal,
    Pipe,
}

impl Console {
    /// A console whose clock starts at `started`.
    pub(crate) fn new(started: Instant) -> Console {
        let to = if io::stdout().is_terminal() { Kind::Terminal } else { Kind::Pipe };
        Console { to, started, doing: None, told: None }
    }

    /// Shows a line.
    pub(crate) fn show(&mut self, line: &Line) {
        match line.state {
            LineState::Doing => self.do_now(line),
            LineState::Warning => self.print(&format(&line.label, &line.text, None, 0)),
            LineState::Done { took_ms } => {
                let took = match line.label.as_str() {
                    // The last line of a start tells the time of all of it.
                    "ready" => Some(self.started.elapsed()),
                    _ => took_ms.map(Duration::from_millis),
                };
                self.print(&format(&line.label, &line.text, took, self.text_width()));
            }
        }
    }

    /// Shows a line of the keeper's own.
    pub(crate) fn say(&mut self, label: &str, text: impl Into<String>) {
        let state = LineState::Done { took_ms: None };
        self.show(&Line { label: label.into(), text: text.into(), state });
    }

    /// Keeps the time of what is being done running, on a terminal.
    pub(crate) fn tick(&mut self) {
        if let (Kind::Terminal, Some((line, since))) = (self.to, &self.doing) {
            // A line that wraps could not be taken back.
            let width = self.text_width().max(10);
            let text: String = line.text.chars().take(width).collect();
            let text = format(&line.label, &text, Some(since.elapsed()), width);
            put(&format!("\r\x1b[2K{text}"));
        }
    }

    /// Shows why the stack could not come up, on standard error.
    pub(crate) fn complain(&mut self, text: &str) {
        if self.to == Kind::Terminal && self.doing.take().is_some() {
            put("\r\x1b[2K");
        }
        complain(text);
    }

    /// The column for a line's text, so that its time still fits.
    fn text_width(&self) -> usize {
        match self.to {
            Kind::Terminal => width().saturating_sub(LABEL_AND_TIME).min(TEXT_WIDTH),
            Kind::Pipe => TEXT_WIDTH,
        }
    }

    fn do_now(&mut self, line: &Line) {
        let since = match &self.doing {
            Some((before, since)) if before.label == line.label => *since,
            _ => Instant::now(),
        };
        self.doing = Some((line.clone(), since));
        let quiet = self.told.is_some_and(|told| told.elapsed() < PIPE_QUIET);
        match self.to {
            Kind::Terminal => self.tick(),
            Kind::Pipe if quiet => {}
            Kind::Pipe => {
                self.told = Some(Instant::now());
                put(&format!("{}\n", format(&line.label, &line.text, None, 0)));
            }
        }
    }

    fn print(&mut self, text: &str) {
        let clear = self.to == Kind::Terminal && self.doing.take().is_some();
        self.told = None;
        put(&format!("{}{text}\n", if clear { "\r\x1b[2K" } else { "" }));
    }
}

/// `label    text                                    1.2 s`, the text in a column of `width`.
fn format(label: &str, text: &str, took: Option<Duration>, width: usize) -> String {
    let line = match took {
        Some(took) => format!("{label:<8} {text:<width$} {:>6.1} s", took.as_secs_f64()),
        None => format!("{label:<8} {text}"),
    };
    line.trim_end().into()
}

/// The columns of the terminal on standard output.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    // A terminal that does not know its size says 0.
    size.map(|size| usize::from(size.ws_col)).ok().filter(|columns| *columns > 0).unwrap_or(80)
}

/// Writes to standard output. A reader that has gone must not stop the site.
pub(crate) fn put(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a last word to standard error: `davy: what went wrong`.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "davy: {text}");
}

const TEXT_WIDTH: usize = 60;
/// The columns that a line takes besides its text.
const LABEL_AND_TIME: usize = 9 + 10;
const PIPE_QUIET: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_in_a_column_of_their_own() {
        let took = Some(Duration::from_millis(4123));
        let line = format("deps", "2 packages in .davy/python/3f2a", took, 60);
        assert!(line.starts_with("deps     2 packages"), "{line}");
        assert!(line.ends_with("   4.1 s"), "{line}");
        assert_eq!(format("found", "Flask", None, 60), "found    Flask");
        assert_eq!(format("stopped", "", None, 60), "stopped");
    }
}
