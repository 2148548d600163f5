//! What a real client can't do to the loop. The rest is in the tests of the server.

use super::*;
use crate::Settings;

#[tokio::test]
async fn a_datagram_from_port_0_is_not_answered() {
    let authority = Authority::new(Zones::new(&Settings::default()).unwrap());
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let query = b"\xAB\xCD\0\0\0\x01\0\0\0\0\0\0\x03com\0\0\x01\0\x01";
    let mut desk = Desk { query: query.to_vec(), answer: Vec::new() };
    let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
    desk.serve_one(query.len(), nobody, &socket, &authority, &authority.zones()).await;
    assert!(desk.answer.is_empty());
    assert_eq!(authority.counters.status().dropped, 1);
}
