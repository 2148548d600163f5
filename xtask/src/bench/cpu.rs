//! The CPU time of processes and of all that descends from them, from /proc.
//!
//! User and system time, and that of children that have ended and were waited for: when a worker
//! dies under load, its time moves to its parent, and the sum stays right. The kernel counts in
//! hundredths of a second, so loads are long enough for thousands of these.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// CPU time, the database's apart from that of all the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) servers: Duration,
    pub(crate) database: Duration,
}

impl Used {
    /// What was used since `before`.
    pub(crate) fn since(self, before: Used) -> Used {
        Used {
            servers: self.servers.saturating_sub(before.servers),
            database: self.database.saturating_sub(before.database),
        }
    }
}

/// A process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) name: String,
    parent: u32,
    ticks: u64,
}

/// What these processes and their descendants have used so far.
pub(crate) fn used(roots: &[u32]) -> Result<Used> {
    let mut used = Used::default();
    for stat in tree(&all()?, roots) {
        let time = Duration::from_millis(stat.ticks * TICK_MS);
        match is_database(&stat) {
            true => used.database += time,
            false => used.servers += time,
        }
    }
    Ok(used)
}

/// These processes and their descendants, as they are now.
pub(crate) fn family(roots: &[u32]) -> Result<Vec<Stat>> {
    Ok(tree(&all()?, roots))
}

/// Whether it is MariaDB, by either of its names.
pub(crate) fn is_database(stat: &Stat) -> bool {
    ["mariadbd", "mysqld"].contains(&stat.name.as_str())
}

/// All processes. One that ends meanwhile is passed over.
fn all() -> Result<Vec<Stat>> {
    let mut stats = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let name = entry?.file_name();
        if name.to_string_lossy().parse::<u32>().is_err() {
            continue;
        }
        let text = fs::read(std::path::Path::new("/proc").join(name).join("stat"));
        let Ok(text) = text else { continue };
        let text = String::from_utf8_lossy(&text);
        stats.push(parse(&text).with_context(|| format!("/proc: {text}"))?);
    }
    Ok(stats)
}

fn tree(all: &[Stat], roots: &[u32]) -> Vec<Stat> {
    let mut children: HashMap<u32, Vec<&Stat>> = HashMap::new();
    for stat in all {
        children.entry(stat.parent).or_default().push(stat);
    }
    let mut found: Vec<&Stat> = all.iter().filter(|stat| roots.contains(&stat.pid)).collect();
    let mut at = 0;
    while let Some(stat) = found.get(at) {
        // A root may descend from another one.
        let below = children.get(&stat.pid).into_iter().flatten();
        let new = below.filter(|child| !roots.contains(&child.pid)).copied().collect::<Vec<_>>();
        found.extend(new);
        at += 1;
    }
    found.into_iter().cloned().collect()
}

/// One line of /proc/PID/stat (proc_pid_stat(5)). The name, in brackets, may contain brackets.
fn parse(line: &str) -> Option<Stat> {
    let (pid, rest) = line.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = TIMES.map(|at| fields.get(at)?.parse::<u64>().ok());
    Some(Stat {
        pid: pid.parse().ok()?,
        name: name.to_owned(),
        parent: fields.get(PARENT)?.parse().ok()?,
        ticks: ticks.into_iter().sum::<Option<u64>>()?,
    })
}

/// Fields behind the name: the parent's pid; utime, stime, cutime, cstime.
const PARENT: usize = 1;
const TIMES: [usize; 4] = [11, 12, 13, 14];

/// Linux tells times to programs in hundredths of a second, whatever its own clock does.
const TICK_MS: u64 = 10;

#[cfg(test)]
mod tests;
