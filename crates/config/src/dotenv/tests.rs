//! What `.env` yields, and what it must never do. More of it is in `tests/scripts`.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::read;
use crate::problems::{Problems, Show, report};
use crate::report::Report;

fn variables(text: &str) -> Result<BTreeMap<String, String>, Report> {
    let mut problems = Problems::new(".env", text, Show::Names);
    let variables = read(&mut problems);
    report([problems])?;
    Ok(variables.into_iter().map(|(name, variable)| (name, variable.value)).collect())
}

#[test]
fn nothing_of_davys_own_environment_gets_into_a_value() {
    let path = std::env::var("PATH").unwrap();
    assert!(!path.is_empty());
    for text in ["A=$PATH", "A=\"$PATH\"", "A=x$PATH-x", "A='$PATH'", "A='${PATH}'"] {
        let value = variables(text).unwrap().remove("A").unwrap();
        assert!(value.contains("$") && !value.contains(&path), "{text}: {value}");
    }
    assert!(variables("A=${PATH}").is_err());
}

#[test]
fn no_value_gets_into_a_report() {
    let wrong = [
        "A=s3cret s3cret",
        "A=\"s3cret",
        "A=\\s3cret",
        "A='s3cret' s3cret",
        "A=s3cret${B}",
        "A-B=s3cret",
        "s3cret",
        "export s3cret",
        "A='\ns3cret",
        "s3cret/+s3cret==",
        "A=s3cret\0",
    ];
    for text in wrong {
        let report = variables(text).unwrap_err();
        assert!(!report.to_string().contains("s3cret"), "{report}");
        assert!(!report.to_json().to_string().contains("s3cret"), "{report}");
    }
}

#[test]
fn a_space_at_the_end_of_the_file_is_no_problem() {
    assert_eq!(variables("A=1 ").unwrap()["A"], "1");
    assert_eq!(variables("A=1\r\nB=2\r\n \t").unwrap()["B"], "2");
}

#[test]
fn lines_are_counted_across_values_of_several_lines() {
    let report = variables("# a\n\nA=\"1\n2\n\n3\"\n\n# b\nB C\n").unwrap_err();
    assert_eq!(report.problems[0].place.as_ref().unwrap().line, 9);
}

#[test]
fn a_line_longer_than_the_readers_buffer_is_one_line() {
    let long = "ä".repeat(20_000);
    let found = variables(&format!("A={long}\nB=1\n")).unwrap();
    assert_eq!((found["A"].as_str(), found["B"].as_str()), (long.as_str(), "1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn single_quotes_keep_every_value(value in "[^'\\\\\0\u{1a}\r]{0,40}") {
        let found = variables(&format!("A='{value}'\nB=1\n")).unwrap();
        prop_assert_eq!(&found["A"], &value);
        prop_assert_eq!(&found["B"], "1");
    }
}
