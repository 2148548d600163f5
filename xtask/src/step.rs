//! A step of a command: one program that is run, watched and timed.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A program to be run in the project's folder.
pub(crate) struct Step {
    /// What it is called in the output.
    pub(crate) name: &'static str,
    words: Vec<OsString>,
    variables: Vec<(&'static str, String)>,
}

/// A step that did not succeed; it said itself why.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The exit code for xtask itself: the step's own.
    pub(crate) code: u8,
    what: String,
}

impl Step {
    /// The cargo that runs xtask, with the words of `line`.
    pub(crate) fn cargo(name: &'static str, line: &str) -> Step {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let words = [cargo].into_iter().chain(line.split_whitespace().map(OsString::from));
        Step { name, words: words.collect(), variables: Vec::new() }
    }

    /// Any program.
    pub(crate) fn program(name: &'static str, words: &[&str]) -> Step {
        let words = words.iter().map(OsString::from).collect();
        Step { name, words, variables: Vec::new() }
    }

    /// Adds a variable to the environment.
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<String>) -> Step {
        self.variables.push((name, value.into()));
        self
    }

    /// Says what is done, does it, and returns how long it took.
    pub(crate) fn run(&self) -> Result<Duration, Failed> {
        let line: Vec<_> = self.words[1..].iter().map(|word| word.to_string_lossy()).collect();
        println!("== {}: {} {}", self.name, self.program_name(), line.join(" "));
        // The child writes to the same descriptor: what was said before comes first.
        let _ = io::stdout().flush();
        let started = Instant::now();
        self.check(self.command().status().map_err(|error| self.unable(&error))?)?;
        Ok(started.elapsed())
    }

    /// Does it and returns what it wrote to its standard output.
    pub(crate) fn read(&self) -> Result<String, Failed> {
        let output = self.command().stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| self.unable(&error))?;
        self.check(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into())
    }

    /// Does it without a word. Whether it succeeded.
    pub(crate) fn try_silently(&self) -> bool {
        let status = self.command().stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).envs(self.variables.iter().map(|(n, v)| (n, v)));
        command.current_dir(ROOT).stdin(Stdio::null());
        command
    }

    fn check(&self, status: ExitStatus) -> Result<(), Failed> {
        if status.success() {
            return Ok(());
        }
        // A step that a signal ended has no code.
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Err(Failed { code, what: format!("step {} failed ({status})", self.name) })
    }

    fn unable(&self, error: &io::Error) -> Failed {
        let what = format!("step {} can't start {}: {error}", self.name, self.program_name());
        Failed { code: 1, what }
    }

    fn program_name(&self) -> String {
        let name = std::path::Path::new(&self.words[0]).file_name().unwrap_or(&self.words[0]);
        name.to_string_lossy().into()
    }
}

impl std::error::Error for Failed {}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

/// The project's folder.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[cfg(test)]
mod tests;
