//! The command line: what was typed becomes a [`Command`], or the usage is shown.

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Test(Scope),
    Docs,
    Fuzz { target: String, seconds: u64 },
    BenchHello { seconds: u64, rounds: usize },
    BenchIdle,
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
        ["bench", "hello", ref options @ ..] => bench_hello(options),
        ["bench", "idle"] => Some(Command::BenchIdle),
        _ => None,
    }
}

/// Each option once at most, in any order, with a number over 0.
fn bench_hello(options: &[&str]) -> Option<Command> {
    let (mut seconds, mut rounds) = (None, None);
    for pair in options.chunks(2) {
        let [name, value] = pair else { return None };
        let option = match *name {
            "--seconds" => &mut seconds,
            "--rounds" => &mut rounds,
            _ => return None,
        };
        let value = value.parse::<u16>().ok().filter(|value| *value > 0)?;
        if option.replace(value).is_some() {
            return None;
        }
    }
    let seconds = seconds.map_or(BENCH_SECONDS, u64::from);
    Some(Command::BenchHello { seconds, rounds: rounds.map_or(BENCH_ROUNDS, usize::from) })
}

fn fuzz(target: &str, seconds: u64) -> Command {
    Command::Fuzz { target: target.to_owned(), seconds }
}

/// How long a target is fed unless told otherwise.
const SECONDS: u64 = 60;

/// How long each contender is under load in a round of the bench, and how many rounds there are.
const BENCH_SECONDS: u64 = 5;
const BENCH_ROUNDS: usize = 5;

pub(crate) const USAGE: &str = "\
cargo xtask test                         install what the tests need, pass all tests
cargo xtask test --fast                  all tests but e2e
cargo xtask docs                         write docs/config.md anew
cargo xtask fuzz TARGET [--seconds 60]   feed a fuzz target (`fuzz list` names them)
cargo xtask bench hello                  davy against nginx, gunicorn and granian: CPU time,
    [--seconds 5] [--rounds 5]           requests a second, latency
cargo xtask bench idle                   memory of 10,000 idle connections, davy against nginx
";

#[cfg(test)]
mod tests;
