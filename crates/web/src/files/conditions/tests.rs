//! The order of preconditions. Single ones are in the golden scripts.

use super::*;
use crate::Settings;
use crate::files::kind::Kind;

fn decide(method: &str, fields: &str) -> Verdict {
    let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let head = Head::parse(text.as_bytes(), &Settings::default()).unwrap();
    let file = File {
        fd: std::fs::File::open("/dev/null").unwrap().into(),
        size: 10,
        modified: 784_111_777,
        tag: *b"\"0123456789abcdef\"",
        kind: Kind::of(b"a"),
    };
    verdict(&head, &file)
}

const OWN: &str = "\"0123456789abcdef\"";
const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

#[test]
fn if_match_is_looked_at_first_and_instead_of_its_date() {
    assert_eq!(
        decide("GET", &format!("If-Match: {OWN}\r\nIf-Unmodified-Since: {BEFORE}\r\n")),
        Verdict::Whole
    );
    assert_eq!(
        decide("GET", &format!("If-Match: \"x\"\r\nIf-None-Match: {OWN}\r\n")),
        Verdict::Failed
    );
    assert_eq!(decide("GET", "If-Match: *\r\n"), Verdict::Whole);
    assert_eq!(decide("GET", &format!("If-Unmodified-Since: {BEFORE}\r\n")), Verdict::Failed);
    assert_eq!(decide("GET", &format!("If-Unmodified-Since: {AT}\r\n")), Verdict::Whole);
}

#[test]
fn if_none_match_is_looked_at_before_ranges_and_instead_of_its_date() {
    assert_eq!(
        decide("GET", &format!("If-None-Match: W/{OWN}\r\nRange: bytes=0-1\r\n")),
        Verdict::NotModified
    );
    assert_eq!(decide("HEAD", "If-None-Match: *\r\n"), Verdict::NotModified);
    assert_eq!(
        decide("GET", &format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {AT}\r\n")),
        Verdict::Whole
    );
    assert_eq!(
        decide("GET", &format!("If-None-Match: \"x\"\r\nIf-None-Match: {OWN}\r\n")),
        Verdict::NotModified,
        "all lines of the list count"
    );
}

#[test]
fn ranges_come_last() {
    assert_eq!(decide("GET", "Range: bytes=0-1\r\n"), Verdict::Part(0..2));
    assert_eq!(decide("GET", "Range: bytes=0-1\r\nRange: bytes=4-5\r\n"), Verdict::Whole);
    assert_eq!(
        decide("GET", &format!("If-Range: {BEFORE}\r\nRange: bytes=0-1\r\n")),
        Verdict::Whole
    );
    assert_eq!(
        decide("GET", &format!("If-Range: {OWN}\r\nRange: bytes=10-\r\n")),
        Verdict::Unsatisfiable
    );
}
