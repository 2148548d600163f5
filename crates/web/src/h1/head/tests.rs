//! Heads, whole and in pieces.

use proptest::prelude::*;

use super::*;

fn settings() -> Settings {
    Settings::default()
}

fn parse(text: &str) -> Result<Head, Refusal> {
    Head::parse(text.as_bytes(), &settings())
}

/// Where the head ends when its bytes arrive one by one.
fn drip(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let mut scan = Scan::default();
    for length in 0..=bytes.len() {
        if let Some(end) = scan.end(&bytes[..length], &settings())? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

#[test]
fn the_end_is_found_however_the_bytes_arrive() {
    let head = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nnext";
    assert_eq!(drip(head), Ok(Some(head.len() - 4)));
    assert_eq!(Scan::default().end(head, &settings()), Ok(Some(head.len() - 4)));
    assert_eq!(drip(b"GET / HTTP/1.1\r\nHost: a\r\n"), Ok(None));
}

#[test]
fn what_can_become_no_request_is_refused_early() {
    assert_eq!(drip(b"\x16\x03\x01").unwrap_err().status, StatusCode::BAD_REQUEST);
    assert_eq!(drip(b"GET / HTTP/1.1\n").unwrap_err().status, StatusCode::BAD_REQUEST);
    assert_eq!(drip(b"\n").unwrap_err().status, StatusCode::BAD_REQUEST);
    assert_eq!(drip(&[b'a'; 10_000]).unwrap_err().status, StatusCode::URI_TOO_LONG);
    let long = [&b"GET / HTTP/1.1\r\n"[..], &[b'a'; 40_000]].concat();
    let refusal = Scan::default().end(&long, &settings()).unwrap_err();
    assert_eq!(refusal.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[test]
fn fields_are_found_without_regard_to_case() {
    let head =
        parse("GET /a?b HTTP/1.1\r\nhOsT: a:1\r\nX: 1,, 2\r\nx:  3 \r\nX-Long: \r\n\r\n").unwrap();
    assert_eq!(head.host(), Some("a:1"));
    assert_eq!((head.target(), head.path()), ("/a?b", "/a"));
    assert_eq!(head.all("x").collect::<Vec<_>>(), [&b"1,, 2"[..], b"3"]);
    assert_eq!(head.list("x").collect::<Vec<_>>(), [b"1", b"2", b"3"]);
    assert_eq!(head.get("x-long"), Some(&b""[..]));
    assert_eq!(head.get("y"), None);
}

#[test]
fn an_application_gets_the_host_that_counts_and_no_hop_by_hop_fields() {
    let head = parse(
        "GET http://b:2?q HTTP/1.1\r\nHost: a\r\nConnection: x\r\nExpect: 100-continue\r\n\
         Cookie: 1\r\nCookie: 2\r\n\r\n",
    );
    let parts = head.unwrap().parts().unwrap();
    assert_eq!(parts.uri, "/?q");
    let fields: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(fields, [("cookie", "1"), ("cookie", "2"), ("host", "b:2")]);
}

#[test]
fn refusals_say_what_is_wrong() {
    for (text, cause) in [
        ("GET / HTTP/1.1\r\n\r\n", "there is no Host field"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "there are several Host fields"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "the host is malformed"),
        ("GET / HTTP/2.0\r\n\r\n", "neither HTTP/1.0 nor HTTP/1.1 is spoken"),
        ("GET / HTTP/x\r\n\r\n", "the version is malformed"),
        ("GET /\r\n\r\n", "the request line is malformed"),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "a field name is malformed"),
        ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "a field name is malformed"),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "a field value is malformed"),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", "a field name is malformed"),
        ("TRACE / HTTP/1.1\r\n\r\n", "TRACE is never answered"),
    ] {
        assert_eq!(parse(text).unwrap_err().cause, cause, "{text:?}");
    }
    let long = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(33));
    assert_eq!(parse(&long).unwrap_err().status, StatusCode::NOT_IMPLEMENTED);
}

/// Something like a field.
const FIELD: &str = "[A-Za-z-]{0,9}:[ \ta-z:,\\[\\]0-9\u{80}-\u{ff}]{0,12}";

proptest! {
    #![proptest_config(crate::fuzz::config())]

    #[test]
    fn no_bytes_panic_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzz::head(&bytes);
    }

    #[test]
    fn nothing_like_a_request_panics_the_parser(
        line in "[A-Z]{0,5} ?[/*a-z:%?#.0-9{}|\\[\\]~-]{0,30} ?HTTP/[0-9.]{0,4}",
        fields in proptest::collection::vec(FIELD, 0..5),
    ) {
        let host = "Host: a\r\n";
        for text in [
            format!("{line}\r\n{host}{}\r\n\r\n", fields.join("\r\n")),
            format!("{line}\r\n{host}\r\n"),
            format!("GET {line}\r\n{host}\r\n"),
        ] {
            crate::fuzz::head(text.as_bytes());
            let whole = Scan::default().end(text.as_bytes(), &settings());
            match (drip(text.as_bytes()), whole) {
                // What is refused early would not have been understood either.
                (Err(_), Ok(Some(end))) => prop_assert!(parse(&text[..end]).is_err()),
                (dripped, whole) => prop_assert_eq!(dripped, whole),
            }
        }
    }
}
