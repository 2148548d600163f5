//! What an application says, what becomes of its faults, and requests that wait for workers.

use std::fs;
use std::thread;
use std::time::Duration;

use davy_e2e::{Davy, Project, curl, eventually, processes};
use rustix::process::Signal;

/// Prints, fails, and is loaded only while there is no file `stop`.
const APP: &str = r#"
import os, sys, time

while os.path.exists("stop"):
    time.sleep(0.01)

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/print":
        print("Grüße on stdout")
        print("and on stderr", file=sys.stderr)
    if path == "/flood":
        print("drop\n" * 5000)
    if path == "/fail":
        raise ValueError("the pump is broken")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"#;

fn site() -> Project {
    Project::of("talker", &[("wsgi.py", APP), ("davy.toml", "workers = 2\n")])
}

#[test]
fn what_an_application_prints_stands_in_the_log_under_the_sites_name() {
    let project = site();
    let davy = project.up();
    assert_eq!(curl(&davy.url("/print")).text(), "hello");
    for said in ["Grüße on stdout", "and on stderr"] {
        let line = davy.logs("site", said);
        assert!(line.contains(" talker worker "), "{line}");
        assert!(line.ends_with(&format!(" {said}")), "{line}");
        davy.says(said);
    }
    davy.stop();
}

#[test]
fn a_flood_of_lines_is_cut_and_counted() {
    let project = site();
    let davy = project.up();
    assert_eq!(curl(&davy.url("/flood")).text(), "hello");
    let line = davy.logs("site", "lines dropped: more than 1000 in a second");
    assert!(line.contains(" talker"), "{line}");
    // The thousand of one second, and of a second one when the flood came across its beginning.
    let kept = davy.log("site").matches(" drop\n").count();
    assert!((1000..=2000).contains(&kept), "{kept}");
    davy.stop();
}

#[test]
fn a_fault_is_found_in_the_logs_by_the_id_on_its_page() {
    let project = site();
    let davy = project.up();
    let page = curl(&davy.url("/fail"));
    assert_eq!(page.status, 500);
    let text = page.text();
    assert!(!text.contains("pump") && !text.contains("wsgi.py"), "{text}");
    let id = text.split("error id <code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();

    let line = davy.logs("edge", &format!("talker {id} 127.0.0.1 GET /fail 500 "));
    assert!(line.contains("failed at step app"), "{line}");
    assert!(line.contains("ValueError: the pump is broken"), "{line}");
    davy.logs("site", &format!("{id} the request failed"));
    davy.logs("site", &format!("{id} Traceback (most recent call last):"));
    davy.logs("site", &format!("{id} ValueError: the pump is broken"));
    davy.logs("site", "ValueError: the pump is broken");
    assert_eq!(curl(&davy.url("/")).text(), "hello", "the worker goes on");
    davy.stop();
}

/// How many requests wait in the queue.
fn waiting(davy: &Davy<'_>) -> u64 {
    let status = davy.status();
    let children = status["children"].as_array().unwrap();
    let edge = children.iter().find(|child| child["name"] == "edge").unwrap();
    edge["status"]["talker"]["waiting"].as_u64().unwrap()
}

#[test]
fn requests_wait_while_there_is_no_worker() {
    let project = site();
    // Alone it loads the application itself, and is not forked from a process that has it.
    project.write("davy.toml", "workers = 1\n");
    let davy = project.up();
    project.write("stop", "");
    davy.workers().into_iter().for_each(|pid| processes::send(pid, Signal::KILL));
    eventually("no worker is left", WITHIN, || davy.workers().is_empty().then_some(()));
    let visitors: Vec<_> = (0..5)
        .map(|_| {
            let url = davy.url("/");
            thread::spawn(move || curl(&url))
        })
        .collect();
    eventually("all wait", WITHIN, || (waiting(&davy) == 5).then_some(()));
    fs::remove_file(project.path("stop")).unwrap();
    for visitor in visitors {
        let answer = visitor.join().unwrap();
        assert_eq!((answer.status, answer.text()), (200, "hello".to_owned()));
    }
    davy.stop();
}

const WITHIN: Duration = Duration::from_secs(20);
