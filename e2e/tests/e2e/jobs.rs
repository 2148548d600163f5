//! What runs beside the application, and commands in its environment.

use std::fs;
use std::time::Duration;

use davy_e2e::{Project, curl, eventually, processes};
use rustix::process::Signal;

const APP: &str = r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"#;

const SETTINGS: &str = r#"
workers = 1
[env]
COLOUR = "red"
[jobs]
mail = "echo $COLOUR up; trap 'echo mail is out; exit 0' TERM; while :; do sleep 0.05; done"
[cron]
clean = "CRON_TZ=UTC 0 * * * * echo cleaned the $COLOUR room; exit 4"
"#;

fn site() -> Project {
    Project::of("jobs", &[("wsgi.py", APP), ("davy.toml", SETTINGS), ("requirements.txt", "six\n")])
}

#[test]
fn jobs_run_beside_the_site_and_end_with_it() {
    let project = site();
    let mut davy = project.up();
    davy.logs("site", "jobs mail: red up");
    let job = |davy: &davy_e2e::Davy<'_>, name: &str| {
        let status = davy.status();
        let children = status["children"].as_array().unwrap().clone();
        let jobs = children.iter().flat_map(|child| child["status"]["jobs"].as_array().cloned());
        jobs.flatten().find(|job| job["name"] == name)
    };
    let mail = job(&davy, "mail").unwrap();
    let pid = u32::try_from(mail["pid"].as_u64().unwrap()).unwrap();
    processes::send(pid, Signal::KILL);
    eventually("the job is started again", Duration::from_secs(20), || {
        let again = job(&davy, "mail")?["pid"].as_u64()?;
        (again != u64::from(pid)).then_some(())
    });
    assert_eq!(job(&davy, "clean").unwrap()["starts"], 0, "it is not due yet");
    assert_eq!(curl(&davy.url("/")).text(), "ok");
    davy.signal(Signal::INT);
    davy.ends_well();
    davy.logs("site", "jobs mail: mail is out");
}

#[test]
fn command_that_was_missed_while_davy_was_down_is_made_up_for() {
    let project = site();
    fs::create_dir_all(project.path(".davy/cron")).unwrap();
    let hours_ago = std::process::Command::new("date")
        .args(["-u", "-d", "3 hours ago", "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    fs::write(project.path(".davy/cron/clean"), hours_ago.stdout).unwrap();
    let davy = project.up();
    davy.logs("site", "jobs clean: cleaned the red room");
    davy.logs("site", "and is made up for now");
    eventually("its end is noted", Duration::from_secs(20), || {
        let ran = davy.run(&["status"]);
        ran.stdout.contains("cron clean").then_some(())?;
        ran.stdout.contains("last exit code 4").then_some(())
    });
    davy.stop();
}

#[test]
fn commands_run_in_the_environment_of_the_site() {
    let project = site();
    let davy = project.up();
    let ran = project.run_in_site(&["sh", "-c", "echo $COLOUR; pwd; command -v python; exit 7"]);
    assert_eq!(ran.code, Some(7));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[..2], ["red", &*project.folder().canonicalize().unwrap().to_string_lossy()]);
    assert!(lines[2].contains("/.davy/python/venv/"), "{lines:?}");
    let none = project.run_in_site(&["no-such-command"]);
    assert_eq!(none.code, Some(127), "{}", none.stderr);
    davy.stop();
    let down = project.run_in_site(&["true"]);
    assert!(
        down.code == Some(1) && down.stderr.contains("start it with `davy up`"),
        "{}",
        down.stderr
    );
}
