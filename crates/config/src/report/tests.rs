//! Reports for people and for programs. How messages look is in `tests/scripts`.

use super::Color;
use crate::problems::{Fault, Problems, Show, report};

#[test]
fn programs_get_one_object_for_each_problem() {
    let mut toml = Problems::new("davy.toml", "a = 1\nä, b = 2\n", Show::Lines);
    toml.add(10..11, "second", "do that");
    toml.add(0..1, "first", "do this");
    let mut env = Problems::new(".env", "", Show::Names);
    env.add_whole(Fault::new("third", "do it"));
    let report = report([toml, env]).unwrap_err();
    let expected = serde_json::json!([
        { "file": "davy.toml", "line": 1, "column": 1, "message": "first", "help": "do this" },
        { "file": "davy.toml", "line": 2, "column": 4, "message": "second", "help": "do that" },
        { "file": ".env", "line": null, "column": null, "message": "third", "help": "do it" },
    ]);
    assert_eq!(report.to_json(), expected);
    assert!(report.to_string().ends_with("\n\n3 problems in davy.toml and .env\n"), "{report}");
}

#[test]
fn colours_are_only_where_they_are_asked_for() {
    let mut problems = Problems::new("davy.toml", "a\u{1b}[31m = 1", Show::Lines);
    problems.add(0..1, "a\u{1b}[31m", "b\u{202e}");
    let report = report([problems]).unwrap_err();
    assert!(report.render(Color::Always).contains("\u{1b}["));
    let plain = report.render(Color::Never);
    assert!(!plain.contains(['\u{1b}', '\u{202e}']), "{plain:?}");
}

#[test]
fn after_fifty_problems_the_rest_is_counted() {
    let text = "x\n".repeat(60);
    let mut problems = Problems::new("davy.toml", &text, Show::Lines);
    (0..60).for_each(|line| problems.add(line * 2..line * 2 + 1, "bad", "mend it"));
    let report = report([problems]).unwrap_err();
    assert_eq!((report.problems.len(), report.left_out), (50, 10));
    let end = "60 problems in davy.toml; the first 50 are shown\n";
    assert!(report.to_string().ends_with(end), "{report}");
}

#[test]
fn what_follows_from_a_broken_line_is_not_reported() {
    let mut problems = Problems::new("davy.toml", "a b c\nd", Show::Lines);
    problems.add_broken(0..1, Fault::new("broken", "mend it"));
    problems.add(4..5, "a consequence", "nothing");
    problems.add(6..7, "another line", "mend it");
    assert_eq!(report([problems]).unwrap_err().problems.len(), 2);
}

#[test]
fn no_problem_is_no_report() {
    assert_eq!(report([Problems::new("davy.toml", "", Show::Lines)]), Ok(()));
}
