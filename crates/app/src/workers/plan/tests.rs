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

fn fixed(count: usize) -> Plan {
    Plan::new(Pool::fixed(count), Recycling::default())
}

fn died(run: Run, lived_ms: u64, wait_ms: u64, readiness: Readiness) -> Action {
    Action::Died { run, readiness, lived: millis(lived_ms), wait: millis(wait_ms) }
}

/// Two workers, both ready at 1 s.
fn serving() -> Plan {
    serve(Recycling::default())
}

/// The same, replaced after so much.
fn serve(recycling: Recycling) -> Plan {
    let mut plan = Plan::new(Pool::fixed(2), recycling);
    let started = plan.step(ms(0), Event::Tick);
    assert_eq!(started, [Action::Start(run(1, 1)), Action::Start(run(2, 1))]);
    for worker in 1..=2 {
        let ready = plan.step(ms(1_000), Event::Ready(run(worker, 1)));
        assert_eq!(ready, [Action::Announce]);
    }
    plan
}

#[test]
fn worker_that_dies_is_started_again_at_once() {
    let mut plan = serving();
    let actions = plan.step(ms(2_000), Event::Ended(run(2, 1)));
    let died = died(run(2, 1), 2_000, 0, Readiness::Reached);
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
    let died = died(run(1, 4), 50, 100, Readiness::NotReached);
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
    let mut plan = fixed(3);
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
    let mut plan = fixed(1);
    assert_eq!(plan.step(ms(0), Event::Drain(ms(1_000))), [Action::Finish]);
    let mut plan = fixed(0);
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

#[test]
fn a_worker_that_has_served_enough_goes_when_another_is_ready() {
    let mut plan = serve(Recycling { requests: Some(1000), ..Recycling::default() });
    assert_eq!(plan.step(ms(2_000), Event::Served(run(1, 1), 899)), []);
    let actions = plan.step(ms(3_000), Event::Served(run(1, 1), 1_100));
    let retires = Action::Retire(run(1, 1), Reason::Requests);
    assert_eq!(actions, [retires, Action::Start(run(3, 1))]);
    assert_eq!(plan.step(ms(3_100), Event::Served(run(2, 1), 2_000)), [], "one at a time");
    assert_eq!(plan.ready().count(), 2, "it goes on meanwhile");
    let actions = plan.step(ms(3_500), Event::Ready(run(3, 1)));
    let term = Action::Signal(run(1, 1), Signal::Term);
    let next = [Action::Announce, Action::Announce, term];
    assert_eq!(actions[..3], next, "new before old");
    assert_eq!(plan.ready().collect::<Vec<_>>(), [run(2, 1), run(3, 1)]);
    assert_eq!(actions.len(), 3, "the next one retires when this one has ended: {actions:?}");
    let actions = plan.step(ms(3_600), Event::Ended(run(1, 1)));
    let retires = Action::Retire(run(2, 1), Reason::Requests);
    assert_eq!(actions, [retires, Action::Start(run(1, 2))], "its place is free again");
}

#[test]
fn a_worker_retires_for_its_age_and_for_its_memory_too() {
    let (age, memory) = (Some(Duration::from_secs(3600)), Some(100));
    let mut plan = serve(Recycling { age, memory, requests: None });
    assert_eq!(plan.step(ms(2_000), Event::Memory(run(2, 1), 100)), []);
    let actions = plan.step(ms(2_000), Event::Memory(run(2, 1), 101));
    assert_eq!(actions[0], Action::Retire(run(2, 1), Reason::Memory));
    plan.step(ms(2_500), Event::Ready(run(3, 1)));
    plan.step(ms(2_600), Event::Ended(run(2, 1)));
    let due = plan.due().unwrap();
    assert!((3_241_000..=3_961_000).contains(&(due.0 / 1_000_000)), "{due:?}");
    let actions = plan.step(due, Event::Tick);
    assert!(matches!(actions[0], Action::Retire(_, Reason::Age)), "{actions:?}");
    assert_eq!(plan.restarts(), &BTreeMap::from([(Reason::Memory, 1), (Reason::Age, 1)]));
}

#[test]
fn a_replacement_that_never_becomes_ready_leaves_the_old_worker_serving() {
    let mut plan = serve(Recycling { requests: Some(1), ..Recycling::default() });
    plan.step(ms(2_000), Event::Served(run(1, 1), 5));
    let mut now = 3_000;
    for start in 1..20 {
        let actions = plan.step(ms(now), Event::Ended(run(3, start)));
        assert!(actions.iter().all(|it| !matches!(it, Action::Signal(..))), "{actions:?}");
        assert_eq!(plan.ready().count(), 2);
        now = plan.due().map_or(now, |due| due.0 / 1_000_000);
        plan.step(ms(now), Event::Tick);
    }
    assert!(now > 30_000, "it waits longer and longer: {now}");
}

#[test]
fn a_worker_that_is_stuck_is_killed_and_replaced_at_once() {
    let mut plan = serving();
    let actions = plan.step(ms(60_000), Event::Stuck(run(1, 1)));
    let kill = Action::Signal(run(1, 1), Signal::Kill);
    assert_eq!(actions, [kill, Action::Announce, Action::Start(run(3, 1))]);
    assert_eq!(plan.step(ms(60_010), Event::Ended(run(1, 1))), [], "nobody is surprised");
    assert_eq!(plan.restarts().get(&Reason::Stuck), Some(&1));
}

#[test]
fn a_worker_that_does_not_stop_when_told_to_is_killed() {
    let mut plan = serve(Recycling { requests: Some(1), ..Recycling::default() });
    plan.step(ms(2_000), Event::Served(run(1, 1), 5));
    plan.step(ms(3_000), Event::Ready(run(3, 1)));
    assert_eq!(plan.due(), Some(ms(43_000)));
    assert_eq!(plan.step(ms(43_000), Event::Tick), [Action::Signal(run(1, 1), Signal::Kill)]);
}

fn demand(waiting: usize, longest_ms: u64, busy: usize) -> Event {
    Event::Demand(Demand { waiting, longest: millis(longest_ms), busy })
}

#[test]
fn a_site_without_workers_starts_one_with_the_first_request_and_ends_it_when_it_is_idle() {
    let pool = Pool { least: 0, most: 2, idle: Duration::from_secs(300) };
    let mut plan = Plan::new(pool, Recycling::default());
    assert_eq!(plan.step(ms(0), Event::Tick), []);
    assert_eq!(plan.due(), None, "nothing happens until somebody comes");
    let actions = plan.step(ms(1_000), demand(1, 0, 0));
    assert_eq!(actions, [Action::Resize(1), Action::Start(run(1, 1))]);
    plan.step(ms(1_500), Event::Ready(run(1, 1)));
    plan.step(ms(1_500), demand(0, 0, 1));
    assert_eq!(plan.due(), None, "it is at work");
    plan.step(ms(10_000), demand(0, 0, 0));
    assert_eq!(plan.due(), Some(ms(310_000)));
    let actions = plan.step(ms(310_000), Event::Tick);
    let term = Action::Signal(run(1, 1), Signal::Term);
    assert_eq!(actions, [Action::Resize(0), Action::Announce, term]);
    assert_eq!(plan.step(ms(310_100), Event::Ended(run(1, 1))), []);
    assert_eq!(plan.step(ms(400_000), demand(1, 0, 0)).len(), 2, "and again");
}

#[test]
fn code_that_does_not_start_is_tried_again_where_no_worker_is_needed_to_be_up() {
    let pool = Pool { least: 0, most: 1, idle: Duration::from_secs(300) };
    let mut plan = Plan::new(pool, Recycling::default());
    plan.step(ms(0), demand(1, 0, 0));
    let actions = plan.step(ms(100), Event::Ended(run(1, 1)));
    assert!(matches!(actions[..], [Action::Died { .. }, Action::Start(_)]), "{actions:?}");
}

#[test]
fn a_pool_grows_one_by_one_while_requests_wait_and_shrinks_one_by_one() {
    let pool = Pool { least: 1, most: 3, idle: Duration::from_secs(60) };
    let mut plan = Plan::new(pool, Recycling::default());
    plan.step(ms(0), Event::Tick);
    plan.step(ms(500), Event::Ready(run(1, 1)));
    assert_eq!(plan.step(ms(1_000), demand(3, 4, 1)), [], "they wait for 4 ms");
    let grown = [Action::Resize(2), Action::Start(run(2, 1))];
    assert_eq!(plan.step(ms(1_020), demand(3, 24, 1)), grown);
    assert_eq!(plan.step(ms(1_040), demand(3, 44, 1)), [], "the second is being started");
    plan.step(ms(1_500), Event::Ready(run(2, 1)));
    assert_eq!(plan.step(ms(1_520), demand(1, 24, 2))[1], Action::Start(run(3, 1)));
    plan.step(ms(2_000), Event::Ready(run(3, 1)));
    assert_eq!(plan.step(ms(2_000), demand(9, 90, 3)), [], "there are no more");
    plan.step(ms(3_000), demand(0, 0, 2));
    assert_eq!(plan.due(), Some(ms(63_000)), "the third has had nothing to do since");
    let actions = plan.step(ms(63_000), Event::Tick);
    let term = Action::Signal(run(3, 1), Signal::Term);
    assert_eq!(actions, [Action::Resize(2), Action::Announce, term]);
    assert_eq!(plan.due(), Some(ms(103_000)), "its end; two are busy");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens in whatever order, a worker never runs twice at a time, and a drain ends.
    #[test]
    fn no_worker_runs_twice_and_every_drain_ends(
        least in 0usize..3,
        script in proptest::collection::vec((0u64..30_000, 0usize..8, 0u8..5), 0..60),
    ) {
        let recycling = Recycling { requests: Some(1), ..Recycling::default() };
        let pool = Pool { least, most: 2, idle: Duration::from_secs(60) };
        let mut plan = Plan::new(pool, recycling);
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
        for (wait, pick, what) in script {
            now += wait;
            let demand = Demand { waiting: pick, longest: millis(wait), busy: pick };
            let event = match (running.get(pick).copied(), what) {
                (Some(run), 0) => Event::Ready(run),
                (Some(run), 1) => Event::Served(run, 1),
                (Some(run), 2) => Event::Stuck(run),
                (Some(run), _) => { running.remove(pick); Event::Ended(run) }
                (None, 0) => Event::Demand(demand),
                (None, _) => Event::Tick,
            };
            obey(plan.step(ms(now), event), &mut running);
            let members = plan.workers().filter(|(_, slot)| slot.is_member()).count();
            prop_assert!(plan.phase != Phase::Running || members == plan.target());
            prop_assert!((least..=2).contains(&plan.target()));
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
