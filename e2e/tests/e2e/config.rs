//! Mistakes in davy's files: all are told at once, before anything starts.

use davy_e2e::Project;
use serde_json::Value;

fn broken() -> Project {
    let settings = "domian = \"www.foobar.com\"\naddress = \"8.8.8\"\nworkers = \"4\"\n";
    let files = [
        ("index.html", "hello"),
        ("davy.toml", settings),
        (".env", "FINE=yes\nTOKEN = two words\n"),
    ];
    Project::of("broken", &files)
}

const PLACES: [&str; 4] = ["davy.toml:1:1", "davy.toml:2:11", "davy.toml:3:11", ".env:2:1"];

/// Where the mistakes are, by files as davy was given them.
fn places(project: &Project) -> [String; 4] {
    PLACES.map(|place| project.path(place).display().to_string())
}

#[test]
fn check_shows_all_mistakes_with_their_places() {
    let project = broken();
    let check = project.run(&["check"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    for place in places(&project) {
        assert!(check.stdout.contains(&format!("--> {place}")), "{place}: {}", check.stdout);
    }
    assert!(check.stdout.contains("1 | domian = \"www.foobar.com\""), "{}", check.stdout);
    assert!(check.stdout.contains("  | ^^^^^^\n"), "{}", check.stdout);
    assert!(check.stdout.contains("did you mean `domain`?"), "{}", check.stdout);
}

#[test]
fn check_tells_programs_in_json() {
    let project = broken();
    let check = project.run(&["check", "--json"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    let problems: Value = serde_json::from_str(&check.stdout).unwrap();
    let problems = problems.as_array().unwrap();
    let place = |problem: &Value| {
        let file = problem["file"].as_str().unwrap();
        format!("{file}:{}:{}", problem["line"], problem["column"])
    };
    assert_eq!(problems.iter().map(place).collect::<Vec<_>>(), places(&project));
    assert_eq!(problems[0]["message"], "unknown name `domian`");
    assert_eq!(problems[0]["help"], "did you mean `domain`?");
}

#[test]
fn up_shows_the_same_and_starts_nothing() {
    let project = broken();
    let mut davy = project.start();
    davy.ends_badly();
    let said = davy.output();
    assert!(said.contains("the site is not started"), "{said}");
    for place in places(&project) {
        assert!(said.contains(&format!("--> {place}")), "{place}: {said}");
    }
    assert!(!project.path(".davy").exists(), "nothing was begun");
}

#[test]
fn check_of_sound_files_says_so() {
    let project = Project::of("sound", &[("davy.toml", "domain = \"foobar.com\"\n")]);
    let check = project.run(&["check"]);
    assert_eq!(
        (check.code, &*check.stdout),
        (Some(0), "ok       davy.toml and .env (foobar.com)\n")
    );
    let check = project.run(&["check", "--json"]);
    assert_eq!((check.code, &*check.stdout), (Some(0), "[]\n"));
}

#[test]
fn what_davy_understands_is_shown_with_its_places() {
    let project = Project::of(
        "shown",
        &[("index.html", "hello"), ("davy.toml", "workers = 2\n"), (".env", "TOKEN=hunter2\n")],
    );
    let show = project.run(&["config", "show"]);
    assert_eq!(show.code, Some(0), "{show:?}");
    for part in ["shown.localhost", "davy.toml:1\n", "TOKEN", ".env:1\n"] {
        assert!(show.stdout.contains(part), "{part}: {}", show.stdout);
    }
    assert!(!show.stdout.contains("hunter2"), "{}", show.stdout);
    let json = project.run(&["config", "show", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["database"]["is"], "none");
    assert!(!project.path(".davy").exists(), "nothing was made");

    let broken = broken();
    let show = broken.run(&["config", "show"]);
    assert_eq!((show.code, &*show.stdout), (Some(1), ""));
    assert!(show.stderr.contains("did you mean `domain`?"), "{}", show.stderr);
}
