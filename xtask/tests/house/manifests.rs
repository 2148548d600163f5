//! The Cargo.toml of the workspace and of its members.

use std::sync::LazyLock;

use toml::{Table, Value};

use crate::tree::text_of;

/// A member of the workspace.
pub(crate) struct Member {
    /// Its folder, as the workspace names it.
    pub(crate) folder: String,
    /// Its Cargo.toml.
    pub(crate) manifest: Table,
}

/// A dependency of a member.
pub(crate) struct Dependency {
    /// Its package.
    pub(crate) package: String,
    pub(crate) stage: Stage,
}

/// What a dependency is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Program,
    Build,
    Test,
}

impl Member {
    /// The last part of its folder.
    pub(crate) fn name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap()
    }

    /// All dependencies, also those of some platforms only.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let platforms = self.manifest.get("target").and_then(Value::as_table);
        let tables = platforms.into_iter().flatten().filter_map(|(_, table)| table.as_table());
        let tables = tables.chain([&self.manifest]);
        tables.flat_map(of_table).collect()
    }
}

/// The Cargo.toml of the workspace.
pub(crate) fn root() -> &'static Table {
    static ROOT: LazyLock<Table> = LazyLock::new(|| text_of("Cargo.toml").parse().unwrap());
    &ROOT
}

/// The members, in the order of the workspace.
pub(crate) fn members() -> Vec<Member> {
    let folders = root()["workspace"]["members"].as_array().unwrap();
    let member = |folder: &Value| {
        let folder = folder.as_str().unwrap().to_owned();
        let manifest = text_of(&format!("{folder}/Cargo.toml")).parse().unwrap();
        Member { folder, manifest }
    };
    folders.iter().map(member).collect()
}

fn of_table(table: &Table) -> Vec<Dependency> {
    let stages = [
        ("dependencies", Stage::Program),
        ("build-dependencies", Stage::Build),
        ("dev-dependencies", Stage::Test),
    ];
    let mut found = Vec::new();
    for (key, stage) in stages {
        let names = table.get(key).and_then(Value::as_table).into_iter().flatten();
        found.extend(
            names.map(|(name, wanted)| Dependency { package: package(name, wanted), stage }),
        );
    }
    found
}

/// A dependency may go by another name than its package, here or in the workspace.
fn package(name: &str, wanted: &Value) -> String {
    let shared = wanted.get("workspace").is_some();
    let shared = shared.then(|| &root()["workspace"]["dependencies"][name]);
    let package = shared.unwrap_or(wanted).get("package").and_then(Value::as_str);
    package.unwrap_or(name).to_owned()
}
