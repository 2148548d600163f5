//! Verdicts on figures by hand.

use super::*;
use crate::bench::rounds::Sample;

fn series(name: &'static str, cpu_us: f64) -> Series {
    let sample = Sample {
        rate: 1e6 / cpu_us,
        p50_ms: 1.0,
        p99_ms: 2.0,
        servers_us: cpu_us,
        database_us: 0.0,
    };
    Series { name, samples: vec![sample; 3] }
}

#[test]
fn claim_is_missed_below_its_least_and_not_at_it() {
    let claim = |least| Claim { own: DAVY, other: GTHREAD, least };
    let all = [series(DAVY, 10.0), series(GTHREAD, 60.0)];
    assert!(!claim(Some(6.0)).judge("hello", &all).missed);
    assert!(claim(Some(6.1)).judge("hello", &all).missed);
    assert!(!claim(None).judge("hello", &all).missed);
}

#[test]
fn claim_on_a_contender_that_was_skipped_says_so() {
    let claim = Claim { own: UNTRACED, other: GTHREAD, least: Some(1.0) };
    let verdict = claim.judge("hello", &[series(GTHREAD, 60.0)]);
    assert!(verdict.line.ends_with("skipped") && !verdict.missed);
}

#[test]
fn one_missed_ratio_fails_the_bench() {
    let verdict = |missed| Verdict { line: String::new(), missed };
    assert!(conclude(&[verdict(false)]).is_ok());
    let error = conclude(&[verdict(false), verdict(true)]).unwrap_err();
    assert_eq!(error.to_string(), "1 of 2 ratios missed");
}

#[test]
fn table_shows_ratios_against_gunicorns_threads() {
    let text = table(&[series(GTHREAD, 60.0), series(DAVY, 10.0)]);
    let davy = text.lines().last().unwrap();
    assert!(davy.starts_with("davy ") && davy.ends_with("  6.00"), "{text}");
}
