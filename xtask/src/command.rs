//! The command line: what was typed becomes a [`Command`], or the usage is shown.

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Test(Scope),
    Docs,
    Fuzz { target: String, seconds: u64 },
}

/// Which tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Also those that start davy and drive it with real clients.
    All,
    /// All but those; nothing is installed.
    Fast,
}

/// What the words after `cargo xtask` mean; None if they mean nothing.
pub(crate) fn parse(words: &[String]) -> Option<Command> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["test"] => Some(Command::Test(Scope::All)),
        ["test", "--fast"] => Some(Command::Test(Scope::Fast)),
        ["docs"] => Some(Command::Docs),
        ["fuzz", target] => Some(fuzz(target, SECONDS)),
        ["fuzz", target, "--seconds", seconds] => Some(fuzz(target, seconds.parse().ok()?)),
        _ => None,
    }
}

fn fuzz(target: &str, seconds: u64) -> Command {
    Command::Fuzz { target: target.to_owned(), seconds }
}

/// How long a target is fed unless told otherwise.
const SECONDS: u64 = 60;

pub(crate) const USAGE: &str = "\
cargo xtask test                         install what the tests need, pass all tests
cargo xtask test --fast                  all tests but e2e
cargo xtask docs                         write docs/config.md anew
cargo xtask fuzz TARGET [--seconds 60]   feed a fuzz target (`fuzz list` names them)
";

#[cfg(test)]
mod tests;
