//! Timers in virtual time.

use std::future::{pending, ready};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_limit() {
    let mut timer = Timer::default();
    let start = Instant::now();
    assert_eq!(timer.within(Duration::from_secs(30), pending::<()>()).await, Err(Elapsed));
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_timer_left_from_an_earlier_wait_neither_shortens_nor_lengthens_the_next() {
    let mut timer = Timer::default();
    for seconds in [10, 60, 5, 5, 90, 1] {
        let start = Instant::now();
        let limit = Duration::from_secs(seconds);
        let short = timer.within(limit, tokio::time::sleep(limit / 2)).await;
        assert_eq!(short, Ok(()), "{seconds}");
        assert_eq!(timer.until(start + limit, pending::<()>()).await, Err(Elapsed));
        assert_eq!(start.elapsed(), limit, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_is_done_at_once_arms_nothing() {
    let mut timer = Timer::default();
    assert_eq!(timer.within(Duration::ZERO, ready(1)).await, Ok(1));
    assert!(timer.sleep.is_none());
}
