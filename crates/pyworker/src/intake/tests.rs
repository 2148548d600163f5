//! Frames in and out of their places, however they arrive.

use proptest::prelude::*;

use super::*;
use crate::frame::tests::vector;

const HELLO: &[u8] = b"\0\0\0\x08\x01\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\x07";

fn request(number: u8, flags: u8) -> Vec<u8> {
    let mut frame = b"\0\0\0\x04\x02\0\0\0\0\0\0\0A\0b\0".to_vec();
    (frame[5], frame[11]) = (flags, number);
    frame
}

/// What is heard of bytes that arrive in portions of this size, up to a fault.
fn heard(bytes: &[u8], portion: usize) -> (Vec<String>, Option<Broken>) {
    let (mut intake, mut heard) = (Intake::default(), Vec::new());
    for arrived in bytes.chunks(portion) {
        intake.room().extend_from_slice(arrived);
        loop {
            match intake.next() {
                Ok(Some(said)) => heard.push(format!("{said:?}")),
                Ok(None) => break,
                Err(broken) => return (heard, Some(broken)),
            }
        }
    }
    (heard, None)
}

#[test]
fn requests_follow_the_greeting_and_their_frames_follow_them() {
    let bytes = [HELLO, &vector("request without content"), &request(2, 0)].concat();
    let bytes = [bytes, vector("content of a request"), vector("end of a request")].concat();
    let (heard, broken) = heard(&bytes, bytes.len());
    assert_eq!((heard.len(), broken), (5, None), "{heard:?}");
    assert!(heard[4].contains("number: 2, kind: End"), "{heard:?}");
}

#[test]
fn frames_out_of_their_place_are_refused() {
    let again = [HELLO, HELLO].concat();
    let other_version = [&HELLO[..13], b"\x02", &HELLO[14..]].concat();
    let twice = [HELLO, &request(3, 1), &request(3, 1)].concat();
    let never_begun = [HELLO, &request(1, 1), &vector("end of a request")].concat();
    let of_nothing = [HELLO, &request(0, 1)].concat();
    let not_whole = [HELLO, b"\0\0\0\x03\x02\x01\0\0\0\0\0\x01A\0b"].concat();
    for (bytes, before, what) in [
        (request(1, 1), 0, "a request before HELLO"),
        (again, 1, "two greetings"),
        (other_version, 0, "another version"),
        (twice, 2, "a number used twice"),
        (never_begun, 2, "a stream that was never begun"),
        (of_nothing, 1, "a request on stream 0"),
        (not_whole, 1, "variables without their end"),
    ] {
        let (heard, broken) = heard(&bytes, bytes.len());
        assert!(broken.is_some() && heard.len() == before, "{what}: {heard:?}");
    }
}

#[test]
fn credit_is_counted_in_bytes() {
    assert_eq!(credit(b"\0\x01\0\0"), 65_536);
    assert_eq!(credit(b"\xff\xff\xff\xff"), 4_294_967_295);
}

proptest! {
    #[test]
    fn what_is_heard_does_not_depend_on_how_it_arrives(
        numbers in proptest::collection::vec(1_u8..9, 0..8),
        garbage in proptest::collection::vec(any::<u8>(), 0..20),
        portion in 1_usize..40,
    ) {
        let requests: Vec<u8> = numbers.iter().flat_map(|n| request(*n, *n)).collect();
        let bytes = [HELLO, &requests, &garbage].concat();
        prop_assert_eq!(heard(&bytes, portion), heard(&bytes, bytes.len()));
    }

    #[test]
    fn garbage_is_heard_or_refused_and_nothing_else(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        fuzz(&bytes);
    }
}
