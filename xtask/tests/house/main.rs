//! The tests that hold the house: what ARCHITECTURE.md promises about the project's own files.
//!
//! ```text
//!   tree ──▶ rust     tokens of a .rs file, its functions      ─┐
//!        ──▶ python   functions and heads of the .py files     ─┼─▶ the rules below
//!        ──▶ ruby     functions of the .rb files               ─┤
//!        ──▶ shell    functions of the scripts                 ─┘
//! ```
//! - `sizes`: a function has at most 70 lines, a file at most 800
//! - `arrows`: which crate may use which, and in which order they stand
//! - `walls`: what only one crate may do: `unsafe`, the environment, davy.toml
//! - `words`: how a file begins, and what no file contains
//! - `pages`: the manual is whole and its links lead somewhere
//! - `licences`: where the crates of others come from, and on what terms
//!
//! A test lists everything that breaks its rule, each with its place. They read the files that git
//! knows or would add, and never build anything.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod arrows;
mod licences;
mod manifests;
mod pages;
mod python;
mod ruby;
mod rust;
mod shell;
mod sizes;
mod tree;
mod walls;
mod words;

/// Fails with everything that breaks a rule, one in a line.
#[track_caller]
fn hold(rule: &str, broken: impl IntoIterator<Item = String>) {
    let broken: Vec<String> = broken.into_iter().collect();
    assert!(broken.is_empty(), "{rule}\n{} broken:\n{}\n", broken.len(), broken.join("\n"));
}
