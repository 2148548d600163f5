//! Framing and persistence of requests.

use super::*;
use crate::Settings;

fn head(version: &str, fields: &str) -> Head {
    let text = format!("POST / {version}\r\nHost: a\r\n{fields}\r\n");
    Head::parse(text.as_bytes(), &Settings::default()).unwrap()
}

fn status(version: &str, fields: &str) -> u16 {
    Decoder::of(&head(version, fields)).map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
}

#[test]
fn what_is_ambiguous_is_refused() {
    for (fields, expected) in [
        ("", 200),
        ("Content-Length: 0\r\n", 200),
        ("Content-Length: 00018446744073709551615\r\n", 200),
        ("Content-Length: 18446744073709551616\r\n", 400),
        ("Content-Length: \r\n", 400),
        ("Content-Length: 1_0\r\n", 400),
        ("Content-Length: 0x5\r\n", 400),
        ("Content-Length: 5\r\ncontent-length: 5\r\n", 400),
        ("Transfer-Encoding: chunked\r\n", 200),
        ("Transfer-Encoding: CHUNKED \r\n", 200),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        ("Transfer-Encoding: \"chunked\"\r\n", 501),
        ("Transfer-Encoding: chunked;q=1\r\n", 501),
        ("Transfer-Encoding: identity\r\n", 501),
        ("Transfer-Encoding: chunked, gzip\r\n", 501),
        ("Transfer-Encoding: chunked,\r\n", 400),
        ("Transfer-Encoding: ,chunked\r\n", 400),
        ("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", 400),
    ] {
        assert_eq!(status("HTTP/1.1", fields), expected, "{fields:?}");
    }
    assert_eq!(status("HTTP/1.0", "Transfer-Encoding: chunked\r\n"), 400);
}

#[test]
fn a_connection_persists_as_its_version_and_options_say() {
    use Persistence::{Close, Keep};
    for (version, fields, expected) in [
        ("HTTP/1.1", "", Keep),
        ("HTTP/1.1", "Connection: a, CLOSE\r\n", Close),
        ("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", Close),
        ("HTTP/1.0", "", Close),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", Keep),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", Close),
    ] {
        assert_eq!(persistence(&head(version, fields)), expected, "{version} {fields:?}");
    }
}

#[test]
fn a_length_is_counted_down_to_its_end() {
    let mut decoder = Decoder::Length(5);
    let mut bytes = BytesMut::from("helloGET");
    assert_eq!(decoder.next(&mut bytes, 3), Ok(Decoded::Data("hel".into())));
    assert_eq!(decoder.next(&mut bytes, 0), Ok(Decoded::More));
    assert_eq!((decoder.left(), decoder.is_done()), (Some(2), false));
    assert_eq!(decoder.next(&mut bytes, 9), Ok(Decoded::Data("lo".into())));
    assert_eq!(decoder.next(&mut bytes, 9), Ok(Decoded::End));
    assert_eq!(bytes, "GET");
}
