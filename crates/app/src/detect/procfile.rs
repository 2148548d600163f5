//! A Procfile: its `web:` line is the command. What its other lines start is no web server.

use super::{Command, Folder, Found, Kind};

/// The rule.
pub(super) fn find(folder: &dyn Folder) -> Option<Found> {
    let text = folder.text(PROCFILE)?;
    let line = lines(&text).find(|(name, _)| *name == "web").map(|(_, line)| line.to_owned())?;
    let mut others: Vec<&str> =
        lines(&text).map(|(name, _)| name).filter(|name| *name != "web").collect();
    others.dedup();
    let mut reason = format!("its web line is `{line}`");
    if !others.is_empty() {
        reason += &format!("; {} not run: write them into [jobs] of davy.toml", others.join(", "));
    }
    let kind = Kind::Command(Command { name: "Procfile", line });
    Some(Found { kind, callable: None, file: PROCFILE.to_owned(), reason })
}

/// The lines that have the form `name: command`.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    pairs.map(|(name, line)| (name.trim(), line.trim())).filter(move |(name, line)| {
        !name.is_empty() && name.chars().all(is_name) && !line.is_empty()
    })
}

pub(super) const LOOKED_FOR: &str = "Procfile with a web line";

const PROCFILE: &str = "Procfile";
