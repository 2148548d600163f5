//! Requests are written ahead to quick workers, and none waits behind a slow one.

use std::thread;
use std::time::Duration;

use davy_e2e::{Davy, Project, curl, curl_many};

const APP: &str = r#"
import time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(2)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
"#;

const QUICK: usize = 1_000;

/// A thousand quick requests, sixteen at a time: how long the longest took.
fn quick(davy: &Davy<'_>) -> Duration {
    let answers = curl_many(&davy.url(&format!("/quick?[1-{QUICK}]")), 16);
    assert_eq!(answers.len(), QUICK);
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    Duration::from_secs_f64(answers.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max))
}

#[test]
fn quick_requests_do_not_wait_behind_a_slow_one() {
    let project = Project::of("ahead", &[("wsgi.py", APP), ("davy.toml", "workers = 2\n")]);
    let davy = project.up();
    quick(&davy);
    let longest = thread::scope(|scope| {
        // One after the other: there is always a worker that is not at one of them.
        let slow =
            scope.spawn(|| (0..3).for_each(|_| assert_eq!(curl(&davy.url("/slow")).status, 200)));
        let mut longest = Duration::ZERO;
        while !slow.is_finished() {
            longest = longest.max(quick(&davy));
        }
        slow.join().unwrap();
        longest
    });
    // Behind a slow one it would be up to 2 s; machines may hold anything up for a while.
    assert!(longest < Duration::from_secs(1), "a quick request took {longest:?}");
    let queue = &davy.status()["children"][0]["status"]["ahead"];
    assert!(queue["ahead"].as_u64() > Some(0), "nothing was written ahead: {queue}");
    davy.stop();
}
