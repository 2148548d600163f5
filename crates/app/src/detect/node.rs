//! Node: a package.json with a start script, or with a server.js beside it, as `npm start` has it.
//! A package.json without either is there for a site's assets, and shows nothing.

use serde::Deserialize;

use super::{Command, Folder, Found, Kind};

/// What is read of a package.json.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Package {
    scripts: Scripts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Scripts {
    start: Option<String>,
}

/// The rule.
pub(super) fn find(folder: &dyn Folder) -> Option<Found> {
    let package: Package = serde_json::from_str(&folder.text(PACKAGE)?).ok()?;
    let (line, reason) = match package.scripts.start.filter(|start| !start.trim().is_empty()) {
        Some(start) => {
            let reason = format!("{PACKAGE} has the start script `{start}`");
            (start, reason)
        }
        None => {
            folder.text(SERVER)?;
            (format!("node {SERVER}"), format!("there are {PACKAGE} and {SERVER}"))
        }
    };
    let kind = Kind::Command(Command { name: "Node", line });
    Some(Found { kind, callable: None, file: PACKAGE.to_owned(), reason })
}

pub(super) const LOOKED_FOR: &str = "package.json with a start script (Node)";

const PACKAGE: &str = "package.json";
const SERVER: &str = "server.js";
