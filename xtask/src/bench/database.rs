//! The MariaDB of a davy that runs, for a contender that has none of its own.
//!
//! So all of them have the same server, settings and rows. The others are given its socket itself,
//! not the relay's, and otherwise the variables that davy gives to its own application.

use std::fs;

use anyhow::{Context as _, Result};

use super::cpu::{family, is_database};

/// A running MariaDB, and how an application gets in.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) pid: u32,
    /// `MYSQL_…`, as davy's documentation has them.
    pub(crate) variables: Vec<(String, String)>,
}

/// The database among the descendants of these processes.
pub(crate) fn of(roots: &[u32]) -> Result<Database> {
    let family = family(roots)?;
    let server = family.iter().find(|stat| is_database(stat)).context("davy runs no MariaDB")?;
    let words = strings(server.pid, "cmdline")?;
    let socket = words.iter().find_map(|word| word.strip_prefix("--socket="));
    let socket = socket.with_context(|| format!("no socket among {words:?}"))?;
    let mut variables = None;
    for stat in &family {
        // One that has ended meanwhile is passed over.
        let Ok(strings) = strings(stat.pid, "environ") else { continue };
        variables = variables.or_else(|| variables_of(&strings, socket));
    }
    let variables = variables.context("no worker of davy's knows a database")?;
    Ok(Database { pid: server.pid, variables })
}

/// The variables of a worker, with the server's socket in the place of the relay's.
fn variables_of(environ: &[String], socket: &str) -> Option<Vec<(String, String)>> {
    let own = environ.iter().filter_map(|pair| pair.split_once('='));
    let own = own.filter(|(name, _)| name.starts_with("MYSQL_") && *name != SOCKET);
    let mut variables: Vec<_> = own.map(|(name, value)| (name.into(), value.into())).collect();
    variables.iter().any(|(name, _)| name == "MYSQL_PASSWORD").then_some(())?;
    variables.push((SOCKET.into(), socket.into()));
    Some(variables)
}

/// A file of NUL-terminated strings below /proc.
fn strings(pid: u32, name: &str) -> Result<Vec<String>> {
    let path = format!("/proc/{pid}/{name}");
    let bytes = fs::read(&path).with_context(|| path.clone())?;
    let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    Ok(parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect())
}

const SOCKET: &str = "MYSQL_UNIX_SOCKET";

#[cfg(test)]
mod tests;
