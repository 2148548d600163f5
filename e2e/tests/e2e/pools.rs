//! Pools: workers come when they are needed, and go when they are not.

use std::time::Duration;

use davy_e2e::{Load, Project, curl, eventually};

const APP: &str = r#"
import time

def application(environ, start_response):
    environ["wsgi.input"].read()
    time.sleep(0.02)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\n"]
"#;

fn site(settings: &str) -> Project {
    Project::of("small", &[("wsgi.py", APP), ("davy.toml", settings)])
}

#[test]
fn a_site_without_workers_is_ready_and_starts_one_with_the_first_request() {
    let project = site("workers = 0\nworkers_max = 1\n[limits]\nidle = \"1s\"\n");
    let davy = project.up();
    assert!(davy.says("ready").contains("workers start with the first request"));
    for _ in 0..2 {
        assert!(davy.workers().is_empty());
        assert_eq!(curl(&davy.url("/")).text(), "done\n");
        assert_eq!(davy.workers().len(), 1);
        let processes = || davy.processes().into_iter().filter(|it| it.command.contains("main.py"));
        eventually("no worker is left", WITHIN, || (processes().count() == 0).then_some(()));
    }
    davy.stop();
}

#[test]
fn a_pool_grows_while_visitors_wait_and_shrinks_when_they_have_gone() {
    let project = site("workers = 1\nworkers_max = 4\n[limits]\nidle = \"1s\"\n");
    let davy = project.up();
    assert_eq!(davy.workers().len(), 1);
    let load = Load::on(davy.http());
    let ((), all) = load.during(12, || {
        eventually("four workers", WITHIN, || (davy.workers().len() == 4).then_some(()));
    });
    assert!(all.iter().all(davy_e2e::Sent::succeeded), "{all:?}");
    eventually("one worker", WITHIN, || (davy.workers().len() == 1).then_some(()));
    assert_eq!(curl(&davy.url("/")).text(), "done\n");
    let shown = davy.run(&["ps"]);
    assert_eq!(shown.code, Some(0));
    assert!(shown.stdout.starts_with("small  1 of 1 workers ready"), "{}", shown.stdout);
    davy.stop();
    let shown = project.run(&["ps"]);
    assert_eq!(shown.code, Some(3), "{shown:?}");
}

#[test]
fn workers_share_what_was_loaded_once() {
    let app = format!("import os\nprint('loaded by', os.getpid())\n{APP}");
    let settings = "workers = 4\n";
    let project = Project::of("shared", &[("wsgi.py", &app), ("davy.toml", settings)]);
    let davy = project.up();
    davy.logs("site", "loaded by");
    let loads = davy.log("site").lines().filter(|line| line.contains("loaded by")).count();
    assert_eq!((loads, davy.workers().len()), (1, 4));
    davy.stop();
}

const WITHIN: Duration = Duration::from_secs(60);
