//! Workers that go wrong under load, each in another way: what it costs visitors, in figures.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use davy_e2e::{Davy, Load, Project, Sent, eventually, processes};
use rustix::process::Signal;

/// `GET /N` and `POST /N`; what each test wants to go wrong comes before.
const APP: &str = r#"
import os, sys, time

def application(environ, start_response):
    number = int(environ["PATH_INFO"][1:])
    environ["wsgi.input"].read()
    wrong(number)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\n"]
"#;

fn site(settings: &str, wrong: &str) -> Project {
    let app = format!("{APP}\n{wrong}");
    Project::of("faulty", &[("wsgi.py", &app), ("davy.toml", settings)])
}

/// What visitors saw: printed, for whoever asks for it, and given as the requests that failed.
#[expect(clippy::print_stdout, reason = "figures for people; cargo test keeps them back")]
fn failed<'s>(what: &str, all: &'s [Sent]) -> Vec<&'s Sent> {
    let failed: Vec<&Sent> = all.iter().filter(|sent| !sent.succeeded()).collect();
    let mut took: Vec<Duration> = all.iter().map(|sent| sent.ended - sent.begun).collect();
    took.sort();
    let at = |part: usize| took[(took.len() - 1) * part / 1000];
    println!(
        "{what}: {} requests, {} failed {:?}; p50 {:?} p99 {:?} longest {:?}",
        all.len(),
        failed.len(),
        failed.iter().map(|sent| (sent.method, &sent.outcome)).collect::<Vec<_>>(),
        at(500),
        at(990),
        at(1000),
    );
    failed
}

/// Waits until so many more requests were answered.
fn passes(load: &Load, more: u64) {
    let until = load.answered() + more;
    eventually("visitors are served", WITHIN, || (load.answered() >= until).then_some(()));
}

/// How many workers were replaced for this reason.
fn replaced(davy: &Davy<'_>, reason: &str) -> u64 {
    let ran = davy.run(&["ps", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    shown["sites"][0]["restarts"][reason].as_u64().unwrap_or(0)
}

#[test]
fn a_worker_that_hangs_costs_its_request_and_no_other() {
    let hangs = "def wrong(number):\n    while number == 300: time.sleep(0.1)\n";
    let project = site("workers = 2\n[limits]\nrequest = \"2s\"\n", hangs);
    let davy = project.up();
    let load = Load::on(davy.http());
    let ((), all) = load.during(VISITORS, || {
        passes(&load, 300);
        davy.logs("slow", "stuck");
        passes(&load, 500);
    });
    let failed = failed("a hung worker", &all);
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].id, &failed[0].outcome), (300, &Ok(504)));
    let took = failed[0].ended - failed[0].begun;
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert_eq!(replaced(&davy, "stuck"), 1);
    let slow = davy.log("slow");
    assert!(slow.contains("GET /300") && slow.contains("in wrong"), "{slow}");
    davy.stop();
}

#[test]
fn a_worker_that_takes_ever_more_memory_is_replaced_and_nobody_notices() {
    let hog = "kept = []\ndef wrong(number):\n    kept.append(bytearray(os.urandom(256 << 10)))\n";
    let project = site("workers = 2\n[limits]\nmemory = \"64MB\"\n", hog);
    let davy = project.up();
    let load = Load::on(davy.http());
    let ((), all) = load.during(2, || {
        eventually("workers are replaced", WITHIN, || {
            (replaced(&davy, "memory") >= 3).then_some(())
        });
    });
    assert_eq!(failed("a memory hog", &all).len(), 0);
    davy.stop();
}

#[test]
fn workers_that_have_served_enough_are_replaced_and_nobody_notices() {
    let project = site("workers = 2\n[limits]\nrequests = 200\n", "def wrong(number): pass\n");
    let davy = project.up();
    let load = Load::on(davy.http());
    let ((), all) = load.during(VISITORS, || {
        eventually("workers are replaced", WITHIN, || {
            (replaced(&davy, "requests") >= 4).then_some(())
        });
    });
    assert_eq!(failed("recycling", &all).len(), 0);
    davy.stop();
}

#[test]
fn workers_that_are_killed_cost_no_visitor_who_only_reads() {
    let project = site("workers = 2\n", "def wrong(number): time.sleep(0.005)\n");
    let davy = project.up();
    let load = Load::on(davy.http());
    let ((), all) = load.during(VISITORS, || {
        for _ in 0..KILLS {
            passes(&load, 50);
            let workers = eventually("two workers", WITHIN, || {
                Some(davy.workers()).filter(|workers| workers.len() == 2)
            });
            processes::send(workers[0], Signal::KILL);
        }
        passes(&load, 50);
    });
    let failed = failed("kill -9 of workers", &all);
    assert!(failed.iter().all(|sent| sent.method == "POST"), "{failed:?}");
    assert!(failed.len() <= KILLS, "a worker has one request at a time: {failed:?}");
    assert_eq!(replaced(&davy, "died"), KILLS as u64);
    davy.stop();
}

#[test]
fn garbage_from_a_worker_costs_its_request_and_no_other() {
    let garbage = "def wrong(number):\n    if number == 300:\n        \
        for fd in range(3, 32):\n            \
        try: 'socket' in os.readlink('/proc/self/fd/%d' % fd) and os.write(fd, b'\\xff' * 64)\n            \
        except OSError: pass\n";
    let project = site("workers = 2\n", garbage);
    let davy = project.up();
    let load = Load::on(davy.http());
    let ((), all) = load.during(VISITORS, || passes(&load, 1000));
    let failed = failed("garbage from a worker", &all);
    // A safe request is tried once more, and the other worker's answer is as bad.
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((failed[0].id, &failed[0].outcome), (300, &Ok(502)));
    davy.stop();
}

#[test]
fn garbage_to_a_worker_harms_nobody() {
    let project = site("workers = 2\n", "def wrong(number): pass\n");
    let davy = project.up();
    let load = Load::on(davy.http());
    let ((), all) = load.during(VISITORS, || {
        for socket in ["w1-1.sock", "w2-1.sock"] {
            let mut stream = UnixStream::connect(project.path(".davy/run").join(socket)).unwrap();
            stream.set_read_timeout(Some(WITHIN)).unwrap();
            stream.write_all(&[0xff; 4096]).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            passes(&load, 100);
        }
    });
    assert_eq!(failed("garbage to a worker", &all).len(), 0);
    davy.stop();
}

#[test]
fn a_worker_that_floods_its_output_is_held_to_a_rate_and_goes_on() {
    let flood = "def wrong(number):\n    for n in range(2000): print('x' * 200)\n";
    let project = site("workers = 2\n", flood);
    let davy = project.up();
    let load = Load::on(davy.http());
    let begun = Instant::now();
    let ((), all) = load.during(VISITORS, || passes(&load, 500));
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(failed("a flood of output", &all).len(), 0);
    davy.logs("site", "lines dropped: more than 1000 in a second");
    let lines = davy.log("site").lines().count() as f64;
    assert!(lines < 1_100.0 * (seconds + 3.0), "{lines} lines in {seconds} s");
    davy.stop();
}

/// The thread keeps the application from being loaded once for all workers: each loads what lies
/// there when it is started.
const LOADED_BY_EACH: &str = "import threading\n\
    threading.Thread(target=threading.Event().wait, daemon=True).start()\n\
    def wrong(number): pass\n";

#[test]
fn new_code_that_does_not_start_leaves_the_old_workers_serving_and_comes_up_when_mended() {
    let project = site("workers = 2\n", LOADED_BY_EACH);
    let davy = project.up();
    let good = project.read("wsgi.py");
    let load = Load::on(davy.http());
    let ((), all) = load.during(VISITORS, || {
        passes(&load, 50);
        project.write("wsgi.py", "raise LookupError('no such colour')\n");
        let old = davy.workers();
        processes::send(old[0], Signal::KILL);
        davy.logs("site", "LookupError: no such colour");
        eventually("it is tried again", WITHIN, || {
            (replaced(&davy, "not_ready") >= 4).then_some(())
        });
        assert_eq!(davy.workers(), [old[1]], "the other worker goes on");
        passes(&load, 50);
        project.write("wsgi.py", &good);
        eventually("two workers", WITHIN, || (davy.workers().len() == 2).then_some(()));
    });
    let failed = failed("new code that does not start", &all);
    assert!(failed.len() <= 1, "only what the killed worker was at: {failed:?}");
    davy.stop();
}

const VISITORS: usize = 8;
const KILLS: usize = 8;
const WITHIN: Duration = Duration::from_secs(60);
