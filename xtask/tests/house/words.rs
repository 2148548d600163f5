//! How a file begins, and what no file contains.

use crate::tree::{Language, files, in_language};
use crate::{hold, python, rust};

#[test]
fn every_source_begins_with_what_it_is() {
    let rust = in_language(Language::Rust).filter(|file| !file.bytes.starts_with(b"//! "));
    let python = python::modules().into_iter().filter(|module| !module.has_docstring);
    let shell = in_language(Language::Shell)
        .filter(|file| !file.text().unwrap().lines().nth(1).is_some_and(|l| l.starts_with("# ")));
    let ruby = in_language(Language::Ruby).filter(|file| !file.bytes.starts_with(b"# "));
    let without = rust.chain(python.map(|module| module.file)).chain(shell).chain(ruby);
    hold(
        "A source begins with a head: what it is, why so, what it never does.",
        without.map(|file| file.path.clone()),
    );
}

#[test]
fn nothing_is_left_to_do_or_left_out() {
    let patterns = ["todo !", "dbg !", "unimplemented !", "# [ ignore"];
    let mut broken = Vec::new();
    for (file, tokens) in rust::files() {
        let places =
            |pattern| rust::places(tokens, pattern).into_iter().map(move |at| (at, pattern));
        broken.extend(patterns.into_iter().flat_map(places).map(|(at, pattern)| {
            format!("{}:{}: {}", file.path, tokens[at].line, pattern.replace(' ', ""))
        }));
    }
    hold("Nothing is left to do, and no test is left out.", broken);
}

#[test]
fn files_speak_of_the_project_only() {
    let words = FORBIDDEN.map(|parts| parts.concat());
    let mut broken = Vec::new();
    // Cargo writes the registry's address into its lock file.
    for file in files().iter().filter(|file| file.path != "Cargo.lock") {
        for (at, line) in file.text().unwrap_or_default().lines().enumerate() {
            let line = line.to_lowercase();
            let found = words.iter().filter(|word| line.contains(*word));
            broken.extend(found.map(|word| format!("{}:{}: {word}", file.path, at + 1)));
        }
    }
    hold("No file names a place of work or the host of a package registry.", broken);
}

#[test]
fn files_are_small() {
    let large = files().iter().filter(|file| file.bytes.len() > FILE_BYTES_MAX);
    let large = large.map(|file| format!("{}: {} bytes", file.path, file.bytes.len()));
    hold("A file has at most 500 kB.", large);
}

const FILE_BYTES_MAX: usize = 500_000;

/// In pieces, so that this file does not contain them.
const FORBIDDEN: [[&str; 2]; 9] = [
    ["helper", " session"],
    ["/", "work/"],
    ["crates", ".io"],
    ["pypi", ".org"],
    ["pythonhosted", ".org"],
    ["deb.debian", ".org"],
    ["security.debian", ".org"],
    ["registry.npmjs", ".org"],
    ["archive.ubuntu", ".com"],
];
