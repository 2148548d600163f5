//! How long functions and files may be, in every language.
//!
//! The list of exceptions is a ratchet: an entry holds the length as it is today, and both growing
//! and shrinking fail, so that the number only ever goes down and at last the entry.

use std::collections::BTreeMap;

use crate::rust::Function;
use crate::tree::{File, Language, files, in_language};
use crate::{hold, python, ruby, rust, shell};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 800;

/// What is longer: the file's path, for functions with `::name`; its lines; why.
const EXCEPTIONS: [(&str, usize, &str); 0] = [];

/// Written by cargo, not by people.
const WRITTEN_BY_TOOLS: [&str; 1] = ["Cargo.lock"];

#[test]
fn functions_have_at_most_70_lines() {
    let functions = all_functions();
    assert!(functions.len() > 500, "only {} functions were found", functions.len());
    let lengths = functions.iter().map(|(file, function)| {
        (format!("{}::{}", file.path, function.name), function.line, function.lines)
    });
    hold("A function has at most 70 lines.", too_long(lengths, FUNCTION_LINES_MAX, "::"));
    let of_programs = functions.iter().filter(|(file, _)| !file.is_test());
    print("functions", of_programs.map(|(_, function)| function.lines).collect());
}

#[test]
fn files_have_at_most_800_lines() {
    let texts = files().iter().filter(|file| !WRITTEN_BY_TOOLS.contains(&file.path.as_str()));
    let lines = |file: &File| file.text().map(|text| text.lines().count());
    let lengths = texts.filter_map(|file| Some((file.path.clone(), 1, lines(file)?)));
    hold("A file has at most 800 lines.", too_long(lengths, FILE_LINES_MAX, ""));
    let of_programs = files().iter().filter(|f| f.language() != Language::Other && !f.is_test());
    print("files", of_programs.filter_map(lines).collect());
}

fn all_functions() -> Vec<(&'static File, Function)> {
    let mut all = Vec::new();
    for (file, tokens) in rust::files() {
        all.extend(rust::functions(tokens).into_iter().map(|function| (file, function)));
    }
    for module in python::modules() {
        all.extend(module.functions.into_iter().map(|function| (module.file, function)));
    }
    for file in in_language(Language::Ruby) {
        let functions = ruby::functions(file.text().unwrap_or_default());
        all.extend(functions.into_iter().map(|function| (file, function)));
    }
    for file in in_language(Language::Shell) {
        let functions = shell::functions(file.text().unwrap_or_default());
        all.extend(functions.into_iter().map(|function| (file, function)));
    }
    all
}

/// What breaks the limit or an exception. `sign` is in the names of the exceptions that are meant.
fn too_long(
    lengths: impl Iterator<Item = (String, usize, usize)>,
    lines_max: usize,
    sign: &str,
) -> Vec<String> {
    let ours = |name: &str| name.contains("::") == (sign == "::");
    let mut excepted: BTreeMap<&str, usize> = EXCEPTIONS
        .iter()
        .filter(|(name, ..)| ours(name))
        .map(|(n, lines, _)| (*n, *lines))
        .collect();
    let mut broken = Vec::new();
    for (name, line, lines) in lengths.filter(|(.., lines)| *lines > lines_max) {
        match excepted.remove(name.as_str()) {
            Some(allowed) if allowed == lines => {}
            Some(allowed) => {
                broken.push(format!("{name}: {lines} lines; its exception is {allowed}"));
            }
            None => broken.push(format!("{name} (line {line}): {lines} lines")),
        }
    }
    broken.extend(excepted.keys().map(|name| format!("{name} needs no exception any more")));
    broken
}

fn print(what: &str, mut lengths: Vec<usize>) {
    lengths.sort_unstable();
    let at = |share: usize| lengths[(lengths.len() - 1) * share / 100];
    println!(
        "{what}: {} of them, median {} lines, p90 {}, longest {}",
        lengths.len(),
        at(50),
        at(90),
        at(100)
    );
}
