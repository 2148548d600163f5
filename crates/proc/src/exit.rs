//! Signals, and how a process ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

/// The signals davy sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Asks for a clean end.
    Term,
    /// Asks php-fpm for a clean end, which takes TERM for a quick one.
    Quit,
    /// Ends at once.
    Kill,
    /// Asks for a word; who does not know of it ignores it.
    Urg,
}

impl From<Signal> for rustix::process::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Term => rustix::process::Signal::TERM,
            Signal::Quit => rustix::process::Signal::QUIT,
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::Urg => rustix::process::Signal::URG,
        }
    }
}

/// How a process ended: `exit code 3`, `killed by signal 9 (KILL)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(ExitStatus);

impl Exit {
    /// Whether it ended with exit code 0.
    pub fn success(self) -> bool {
        self.0.success()
    }

    /// The exit code, unless a signal ended it.
    pub fn code(self) -> Option<i32> {
        self.0.code()
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Exit {
        Exit(status)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.signal()) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => match name(signal) {
                Some(name) => write!(f, "killed by signal {signal} ({name})"),
                None => write!(f, "killed by signal {signal}"),
            },
            (None, None) => f.write_str("ended in an unknown way"),
        }
    }
}

fn name(signal: i32) -> Option<&'static str> {
    NAMES.iter().find(|(number, _)| *number == signal).map(|(_, name)| *name)
}

/// The signals that end programs in practice, by their numbers on Linux.
const NAMES: [(i32, &str); 10] = [
    (1, "HUP"),
    (2, "INT"),
    (4, "ILL"),
    (6, "ABRT"),
    (7, "BUS"),
    (9, "KILL"),
    (11, "SEGV"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_says_how_it_came() {
        assert_eq!(Exit(ExitStatus::from_raw(3 << 8)).to_string(), "exit code 3");
        assert_eq!(Exit(ExitStatus::from_raw(9)).to_string(), "killed by signal 9 (KILL)");
        assert_eq!(Exit(ExitStatus::from_raw(35)).to_string(), "killed by signal 35");
        assert!(Exit(ExitStatus::from_raw(0)).success());
    }
}
