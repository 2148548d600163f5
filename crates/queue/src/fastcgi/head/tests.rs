//! Heads as PHP sends them, and others.

use proptest::prelude::*;

use super::*;

fn take(text: &str) -> Result<Option<(Parts, String)>, HeadError> {
    let found = Collector::default().take(Bytes::copy_from_slice(text.as_bytes()))?;
    let read = |(lines, rest): (Bytes, Bytes)| {
        Ok((parse(lines)?, String::from_utf8_lossy(&rest).into_owned()))
    };
    found.map(read).transpose()
}

fn head(text: &str) -> Parts {
    take(text).unwrap().unwrap().0
}

#[test]
fn a_head_ends_at_the_first_empty_line() {
    let (head, rest) =
        take("Content-type: text/html\r\nX-A: 1\r\n\r\nhello\r\n\r\n").unwrap().unwrap();
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers["content-type"], "text/html");
    assert_eq!((head.headers.len(), rest.as_str()), (2, "hello\r\n\r\n"));
    let (_, rest) = take("X-A: 1\n\nhello").unwrap().unwrap();
    assert_eq!(rest, "hello", "bare newlines do as well (RFC 3875 §6.2)");
    assert!(take("X-A: 1\r\n").unwrap().is_none());
}

#[test]
fn the_status_is_said_or_follows_from_the_location() {
    assert_eq!(head("Status: 404 Not Found\r\n\r\n").status, StatusCode::NOT_FOUND);
    assert_eq!(head("Status: 204\r\n\r\n").status, StatusCode::NO_CONTENT);
    assert_eq!(head("Location: /a\r\n\r\n").status, StatusCode::FOUND);
    assert_eq!(head("Location: /a\r\nStatus: 201 Created\r\n\r\n").status, StatusCode::CREATED);
    assert!(head("Status: 404\r\n\r\n").headers.is_empty(), "it is no field of HTTP");
}

#[test]
fn fields_of_the_connection_are_dropped_and_others_kept_in_order() {
    let head = head(
        "Set-Cookie: a=1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         Keep-Alive: 5\r\nSet-Cookie: b=2 \r\n\r\n",
    );
    let cookies: Vec<_> = head.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(head.headers.len(), 2);
}

#[test]
fn heads_that_could_fool_a_visitor_are_refused() {
    for text in ["no colon\r\n\r\n", "na me: x\r\n\r\n", ": x\r\n\r\n", "X: a\r\n folded\r\n\r\n"] {
        assert!(matches!(take(text), Err(HeadError::Field(_))), "{text:?}");
    }
    assert!(matches!(take("X: a\0b\r\n\r\n"), Err(HeadError::Field(_))));
    assert_eq!(take("Status: 999 Odd\r\n\r\n").unwrap_err(), HeadError::Status(999));
    assert_eq!(take("Status: 101 Odd\r\n\r\n").unwrap_err(), HeadError::Status(101));
    assert_eq!(take("Status: soon\r\n\r\n").unwrap_err(), HeadError::Status(0));
}

#[test]
fn heads_have_a_limit() {
    let endless = format!("X: {}", "y".repeat(HEAD_BYTES_MAX));
    assert_eq!(take(&endless).unwrap_err(), HeadError::TooLong);
    assert_eq!(take(&(endless + "\r\n\r\n")).unwrap_err(), HeadError::TooLong);
    let many = "X: y\r\n".repeat(FIELDS_MAX + 1) + "\r\n";
    assert_eq!(take(&many).unwrap_err(), HeadError::TooMany);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_head_is_the_same_however_it_is_cut(
        fields in proptest::collection::vec(("[A-Za-z][A-Za-z-]{0,9}", "[!-~]{0,9}"), 0..6),
        content in "[\r\na-z]{0,20}",
        cut in 1..20_usize,
    ) {
        let lines: String = fields.iter().map(|(n, v)| format!("X{n}: {v}\r\n")).collect();
        let whole = format!("{lines}\r\n{content}");
        let (mut collector, mut found, mut rest) = (Collector::default(), None, Vec::new());
        for piece in whole.as_bytes().chunks(cut) {
            if found.is_some() {
                rest.extend_from_slice(piece);
            } else if let Some((head, after)) =
                collector.take(Bytes::copy_from_slice(piece)).unwrap()
            {
                found = Some(parse(head).unwrap());
                rest.extend_from_slice(&after);
            }
        }
        prop_assert_eq!(found.unwrap().headers.len(), fields.len());
        prop_assert_eq!(rest, content.into_bytes());
    }
}
