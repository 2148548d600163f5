//! Answers in pieces.

use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nServer: davy\r\n\r\nHello";

#[test]
fn answer_is_whole_with_its_last_byte_and_no_earlier() {
    for length in 0..ANSWER.len() {
        assert_eq!(parse(&ANSWER[..length]).unwrap(), None, "{length}");
    }
    let expected = Answer { status: 200, content: b"Hello".to_vec(), bytes: ANSWER.len() };
    assert_eq!(parse(ANSWER).unwrap(), Some(expected));
}

#[test]
fn answer_without_a_length_is_an_error() {
    assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
}
