//! A server on real sockets of this machine, asked by clients made by hand.

use std::net::{SocketAddr, UdpSocket as StdUdp};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::*;
use crate::Names;
use crate::tcp::CLIENT_CONNECTIONS_MAX;

const QUERY: &[u8] = b"\xAB\xCD\0\0\0\x01\0\0\0\0\0\0\x03www\x06foobar\x03com\0\0\x01\0\x01";

struct House {
    server: Server,
    udp: SocketAddr,
    tcp: SocketAddr,
}

fn settings(last: u8) -> Settings {
    Settings {
        sites: vec![Names {
            domain: "www.foobar.com".to_owned(),
            aliases: Vec::new(),
            addresses: vec![[10, 0, 0, last].into()],
        }],
        serial: 1,
    }
}

fn house() -> House {
    let udp = StdUdp::bind("127.0.0.1:0").unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    let sockets = Sockets { udp: vec![udp], tcp: vec![tcp] };
    let server = Server::start(&settings(1), sockets).unwrap();
    House { server, udp: addresses.0, tcp: addresses.1 }
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("it happens within 20 s")
}

async fn client(server: SocketAddr) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(server).await.unwrap();
    client
}

async fn ask_udp(client: &UdpSocket, query: &[u8]) -> Vec<u8> {
    client.send(query).await.unwrap();
    let mut answer = vec![0; 2000];
    let length = in_time(client.recv(&mut answer)).await.unwrap();
    answer.truncate(length);
    answer
}

async fn ask_tcp(stream: &mut TcpStream, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(query.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let length = in_time(stream.read_u16()).await?;
    let mut answer = vec![0; usize::from(length)];
    in_time(stream.read_exact(&mut answer)).await?;
    Ok(answer)
}

fn is_address(answer: &[u8], last: u8) -> bool {
    answer.ends_with(&[0, 4, 10, 0, 0, last]) && answer[..2] == QUERY[..2]
}

#[tokio::test]
async fn datagrams_are_answered_from_the_socket_they_came_in_on() {
    let house = house();
    let client = client(house.udp).await;
    assert!(is_address(&ask_udp(&client, QUERY).await, 1));
    let status = house.server.status();
    assert_eq!((status.queries, status.answers.no_error), (1, 1));
}

#[tokio::test]
async fn asked_by_a_client_of_our_own_it_tells_its_records_as_lines() {
    let house = house();
    let within = Duration::from_secs(20);
    let answered = crate::ask(house.udp, "WWW.foobar.com", within).await.unwrap();
    assert_eq!(answered.rcode, "NOERROR");
    assert_eq!(answered.records.len(), 1);
    assert!(answered.records[0].to_lowercase().starts_with("www.foobar.com"), "{answered:?}");
    assert!(answered.records[0].ends_with("A 10.0.0.1"), "{answered:?}");
    let other = crate::ask(house.udp, "elsewhere.example", within).await.unwrap();
    assert_eq!((other.rcode.as_str(), other.records.len()), ("REFUSED", 0));
    let wrong = crate::ask(house.udp, "two..dots", within).await;
    assert!(matches!(wrong, Err(crate::AskError::Name(_))), "{wrong:?}");
}

#[tokio::test]
async fn a_burst_longer_than_a_batch_is_answered_whole() {
    let house = house();
    let client = client(house.udp).await;
    for id in 0..150u16 {
        let query = [&id.to_be_bytes(), &QUERY[2..]].concat();
        client.send(&query).await.unwrap();
    }
    let mut buffer = [0; 512];
    let mut ids = Vec::new();
    for _ in 0..150 {
        in_time(client.recv(&mut buffer)).await.unwrap();
        ids.push(u16::from_be_bytes([buffer[0], buffer[1]]));
    }
    assert_eq!(ids, (0..150).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_no_query_is_dropped_and_the_next_one_answered() {
    let house = house();
    let client = client(house.udp).await;
    let mut answer = QUERY.to_vec();
    answer[2] |= 0x80;
    for junk in [b"".as_slice(), b"junk", &answer] {
        client.send(junk).await.unwrap();
    }
    assert!(is_address(&ask_udp(&client, QUERY).await, 1));
    assert_eq!(house.server.status().dropped, 3);
    // Cut by the kernel at 4096 bytes, it is broken.
    assert_eq!(ask_udp(&client, &[QUERY, &[0; 5000]].concat()).await[3] & 0xF, 1);
}

#[tokio::test]
async fn a_stream_answers_query_after_query() {
    let house = house();
    let mut stream = TcpStream::connect(house.tcp).await.unwrap();
    for _ in 0..3 {
        assert!(is_address(&ask_tcp(&mut stream, QUERY).await.unwrap(), 1));
    }
    assert_eq!(house.server.status().tcp_open, 1);
    assert_eq!(house.server.status().tcp_accepted, 1);
}

#[tokio::test]
async fn one_client_has_sixteen_connections_and_gets_no_more() {
    let house = house();
    let mut open = Vec::new();
    for _ in 0..CLIENT_CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(house.tcp).await.unwrap();
        ask_tcp(&mut stream, QUERY).await.unwrap();
        open.push(stream);
    }
    let mut another = TcpStream::connect(house.tcp).await.unwrap();
    assert!(ask_tcp(&mut another, QUERY).await.is_err());
    assert_eq!(house.server.status().tcp_refused, 1);
    assert!(ask_tcp(&mut open[0], QUERY).await.is_ok(), "the old ones are not touched");
    drop(open.pop());
    while house.server.status().tcp_open == 16 {
        tokio::task::yield_now().await;
    }
    let mut another = TcpStream::connect(house.tcp).await.unwrap();
    assert!(ask_tcp(&mut another, QUERY).await.is_ok());
}

#[tokio::test]
async fn a_reload_shows_in_the_next_answer_and_a_failed_one_does_not() {
    let house = house();
    let (client, mut stream) =
        (client(house.udp).await, TcpStream::connect(house.tcp).await.unwrap());
    assert!(is_address(&ask_tcp(&mut stream, QUERY).await.unwrap(), 1));
    house.server.reload(&settings(2)).unwrap();
    assert!(is_address(&ask_udp(&client, QUERY).await, 2));
    assert!(is_address(&ask_tcp(&mut stream, QUERY).await.unwrap(), 2), "on an open stream, too");
    let mut wrong = settings(3);
    wrong.sites[0].domain = "no name".to_owned();
    assert!(house.server.reload(&wrong).is_err());
    assert!(is_address(&ask_udp(&client, QUERY).await, 2));
}

#[tokio::test]
async fn draining_ends_idle_conversations_and_closes_the_listener() {
    let house = house();
    let mut stream = TcpStream::connect(house.tcp).await.unwrap();
    ask_tcp(&mut stream, QUERY).await.unwrap();
    in_time(house.server.drain(Instant::now() + Duration::from_secs(60))).await;
    assert_eq!(in_time(stream.read(&mut [0; 10])).await.unwrap(), 0);
    assert!(TcpStream::connect(house.tcp).await.is_err(), "nobody listens any more");
    assert_eq!(house.server.status().tcp_open, 0);
}

#[tokio::test]
async fn draining_cuts_off_at_the_deadline() {
    let house = house();
    let mut stream = TcpStream::connect(house.tcp).await.unwrap();
    ask_tcp(&mut stream, QUERY).await.unwrap();
    // A message that never becomes whole.
    stream.write_all(&[0, 50, 1, 2, 3]).await.unwrap();
    in_time(house.server.drain(Instant::now())).await;
    let _ = in_time(stream.read(&mut [0; 10])).await;
    assert_eq!(house.server.status().tcp_open, 0);
}

#[tokio::test]
async fn another_server_takes_over_the_same_sockets_without_losing_a_question() {
    let udp = StdUdp::bind("127.0.0.1:0").unwrap();
    let address = udp.local_addr().unwrap();
    let start = |last| {
        let sockets = Sockets { udp: vec![udp.try_clone().unwrap()], tcp: Vec::new() };
        Server::start(&settings(last), sockets).unwrap()
    };
    let client = client(address).await;
    let old = start(1);
    assert!(is_address(&ask_udp(&client, QUERY).await, 1));
    old.drain(Instant::now() + Duration::from_secs(1)).await;
    client.send(QUERY).await.unwrap();
    let _new = start(2);
    let mut answer = [0; 512];
    let length = in_time(client.recv(&mut answer)).await.unwrap();
    assert!(is_address(&answer[..length], 2), "asked between the two");
}

#[tokio::test]
async fn settings_that_make_no_zones_start_nothing() {
    let mut wrong = settings(1);
    wrong.sites[0].addresses.clear();
    assert!(matches!(
        Server::start(&wrong, Sockets::default()),
        Err(Error::NoAddress { domain }) if domain == "www.foobar.com"
    ));
}
