//! How long to wait before starting something again that has died. Pure: time comes as an argument.

use std::time::Duration;

/// The waits between restarts: none for the first death of something that lived long enough, then
/// from 100 ms doubling to 10 s, and back to none after a long life.
///
/// ```text
/// lived:   1 h   10 ms   10 ms   10 ms  …            10 ms    30 s
/// wait:    0     100 ms  200 ms  400 ms … 10 s, 10 s  10 s    0
/// ```
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// Nothing has died yet.
    pub fn new() -> Backoff {
        Backoff::default()
    }

    /// It died after having `lived`; the wait before it may start again.
    pub fn died(&mut self, lived: Duration) -> Duration {
        if lived >= LONG_LIFE {
            self.deaths = 0;
            return Duration::ZERO;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.deaths.min(10));
        self.deaths = self.deaths.saturating_add(1);
        wait.min(WAIT_MAX)
    }
}

const LONG_LIFE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_ten_seconds_and_a_long_life_resets_them() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.died(Duration::from_secs(3600)), Duration::ZERO);
        let waits: Vec<u128> =
            (0..9).map(|_| backoff.died(Duration::from_millis(10)).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff.died(Duration::from_secs(30)), Duration::ZERO);
        assert_eq!(backoff.died(Duration::ZERO), Duration::from_millis(100));
    }
}
