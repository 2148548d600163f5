//! `davy logs`: what was logged is found, and what is being logged is followed.

use std::os::unix::process::ExitStatusExt;

use davy_e2e::{Project, curl, curl_args};
use rustix::process::Signal;

#[test]
fn a_request_is_found_by_its_id_and_the_next_is_followed_over_a_restart() {
    let project = Project::example("guestbook");
    let early = project.start_command(&["logs", "-f", "--grep", "POST|ready"]);
    early.says("waiting for its logs");
    let davy = project.up();
    early.says("keeper ");

    let fields = ["--data-urlencode", "name=Zoë", "--data-urlencode", "message=hello"];
    let sign = |url: String| curl_args(&[&fields[..], &[&url]].concat());
    assert_eq!(sign(davy.url("/")).status, 303);
    let line = early.says(" POST / 303 ");
    // TIME edge guestbook ID 127.0.0.1 POST …
    let id = line.split_whitespace().nth(3).unwrap();
    let found = project.run(&["logs", "--grep", id]);
    assert_eq!((found.code, found.stdout.lines().next()), (Some(0), Some(&*line)));
    assert_eq!(project.run(&["logs", "--grep", "no such id"]).code, Some(1));

    let mut late = project.start_command(&["logs", "--follow", "--lines", "1"]);
    // The last line so far: it has begun.
    late.says("Z ");
    curl(&davy.url("/?before"));
    late.says(" GET /?before 200 ");
    davy.stop();
    let davy = project.up();
    curl(&davy.url("/?after"));
    late.says(" GET /?after 200 ");
    davy.stop();

    let output = late.output();
    assert_eq!(output.matches(" keeper found ").count(), 1, "that of the second start: {output}");
    late.signal(Signal::INT);
    assert_eq!(late.end().signal(), Some(2), "as Ctrl-C ends any program");
}

const APP: &str = r#"
import sys

def application(environ, start_response):
    print("pumping", file=sys.stderr)
    raise ValueError("the pump is broken")
"#;

#[test]
fn the_id_on_an_error_page_finds_all_that_was_said_of_the_request() {
    let project = Project::of("pump", &[("wsgi.py", APP), ("davy.toml", "workers = 1\n")]);
    let davy = project.up();
    let page = curl(&davy.url("/")).text();
    let id = page.split("error id <code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    davy.logs("edge", id);
    davy.logs("site", &format!("{id} ValueError: the pump is broken"));
    let found = project.run(&["logs", "--grep", id]);
    for part in [" edge   pump ", " site   pump worker ", " pumping\n", "Traceback", " GET / 500 "]
    {
        assert!(found.stdout.contains(part), "{part}: {}", found.stdout);
    }
    let others = found.stdout.lines().find(|line| !line.contains(id));
    assert_eq!(others, None);
    davy.stop();
}

#[test]
fn following_ends_when_nobody_reads_it_any_more() {
    let project = Project::of("quiet", &[("index.html", "hello")]);
    project.write(".davy/log/edge.log", "2026-11-23T23:21:16.406350Z quiet said\n");
    let ran = project.run_into("head -n 1", &["logs", "-f"]);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
    assert!(ran.stdout.ends_with(" edge   quiet said\n"), "{}", ran.stdout);
}
