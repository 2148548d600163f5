//! How long to wait before starting something again that has died. Pure: time comes as an argument.

use std::time::Duration;

/// The waits between restarts. A few deaths are forgiven: whoever dies then is started again at
/// once. Beyond that the waits double from 100 ms on. Each death is forgotten after 10 s of life.
///
/// ```text
/// deaths not forgotten   0  1  2 │ 3       4       5       6   …
/// wait, if it was ready  0  0  0 │ 100 ms  200 ms  400 ms  500 ms, 500 ms, …
/// wait, if it was not    0  0  0 │ 100 ms  200 ms  400 ms  800 ms … 10 s, 10 s, …
/// ```
/// What was ready and died is missed by those it served, so it never waits for long: a visitor who
/// can make a worker crash shall not close the site. What dies before it is ready will most likely
/// do so again, and only its starts are dear.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    /// 10 s for each death, less the time lived since.
    remembered: Duration,
}

/// How far a life got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It did its work.
    Reached,
    /// It ended before it could, or nobody knows.
    NotReached,
}

impl Backoff {
    /// Nothing has died yet.
    pub fn new() -> Backoff {
        Backoff::default()
    }

    /// It died after having `lived`; the wait before it may start again.
    pub fn died(&mut self, readiness: Readiness, lived: Duration) -> Duration {
        self.remembered = self.remembered.saturating_sub(lived);
        let deaths = self.remembered.as_millis().div_ceil(FORGOTTEN_AFTER.as_millis());
        self.remembered = (self.remembered + FORGOTTEN_AFTER).min(FORGOTTEN_AFTER * DEATHS_MAX);
        let Some(counted) = deaths.checked_sub(FORGIVEN) else { return Duration::ZERO };
        let most = match readiness {
            Readiness::Reached => WAIT_MAX_READY,
            Readiness::NotReached => WAIT_MAX,
        };
        // DEATHS_MAX keeps the shift small.
        (FIRST_WAIT * (1 << counted)).min(most)
    }
}

const FORGIVEN: u128 = 3;
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(10);
const WAIT_MAX_READY: Duration = Duration::from_millis(500);
/// More are not remembered: with them the longest wait is reached.
const DEATHS_MAX: u32 = 11;

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(10);

    fn waits(
        backoff: &mut Backoff,
        readiness: Readiness,
        lived: Duration,
        times: usize,
    ) -> Vec<u128> {
        (0..times).map(|_| backoff.died(readiness, lived).as_millis()).collect()
    }

    #[test]
    fn a_few_deaths_are_forgiven_and_then_the_waits_double_up_to_ten_seconds() {
        let mut backoff = Backoff::new();
        let waits = waits(&mut backoff, Readiness::NotReached, Duration::ZERO, 12);
        assert_eq!(waits, [0, 0, 0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn what_was_ready_never_waits_long() {
        let waits = waits(&mut Backoff::new(), Readiness::Reached, SHORT, 100);
        assert_eq!(waits[..3], [0, 0, 0]);
        assert!(waits.iter().all(|wait| *wait <= 500), "{waits:?}");
    }

    #[test]
    fn what_is_killed_again_and_again_is_started_at_once_if_it_lives_ten_seconds_between() {
        let waits = waits(&mut Backoff::new(), Readiness::NotReached, Duration::from_secs(10), 100);
        assert!(waits.iter().all(|wait| *wait == 0), "{waits:?}");
    }

    #[test]
    fn a_start_that_fails_late_is_not_repeated_for_ever_without_a_wait() {
        let waits = waits(&mut Backoff::new(), Readiness::NotReached, Duration::from_secs(3), 30);
        assert!(waits[20..].iter().all(|wait| *wait >= 1000), "{waits:?}");
    }

    #[test]
    fn a_long_life_lets_all_deaths_be_forgotten() {
        let mut backoff = Backoff::new();
        waits(&mut backoff, Readiness::NotReached, SHORT, 100);
        assert_eq!(backoff.died(Readiness::Reached, Duration::from_secs(120)), Duration::ZERO);
        assert_eq!(waits(&mut backoff, Readiness::NotReached, SHORT, 3), [0, 0, 100]);
    }
}
