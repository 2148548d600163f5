//! Names that davy.toml does not have: what was probably meant, or where the line belongs.
//!
//! The names that it has come from the schema, so there is one list of them: the structs in `raw`.

use serde_json::Value;

use crate::problems::Fault;
use crate::suggest::{list, nearest};

/// Where a name stands.
#[derive(Clone, Copy)]
pub(crate) enum Level<'a> {
    /// Above the first table.
    Top,
    /// In a table.
    Table(&'a str),
}

/// What to say about a name that davy.toml does not have, or not there.
pub(crate) fn unknown(schema: &Value, level: Level<'_>, name: &str) -> Fault {
    let top = names(schema);
    let inner = |table: &str| names(&schema["properties"][table]);
    let tables = || top.iter().filter(|table| inner(table).contains(&name));
    let (known, later, place) = match level {
        Level::Top => (top.clone(), &TOP_LATER[..], String::new()),
        Level::Table("db") => (inner("db"), &DB_LATER[..], " in `[db]`".to_owned()),
        Level::Table(table) => (inner(table), &[][..], format!(" in `[{table}]`")),
    };
    if later.contains(&name) {
        return Fault::new(
            format!("`{name}` is a name of davy.toml, but this version does not act on it yet"),
            "remove the line",
        );
    }
    let help = if let (Level::Table(_), true) = (level, top.contains(&name)) {
        "move the line above the first `[…]` line".to_owned()
    } else if let (Level::Top, Some(table)) = (level, tables().next()) {
        format!("move the line below a line `[{table}]`, where `{name}` belongs")
    } else if let Some(meant) =
        synonym(name, &known).or_else(|| nearest(name, known.iter().copied()))
    {
        format!("did you mean `{meant}`?")
    } else if matches!(level, Level::Top) && is_shouted(name) {
        format!("variables for the application stand below a line `[env]`: `{name} = \"…\"`")
    } else {
        format!("the names{place} are {}", list(&known))
    };
    Fault::new(format!("unknown name `{name}`{place}"), help)
}

/// What another program's name for something, misspelt or not, stands for.
fn synonym<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let other = nearest(name, SYNONYMS.iter().map(|(other, _)| *other))?;
    known.iter().find(|known| SYNONYMS.contains(&(other, known))).copied()
}

fn names(table: &Value) -> Vec<&str> {
    table["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

fn is_shouted(name: &str) -> bool {
    name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Names that davy.toml has, and that later versions act on.
const TOP_LATER: [&str; 11] = [
    "health", "build", "release", "keep", "spa", "secrets", "route", "headers", "dns", "tls",
    "backup",
];
const DB_LATER: [&str; 1] = ["url_from"];

/// What other programs call it.
const SYNONYMS: [(&str, &str); 29] = [
    ("host", "domain"),
    ("hostname", "domain"),
    ("name", "domain"),
    ("server_name", "domain"),
    ("site", "domain"),
    ("server_names", "aliases"),
    ("alias", "aliases"),
    ("ip", "address"),
    ("ips", "address"),
    ("addresses", "address"),
    ("framework", "app"),
    ("application", "app"),
    ("type", "app"),
    ("public", "root"),
    ("static", "root"),
    ("document_root", "root"),
    ("processes", "workers"),
    ("environment", "env"),
    ("database", "db"),
    ("mysql", "db"),
    ("mariadb", "db"),
    ("type", "engine"),
    ("start", "command"),
    ("run", "command"),
    ("max_workers", "workers_max"),
    ("timeout", "request"),
    ("request_timeout", "request"),
    ("max_requests", "requests"),
    ("memory_limit", "memory"),
];
