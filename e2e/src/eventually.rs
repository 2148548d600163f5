//! Waiting for what is expected, instead of for a time.

use std::time::{Duration, Instant};

/// Asks until there is an answer, and gives it. Fails the test when there is none `within` the
/// time, which is a limit for a broken davy, not a guess at how long a sound one takes.
pub fn eventually<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {} s: {what}", within.as_secs());
        std::thread::sleep(ASK_AGAIN);
    }
}

const ASK_AGAIN: Duration = Duration::from_millis(20);
