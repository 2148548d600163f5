//! Problems in davy's files, and how they are shown.
//!
//! ```text
//! error: unknown name `domian`
//!  --> davy.toml:1:1
//!   |
//! 1 | domian = "www.foobar.com"
//!   | ^^^^^^
//!   |
//!   = help: did you mean `domain`?
//!
//! 1 problem in davy.toml
//! ```
//!
//! A problem carries its own line, so a report needs no files any more. Drawing is left to
//! annotate-snippets, which makes control characters in lines harmless.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

/// What is wrong with davy's files: at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The problems, file by file, from top to bottom: at most 50 of each file.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub left_out: usize,
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named to davy.
    pub file: String,
    /// Where in the file. None: the file as a whole.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    pub(crate) excerpt: Option<Excerpt>,
}

/// A line, and the part of it (in bytes) that the carets point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) line: String,
    pub(crate) marked: Range<usize>,
}

/// Whether a text may have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Plain text, for files and pipes.
    Never,
    /// ANSI escape sequences, for terminals.
    Always,
}

impl Report {
    /// The report for people; it ends with a line that counts the problems.
    pub fn render(&self, color: Color) -> String {
        let renderer = match color {
            Color::Never => Renderer::plain(),
            Color::Always => Renderer::styled(),
        };
        let shown: Vec<String> =
            self.problems.iter().map(|problem| renderer.render(&[problem.group()])).collect();
        format!("{}\n\n{}\n", shown.join("\n\n"), self.count())
    }

    /// The report for programs: an array of objects with `file`, `line`, `column`, `message` and
    /// `help`. Line and column are null where a problem is about the whole file.
    pub fn to_json(&self) -> Value {
        let object = |problem: &Problem| {
            let place = problem.place.as_ref();
            json!({
                "file": problem.file,
                "line": place.map(|place| place.line),
                "column": place.map(|place| place.column),
                "message": problem.message,
                "help": problem.help,
            })
        };
        self.problems.iter().map(object).collect()
    }

    fn count(&self) -> String {
        let mut files: Vec<&str> = self.problems.iter().map(|p| p.file.as_str()).collect();
        files.dedup();
        let number = self.problems.len() + self.left_out;
        let noun = if number == 1 { "problem" } else { "problems" };
        let shown = match self.left_out {
            0 => String::new(),
            _ => format!("; the first {} are shown", self.problems.len()),
        };
        format!("{number} {noun} in {}{shown}", files.join(" and "))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Color::Never))
    }
}

impl std::error::Error for Report {}

impl Problem {
    fn group(&self) -> Group<'_> {
        let group = Group::with_title(Level::ERROR.primary_title(&self.message));
        let group = match &self.place {
            None => group.element(Origin::path(&self.file)),
            Some(Place { line, column, excerpt: None }) => {
                group.element(Origin::path(&self.file).line(*line).char_column(*column))
            }
            Some(Place { line, excerpt: Some(excerpt), .. }) => group.element(
                Snippet::source(&excerpt.line)
                    .line_start(*line)
                    .path(&self.file)
                    .annotation(AnnotationKind::Primary.span(excerpt.marked.clone())),
            ),
        };
        group.element(Level::HELP.message(&self.help))
    }
}

#[cfg(test)]
mod tests;
