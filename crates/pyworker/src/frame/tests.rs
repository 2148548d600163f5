//! The vectors of docs/worker-protocol.md that concern this side.

use super::*;

const SPECIFICATION: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/worker-protocol.md"));

/// The bytes of the vector whose name begins so.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let start = SPECIFICATION.find(&format!("name: {name}")).unwrap();
    let block = SPECIFICATION[start..].split("```").next().unwrap();
    let digits = block.split_once("bytes:").unwrap().1;
    let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The one frame of a vector.
fn frame(bytes: &[u8]) -> Frame<'_> {
    let frame = split(bytes).unwrap().unwrap();
    assert_eq!(HEADER_BYTES + frame.payload.len(), bytes.len());
    frame
}

#[test]
fn frames_of_the_edge_are_read_from_the_bytes_of_the_document() {
    for (name, kind, stream, payload) in [
        ("content of a request", Kind::Data, 2, &b"name=Ada"[..]),
        ("end of a request", Kind::End, 2, b""),
        ("credit for 64 KiB more", Kind::Credit, 2, b"\0\x01\0\0"),
        ("the visitor has gone", Kind::Abort, 3, &[&[0; 16][..], b"gone"].concat()),
    ] {
        let bytes = vector(name);
        assert_eq!(frame(&bytes), Frame { kind, flags: 0, stream, payload }, "{name}");
    }
    let request = vector("request without content");
    let request = frame(&request);
    assert_eq!((request.kind, request.flags, request.stream), (Kind::Request, NO_CONTENT, 1));
    assert_eq!(request.payload, b"REQUEST_METHOD\0GET\0PATH_INFO\0/\0QUERY_STRING\0a=1\0");
    assert_eq!(frame(&vector("hello from a synchronous worker")).kind, Kind::Hello);
}

#[test]
fn answer_is_written_as_the_bytes_of_the_document() {
    let head = b"content-type\0text/plain\0";
    let answer =
        Answer { stream: 1, started: 1_000_000_001, ended: 1_000_500_001, status: 200, head };
    let mut out = Vec::new();
    assert!(answer.put([&b"hel"[..], b"", b"lo"].into_iter(), &mut out));
    let expected = [vector("response with its content"), vector("end of a response")].concat();
    assert_eq!(out, expected);
}

#[test]
fn answer_that_no_frame_holds_writes_nothing() {
    let (mut out, content) = (Vec::new(), vec![0; PAYLOAD_BYTES_MAX - RESPONSE_BYTES]);
    let answer = Answer { stream: 1, started: 0, ended: 0, status: 200, head: b"" };
    assert!(!answer.put([&content[..], b"x"].into_iter(), &mut out) && out.is_empty());
    assert!(answer.put([&content[..]].into_iter(), &mut out));
}

#[test]
fn abort_of_what_was_not_begun_says_so() {
    let mut out = Vec::new();
    put_not_begun(7, &mut out);
    let abort = frame(&out);
    assert_eq!((abort.kind, abort.stream, &abort.payload[16..]), (Kind::Abort, 7, NOT_BEGUN));
}

#[test]
fn frame_of_a_wrong_type_or_length_is_refused_by_its_header_alone() {
    for (header, what) in [
        (b"\0\x02\0\x01\x04\0\0\0\0\0\0\x01", "too long"),
        (b"\0\0\0\x09\x01\0\0\0\0\0\0\0", "HELLO of nine bytes"),
        (b"\0\0\0\x01\x05\0\0\0\0\0\0\x01", "END with content"),
        (b"\0\0\0\x0f\x06\0\0\0\0\0\0\x01", "ABORT without its stamps"),
        (b"\0\0\0\x08\x03\0\0\0\0\0\0\x01", "RESPONSE from an edge"),
        (b"\0\0\0\0\0\0\0\0\0\0\0\x01", "type 0"),
    ] {
        assert!(split(header).is_err(), "{what}");
        assert_eq!(split(&header[..11]), Ok(None), "{what}");
    }
}
