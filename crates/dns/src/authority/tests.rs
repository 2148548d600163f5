//! What a panic costs.

use std::sync::atomic::Ordering::Relaxed;

use super::*;

const QUERY: &[u8] = b"\xAB\xCD\x01\0\0\x01\0\0\0\0\0\0\x06foobar\x03com\0\0\x01\0\x01";

#[test]
fn a_panic_is_counted_and_answered_with_servfail() {
    let (panics, mut into) = (AtomicU64::new(0), vec![1, 2, 3]);
    let rcode = guard(&panics, QUERY, &mut into, |into| {
        into.extend_from_slice(b"half an answer");
        panic!("a fault");
    });
    assert_eq!(rcode, Some(Rcode::ServFail));
    assert_eq!(into, b"\xAB\xCD\x81\x02\0\0\0\0\0\0\0\0");
    assert_eq!(panics.load(Relaxed), 1);
}

#[test]
fn a_panic_over_less_than_a_header_is_answered_with_nothing() {
    let rcode = guard(&AtomicU64::new(0), b"\xAB\xCD", &mut Vec::new(), |_| panic!("a fault"));
    assert_eq!(rcode, None);
}

#[test]
fn answers_are_counted_by_what_they_say() {
    let authority = Authority::new(Zones::new(&crate::Settings::default()).unwrap());
    let zones = authority.zones();
    let mut into = Vec::new();
    assert!(authority.answer(&zones, QUERY, Transport::Udp, &mut into));
    assert!(!authority.answer(&zones, b"short", Transport::Udp, &mut into));
    let status = authority.counters.status();
    assert_eq!((status.queries, status.answers.refused, status.dropped), (2, 1, 1));
}
