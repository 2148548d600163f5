//! The fuzz target: any bytes at all, as a datagram and as a message on a stream.

use std::sync::LazyLock;

use domain::base::Message;

use crate::{Names, Settings, Transport, Zones, answer};

pub(crate) static ZONES: LazyLock<Zones> = LazyLock::new(|| {
    let settings = Settings {
        sites: vec![Names {
            domain: "www.foobar.com".to_owned(),
            aliases: vec!["a.b.foobar.com".to_owned()],
            addresses: (1..=100).map(|n| [10, 0, 0, n].into()).collect(),
        }],
        serial: 1,
    };
    Zones::new(&settings).expect("these settings are correct")
});

/// Answers `query`, and checks what holds for every answer.
///
/// # Panics
/// If there is a fault in the answer.
pub fn packet(query: &[u8]) {
    let mut bytes = Vec::new();
    for (transport, bytes_max) in [(Transport::Udp, 1232), (Transport::Tcp, 65535)] {
        if answer(&ZONES, query, transport, &mut bytes).is_none() {
            assert!(query.len() < 12 || query[2] & 0x80 != 0, "a query was dropped");
            continue;
        }
        assert!(bytes.len() <= bytes_max, "the answer has {} bytes", bytes.len());
        assert_eq!(query[..2], bytes[..2], "the answer has another id");
        let message = Message::from_octets(bytes.as_slice()).expect("the answer has a header");
        assert!(message.header().qr(), "the answer is a query");
        let plain = transport == Transport::Udp && message.opt().is_none();
        assert!(!plain || bytes.len() <= 512, "the client did not ask for so much");
        for record in message.iter() {
            let (record, _) = record.expect("the answer can be read");
            record
                .into_any_record::<domain::rdata::AllRecordData<_, _>>()
                .expect("the records of the answer can be read");
        }
    }
}
