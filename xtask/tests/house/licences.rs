//! Where the crates of others come from, and on what terms: all that cargo would build here.

use std::process::Command;

use serde_json::Value;

use crate::hold;
use crate::tree::absolute;

/// Terms that go with davy's own, MIT or Apache-2.0, and ask for no more than being named.
const LICENCES: [&str; 8] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
];

#[test]
fn crates_of_others_have_free_licences_and_come_from_the_registry() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let others: Vec<&Value> = packages.iter().filter(|p| !is_ours(p)).collect();
    assert!(others.len() > 50, "only {} crates", others.len());
    let broken = others.into_iter().filter_map(|package| {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or_default());
        let source = package["source"].as_str().unwrap_or("a folder");
        let good = is_free(licence) && source.starts_with("registry+");
        (!good).then(|| format!("{name}: {licence:?} from {source}"))
    });
    hold("Crates come from the registry, on free terms.", broken);
}

fn is_ours(package: &Value) -> bool {
    let root = absolute("").canonicalize().unwrap();
    let manifest = std::path::Path::new(package["manifest_path"].as_str().unwrap());
    package["source"].is_null() && manifest.starts_with(root)
}

/// Whether an SPDX expression leaves a choice that is on the list.
fn is_free(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], "").replace('/', " OR ");
    let free = |choices: &str| choices.split(" OR ").any(|one| LICENCES.contains(&one.trim()));
    expression.split(" AND ").all(free)
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let host = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "host-tuple"])
        .output()
        .unwrap();
    // What this platform builds has been downloaded by now, so no network is needed.
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform"])
        .arg(String::from_utf8(host.stdout).unwrap().trim())
        .current_dir(absolute(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn choices_and_sums_of_licences_are_understood() {
    for free in ["MIT", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT/Apache-2.0"] {
        assert!(is_free(free), "{free}");
    }
    for other in ["", "GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR MPL-2.0) AND MIT"] {
        assert!(!is_free(other), "{other}");
    }
}
