//! What is wrong with a file that is not TOML, said for people who have never heard of TOML.
//!
//! The toml crate finds the places and goes on behind them; its messages speak of what its parser
//! expected (`domain = foobar.com` is an "invalid boolean"). So the common mistakes are recognised
//! by the line they stand in; of the rest the crate's own message is kept.

use std::ops::Range;

use toml::de::Error;

use crate::problems::{Fault, Problems};

/// Reports each line that can't be read, once. Where that stopped the parser, the text without
/// those lines is worth another look; places in it stay the same.
pub(crate) fn report(errors: &[Error], problems: &mut Problems<'_>) -> Option<String> {
    for error in errors {
        let span = error.span().unwrap_or_default();
        if problems.wants(span.start) {
            let Range { start, end } = problems.line(span.start);
            let marked =
                span.start - start..span.end.clamp(span.start, end.max(span.start)) - start;
            let (marked, fault) = explain(&problems.text[start..end], marked, error.message());
            problems.add_broken(start + marked.start..start + marked.end, fault);
        }
    }
    let any = |parts: &[&str]| {
        errors.iter().any(|error| parts.iter().any(|part| error.message().contains(part)))
    };
    let stopped = any(&["key with no value", "key-value pair", "unclosed table"]);
    let spans_lines = any(&["in array", "array element", "unclosed array", "inline", "multi-line"]);
    (stopped && !spans_lines).then(|| without_lines(problems.text, problems.broken_lines()))
}

/// The text with some lines blank. Below a table's broken name nobody knows where lines belong, so
/// they go too, up to the next table.
fn without_lines(text: &str, lines: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for line in lines {
        let rest = &text[line.end..];
        let end = match text[line.clone()].trim_start().starts_with('[') {
            true => rest.find("\n[").map_or(text.len(), |next| line.end + next),
            false => line.end,
        };
        bytes[line.start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|b| *b = b' ');
    }
    // Whole lines of UTF-8 became spaces, so it is UTF-8 still.
    String::from_utf8(bytes).unwrap_or_default()
}

/// What to mark in a line, and what to say about it.
fn explain(line: &str, marked: Range<usize>, message: &str) -> (Range<usize>, Fault) {
    let says = |part: &str| message.starts_with(part);
    if let Some((_, what, help)) = PLAIN.iter().find(|(part, ..)| says(part)) {
        return (marked, Fault::new(*what, *help));
    }
    if says("duplicate key") {
        let name = line.get(marked.clone()).unwrap_or_default();
        return (marked, duplicate(line, name));
    }
    if says("key with no value") || says("invalid key-value pair") {
        return no_equals(line);
    }
    open_quote(line, marked.start, message)
        .or_else(|| bare_value(line, marked.clone()))
        .unwrap_or_else(|| {
            (marked, Fault::new(message, "see https://toml.io for how TOML is written"))
        })
}

/// A text that runs into the end of its line.
fn open_quote(line: &str, at: usize, message: &str) -> Option<(Range<usize>, Fault)> {
    let open = |quote: &char| line.matches(*quote).count() % 2 == 1;
    let quote =
        ['"', '\''].into_iter().find(open).filter(|_| message.contains("string, expected"))?;
    let from = line.find(quote).unwrap_or(at);
    let fault = Fault::new("this text has no closing quote", format!("add a `{quote}` at its end"));
    Some((from..line.trim_end().len().max(from), fault))
}

fn duplicate(line: &str, name: &str) -> Fault {
    if line.trim_start().starts_with('[') {
        let help = "put its lines below the first one";
        return Fault::new(format!("the table `[{name}]` is written twice"), help);
    }
    Fault::new(format!("`{name}` is written twice"), "remove one of the two lines")
}

/// A line without `=`: YAML, JSON, or just words.
fn no_equals(line: &str) -> (Range<usize>, Fault) {
    let indent = line.len() - line.trim_start().len();
    let content = line.trim();
    let marked = indent..indent + content.len();
    if content.starts_with('{') {
        let help = "write lines such as `domain = \"www.foobar.com\"`";
        return (marked, Fault::new("this looks like JSON, but davy.toml is a TOML file", help));
    }
    let message = "a line must be `name = value`";
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let help = match content.split_once([':', ' ', '\t']) {
        Some((before, "")) if before.chars().all(name) => {
            format!("a table begins with a line such as `[{before}]`")
        }
        Some((before, value)) if !before.is_empty() && before.chars().all(name) => {
            format!("write `{}`", assignment(before, value.trim_start_matches([':', ' ', '\t'])))
        }
        _ => "a comment begins with `#`".to_owned(),
    };
    (marked, Fault::new(message, help))
}

/// A value without quotes, or none at all.
fn bare_value(line: &str, marked: Range<usize>) -> Option<(Range<usize>, Fault)> {
    let (name, value) = line.split_once('=')?;
    if marked.start <= name.len() {
        return None;
    }
    let behind = name.len() + 1;
    let from = behind + (value.len() - value.trim_start().len());
    let value = value.split(" #").next().unwrap_or_default().trim();
    let (name, whole) = (name.trim(), from..from + value.len());
    if value.is_empty() {
        let help = "write a value behind the `=`, or remove the line";
        return Some((whole, Fault::new(format!("`{name}` has no value"), help)));
    }
    if value.starts_with(['[', '{']) {
        let bare = line.get(marked.clone()).filter(|text| !text.is_empty())?;
        let message = format!("text must be in quotes: `{bare}`");
        return Some((marked, Fault::new(message, format!("write {}", quoted(bare)))));
    }
    if value.starts_with(['"', '\'']) {
        return None;
    }
    let message = if name == NUMBER {
        "this is not a number"
    } else if value.starts_with(CURLY) {
        "these are not the quotes of a keyboard, but those of a word processor"
    } else {
        "text must be in quotes"
    };
    Some((whole, Fault::new(message, format!("write `{}`", assignment(name, value)))))
}

/// A line as it should be written.
fn assignment(name: &str, value: &str) -> String {
    match value.trim().parse::<u32>() {
        Ok(number) if name == NUMBER => format!("{name} = {number}"),
        Err(_) if name == NUMBER => format!("{name} = 4"),
        _ => format!("{name} = {}", quoted(value)),
    }
}

/// A value as it should be written.
fn quoted(value: &str) -> String {
    let bare = value.trim_matches(|c: char| CURLY.contains(&c) || "\"',".contains(c) || c == ' ');
    let quote = if bare.contains(['"', '\\']) { '\'' } else { '"' };
    format!("{quote}{bare}{quote}")
}

/// How the toml crate's message begins, what is said instead, and what to do.
const PLAIN: [(&str, &str, &str); 8] = [
    ("unclosed table", MISSING_BRACKET, "write a table's name like `[env]`"),
    ("unclosed array table", MISSING_BRACKET, "write a table's name like `[env]`"),
    (
        "missing comma between array elements",
        "a comma is missing in this list",
        "write it like `[\"a\", \"b\"]`",
    ),
    ("unclosed array", OPEN_LIST, "look for the `[` above, and close that list"),
    ("unexpected `=` in array", OPEN_LIST, "look for the `[` above, and close that list"),
    (
        "unexpected key or value",
        "something stands behind the value",
        "begin a new line here; a comment begins with `#`",
    ),
    (
        "missing escaped value",
        "a `\\` between double quotes has a special meaning",
        "put the text in single quotes, or write `\\\\`",
    ),
    (
        "cannot recurse further",
        "lists or tables lie in one another too deeply",
        "davy.toml has no more than two levels",
    ),
];
const MISSING_BRACKET: &str = "the `]` behind this table's name is missing";
const OPEN_LIST: &str = "a list is not closed before this place";

/// The one name whose value is a number.
const NUMBER: &str = "workers";

/// Typographic quotes, which word processors and chat programs put in place of straight ones.
const CURLY: [char; 7] = ['“', '”', '„', '‘', '’', '«', '»'];
