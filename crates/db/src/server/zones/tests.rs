//! Zones written here by hand, as RFC 9636 has them.

use super::*;
use std::os::unix::fs::symlink;

/// A zone of the "slim" form: no transition at all, the rule alone (RFC 9636 §3.3).
fn slim(abbreviation: &[u8; 4], rule: &str) -> Vec<u8> {
    let header = |version: u8| {
        let mut header = b"TZif".to_vec();
        header.push(version);
        header.extend([0; 15]);
        let (leaps, transitions, kinds, chars) = (0u32, 0u32, 1u32, 4u32);
        for count in [0, 0, leaps, transitions, kinds, chars] {
            header.extend(count.to_be_bytes());
        }
        header
    };
    // Its one kind of time: 3600 s east, no summer time, the name at 0.
    let block = [&3600u32.to_be_bytes()[..], &[0, 0], abbreviation].concat();
    [header(b'2'), block.clone(), header(b'2'), block, format!("\n{rule}\n").into_bytes()].concat()
}

fn berlin() -> Vec<u8> {
    slim(b"CET\0", "CET-1CEST,M3.5.0,M10.5.0/3")
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn sql(files: &[(&str, &[u8])], end: i64) -> String {
    Zones::read(folder(files).path()).sql(end)
}

#[test]
fn a_rule_is_followed_to_the_last_moment() {
    // 1970-03-29 01:00, 1970-10-25 01:00 and 1971-03-28 01:00 UTC; the next would be in October.
    let expected = "\
        INSERT INTO time_zone (Time_zone_id, Use_leap_seconds) VALUES (1,'N');\n\
        INSERT INTO time_zone_name (Name, Time_zone_id) VALUES ('Europe/Berlin',1);\n\
        INSERT INTO time_zone_transition_type \
        (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) \
        VALUES (1,0,3600,0,'CET'),(1,1,7200,1,'CEST');\n\
        INSERT INTO time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) \
        VALUES (1,-2147483648,0),(1,7520400,1),(1,25664400,0),(1,38970000,1);\n";
    assert_eq!(sql(&[("Europe/Berlin", &berlin())], 40_000_000), expected);
}

#[test]
fn a_zone_has_no_more_transitions_than_the_server_takes() {
    let sql = sql(&[("Europe/Berlin", &berlin())], i64::MAX);
    let rows = sql.lines().last().unwrap().matches("),(").count() + 1;
    assert_eq!(rows, TRANSITIONS_MAX);
}

#[test]
fn one_zone_may_have_several_names() {
    let (one, other) = (berlin(), slim(b"WAT\0", "WAT-1"));
    let sql = sql(&[("B/C/d", &one), ("A", &one), ("E", &other)], 0);
    let names = sql.lines().nth(1).unwrap();
    let (_, names) = names.split_once(" VALUES ").unwrap();
    let mut ids: Vec<&str> = names.trim_matches([';', '(', ')']).split("),(").collect();
    ids.sort_unstable();
    assert!(ids == ["'A',1", "'B/C/d',1", "'E',2"] || ids == ["'A',2", "'B/C/d',2", "'E',1"]);
}

#[test]
fn what_is_no_zone_of_its_own_is_passed_over() {
    let zone = berlin();
    let folder = folder(&[
        ("zone.tab", b"TZif"),
        ("Etc/it's", &zone),
        ("posix/Berlin", &zone),
        ("right/Berlin", &zone),
        ("a/b/c/d/e", &zone),
        ("leapseconds", b"# text"),
        ("cut", &zone[..60]),
        ("long/0123456789012345678901234567890123456789012345678901234567890123", &zone),
    ]);
    symlink(folder.path(), folder.path().join("round")).unwrap();
    let zones = Zones::read(folder.path());
    assert_eq!(zones.0.keys().collect::<Vec<_>>(), ["cut"]);
    assert_eq!(zones.sql(0), "", "it says it is a zone, and is none");
    assert!(Zones::read(Path::new("/nonexistent")).is_empty());
}

#[test]
fn lines_stay_short_enough_for_the_server() {
    let mut lines = Lines::default();
    for row in 0..5000 {
        lines.row(format_args!("({row},'N')"));
    }
    assert!(lines.0.len() > 2 && lines.0.iter().all(|line| line.len() < 20_000));
    assert_eq!(lines.0.join(",").matches('(').count(), 5000);
}
