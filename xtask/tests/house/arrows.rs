//! The arrows between davy's crates. There is none between two steps of a request: they meet in
//! `davy` only.
//!
//! ```text
//!   davy ──▶ all                                 e2e ──▶ nothing: it knows the program only
//!   dns, web, queue ──▶ flow                     xtask ──▶ nothing; its tests ──▶ fuzz targets
//!   app, db ──▶ flow, proc, packages
//!   pyworker, flow, proc, packages, config ──▶ nothing
//!
//!   app carries pyworker as a file, which its build script has another cargo make
//! ```

use crate::hold;
use crate::manifests::{Dependency, Stage, members};

/// Every member in the order of a request, and what it may use.
const ARROWS: [(&str, &[&str]); 13] = [
    ("crates/dns", &["flow"]),
    ("crates/web", &["flow"]),
    ("crates/queue", &["flow"]),
    ("crates/app", &["flow", "packages", "proc"]),
    ("crates/pyworker", &[]),
    ("crates/db", &["flow", "packages", "proc"]),
    ("crates/flow", &[]),
    ("crates/proc", &[]),
    ("crates/packages", &[]),
    ("crates/config", &[]),
    ("crates/davy", &["app", "config", "db", "dns", "flow", "packages", "proc", "queue", "web"]),
    ("e2e", &[]),
    ("xtask", &[]),
];

/// What tests may use beyond that.
const ARROWS_OF_TESTS: [(&str, &[&str]); 1] =
    [("xtask", &["app", "config", "db", "dns", "flow", "pyworker", "queue", "web"])];

#[test]
fn members_stand_in_the_order_of_a_request() {
    let folders: Vec<String> = members().into_iter().map(|member| member.folder).collect();
    assert_eq!(folders, ARROWS.map(|(folder, _)| folder), "members in Cargo.toml");
}

#[test]
fn crates_use_only_what_the_list_allows() {
    let mut broken = Vec::new();
    for member in members() {
        for Dependency { package, stage } in member.dependencies() {
            let Some(to) = package.strip_prefix("davy-") else { continue };
            let allows = |list: &[(&str, &[&str])]| {
                list.iter().any(|(from, uses)| *from == member.folder && uses.contains(&to))
            };
            let is_allowed = allows(&ARROWS) || stage == Stage::Test && allows(&ARROWS_OF_TESTS);
            if !is_allowed {
                broken.push(format!("{}/Cargo.toml: {to}", member.folder));
            }
        }
    }
    hold("A crate uses only those that the list of arrows allows.", broken);
}

#[test]
fn packages_are_named_after_their_folders() {
    let wrong = members().into_iter().filter_map(|member| {
        let package = member.manifest["package"]["name"].as_str().unwrap();
        let right = member.name() == package || format!("davy-{}", member.name()) == package;
        (!right).then(|| format!("{}: {package}", member.folder))
    });
    hold("Packages are called davy-FOLDER, but davy itself.", wrong);
}
