//! Clients that take and send at ten kilobytes a second hold no worker, and cost the edge little.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use davy_e2e::{Davy, Project, curl, eventually, processes, tool};

const APP: &str = r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if environ["PATH_INFO"] == "/large":
        return (b"x" * 100_000 for _ in range(100))
    if environ["REQUEST_METHOD"] == "POST":
        return [str(len(environ["wsgi.input"].read())).encode()]
    return [b"ok"]
"#;

const CLIENTS: usize = 50;
/// A client costs two windows of a quarter of a megabyte at most, not its ten.
const EDGE_GROWS_KIB_MAX: u64 = CLIENTS as u64 * 700;

/// Real curls that are ended with the test.
struct Slow(Vec<Child>);

impl Slow {
    fn start(words: &[&str]) -> Slow {
        let one = |_| {
            let mut curl = Command::new(tool("curl"));
            curl.args(["--silent", "--limit-rate", "10k", "--output", "/dev/null"]).args(words);
            curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        Slow((0..CLIENTS).map(one).collect())
    }

    fn all_run(&mut self) -> bool {
        self.0.iter_mut().all(|curl| curl.try_wait().unwrap().is_none())
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        for curl in &mut self.0 {
            let _ = curl.kill();
            let _ = curl.wait();
        }
    }
}

/// How the site's queue is.
fn queue(davy: &Davy<'_>, name: &str) -> u64 {
    davy.status()["children"][0]["status"]["slow_clients"][name].as_u64().unwrap()
}

#[test]
fn workers_are_free_while_clients_are_slow() {
    let project = Project::of("slow_clients", &[("wsgi.py", APP), ("davy.toml", "workers = 2\n")]);
    let davy = project.up();
    let edge = davy.pid_of("edge");
    let before = processes::peak_kib(edge);

    let mut taking = Slow::start(&[&davy.url("/large")]);
    eventually("all large answers are made", Duration::from_secs(30), || {
        (queue(&davy, "handed") >= CLIENTS as u64 && queue(&davy, "running") == 0).then_some(())
    });
    assert!(taking.all_run(), "the answers take their clients a thousand seconds");
    assert_eq!(curl(&davy.url("/")).text(), "ok");

    let content = project.path("content");
    std::fs::write(&content, vec![b'y'; 1_000_000]).unwrap();
    let upload = format!("@{}", content.display());
    let handed = queue(&davy, "handed");
    let mut sending = Slow::start(&["--data-binary", &upload, &davy.url("/")]);
    eventually("all uploads have begun", Duration::from_secs(30), || {
        let open = std::fs::read_dir(format!("/proc/{edge}/fd")).unwrap().count();
        (open >= 2 * CLIENTS).then_some(())
    });
    assert_eq!(curl(&davy.url("/")).text(), "ok");
    assert_eq!((queue(&davy, "handed"), queue(&davy, "running")), (handed + 1, 0));
    assert!(sending.all_run());

    let grown = processes::peak_kib(edge) - before;
    println!("{CLIENTS} slow clients each way: the edge's memory grew by {grown} KiB at most");
    assert!(grown < EDGE_GROWS_KIB_MAX, "the edge grew by {grown} KiB");
    drop((taking, sending));
    davy.stop();
}
