//! Answers of upstreams: well formed, ambiguous, hostile.

use proptest::prelude::*;

use super::*;

/// What is read of an answer: its status, its content, and whether that ended.
fn read(text: &str, method: &Method) -> Result<(u16, String, bool), Malformed> {
    let mut bytes = BytesMut::from(text);
    let head = Scan::default().next(&mut bytes, method)?;
    let mut head = head.ok_or(Malformed::Grammar("not whole"))?;
    let mut content = Vec::new();
    loop {
        match head.content.next(&mut bytes, 3)? {
            Decoded::Data(data) => content.extend_from_slice(&data),
            end => {
                let content = String::from_utf8(content).unwrap();
                return Ok((head.parts.status.as_u16(), content, end == Decoded::End));
            }
        }
    }
}

fn get(text: &str) -> Result<(u16, String, bool), Malformed> {
    read(text, &Method::GET)
}

#[test]
fn content_ends_where_its_framing_says() {
    let content = |text| get(text).map(|(_, content, ended)| (content, ended)).unwrap();
    let of = |text: &str, ended| (text.to_owned(), ended);
    assert_eq!(content("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"), of("ab", true));
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\nz";
    assert_eq!(content(chunked), of("ab", true));
    assert_eq!(content("HTTP/1.1 200 OK\r\n\r\nabc"), of("abc", false));
    assert_eq!(content("HTTP/1.1 204 No\r\n\r\nabc"), of("", true));
    assert_eq!(content("HTTP/1.1 304 No\r\nContent-Length: 3\r\n\r\nabc"), of("", true));
    let head = read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", &Method::HEAD).unwrap();
    assert_eq!(head, (200, String::new(), true));
}

#[test]
fn what_is_ambiguous_is_refused() {
    for fields in [
        "Content-Length: 2\r\nContent-Length: 2",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Content-Length: -2",
        "Content-Length: 2, 2",
        "Content-Length: +2",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        let answer = get(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"));
        assert!(matches!(answer, Err(Malformed::Framing(_))), "{fields}: {answer:?}");
    }
    let old = get("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(matches!(old, Err(Malformed::Framing(_))), "{old:?}");
    let bad = get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
    assert!(matches!(bad, Err(Malformed::Content(_))), "{bad:?}");
}

#[test]
fn what_breaks_the_grammar_is_refused() {
    for text in [
        "HTTP/2 200 OK\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
        "\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 600 High\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\nA: b\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
    ] {
        assert!(matches!(get(text), Err(Malformed::Grammar(_))), "{text:?}: {:?}", get(text));
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1));
    assert!(matches!(get(&many), Err(Malformed::Grammar(_))));
}

#[test]
fn heads_up_to_32_kib_pass() {
    let head = |bytes: usize| format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(bytes));
    let around = head(0).len();
    assert!(get(&head(HEAD_BYTES_MAX - around)).is_ok());
    assert_eq!(get(&head(HEAD_BYTES_MAX - around + 1)), Err(Malformed::TooLong));
    assert_eq!(get(&"x".repeat(HEAD_BYTES_MAX + 1)), Err(Malformed::TooLong));
}

#[test]
fn informational_answers_are_passed_over_within_a_limit() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    let answer = get(&format!("HTTP/1.1 100 Continue\r\n\r\n{early}{last}"));
    assert_eq!(answer, Ok((200, "a".into(), true)));
    assert!(matches!(get(&early.repeat(16)), Err(Malformed::Grammar(_))));
}

#[test]
fn fields_of_the_connection_end_here_and_say_whether_it_stays() {
    let head = |text: &str| {
        Scan::default().next(&mut BytesMut::from(text), &Method::GET).unwrap().unwrap()
    };
    let kept = head(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, x-private\r\nKeep-Alive: timeout=5, max=9\r\n\
         X-Private: 1\r\nX-Kept: 1\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(kept.persistence, Persistence::Keep(Some(Duration::from_secs(5))));
    let mut names: Vec<&str> = kept.parts.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "x-kept"]);
    let length = "Content-Length: 0\r\n\r\n";
    for (text, expected) in [
        (format!("HTTP/1.1 200 OK\r\n{length}"), Persistence::Keep(None)),
        (format!("HTTP/1.1 200 OK\r\nConnection: Close\r\n{length}"), Persistence::Close),
        (format!("HTTP/1.0 200 OK\r\n{length}"), Persistence::Close),
        ("HTTP/1.1 200 OK\r\n\r\n".into(), Persistence::Close),
        (format!("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n{length}"), Persistence::Keep(None)),
    ] {
        assert_eq!(head(&text).persistence, expected, "{text}");
    }
}

#[test]
fn a_101_keeps_its_protocol_and_is_no_http_any_more() {
    let (status, rest, ended) =
        get("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x01\x02")
            .unwrap();
    assert_eq!((status, &rest[..], ended), (101, "\x01\x02", false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_answer_does_not_depend_on_how_it_is_split(
        cuts in proptest::collection::vec(0..120usize, 0..6),
    ) {
        let text = "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\
                    Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let mut places: Vec<usize> = cuts.iter().map(|cut| *cut.min(&text.len())).collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        let (mut scan, mut buffer, mut head) = (Scan::default(), BytesMut::new(), None);
        let mut content = Vec::new();
        for cut in places.windows(2) {
            buffer.extend_from_slice(&text.as_bytes()[cut[0]..cut[1]]);
            if head.is_none() {
                head = scan.next(&mut buffer, &Method::GET).unwrap();
            }
            let Some(head) = &mut head else { continue };
            while let Decoded::Data(data) = head.content.next(&mut buffer, 99).unwrap() {
                content.extend_from_slice(&data);
            }
        }
        prop_assert_eq!(content, b"abcde");
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        super::fuzz(&bytes);
    }

    #[test]
    fn nothing_like_an_answer_panics(
        text in "HTTP/1.[01] (101|200|204|304) x\r\n(Content-Length: [0-9]{1,3}\r\n\
                 |Transfer-Encoding: chunked\r\n|Connection: [a-z, -]{0,20}\r\n){0,4}\r\n[0-9a-f\r\n]{0,80}"
    ) {
        super::fuzz(text.as_bytes());
    }
}
