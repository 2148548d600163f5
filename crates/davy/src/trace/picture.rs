//! The journey of a request as lines for people, and as JSON for programs. Pure.
//!
//! ```text
//! 2 dns         0.21 ms  ##                        www.foobar.com at 127.0.0.1:5300
//! …
//! 7 app        12.40 ms    ######################  worker 4711
//!   db          9.80 ms      ################      SELECT name FROM entry WHERE id = ?   20 rows
//! ```
//! A bar stands where its time lies in the whole.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use flow::Step;
use serde_json::{Value, json};

use super::journey::{Journey, Slowest, Span};
use super::told::Statement;
use crate::logs::printable;

/// How bars are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// For a terminal.
    Blocks,
    /// For a pipe.
    Plain,
}

impl Style {
    pub(crate) fn of_stdout() -> Style {
        if std::io::stdout().is_terminal() { Style::Blocks } else { Style::Plain }
    }

    fn ink(self) -> char {
        match self {
            Style::Blocks => '█',
            Style::Plain => '#',
        }
    }
}

/// The picture, line by line.
pub(crate) fn lines(journey: &Journey, style: Style) -> String {
    let mut text = head(journey);
    for (number, step) in (1..).zip(Step::ALL) {
        let span = journey.span(step);
        let mut notes = notes(journey, step);
        if let Some((failed, cause)) = &journey.visited.failure
            && *failed == step
        {
            notes.push(format!("failed: {}", printable(cause)));
        }
        let taken = span.is_some() || !notes.is_empty();
        let first = if notes.is_empty() { String::new() } else { notes.remove(0) };
        let first = if taken { first } else { "not taken".into() };
        text.push_str(&line(journey, style, &number.to_string(), step.name(), span, &first));
        for note in notes {
            text.push_str(&line(journey, style, "", "", None, &note));
        }
        if step == Step::App {
            text.push_str(&statements(journey, style));
        }
    }
    let total = Span { from: journey.stamps.begun, took: journey.total() };
    text.push_str(&line(journey, style, "", "total", Some(total), ""));
    text.push_str(&verdict(journey));
    text
}

fn head(journey: &Journey) -> String {
    let target = &journey.target;
    format!(
        "GET http://{}{}   {}\nrequest {}   to davy's own web server at {}, not to the address in \
         DNS\n\n",
        target.authority,
        target.path,
        printable(&journey.response.status_line),
        journey.visited.id,
        journey.http,
    )
}

/// What there is to say about a step, line by line.
fn notes(journey: &Journey, step: Step) -> Vec<String> {
    let visited = &journey.visited;
    match step {
        Step::Browser => vec![format!("asks for {}", journey.target.host)],
        Step::Dns => vec![format!("{} at {}", journey.target.host, journey.names.server)],
        Step::Record => match &journey.names.answered {
            Ok(answered) if answered.records.is_empty() => {
                vec![format!("none: {}; davy's DNS does not know the name", answered.rcode)]
            }
            Ok(answered) => answered.records.iter().map(|line| printable(line).into()).collect(),
            Err(error) => vec![error.to_string()],
        },
        Step::Connect => {
            vec![format!("{} with Host: {}", journey.http, journey.target.authority)]
        }
        Step::Web => {
            let site = visited.site.as_deref().unwrap_or("no site");
            let here = if visited.worker.is_none() { ", answered here" } else { "" };
            vec![format!("{site}{here}")]
        }
        Step::Queue | Step::Answer => Vec::new(),
        Step::App => visited.worker.iter().map(|pid| format!("worker {pid}")).collect(),
        Step::Response => {
            let leads = journey.response.location.as_deref();
            let leads = leads.map(|to| format!(", leads to {}", printable(to))).unwrap_or_default();
            vec![format!("{} bytes{leads}", journey.response.bytes)]
        }
    }
}

fn statements(journey: &Journey, style: Style) -> String {
    let mut text = String::new();
    for statement in journey.statements.iter().take(STATEMENTS_SHOWN) {
        let span = Journey::span_of(statement);
        text.push_str(&line(journey, style, "", "db", Some(span), &outcome(statement)));
    }
    let more = journey.statements.len().saturating_sub(STATEMENTS_SHOWN);
    if more > 0 {
        text.push_str(&line(journey, style, "", "", None, &format!("and {more} statements more")));
    }
    if journey.missed > 0 {
        let missed = format!("{} statements of some request are not known", journey.missed);
        text.push_str(&line(journey, style, "", "", None, &missed));
    }
    text
}

fn outcome(statement: &Statement) -> String {
    let query = &statement.query;
    let mut text = printable(&query.text).into_owned();
    let _ = match (&query.error, query.rows) {
        (Some(error), _) => write!(text, "   error {}", printable(error)),
        (None, 1) => write!(text, "   1 row"),
        (None, rows) => write!(text, "   {rows} rows"),
    };
    if !statement.sure {
        text.push_str("   (perhaps of another request)");
    }
    text
}

fn line(
    journey: &Journey,
    style: Style,
    number: &str,
    label: &str,
    span: Option<Span>,
    note: &str,
) -> String {
    let took = span.map(|span| ms(span.took)).unwrap_or_default();
    let bar = span.map(|span| bar(journey, style, span)).unwrap_or_default();
    let line = format!("{number:1} {label:<8} {took:>12}  {bar:<BAR_WIDTH$}  {note}");
    format!("{}\n", line.trim_end())
}

/// A bar, where and as long as the time it stands for.
fn bar(journey: &Journey, style: Style, span: Span) -> String {
    let total = journey.total().as_nanos().max(1);
    let place = |time: Duration| {
        let columns = time.as_nanos() * BAR_WIDTH as u128 / total;
        usize::try_from(columns).unwrap_or(BAR_WIDTH).min(BAR_WIDTH)
    };
    let from = place(span.from.since(journey.stamps.begun)).min(BAR_WIDTH - 1);
    let length = place(span.took).clamp(1, BAR_WIDTH - from);
    let ink = std::iter::repeat_n(style.ink(), length);
    std::iter::repeat_n(' ', from).chain(ink).collect()
}

fn verdict(journey: &Journey) -> String {
    let total = ms(journey.total());
    let part = |took: Duration| format!("{} of {total}", ms(took));
    match journey.slowest() {
        None => String::new(),
        Some(Slowest::Step(Step::App, took)) => {
            format!("\nslowest: app, the site's own code: {}\n", part(took))
        }
        Some(Slowest::Step(step, took)) => format!("\nslowest: {step}: {}\n", part(took)),
        Some(Slowest::Statements(took)) => {
            let count = journey.statements.len();
            let longest = journey.statements.iter().max_by_key(|one| Journey::span_of(one).took);
            let longest = longest.map(|one| {
                let text: String = printable(&one.query.text).chars().take(TEXT_SHOWN).collect();
                format!("; the longest {}: {text}", ms(Journey::span_of(one).took))
            });
            let longest = longest.unwrap_or_default();
            format!("\nslowest: db, {count} statements: {}{longest}\n", part(took))
        }
    }
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// The journey for programs. Times are microseconds; `from` counts from the question for the name.
pub(crate) fn json(journey: &Journey) -> Value {
    let visited = &journey.visited;
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let span = |span: Span| {
        json!({
            "from_us": us(span.from.since(journey.stamps.begun)),
            "took_us": us(span.took),
        })
    };
    let steps: serde_json::Map<String, Value> = Step::ALL
        .into_iter()
        .filter_map(|step| Some((step.name().to_owned(), span(journey.span(step)?))))
        .collect();
    let statements: Vec<Value> = journey
        .statements
        .iter()
        .map(|statement| {
            let mut value = span(Journey::span_of(statement));
            value["text"] = json!(statement.query.text);
            value["rows"] = json!(statement.query.rows);
            value["error"] = json!(statement.query.error);
            value["sure"] = json!(statement.sure);
            value
        })
        .collect();
    let (records, dns_error) = match &journey.names.answered {
        Ok(answered) => (json!(answered.records), Value::Null),
        Err(error) => (json!([]), json!(error.to_string())),
    };
    json!({
        "request": visited.id.to_string(),
        "host": journey.target.host,
        "path": journey.target.path,
        "server": journey.http,
        "records": records,
        "dns_error": dns_error,
        "status": visited.status,
        "bytes": journey.response.bytes,
        "site": visited.site,
        "worker": visited.worker,
        "failed_at": visited.failure.as_ref().map(|(step, _)| step.name()),
        "total_us": us(journey.total()),
        "steps": steps,
        "statements": statements,
        "missed": journey.missed,
    })
}

const BAR_WIDTH: usize = 32;
/// Statements that are shown to people, one by one.
const STATEMENTS_SHOWN: usize = 50;
/// How much of a statement the last line names.
const TEXT_SHOWN: usize = 60;

#[cfg(test)]
mod tests;
