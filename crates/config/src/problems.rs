//! Collects the problems of one file while it is looked at, and makes a report of them at the end.
//!
//! A file is hostile until shown otherwise: there is a limit to the problems, to their texts and to
//! the lines they show. Of `.env` only names are kept: reports end up in logs, and what stands
//! behind `=` there may be a password.

use std::ops::Range;

use crate::report::{Excerpt, Place, Problem, Report};

/// How much of a file a report may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// Whole lines.
    Lines,
    /// What stands before `=`.
    Names,
}

/// Collects the problems of one file.
pub(crate) struct Problems<'a> {
    file: &'a str,
    /// The file's text, which spans refer to.
    pub(crate) text: &'a str,
    show: Show,
    found: Vec<Problem>,
    left_out: usize,
    broken_lines: Vec<Range<usize>>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str, show: Show) -> Self {
        let (found, broken_lines) = (Vec::new(), Vec::new());
        Problems { file, text, show, found, left_out: 0, broken_lines }
    }

    /// Adds a problem with the text at `span` (in bytes).
    pub(crate) fn add(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.wants(span.start) {
            let (file, place) = (self.file.to_owned(), Some(self.place(span)));
            let (message, help) = (harmless(message.into()), harmless(help.into()));
            self.found.push(Problem { file, place, message, help });
        }
    }

    /// Adds a problem that leaves its line unreadable.
    pub(crate) fn add_broken(&mut self, span: Range<usize>, fault: Fault) {
        if self.wants(span.start) {
            let line = self.line(span.start);
            self.add(span, fault.message, fault.help);
            self.broken_lines.push(line);
        }
    }

    /// Whether a problem at this place would be shown. One in a broken line is only a consequence
    /// of what broke it. When there are enough of them, problems are only counted: finding a line
    /// costs time, and a hostile file has many.
    pub(crate) fn wants(&mut self, at: usize) -> bool {
        if self.found.len() == PROBLEMS_MAX {
            self.left_out += 1;
            return false;
        }
        !self.broken_lines.iter().any(|line| line.contains(&at) || line.end == at)
    }

    /// The lines that can't be read.
    pub(crate) fn broken_lines(&self) -> &[Range<usize>] {
        &self.broken_lines
    }

    /// Adds a problem with the file as a whole.
    pub(crate) fn add_whole(&mut self, fault: Fault) {
        let (file, message) = (self.file.to_owned(), harmless(fault.message));
        self.found.push(Problem { file, place: None, message, help: fault.help });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The line around a place, without its end.
    pub(crate) fn line(&self, at: usize) -> Range<usize> {
        let at = self.text.floor_char_boundary(at);
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        start..start + line.len()
    }

    fn place(&self, span: Range<usize>) -> Place {
        let Range { start, end } = self.line(span.start);
        let line = &self.text[start..end];
        let marked = line.floor_char_boundary(span.start - start);
        let marked = marked..line.floor_char_boundary(span.end.max(start) - start).max(marked);
        Place {
            line: self.text[..start].matches('\n').count() + 1,
            column: line[..marked.start].chars().count() + 1,
            excerpt: self.excerpt(line, marked),
        }
    }

    fn excerpt(&self, line: &str, marked: Range<usize>) -> Option<Excerpt> {
        match self.show {
            Show::Lines => {
                (line.len() <= EXCERPT_BYTES_MAX).then(|| Excerpt { line: line.to_owned(), marked })
            }
            Show::Names => {
                // A line of a key file may hold a `=` too; a name is short and of plain letters.
                let (name, _) = line.split_once('=')?;
                let plain = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
                let shown = name.len() <= NAME_BYTES_MAX && name.chars().all(plain);
                let marked = marked.start.min(name.len())..marked.end.min(name.len());
                shown.then(|| Excerpt { line: format!("{name}=…"), marked })
            }
        }
    }
}

/// Puts the problems of several files together, or says that there are none.
pub(crate) fn report<'a>(files: impl IntoIterator<Item = Problems<'a>>) -> Result<(), Report> {
    let mut report = Report { problems: Vec::new(), left_out: 0 };
    for mut file in files {
        file.found.sort_by_key(|problem| problem.place.as_ref().map(|p| (p.line, p.column)));
        report.problems.append(&mut file.found);
        report.left_out += file.left_out;
    }
    if report.problems.is_empty() { Ok(()) } else { Err(report) }
}

/// A message may repeat what stands in the file: it gets a reasonable length, and no characters
/// that steer a terminal or turn the reading direction.
fn harmless(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
    }
    let turns = ['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    let steers = |c: char| c.is_control() || turns.iter().any(|range| range.contains(&c));
    message.replace(steers, "\u{fffd}")
}

/// What is wrong with a value, before it is known where the value stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { message: message.into(), help: help.into() }
    }
}

/// How many problems of one file are shown.
const PROBLEMS_MAX: usize = 50;

/// The longest message.
const MESSAGE_BYTES_MAX: usize = 600;

/// The longest line that is shown; of longer ones only the position is.
const EXCERPT_BYTES_MAX: usize = 4096;

/// The longest name of a variable that is shown of `.env`.
const NAME_BYTES_MAX: usize = 60;
