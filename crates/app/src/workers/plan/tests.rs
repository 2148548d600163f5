//! Whole lives of workers in virtual time.

use proptest::prelude::*;

use super::*;

fn ms(at: u64) -> Stamp {
    Stamp(at * 1_000_000)
}

fn run(worker: usize, start: u32) -> Run {
    Run { worker, start }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Two workers, both ready at 1 s.
fn serving() -> Plan {
    let mut plan = Plan::new(2);
    let started = plan.step(ms(0), Event::Tick);
    assert_eq!(started, [Action::Start(run(1, 1)), Action::Start(run(2, 1))]);
    for worker in 1..=2 {
        let ready = plan.step(ms(1_000), Event::Ready(run(worker, 1)));
        assert_eq!(ready, [Action::Announce]);
    }
    assert_eq!(plan.due(), None);
    plan
}

#[test]
fn worker_that_dies_is_started_again_at_once() {
    let mut plan = serving();
    let actions = plan.step(ms(2_000), Event::Ended(run(2, 1)));
    let died = Action::Died { run: run(2, 1), lived: millis(2_000), wait: millis(0) };
    assert_eq!(actions, [Action::Announce, died, Action::Start(run(2, 2))]);
    assert_eq!(plan.ready().collect::<Vec<_>>(), [run(1, 1)]);
}

#[test]
fn worker_that_dies_again_and_again_before_it_is_ready_waits() {
    let mut plan = serving();
    for start in 1..=3 {
        plan.step(ms(2_000), Event::Ended(run(1, start)));
    }
    let actions = plan.step(ms(2_050), Event::Ended(run(1, 4)));
    let died = Action::Died { run: run(1, 4), lived: millis(50), wait: millis(100) };
    assert_eq!(actions, [died], "it was never announced");
    assert_eq!(plan.due(), Some(ms(2_150)));
    assert_eq!(plan.step(ms(2_149), Event::Tick), []);
    assert_eq!(plan.step(ms(2_150), Event::Tick), [Action::Start(run(1, 5))]);
}

#[test]
fn worker_that_a_visitor_can_crash_never_waits_long() {
    let mut plan = serving();
    let mut now = 2_000;
    for start in 1..50 {
        plan.step(ms(now), Event::Ended(run(1, start)));
        let due = plan.due().map_or(now, |due| due.0 / 1_000_000);
        assert!(
            due <= now + 500 || due == now + 60_000,
            "start {start} waits until {due}, not {now}"
        );
        plan.step(ms(now + 500), Event::Tick);
        plan.step(ms(now + 800), Event::Ready(run(1, start + 1)));
        now += 850;
    }
}

#[test]
fn first_start_that_fails_stops_everything() {
    let mut plan = Plan::new(3);
    plan.step(ms(0), Event::Tick);
    let actions = plan.step(ms(500), Event::Ended(run(2, 1)));
    let term = |worker| Action::Signal(run(worker, 1), Signal::Term);
    assert_eq!(actions, [Action::Fail(run(2, 1)), term(1), term(3)]);
    assert_eq!(plan.step(ms(510), Event::Ended(run(3, 1))), [], "one failure is told, not three");
    assert_eq!(plan.due(), Some(ms(2_500)));
    let kill = Action::Signal(run(1, 1), Signal::Kill);
    assert_eq!(plan.step(ms(2_500), Event::Tick), [kill]);
    assert_eq!(plan.step(ms(2_510), Event::Ended(run(1, 1))), [Action::Finish]);
    assert_eq!(plan.step(ms(9_000), Event::Tick), [], "nothing is started again");
}

#[test]
fn worker_that_is_not_ready_in_a_minute_is_killed() {
    let mut plan = serving();
    plan.step(ms(20_000), Event::Ended(run(1, 1)));
    assert_eq!(plan.due(), Some(ms(80_000)));
    let killed = Action::Signal(run(1, 2), Signal::Kill);
    assert_eq!(plan.step(ms(80_000), Event::Tick), [Action::Overdue(run(1, 2)), killed]);
    assert_eq!(plan.step(ms(80_001), Event::Ready(run(1, 2))), [], "too late");
    let actions = plan.step(ms(80_010), Event::Ended(run(1, 2)));
    assert!(matches!(actions[..], [Action::Died { .. }, Action::Start(_)]), "{actions:?}");
}

#[test]
fn drain_tells_all_waits_and_kills_at_the_deadline() {
    let mut plan = serving();
    let actions = plan.step(ms(5_000), Event::Drain(ms(8_000)));
    let signal = |worker, signal| Action::Signal(run(worker, 1), signal);
    assert_eq!(actions, [Action::Announce, signal(1, Signal::Term), signal(2, Signal::Term)]);
    assert_eq!(plan.step(ms(6_000), Event::Ended(run(1, 1))), [], "it is not started again");
    assert_eq!(plan.due(), Some(ms(8_000)));
    assert_eq!(plan.step(ms(8_000), Event::Tick), [signal(2, Signal::Kill)]);
    assert_eq!(plan.due(), None, "the kill is sent once");
    assert_eq!(plan.step(ms(8_001), Event::Ended(run(2, 1))), [Action::Finish]);
}

#[test]
fn drain_does_not_wait_for_workers_that_do_not_run() {
    let mut plan = Plan::new(1);
    assert_eq!(plan.step(ms(0), Event::Drain(ms(1_000))), [Action::Finish]);
    let mut plan = Plan::new(0);
    assert_eq!(plan.step(ms(0), Event::Drain(ms(1_000))), [Action::Finish]);
}

#[test]
fn second_drain_can_only_shorten_the_first() {
    let mut plan = serving();
    plan.step(ms(5_000), Event::Drain(ms(8_000)));
    assert_eq!(plan.step(ms(5_100), Event::Drain(ms(9_000))), []);
    assert_eq!(plan.due(), Some(ms(8_000)));
    let actions = plan.step(ms(5_200), Event::Drain(ms(5_200)));
    assert_eq!(actions.len(), 2, "both are killed: {actions:?}");
}

#[test]
fn news_of_an_older_start_changes_nothing() {
    let mut plan = serving();
    plan.step(ms(2_000), Event::Ended(run(1, 1)));
    assert_eq!(plan.step(ms(2_200), Event::Ended(run(1, 1))), []);
    assert_eq!(plan.step(ms(2_200), Event::Ready(run(1, 1))), []);
    assert_eq!(plan.step(ms(2_200), Event::Ready(run(7, 1))), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens in whatever order, a worker never runs twice at a time, and a drain ends.
    #[test]
    fn no_worker_runs_twice_and_every_drain_ends(
        script in proptest::collection::vec((0u64..30_000, 0usize..8, any::<bool>()), 0..60)
    ) {
        let mut plan = Plan::new(2);
        let mut running: Vec<Run> = Vec::new();
        let mut now = 0;
        let obey = |actions: Vec<Action>, running: &mut Vec<Run>| {
            for action in actions {
                if let Action::Start(run) = action {
                    assert!(running.iter().all(|other| other.worker != run.worker));
                    running.push(run);
                }
            }
        };
        for (wait, pick, ready) in script {
            now += wait;
            let event = match running.get(pick).copied() {
                Some(run) if ready => Event::Ready(run),
                Some(run) => { running.remove(pick); Event::Ended(run) }
                None => Event::Tick,
            };
            obey(plan.step(ms(now), event), &mut running);
        }
        obey(plan.step(ms(now), Event::Drain(ms(now + 10))), &mut running);
        plan.step(ms(now + 10), Event::Tick);
        for run in running {
            plan.step(ms(now + 20), Event::Ended(run));
        }
        prop_assert_eq!(plan.due(), None);
        prop_assert_eq!(plan.phase, Phase::Finished);
    }
}
