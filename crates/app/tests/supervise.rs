//! Workers supervised as a site does it: started, restarted, failed, drained.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use davy_app::workers::{Event, Pool, Recycling, Settings, WorkerStatus, Workers};
use flow::control::{AtWork, Demand, FromEdge, Served};
use proc::Own;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::sync::mpsc::Receiver;

struct Site {
    folder: tempfile::TempDir,
    lines: Arc<Mutex<Vec<(usize, String)>>>,
    slow: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn new(source: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.py"), source).unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        Site { folder, lines: Arc::default(), slow: Arc::default() }
    }

    fn start(&self, count: usize) -> (Workers, Receiver<Event>) {
        self.start_pool(Pool::fixed(count), Recycling::default())
    }

    fn start_pool(&self, pool: Pool, recycling: Recycling) -> (Workers, Receiver<Event>) {
        let main = davy_app::carried::write_worker(self.folder.path()).unwrap();
        let (lines, slow) = (self.lines.clone(), self.slow.clone());
        Workers::start(Settings {
            own: Arc::new(Own::direct()),
            pool,
            recycling,
            argv: davy_app::carried::worker_argv("python3".as_ref(), &main, "app:app", None),
            env: vec![("PYTHONUNBUFFERED".to_owned(), "1".to_owned())],
            project: self.folder.path().to_owned(),
            run: self.folder.path().join("run"),
            output: Arc::new(move |worker, line: &str| {
                lines.lock().unwrap().push((worker, line.to_owned()));
            }),
            slow: Arc::new(move |entry: &str| slow.lock().unwrap().push(entry.to_owned())),
        })
    }

    fn sockets(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("run")).unwrap().count()
    }
}

const APP: &str = "print('loaded')\ndef app(environ, start_response):\n    pass\n";

async fn next(events: &mut Receiver<Event>) -> Event {
    let next = tokio::time::timeout(Duration::from_secs(20), events.recv()).await;
    next.expect("an event comes").expect("the supervisor lives")
}

/// Waits until so many workers are ready.
async fn ready(events: &mut Receiver<Event>, count: usize) -> Vec<PathBuf> {
    loop {
        match next(events).await {
            Event::Changed(sockets) if sockets.len() == count => return sockets,
            Event::Changed(_) => {}
            Event::Failed { error } => panic!("{error}"),
        }
    }
}

async fn all(workers: &Workers) -> Vec<WorkerStatus> {
    workers.status().await.workers
}

fn names(sockets: &[PathBuf]) -> Vec<&str> {
    sockets.iter().filter_map(|path| path.file_name()?.to_str()).collect()
}

fn pid(pid: Option<u32>) -> Pid {
    Pid::from_raw(pid.unwrap().cast_signed()).unwrap()
}

#[tokio::test]
async fn workers_become_ready_and_drain_leaves_nothing() {
    let site = Site::new(APP);
    let (workers, mut events) = site.start(2);
    let sockets = ready(&mut events, 2).await;
    assert_eq!(names(&sockets), ["w1-1.sock", "w2-1.sock"]);
    UnixStream::connect(&sockets[0]).unwrap();
    let status = all(&workers).await;
    assert!(status.iter().all(|worker| worker.state == "ready" && worker.restarts == 0));
    assert!(site.lines.lock().unwrap().contains(&(2, "loaded".to_owned())));

    workers.drain(Duration::from_secs(20)).await;
    assert_eq!(site.sockets(), 0);
    for worker in status {
        assert!(test_kill_process(pid(worker.pid)).is_err(), "{worker:?} still runs");
    }
    assert_eq!(next(&mut events).await, Event::Changed(Vec::new()));
}

#[tokio::test]
async fn worker_that_dies_is_replaced_on_a_fresh_socket() {
    let site = Site::new(APP);
    let (workers, mut events) = site.start(1);
    let first = ready(&mut events, 1).await;
    kill_process(pid(all(&workers).await[0].pid), Signal::KILL).unwrap();
    assert!(ready(&mut events, 0).await.is_empty());
    let second = ready(&mut events, 1).await;
    assert_eq!((names(&first), names(&second)), (vec!["w1-1.sock"], vec!["w1-2.sock"]));
    assert!(!first[0].exists());
    assert_eq!(all(&workers).await[0].restarts, 1);
    workers.drain(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn first_start_that_fails_shows_the_workers_last_lines() {
    let site = Site::new("raise LookupError('no such colour')\n");
    let (workers, mut events) = site.start(2);
    let Event::Failed { error } = next(&mut events).await else { panic!("not a failure") };
    assert!(error.contains("did not start: exit code 3"), "{error}");
    assert!(error.contains("LookupError: no such colour"), "{error}");
    workers.drain(Duration::from_secs(20)).await;
    assert_eq!(site.sockets(), 0);
    assert_eq!(events.recv().await, None, "one failure is told, once");
}

#[tokio::test]
async fn program_that_is_not_there_is_a_failure_too() {
    let site = Site::new(APP);
    let (_workers, mut events) = Workers::start(Settings {
        own: Arc::new(Own::direct()),
        pool: Pool::fixed(1),
        recycling: Recycling::default(),
        argv: vec!["/no/such/python".into()],
        env: Vec::new(),
        project: site.folder.path().to_owned(),
        run: site.folder.path().join("run"),
        output: Arc::new(|_, _| ()),
        slow: Arc::new(|_| ()),
    });
    let Event::Failed { error } = next(&mut events).await else { panic!("not a failure") };
    assert!(error.contains("can't be started"), "{error}");
    assert_eq!(site.sockets(), 0);
}

#[tokio::test]
async fn worker_that_does_not_stop_is_killed_at_the_deadline() {
    let stubborn = "import signal\ndef app(e, s): pass\n\
                    real = signal.signal\n\
                    signal.signal = lambda number, what: real(number, signal.SIG_IGN)\n";
    let site = Site::new(stubborn);
    let (workers, mut events) = site.start(1);
    ready(&mut events, 1).await;
    let running = pid(all(&workers).await[0].pid);
    workers.drain(Duration::from_millis(50)).await;
    assert!(test_kill_process(running).is_err());
}

#[tokio::test]
async fn dropped_workers_are_killed() {
    let site = Site::new(APP);
    let (workers, mut events) = site.start(1);
    ready(&mut events, 1).await;
    drop(workers);
    assert_eq!(next(&mut events).await, Event::Changed(Vec::new()));
    assert_eq!(events.recv().await, None);
    assert_eq!(site.sockets(), 0);
}

#[tokio::test]
async fn chatty_workers_are_held_to_the_sites_rate() {
    let chatty = "for n in range(5000): print(n)\ndef app(e, s): pass\n";
    let site = Site::new(chatty);
    let (workers, mut events) = site.start(1);
    ready(&mut events, 1).await;
    let told = tokio::time::timeout(Duration::from_secs(20), async {
        let dropped = |line: &(usize, String)| line.1.contains("lines dropped");
        while !site.lines.lock().unwrap().iter().any(dropped) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    told.await.expect("what was dropped is told");
    assert!(site.lines.lock().unwrap().len() < 5_000);
    workers.drain(Duration::from_secs(20)).await;
}

/// A report of the edge's.
fn report(waiting: usize, busy: usize, served: Vec<Served>) -> FromEdge {
    FromEdge::Report { demand: Demand { waiting, longest: Duration::ZERO, busy }, served }
}

#[tokio::test]
async fn worker_is_started_by_the_first_request_and_ends_when_nobody_comes() {
    let site = Site::new(APP);
    let pool = Pool { least: 0, most: 1, idle: Duration::from_millis(300) };
    let (workers, mut events) = site.start_pool(pool, Recycling::default());
    assert!(all(&workers).await.is_empty());
    workers.hear(report(1, 0, Vec::new())).await;
    ready(&mut events, 1).await;
    workers.hear(report(0, 0, Vec::new())).await;
    assert!(ready(&mut events, 0).await.is_empty());
    workers.drain(Duration::from_secs(20)).await;
    assert_eq!(site.sockets(), 0);
}

#[tokio::test]
async fn worker_that_has_served_enough_is_replaced_before_it_ends() {
    let site = Site::new(APP);
    let recycling = Recycling { requests: Some(100), ..Recycling::default() };
    let (workers, mut events) = site.start_pool(Pool::fixed(1), recycling);
    let first = ready(&mut events, 1).await;
    let old = all(&workers).await[0].pid;
    workers.hear(report(0, 0, vec![Served { pid: old.unwrap(), requests: 120 }])).await;
    let second = loop {
        let Event::Changed(sockets) = next(&mut events).await else { panic!("a failure") };
        assert!(!sockets.is_empty(), "there is always one");
        if !sockets.contains(&first[0]) {
            break sockets;
        }
    };
    assert_eq!(names(&second), ["w2-1.sock"]);
    while test_kill_process(pid(old)).is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let restarts = serde_json::to_value(workers.status().await.restarts).unwrap();
    assert_eq!(restarts, serde_json::json!({ "requests": 1 }));
    workers.drain(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn worker_that_takes_too_much_memory_is_replaced() {
    let site = Site::new(&format!("hog = bytearray(64 << 20)\n{APP}"));
    let recycling = Recycling { memory: Some(48 << 20), ..Recycling::default() };
    let (workers, mut events) = site.start_pool(Pool::fixed(1), recycling);
    let first = ready(&mut events, 1).await;
    assert!(all(&workers).await[0].memory > Some(48 << 20));
    while ready(&mut events, 1).await == first {}
    workers.drain(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn slow_worker_tells_its_stack_and_a_stuck_one_is_killed() {
    // The first thread hangs while the application is at work, here: while nobody has asked yet.
    let site = Site::new(
        "import threading, time\n\
         def hangs_here(): time.sleep(1000)\n\
         threading.Thread(target=hangs_here, daemon=True).start()\n\
         def app(environ, start_response): pass\n",
    );
    let (workers, mut events) = site.start(1);
    let first = ready(&mut events, 1).await;
    let pid_of = all(&workers).await[0].pid.unwrap();
    let work = |seconds| AtWork {
        pid: pid_of,
        taken: Duration::from_secs(seconds),
        request: "4f5e0c1d2b3a".into(),
        line: "GET /report".into(),
    };
    workers.hear(FromEdge::Slow(work(30))).await;
    let entry = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let Some(entry) = site.slow.lock().unwrap().first() {
                return entry.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let entry = entry.await.unwrap();
    assert!(entry.starts_with("slow 4f5e0c1d2b3a  GET /report  30.0 s  worker 1"), "{entry}");
    assert!(entry.contains("in hangs_here") && entry.contains("Current thread"), "{entry}");

    workers.hear(FromEdge::Stuck(work(60))).await;
    while ready(&mut events, 1).await == first {}
    let last = site.slow.lock().unwrap().last().cloned().unwrap();
    assert!(last.starts_with("killed 4f5e0c1d2b3a  GET /report  60.0 s"), "{last}");
    workers.drain(Duration::from_secs(20)).await;
    assert_eq!(site.sockets(), 0, "the file of the stack is gone too");
}
