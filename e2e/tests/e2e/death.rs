//! Whatever is killed comes again, and nothing that was written is lost.

use std::time::Duration;

use davy_e2e::{Davy, Project, curl, curl_args, eventually, processes};
use rustix::process::Signal;

fn sign(davy: &Davy<'_>, message: &str) {
    let message = format!("message={message}");
    let fields = ["--data-urlencode", "name=Ada", "--data-urlencode", &message, &davy.url("/")];
    assert_eq!(curl_args(&fields).status, 303);
}

/// Kills a part when something was written, and waits for the line that says so; gives its process
/// id and what was written.
fn kill(davy: &Davy<'_>, name: &str, line: &str) -> (u32, String) {
    let message = format!("before {name} dies");
    sign(davy, &message);
    let pid = davy.pid_of(name);
    processes::send(pid, Signal::KILL);
    let said = davy.says(line);
    assert!(said.contains("killed by signal 9 (KILL)"), "{said}");
    assert!(said.contains("it is started again"), "{said}");
    (pid, message)
}

fn comes_again(davy: &Davy<'_>, name: &str, old: u32) {
    let parts = || davy.parts().into_iter();
    let new = eventually(&format!("another {name}"), WITHIN, || {
        parts().find(|part| part.name == name).map(|part| part.pid)
    });
    assert_ne!(new, old);
}

/// A request that comes while a part is away waits for its answer.
fn a_request_waits(davy: &Davy<'_>, message: &str) {
    let page = curl(&davy.url("/"));
    assert_eq!(page.status, 200, "{}", davy.log("edge"));
    assert!(page.text().contains(message), "{}", page.text());
}

#[test]
fn when_the_edge_is_killed_requests_wait_for_the_next() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let (pid, message) = kill(&davy, "edge", "edge     killed");
    a_request_waits(&davy, &message);
    comes_again(&davy, "edge", pid);
    davy.stop();
}

#[test]
fn when_the_server_is_killed_requests_wait_for_the_next() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let relay = davy.pid_of("db");
    let (pid, message) = kill(&davy, "mariadbd", "mariadbd: killed");
    a_request_waits(&davy, &message);
    comes_again(&davy, "mariadbd", pid);
    assert_eq!(davy.pid_of("db"), relay, "the relay goes on");
    davy.stop();
}

#[test]
fn when_the_relay_is_killed_requests_wait_for_the_next() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let server = davy.pid_of("mariadbd");
    let (pid, message) = kill(&davy, "db", "db       killed");
    a_request_waits(&davy, &message);
    comes_again(&davy, "db", pid);
    assert_eq!(davy.pid_of("mariadbd"), server, "the server goes on");
    davy.stop();
}

#[test]
fn when_the_site_is_killed_requests_wait_for_its_new_workers() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let old = davy.workers();
    let (pid, message) = kill(&davy, "site guestbook", "site guestbook killed");
    a_request_waits(&davy, &message);
    comes_again(&davy, "site guestbook", pid);
    let new = eventually("two workers", WITHIN, || {
        Some(davy.workers()).filter(|workers| workers.len() == 2)
    });
    assert!(new.iter().all(|pid| !old.contains(pid)), "{old:?}, then {new:?}");
    let left = || davy.processes().into_iter().filter(|it| old.contains(&it.pid)).count();
    eventually("the old workers end", WITHIN, || (left() == 0).then_some(()));
    davy.stop();
}

#[test]
fn when_a_worker_is_killed_another_answers() {
    let project = Project::example("guestbook");
    let davy = project.up();
    sign(&davy, "stays");
    let before = davy.workers();
    assert_eq!(before.len(), 2);
    processes::send(before[0], Signal::KILL);
    davy.says("worker died");
    let page = curl(&davy.url("/")).text();
    assert!(page.contains("stays"), "{page}");
    let after = eventually("two workers", WITHIN, || {
        let workers = davy.workers();
        (workers.len() == 2 && !workers.contains(&before[0])).then_some(workers)
    });
    assert!(after.contains(&before[1]), "{after:?}");
    davy.stop();
}

const WITHIN: Duration = Duration::from_secs(30);
