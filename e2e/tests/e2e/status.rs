//! `davy status`, and the one davy that a folder can have.

use davy_e2e::{Project, curl};

use crate::sites;

#[test]
fn status_shows_what_runs_and_says_when_nothing_does() {
    let project = sites::small();
    let davy = project.up();
    let status = davy.status();
    assert_eq!(status["pid"], davy.pid());
    assert_eq!(status["up"], true);
    let mut names: Vec<String> = davy.parts().into_iter().map(|part| part.name).collect();
    names.sort();
    assert_eq!(names, ["db", "edge", "mariadbd", "site small"]);
    assert_eq!(davy.workers().len(), 2);
    let living: Vec<u32> = davy.processes().iter().map(|process| process.pid).collect();
    let shown = davy.parts().into_iter().map(|part| part.pid).chain(davy.workers());
    shown.for_each(|pid| assert!(living.contains(&pid), "{pid} of {status:#}"));

    let text = davy.run(&["status"]);
    assert_eq!(text.code, Some(0));
    assert!(text.stdout.contains(&format!("keeper   pid {}", davy.pid())), "{}", text.stdout);
    assert!(text.stdout.contains(&format!("ready    {}", davy.url("/"))), "{}", text.stdout);
    for pid in davy.workers() {
        assert!(text.stdout.contains(&format!("worker pid {pid}  ready")), "{}", text.stdout);
    }
    davy.stop();

    let after = project.run(&["status"]);
    assert_eq!(after.code, Some(3), "{after:?}");
    assert!(after.stdout.contains("does not run"), "{after:?}");
    let after = project.run(&["status", "--json"]);
    assert_eq!((after.code, &*after.stdout), (Some(3), "{\"up\":false}\n"));
    assert_eq!(project.run(&["down"]).code, Some(3));
}

#[test]
fn a_second_up_is_refused_and_told_who_runs() {
    let project = Project::of("one", &[("index.html", "hello")]);
    let davy = project.up();
    let mut second = project.start_with(&["--http", "0", "--dns", "0"]);
    second.ends_badly();
    let said = second.output();
    assert!(said.contains(&format!("already (pid {})", davy.pid())), "{said}");
    assert!(said.contains("davy down"), "{said}");
    assert_eq!(curl(&davy.url("/")).text(), "hello", "the first one goes on");
    davy.stop();
}
