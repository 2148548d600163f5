//! The policy in virtual time.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The policy with a clock in milliseconds.
struct Scene(Dispatch);

impl Scene {
    fn new(waiting_max: usize) -> Scene {
        Scene(Dispatch::new(Settings { waiting_max, wait_max: Duration::from_millis(30) }))
    }

    fn at(&mut self, ms: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.0.step(Stamp(ms * 1_000_000), event, &mut actions);
        actions
    }
}

#[test]
fn an_idle_worker_gets_the_next_request_at_once() {
    let mut scene = Scene::new(10);
    assert_eq!(scene.at(0, Event::Up(7, 1)), []);
    assert_eq!(scene.at(1, Event::Arrived(1)), [Action::Hand(1, 7)]);
    assert_eq!(scene.at(2, Event::Arrived(2)), [], "the worker is busy");
    assert_eq!(scene.at(3, Event::Arrived(3)), []);
    assert_eq!(scene.at(4, Event::Freed(7)), [Action::Hand(2, 7)], "the oldest first");
    assert_eq!(scene.at(5, Event::Freed(7)), [Action::Hand(3, 7)]);
}

#[test]
fn the_most_recently_idle_worker_goes_first() {
    let mut scene = Scene::new(10);
    scene.at(0, Event::Up(1, 1));
    scene.at(0, Event::Up(2, 1));
    assert_eq!(scene.at(1, Event::Arrived(1)), [Action::Hand(1, 2)]);
    assert_eq!(scene.at(2, Event::Freed(2)), []);
    assert_eq!(scene.at(3, Event::Arrived(2)), [Action::Hand(2, 2)]);
}

#[test]
fn a_worker_takes_as_many_as_it_said() {
    let mut scene = Scene::new(10);
    scene.at(0, Event::Up(1, 2));
    assert_eq!(scene.at(1, Event::Arrived(1)), [Action::Hand(1, 1)]);
    assert_eq!(scene.at(1, Event::Arrived(2)), [Action::Hand(2, 1)]);
    assert_eq!(scene.at(1, Event::Arrived(3)), []);
    assert_eq!(scene.at(1, Event::Freed(1)), [Action::Hand(3, 1)]);
}

#[test]
fn requests_are_held_while_there_is_no_worker_and_refused_when_late() {
    let mut scene = Scene::new(10);
    assert_eq!(scene.at(0, Event::Arrived(1)), []);
    assert_eq!(scene.at(5, Event::Arrived(2)), []);
    assert_eq!(scene.at(29, Event::Tick), []);
    assert_eq!(scene.at(30, Event::Tick), [Action::Refuse(1, Refusal::Late)]);
    assert_eq!(scene.at(31, Event::Up(1, 1)), [Action::Hand(2, 1)]);
}

#[test]
fn a_request_that_nobody_waits_for_gives_up_its_place() {
    let mut scene = Scene::new(2);
    scene.at(0, Event::Arrived(1));
    scene.at(0, Event::Arrived(2));
    assert_eq!(scene.at(1, Event::Left(1)), []);
    assert_eq!(scene.at(2, Event::Arrived(3)), [], "there is room again");
    assert_eq!(scene.at(3, Event::Up(1, 1)), [Action::Hand(2, 1)]);
    assert_eq!(scene.at(4, Event::Freed(1)), [Action::Hand(3, 1)]);
}

#[test]
fn a_request_that_comes_back_is_the_next() {
    let mut scene = Scene::new(10);
    scene.at(0, Event::Up(1, 1));
    assert_eq!(scene.at(0, Event::Arrived(1)), [Action::Hand(1, 1)]);
    assert_eq!(scene.at(0, Event::Arrived(2)), []);
    assert_eq!(scene.at(10, Event::Down(1)), []);
    assert_eq!(scene.at(10, Event::Returned(1)), []);
    assert_eq!(scene.at(20, Event::Up(2, 2)), [Action::Hand(1, 2), Action::Hand(2, 2)]);
}

#[test]
fn the_queue_has_a_limit() {
    let mut scene = Scene::new(1);
    assert_eq!(scene.at(0, Event::Arrived(1)), []);
    assert_eq!(scene.at(0, Event::Arrived(2)), [Action::Refuse(2, Refusal::Full)]);
}

#[test]
fn a_worker_that_is_down_gets_nothing() {
    let mut scene = Scene::new(10);
    scene.at(0, Event::Up(1, 1));
    scene.at(0, Event::Down(1));
    assert_eq!(scene.at(1, Event::Arrived(1)), []);
    assert_eq!(scene.at(1, Event::Freed(1)), [], "it finished its last one after it went down");
}

proptest! {
    /// Whatever happens: a request is handed out or refused at most once, never to a worker that is
    /// down or full, and in the order of arrival; and none waits while a worker is idle.
    #[test]
    fn no_request_is_lost_or_handed_out_twice(
        steps in proptest::collection::vec((0u8..5, 0usize..4), 1..200),
    ) {
        let mut scene = Scene::new(8);
        let (mut next, mut seen, mut last) = (0, HashSet::new(), None);
        let mut running: HashMap<WorkerKey, u16> = HashMap::new();
        for (ms, (what, worker)) in steps.into_iter().enumerate() {
            let event = match what {
                0 | 1 => { next += 1; Event::Arrived(next) }
                2 if !running.contains_key(&worker) => { running.insert(worker, 0); Event::Up(worker, 2) }
                3 if running.get(&worker).is_some_and(|n| *n > 0) => {
                    *running.get_mut(&worker).unwrap() -= 1;
                    Event::Freed(worker)
                }
                4 if running.contains_key(&worker) => { running.remove(&worker); Event::Down(worker) }
                _ => Event::Tick,
            };
            for action in scene.at(ms as u64, event) {
                let (Action::Hand(job, _) | Action::Refuse(job, _)) = action;
                prop_assert!(seen.insert(job), "job {} twice", job);
                if let Action::Hand(job, worker) = action {
                    let count = running.get_mut(&worker).expect("only workers that are up");
                    *count += 1;
                    prop_assert!(*count <= 2);
                    prop_assert!(last < Some(job), "in the order of arrival");
                    last = Some(job);
                }
            }
            let room = running.values().any(|count| *count < 2);
            prop_assert!(!room || scene.0.waiting() == 0);
        }
        prop_assert_eq!(seen.len() + scene.0.waiting(), next);
    }
}
