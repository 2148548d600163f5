//! Golden scripts: each file in `tests/scripts` is a davy.toml and the exact report it yields, or
//! the config. `UPDATE=1 cargo test -p davy-config` rewrites what they expect; read the difference.
//!
//! ```text
//! domian = "www.foobar.com"        davy.toml; a script that begins with --- has none
//! --- .env                         optional: from here on it is .env
//! TOKEN=abc
//! ---
//! error: unknown name `domian`     what is expected
//! ```
//! Each runs in a folder with `public/` and `notes.txt`. `␍` at the end of a line is a carriage
//! return.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use davy_config as config;

#[test]
fn scripts_yield_what_they_expect() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut scripts: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 25, "only {} scripts", scripts.len());
    let update = std::env::var_os("UPDATE").is_some();
    let mut differing = Vec::new();
    for path in scripts {
        let script = fs::read_to_string(&path).unwrap();
        let (input, expected) = split(&script);
        let found = run(input);
        if found == expected {
            continue;
        }
        if update {
            fs::write(&path, format!("{input}---\n{found}")).unwrap();
        } else {
            differing.push(format!("{}\n{found}", path.display()));
        }
    }
    assert!(differing.is_empty(), "found, but not expected:\n\n{}", differing.join("\n"));
}

/// The input with its final newline, and what is expected.
fn split(script: &str) -> (&str, &str) {
    match script.strip_prefix("---\n") {
        Some(expected) => ("", expected),
        None => script
            .split_once("\n---\n")
            .map_or((script, ""), |(input, expected)| (&script[..=input.len()], expected)),
    }
}

fn run(input: &str) -> String {
    let input = input.replace('␍', "\r");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("public")).unwrap();
    fs::write(folder.path().join("notes.txt"), "").unwrap();
    let (toml, env) = match input.split_once("--- .env\n") {
        Some((toml, env)) => (toml, Some(env)),
        None => (input.as_str(), None),
    };
    if !toml.is_empty() {
        fs::write(folder.path().join("davy.toml"), toml).unwrap();
    }
    if let Some(env) = env {
        fs::write(folder.path().join(".env"), env).unwrap();
    }
    match config::load(folder.path()) {
        Ok(config) => serde_json::to_string_pretty(&config).unwrap() + "\n",
        Err(report) => report.to_string().replace(&format!("{}/", folder.path().display()), ""),
    }
}
