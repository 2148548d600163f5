//! How davy ends, whoever ends it and whenever: nothing is left, and the next start finds its way
//! free.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use davy_e2e::{Davy, Project, curl, eventually};
use rustix::process::Signal;

use crate::sites;

/// Asks a davy to end.
type End = fn(&Davy<'_>);

/// All that belongs to the stack of a site with a database and two workers.
fn runs_everything(davy: &Davy<'_>) {
    let processes = davy.processes();
    let count = |word: &str| processes.iter().filter(|it| it.command.contains(word)).count();
    let counts = [" up ", "role edge", "role db", "role site", "mariadbd", "main.py"].map(count);
    // Two workers, and the process that they are forked from.
    assert_eq!(counts, [1, 1, 1, 1, 1, 3], "{processes:?}");
}

#[test]
fn ctrl_c_a_signal_and_davy_down_end_everything_and_free_the_way() {
    let project = sites::small();
    let ways: [End; 4] = [
        |davy| davy.signal(Signal::INT),
        |davy| davy.signal(Signal::TERM),
        |davy| davy.signal(Signal::HUP),
        |davy| {
            let down = davy.run(&["down"]);
            assert_eq!((down.code, &*down.stdout), (Some(0), "stopped\n"), "{down:?}");
            davy.leaves_nothing();
        },
    ];
    for end in ways {
        let mut davy = project.up();
        runs_everything(&davy);
        assert_eq!(curl(&davy.url("/")).text(), "hello");
        end(&davy);
        davy.ends_well();
        assert!(davy.output().contains("\nstopped"), "{}", davy.output());
    }
}

fn a_worker_has_the_request(davy: &Davy<'_>) {
    eventually("a worker has the request", WITHIN, || {
        let status = davy.status();
        let children = status["children"].as_array().unwrap();
        let edge = children.iter().find(|child| child["name"] == "edge").unwrap();
        (edge["status"]["small"]["running"] == 1).then_some(())
    });
}

#[test]
fn a_request_in_hand_is_answered_before_the_end() {
    let project = sites::small();
    let mut davy = project.up();
    let url = davy.url("/wait");
    let visitor = thread::spawn(move || curl(&url));
    a_worker_has_the_request(&davy);
    davy.signal(Signal::INT);
    davy.says("stop     ");
    project.write("go", "");
    assert_eq!(visitor.join().unwrap().text(), "hello");
    davy.ends_well();
}

#[test]
fn a_second_ctrl_c_waits_for_no_request() {
    let project = sites::small();
    let mut davy = project.up();
    let mut visitor = TcpStream::connect(davy.http()).unwrap();
    visitor.write_all(b"GET /wait HTTP/1.1\r\nHost: small.localhost\r\n\r\n").unwrap();
    a_worker_has_the_request(&davy);
    davy.signal(Signal::INT);
    davy.says("stop     ");
    davy.signal(Signal::INT);
    let since = Instant::now();
    davy.ends_well();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[test]
fn an_installation_can_be_interrupted_and_is_made_again() {
    for signal in [Signal::INT, Signal::TERM] {
        let app = "from flask import Flask\napp = Flask(__name__)\n";
        let project = Project::of("early", &[("app.py", app), ("requirements.txt", "Flask\n")]);
        let mut davy = project.start();
        davy.says("deps     ");
        davy.signal(signal);
        let since = Instant::now();
        davy.ends_well();
        assert!(!davy.output().contains("ready    "), "{}", davy.output());
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        let davy = project.up();
        assert!(!davy.output().contains("unchanged"), "{}", davy.output());
        assert_eq!(curl(&davy.url("/")).status, 404);
        davy.stop();
    }
}

#[test]
fn fetching_a_database_can_be_interrupted_and_is_done_again() {
    let cache = tempfile::tempdir().unwrap();
    let project = sites::small().with_env("XDG_CACHE_HOME", cache.path().to_str().unwrap());
    let mut davy = project.start();
    davy.says("db       ");
    davy.signal(Signal::INT);
    davy.ends_well();
    assert!(!davy.output().contains("ready    "), "{}", davy.output());
    let davy = project.up();
    assert_eq!(curl(&davy.url("/")).text(), "hello");
    davy.stop();
}

#[test]
fn when_the_keeper_is_killed_everything_ends_by_itself() {
    let project = sites::small();
    let mut davy = project.up();
    davy.signal(Signal::KILL);
    davy.end();
    let soon = Duration::from_secs(2);
    eventually("all processes end", soon, || davy.processes().is_empty().then_some(()));
    let log = project.read(".davy/db/private/mariadbd.log");
    assert!(log.contains("Shutdown complete"), "{log}");
    let davy = project.up();
    assert_eq!(curl(&davy.url("/")).text(), "hello");
    davy.stop();
}

const WITHIN: Duration = Duration::from_secs(10);
