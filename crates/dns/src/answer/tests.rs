//! Properties of answers that hold for every message. What they say is in `tests/scripts`.

use proptest::prelude::*;

use super::*;
use crate::{Names, Settings, fuzz};

/// A correct query: a name in the zones of the fuzz target or near them, any type, maybe an OPT.
fn query() -> impl Strategy<Value = Vec<u8>> {
    let label = prop_oneof![
        Just("www".to_owned()),
        Just("ns1".to_owned()),
        Just("b".to_owned()),
        "[a-zA-Z0-9*_-]{1,12}"
    ];
    let rtype =
        prop_oneof![Just(1u16), Just(2), Just(6), Just(28), Just(255), Just(252), 0..300u16];
    let edns = proptest::option::of((any::<u16>(), any::<u32>()));
    let labels = proptest::collection::vec(label, 0..12);
    (any::<u16>(), any::<bool>(), labels, any::<bool>(), rtype, edns).prop_map(
        |(id, rd, labels, ours, rtype, edns)| {
            let mut bytes = id.to_be_bytes().to_vec();
            let additional = u8::from(edns.is_some());
            bytes.extend([u8::from(rd), 0, 0, 1, 0, 0, 0, 0, 0, additional]);
            let apex = if ours { &["FooBar", "com"][..] } else { &["org"] };
            for label in labels.iter().map(String::as_str).chain(apex.iter().copied()) {
                bytes.push(u8::try_from(label.len()).unwrap());
                bytes.extend(label.as_bytes());
            }
            bytes.push(0);
            bytes.extend(rtype.to_be_bytes());
            bytes.extend([0, 1]);
            if let Some((size, ttl)) = edns {
                bytes.extend([0, 0, 41]);
                bytes.extend(size.to_be_bytes());
                bytes.extend(ttl.to_be_bytes());
                bytes.extend([0, 0]);
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    })]

    #[test]
    fn no_bytes_break_the_answer(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz::packet(&bytes);
    }

    #[test]
    fn no_bytes_behind_the_header_of_a_query_break_the_answer(
        counts in proptest::collection::vec(0..3u8, 4),
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0..4u8, 0xC0..=0xC1u8], 0..300),
    ) {
        let mut message = vec![0x12, 0x34, 0, 0];
        message.extend(counts.iter().flat_map(|&count| [0, count]));
        message.extend(bytes);
        fuzz::packet(&message);
    }

    #[test]
    fn correct_queries_are_understood(query in query()) {
        fuzz::packet(&query);
        let zones = Zones::new(&Settings::default()).unwrap();
        let rcode = answer(&zones, &query, Transport::Udp, &mut Vec::new()).unwrap();
        prop_assert!(matches!(rcode, Rcode::Refused | Rcode::BadVers), "{rcode:?}");
    }

    #[test]
    fn datagrams_are_no_longer_than_the_client_takes(query in query()) {
        let mut into = Vec::new();
        answer(&fuzz::ZONES, &query, Transport::Udp, &mut into).unwrap();
        let takes = match query[11] {
            0 => 512,
            _ => u16::from_be_bytes([query[query.len() - 8], query[query.len() - 7]]).max(512),
        };
        prop_assert!(into.len() <= usize::from(takes), "{} bytes of {takes}", into.len());
    }

    #[test]
    fn queries_with_a_few_bytes_changed_do_not_break_the_answer(
        query in query(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        tail in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = query;
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(tail);
        fuzz::packet(&bytes);
    }
}

#[test]
fn the_longest_name_there_is_finds_its_zone() {
    let settings = Settings {
        sites: vec![Names {
            domain: "a.b".to_owned(),
            aliases: Vec::new(),
            addresses: vec![[8, 8, 8, 8].into()],
        }],
        serial: 1,
    };
    let zones = Zones::new(&settings).unwrap();
    // 125 labels of one byte before a.b: 255 bytes in all.
    let mut query = b"\0\0\0\0\0\x01\0\0\0\0\0\0".to_vec();
    query.extend(b"\x01x".repeat(125));
    query.extend(b"\x01a\x01b\0\0\x01\0\x01");
    let mut into = Vec::new();
    let rcode = answer(&zones, &query, Transport::Udp, &mut into);
    assert_eq!(rcode, Some(Rcode::NxDomain));
    assert!(into.len() <= 512);
    // One label more is one too many (RFC 1035 §2.3.4).
    query.splice(12..12, *b"\x01x");
    assert_eq!(answer(&zones, &query, Transport::Udp, &mut into), Some(Rcode::FormErr));
}
