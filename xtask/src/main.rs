//! The project's own commands: `cargo xtask test`, `docs`, `fuzz` and `bench`.
//!
//! They run cargo and, for what the tests need, apt-get. None of davy's crates is linked in, so this
//! program is compiled in seconds, before anything else is. The tests that hold the house are
//! in `tests/house`, the driver of the fuzz targets in `tests/fuzz`: both belong to `cargo test`.
//!
//! What it never does: release anything, or change a file outside `docs/` and `target/`. Packages
//! are installed by `test` and `bench` only, and only those whose programs are missing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's words are its output")]

mod bench;
mod command;
mod step;
mod tools;

use std::process::ExitCode;

use anyhow::{Result, bail};

use command::{Command, Scope, USAGE};
use step::{Failed, Step};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(command) = command::parse(&words) else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            error.downcast_ref().map_or(ExitCode::FAILURE, |failed: &Failed| failed.code.into())
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Test(scope) => test(*scope),
        Command::Docs => docs(),
        Command::Fuzz { target, seconds } => fuzz(target, *seconds),
        Command::BenchHello { seconds, rounds } => bench::hello(*seconds, *rounds),
        Command::BenchIdle => bench::idle(),
    }
}

/// Installs what the tests need and passes all tests.
///
/// All steps share `target/release`. Clippy and rustdoc read metadata that no build leaves behind,
/// but in the same profile they have their procedural macros and build scripts in common with it.
/// The program that e2e drives is built last, by the command that its users build it with, and the
/// tests that drive it with the features of the whole workspace, of which all is compiled by then.
fn test(scope: Scope) -> Result<()> {
    let mut steps = vec![
        Step::cargo("fmt", "fmt --all --check"),
        Step::cargo("clippy", &format!("clippy {ALL} --all-targets -- -D warnings")),
        Step::cargo("doc", &format!("doc {ALL} --no-deps")).set("RUSTDOCFLAGS", "-D warnings"),
        Step::cargo("test", "test --release --workspace --exclude davy-e2e --no-fail-fast"),
    ];
    if scope == Scope::All {
        tools::install_missing(&tools::FOR_TESTS)?;
        steps.push(Step::cargo("build", "build --release"));
        // Each test starts the whole stack: more than two at a time would measure the machine.
        steps.push(Step::cargo("e2e", "test --release --workspace --test e2e -- --test-threads=2"));
    }
    let (last, first) = steps.split_last().expect("the list above is not empty");
    for step in first {
        let took = step.run()?;
        println!("== {} passed in {:.1} s\n", step.name, took.as_secs_f64());
    }
    // Nothing is said after the last one: cargo's own result lines are the end of the output.
    last.run()?;
    Ok(())
}

/// Everything that is read: also the extension module, which no program but an interpreter links.
const ALL: &str = "--release --workspace --features davy-pyworker/module";

/// Writes the manual's page about davy.toml anew, from the doc comments.
fn docs() -> Result<()> {
    let tests = Step::cargo("docs", "test --quiet -p davy-config --test reference");
    tests.set("UPDATE", "1").run()?;
    Ok(())
}

/// Feeds a fuzz target for some time.
fn fuzz(target: &str, seconds: u64) -> Result<()> {
    let driver = |options: &str| {
        let line = format!("test --quiet --release -p davy-xtask --test fuzz -- {options}");
        // Faults show best where sums are checked; a folder of its own keeps such a build apart.
        Step::cargo("fuzz", &line)
            .set("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
            .set("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
            .set("CARGO_TARGET_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/../target/fuzz"))
    };
    let list = driver("--list --format terse").read()?;
    let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let targets: Vec<&str> = tests.filter(|name| !name.contains("::")).collect();
    if !targets.contains(&target) {
        bail!("there is no fuzz target `{target}`; there are: {}", targets.join(", "));
    }
    driver(&format!("--exact {target} --nocapture"))
        .set("FUZZ_SECONDS", seconds.to_string())
        .run()?;
    Ok(())
}
