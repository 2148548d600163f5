//! `cargo xtask bench hello`: the tables, and what was to be reached.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::contender::{
    Contender, DAVY, DIRECT, FRESH, GRANIAN, GTHREAD, HELLO, PAGE, RELAY, UNTRACED,
};
use super::layout::Layout;
use super::place::Place;
use super::rounds::{self, Plan, Series};
use super::stats::times_better;

/// Runs everything, prints it, and fails if something was not reached.
pub(crate) fn hello(seconds: u64, rounds: usize) -> Result<()> {
    let place = Place::prepare()?;
    let plan = Plan { seconds, rounds };
    println!(
        "\n{rounds} rounds of {seconds} s each, 64 connections; medians; ratios by CPU time\n"
    );
    let mut verdicts = Vec::new();
    for layout in Layout::ALL {
        for board in &BOARDS {
            println!("== {}; {layout}", board.site);
            let all = rounds::run(board.contenders, &place, layout, plan)?;
            println!("{}", table(&all));
            if layout == Layout::One {
                verdicts.extend(board.claims.iter().map(|claim| claim.judge(board.site, &all)));
            }
        }
    }
    conclude(&verdicts)
}

/// One line for each contender; ratios are against nginx with gunicorn's threads.
fn table(all: &[Series]) -> String {
    let mut text = format!(
        "{:24} {:>9} {:>6} {:>9} {:>9} {:>9} {:>9} {:>6}\n",
        "", "req/s", "x", "p50 ms", "p99 ms", "cpu us", "db us", "x"
    );
    let base = find(all, GTHREAD);
    for series in all {
        let rates =
            |series: &Series| series.samples.iter().map(|s| 1.0 / s.rate).collect::<Vec<_>>();
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "{:24} {:>9.0} {:>6.2} {:>9.2} {:>9.2} {:>9.1} {:>9.1} {:>6.2}",
            series.name,
            series.median(|sample| sample.rate),
            base.map_or(f64::NAN, |base| times_better(&rates(series), &rates(base))),
            series.median(|sample| sample.p50_ms),
            series.median(|sample| sample.p99_ms),
            series.median(|sample| sample.servers_us),
            series.median(|sample| sample.database_us),
            base.map_or(f64::NAN, |base| times_better(&series.cpu_us(), &base.cpu_us())),
        );
    }
    text
}

fn find<'a>(all: &'a [Series], name: &str) -> Option<&'a Series> {
    all.iter().find(|series| series.name == name)
}

/// A table of its own in each layout.
struct Board {
    site: &'static str,
    contenders: &'static [Contender],
    claims: &'static [Claim],
}

const BOARDS: [Board; 3] = [
    Board { site: "WSGI hello", contenders: &HELLO, claims: &HELLO_CLAIMS },
    Board { site: "Page", contenders: &PAGE, claims: &PAGE_CLAIMS },
    Board { site: "Page, fresh connections", contenders: &FRESH, claims: &FRESH_CLAIMS },
];

/// What is to be reached: so many times better than another, by CPU time per request.
struct Claim {
    own: &'static str,
    other: &'static str,
    least: Option<f64>,
}

/// What came of it.
struct Verdict {
    line: String,
    missed: bool,
}

impl Claim {
    fn judge(&self, site: &str, all: &[Series]) -> Verdict {
        let what = format!("{site}: {} against {}", self.own, self.other);
        let (Some(own), Some(other)) = (find(all, self.own), find(all, self.other)) else {
            return Verdict { line: format!("{what:74} skipped"), missed: false };
        };
        let ratio = times_better(&own.cpu_us(), &other.cpu_us());
        let missed = self.least.is_some_and(|least| ratio.is_nan() || ratio < least);
        let word = match self.least {
            Some(_) if missed => "missed",
            Some(_) => "ok",
            None => "",
        };
        let least = self.least.map_or(String::new(), |least| format!(">= {least:.2}"));
        Verdict { line: format!("{what:74} {ratio:>6.3} {least:>8} {word}"), missed }
    }
}

fn conclude(verdicts: &[Verdict]) -> Result<()> {
    println!("== CPU time per request on one core: how many times better");
    verdicts.iter().for_each(|verdict| println!("{}", verdict.line.trim_end()));
    match verdicts.iter().filter(|verdict| verdict.missed).count() {
        0 => Ok(()),
        count => bail!("{count} of {} ratios missed", verdicts.len()),
    }
}

const HELLO_CLAIMS: [Claim; 3] = [
    Claim { own: DAVY, other: GTHREAD, least: Some(6.0) },
    Claim { own: DAVY, other: GRANIAN, least: Some(0.6) },
    // What tracing costs: told, not judged, as it is less than a short run can tell for sure.
    Claim { own: DAVY, other: UNTRACED, least: None },
];

const PAGE_CLAIMS: [Claim; 2] = [
    Claim { own: RELAY, other: GTHREAD, least: Some(1.1) },
    Claim { own: DIRECT, other: GTHREAD, least: Some(1.2) },
];

/// Told, not judged: most of what is measured here is MariaDB's and PyMySQL's work on a connection.
const FRESH_CLAIMS: [Claim; 2] = [
    Claim { own: RELAY, other: GTHREAD, least: None },
    Claim { own: DIRECT, other: GTHREAD, least: None },
];

#[cfg(test)]
mod tests;
