//! `.env`: lines `NAME=value`, as most frameworks know them.
//!
//! The dotenvy crate reads them, with three things put right around it:
//! - It would replace `$NAME` by what davy's own environment holds, and can't be told not to. It
//!   never sees a `$`: a stand-in, which no text may contain, is put in its place and taken out of
//!   the values again. So `$` is an ordinary character, as in Docker's and systemd's files.
//! - It does not say at which line it is. It is given one line at a time, and those are counted.
//! - An apostrophe in a comment can make it take several lines for one value. A value that has
//!   fewer lines than its text is a problem here, and not a lost variable.
//!
//! Nothing here touches the environment of the process, and no value gets into a message.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;

use crate::problems::{Fault, Problems};
use crate::suggest::is_variable_name;

/// What a name stands for.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) value: String,
    /// Where in the text its name stands, in bytes.
    pub(crate) at: usize,
}

/// Reads the variables; of two with the same name, the later one counts.
pub(crate) fn read(problems: &mut Problems<'_>) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    let text = problems.text;
    if let Some(at) = text.find(['\0', DOLLAR]) {
        let help = "`.env` is a text file with lines `NAME=value`";
        problems.add(at..at + 1, "a control character stands here", help);
        return variables;
    }
    // Without a final newline, dotenvy takes a space at the end of the file for an open value.
    let text_without_dollars = text.replace('$', DOLLAR_STR) + "\n";
    let given = Cell::new(0);
    let lines = Lines { rest: text_without_dollars.as_bytes(), given: &given };
    let mut start = 0;
    for pair in dotenvy::from_read_iter(lines) {
        let statement = Statement::new(text, start..given.get().min(text.len()));
        start = given.get();
        let pair = pair.map(|(name, value)| (name, value.replace(DOLLAR, "$")));
        match statement.check(pair.ok()) {
            Ok((name, value)) => {
                let at = statement.name_span().start;
                variables.insert(name, Variable { value, at });
            }
            Err(fault) => problems.add(statement.name_span(), fault.message, fault.help),
        }
    }
    variables
}

/// Hands out one line per read, so that what was given is what was looked at.
struct Lines<'a> {
    rest: &'a [u8],
    given: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line =
            self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |n| n + 1);
        let (piece, rest) = self.rest.split_at(line.min(buffer.len()));
        buffer[..piece.len()].copy_from_slice(piece);
        self.rest = rest;
        self.given.set(self.given.get() + piece.len());
        Ok(piece.len())
    }
}

/// One assignment as it is written, without the empty lines and comments before it.
struct Statement<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Statement<'a> {
    fn new(text: &'a str, Range { mut start, end }: Range<usize>) -> Self {
        for line in text[start..end].split_inclusive('\n') {
            let content = line.trim_start();
            if !content.is_empty() && !content.starts_with('#') {
                start += line.len() - content.len();
                break;
            }
            start += line.len();
        }
        Statement { text: text[start..end].trim_end(), start }
    }

    /// What stands before and after the first `=`.
    fn parts(&self) -> (&'a str, Option<&'a str>) {
        let (name, value) = match self.text.split_once('=') {
            Some((name, value)) if !name.contains('\n') => (name, Some(value.trim())),
            _ => (self.text.lines().next().unwrap_or_default(), None),
        };
        let name = name.trim();
        (name.strip_prefix("export ").map_or(name, str::trim_start), value)
    }

    fn name_span(&self) -> Range<usize> {
        let (name, _) = self.parts();
        let start = self.start + self.text.find(name).unwrap_or(0);
        start..start + name.len()
    }

    fn check(&self, pair: Option<(String, String)>) -> Result<(String, String), Fault> {
        let (written, raw) = self.parts();
        let raw = raw.ok_or_else(|| {
            Fault::new(
                "a line of `.env` must be `NAME=value`",
                "write `NAME=value`, or remove the line",
            )
        })?;
        if !is_variable_name(written) {
            return Err(Fault::new(
                "the part before `=` is not a name of a variable",
                "use letters, digits and `_`, and no digit in front",
            ));
        }
        let (name, value) = pair.ok_or_else(|| unreadable(written, raw))?;
        if value.matches('\n').count() < self.text.matches('\n').count() {
            return Err(open_quote(written, raw));
        }
        if value.contains("${") && !raw.starts_with('\'') {
            return Err(Fault::new(
                format!("davy does not fill in the `${{…}}` in `{written}`"),
                format!(
                    "write the value out, or `{written}='…'` in single quotes to keep it as it is"
                ),
            ));
        }
        Ok((name, value))
    }
}

/// Why dotenvy could not read a value.
fn unreadable(name: &str, raw: &str) -> Fault {
    let quoted = raw.starts_with(['"', '\'']);
    if raw.chars().next().is_some_and(|quote| quoted && !raw[1..].contains(quote)) {
        open_quote(name, raw)
    } else if raw.contains('\\') {
        Fault::new(
            format!("the value of `{name}` holds a `\\` that means nothing"),
            format!("put the value in single quotes: `{name}='…'`"),
        )
    } else if !quoted && raw.contains(['"', '\'']) {
        open_quote(name, raw)
    } else if quoted {
        Fault::new(
            format!("something stands behind the closing quote of `{name}`"),
            "remove it, or put a ` #` before it if it is a comment",
        )
    } else {
        Fault::new(
            format!("the value of `{name}` has a space in it"),
            format!("put the value in quotes: `{name}=\"…\"`"),
        )
    }
}

fn open_quote(name: &str, raw: &str) -> Fault {
    let (quote, other) = match raw.find(['"', '\'']).map(|at| raw.as_bytes()[at]) {
        Some(b'"') => ("\"", "'"),
        _ => ("'", "\""),
    };
    Fault::new(
        format!("a `{quote}` opens behind `{name}=` and is not closed in the same line"),
        format!("close it, or write `{name}={other}…{other}`; quotes in a comment count too"),
    )
}

/// What stands for `$` while dotenvy looks: ASCII's own SUBSTITUTE.
const DOLLAR: char = '\u{1a}';
const DOLLAR_STR: &str = "\u{1a}";

#[cfg(test)]
mod tests;
