//! What only one crate may do.

use toml::Value;

use crate::manifests::{members, root};
use crate::tree::File;
use crate::{hold, rust};

#[test]
fn only_proc_and_pyworker_are_unsafe() {
    let folders = ["crates/proc/", "crates/pyworker/"];
    let words = ["unsafe", "libc"].iter().flat_map(|word| uses(word, Tests::Count, &folders));
    let packages = members_with("libc", &UNSAFE);
    hold("Only proc and pyworker have unsafe code and libc.", words.chain(packages));
}

#[test]
fn lints_of_the_workspace_hold_everywhere() {
    let shared = &root()["workspace"]["lints"];
    assert_eq!(shared["rust"]["unsafe_code"].as_str(), Some("forbid"));
    let mut broken = Vec::new();
    for member in members() {
        let lints = &member.manifest["lints"];
        if UNSAFE.contains(&member.name()) {
            broken.extend(missing(shared, lints).filter(|lint| lint != "rust.unsafe_code"));
        } else if lints.get("workspace").is_none() {
            broken.push(format!("{} has lints of its own", member.folder));
        }
    }
    let rule = "All crates have the workspace's lints; proc and pyworker have all but the ban of \
                unsafe code.";
    hold(rule, broken);
}

#[test]
fn only_davy_reads_its_environment_and_exits() {
    // Cargo speaks to a build script by its environment.
    let programs = ["crates/davy/", "e2e/", "xtask/", "crates/app/build.rs"];
    let words = READS_OR_EXITS.iter().flat_map(|word| uses(word, Tests::AreFree, &programs));
    hold("Only davy reads its environment and exits; others are told.", words);
}

#[test]
fn only_config_knows_davy_toml() {
    let named = uses(r#""davy.toml""#, Tests::AreFree, &["crates/config/"]);
    // pyproject.toml is the application's, not davy's.
    let may_parse = ["crates/config/", "crates/app/src/dependencies.rs", "xtask/tests/"];
    let parsed = uses("toml : :", Tests::Count, &may_parse);
    let packages = members_with("toml", &["config", "app", "xtask"]);
    hold("Only config reads davy.toml.", named.into_iter().chain(parsed).chain(packages));
}

/// The crates that may.
const UNSAFE: [&str; 2] = ["proc", "pyworker"];

/// With their module, so that `use std::env::var` is found too; `exit` also without.
const READS_OR_EXITS: [&str; 14] = [
    "env : : {",
    "env : : args",
    "env : : args_os",
    "env : : current_dir",
    "env : : home_dir",
    "env : : remove_var",
    "env : : set_var",
    "env : : temp_dir",
    "env : : var",
    "env : : var_os",
    "env : : vars",
    "env : : vars_os",
    "process : : abort",
    "exit (",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tests {
    Count,
    AreFree,
}

/// Where Rust files outside of `allowed` have these tokens.
fn uses(pattern: &str, tests: Tests, allowed: &[&str]) -> Vec<String> {
    let may = |file: &File| {
        let free = tests == Tests::AreFree && file.is_test();
        free || allowed.iter().any(|start| file.path.starts_with(start))
    };
    let mut found = Vec::new();
    for (file, tokens) in rust::files().filter(|(file, _)| !may(file)) {
        let places = rust::places(tokens, pattern).into_iter().map(|at| &tokens[at]);
        let places = places.filter(|token| tests == Tests::Count || !token.tests_only);
        let pattern = pattern.replace(' ', "");
        found.extend(places.map(|token| format!("{}:{}: {pattern}", file.path, token.line)));
    }
    found
}

/// The members other than `allowed` that depend on a package.
fn members_with(package: &str, allowed: &[&str]) -> Vec<String> {
    let members = members().into_iter().filter(|member| !allowed.contains(&member.name()));
    let has = members.filter(|m| m.dependencies().iter().any(|d| d.package == package));
    has.map(|member| format!("{}/Cargo.toml: {package}", member.folder)).collect()
}

/// What is in `wanted`, two tables deep, but not or otherwise in `found`.
fn missing(wanted: &Value, found: &Value) -> impl Iterator<Item = String> {
    let tools = wanted.as_table().unwrap().iter();
    let lints = tools.flat_map(|(tool, lints)| {
        lints.as_table().unwrap().iter().map(move |(lint, level)| (tool, lint, level))
    });
    lints.filter_map(|(tool, lint, level)| {
        let own = found.get(tool).and_then(|lints| lints.get(lint));
        (own != Some(level)).then(|| format!("{tool}.{lint}"))
    })
}
