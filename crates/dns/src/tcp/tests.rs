//! Conversations over a pipe, in virtual time: the clock jumps to the next timer when nothing else
//! can happen.

use tokio::io::{DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::{Names, Settings, Zones};

const QUERY: &[u8] = b"\xAB\xCD\0\0\0\x01\0\0\0\0\0\0\x03www\x06foobar\x03com\0\0\x01\0\x01";

struct Room {
    client: DuplexStream,
    stop: watch::Sender<bool>,
    conversation: JoinHandle<io::Result<()>>,
    began: Instant,
}

impl Room {
    /// A conversation over a pipe that holds `pipe` bytes each way.
    fn open(pipe: usize) -> Room {
        let settings = Settings {
            sites: vec![Names {
                domain: "www.foobar.com".to_owned(),
                aliases: Vec::new(),
                addresses: (0..200).map(|n| [10, 0, 0, n].into()).collect(),
            }],
            serial: 1,
        };
        let authority = Arc::new(Authority::new(Zones::new(&settings).unwrap()));
        let (client, server) = duplex(pipe);
        let (stop, stopped) = watch::channel(false);
        let conversation = Conversation::new(server, authority, Stop::new(stopped));
        let conversation = tokio::spawn(conversation.run());
        Room { client, stop, conversation, began: Instant::now() }
    }

    async fn send(&mut self, query: &[u8]) {
        self.client.write_all(&framed(query)).await.unwrap();
    }

    async fn receive(&mut self) -> Vec<u8> {
        let length = self.client.read_u16().await.unwrap();
        let mut answer = vec![0; usize::from(length)];
        self.client.read_exact(&mut answer).await.unwrap();
        answer
    }

    /// Waits for the end, the client's side still open; how long after the beginning it came.
    async fn end(self) -> (Duration, io::Result<()>) {
        let ended = timeout(Duration::from_secs(3600), self.conversation).await;
        let outcome = ended.expect("it ends within an hour").unwrap();
        (self.began.elapsed(), outcome)
    }
}

fn framed(query: &[u8]) -> Vec<u8> {
    let length = u16::try_from(query.len()).unwrap();
    [&length.to_be_bytes(), query].concat()
}

#[tokio::test(start_paused = true)]
async fn pipelined_queries_are_answered_in_order_and_in_full() {
    let mut room = Room::open(1 << 20);
    let (mut first, mut second) = (QUERY.to_vec(), QUERY.to_vec());
    first[1] = 1;
    second[1] = 2;
    let both = [framed(&first), framed(&second)].concat();
    room.client.write_all(&both).await.unwrap();
    for id in 1..=2 {
        let answer = room.receive().await;
        assert_eq!(answer[1], id);
        assert!(answer.len() > 1232, "all 200 addresses are in it");
        assert_eq!(answer[2] & 2, 0, "not truncated");
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_in_single_bytes_is_put_together() {
    let mut room = Room::open(1 << 20);
    for byte in framed(QUERY) {
        room.client.write_all(&[byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(room.receive().await[..2], QUERY[..2]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_left_after_ten_seconds() {
    let room = Room::open(1024);
    let (after, outcome) = room.end().await;
    assert_eq!(after, IDLE);
    assert!(outcome.is_ok());
}

#[tokio::test(start_paused = true)]
async fn each_message_starts_the_ten_seconds_anew() {
    let mut room = Room::open(1 << 20);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(9)).await;
        room.send(QUERY).await;
        room.receive().await;
    }
    let (after, _) = room.end().await;
    assert_eq!(after, Duration::from_secs(27) + IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_trickles_a_message_wins_no_time() {
    let mut room = Room::open(1 << 20);
    for byte in &framed(QUERY)[..9] {
        room.client.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (after, _) = room.end().await;
    assert_eq!(after, IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_left_after_ten_seconds() {
    let mut room = Room::open(64);
    room.send(QUERY).await;
    let (after, outcome) = room.end().await;
    assert_eq!(after, WRITE);
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_asks_is_not_answered_without_limit() {
    let mut room = Room::open(256 * 1024);
    // 3 kB of answer for each of 3000 queries, and nobody reads.
    let flood = framed(QUERY).repeat(3000);
    room.client.write_all(&flood).await.unwrap();
    let (after, outcome) = room.end().await;
    assert_eq!(after, WRITE);
    assert!(outcome.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_has_ten_seconds_for_each_portion_of_its_answers() {
    let mut room = Room::open(4096);
    room.client.write_all(&framed(QUERY).repeat(100)).await.unwrap();
    let mut buffer = [0; 4096];
    // Answers of 3232 bytes, at 4 kB a second.
    let mut left = 100 * (2 + 3232);
    while left > 0 {
        let read = room.client.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "the server gave up {left} bytes before the end");
        left -= read;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (after, outcome) = room.end().await;
    assert!(outcome.is_ok());
    assert!(after > Duration::from_secs(70));
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_too_long_is_answered_with_formerr_and_the_end() {
    let mut room = Room::open(1 << 20);
    let mut long = QUERY.to_vec();
    long.resize(QUERY_BYTES_MAX + 1, 0);
    room.send(&long).await;
    assert_eq!(room.receive().await, b"\xAB\xCD\x80\x01\0\0\0\0\0\0\0\0");
    assert!(room.end().await.1.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_query_ends_the_conversation() {
    let answer = {
        let mut bytes = QUERY.to_vec();
        bytes[2] |= 0x80;
        bytes
    };
    for message in [b"".as_slice(), b"short", &answer] {
        let mut room = Room::open(1024);
        room.send(message).await;
        let (after, outcome) = room.end().await;
        assert!(after < IDLE && outcome.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_ends_between_messages_only() {
    let room = Room::open(1 << 20);
    room.stop.send_replace(true);
    let (after, _) = room.end().await;
    assert_eq!(after, Duration::ZERO, "nothing was under way");

    let mut room = Room::open(1 << 20);
    let message = framed(QUERY);
    room.client.write_all(&message[..5]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    room.stop.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    room.client.write_all(&message[5..]).await.unwrap();
    assert_eq!(room.receive().await[..2], QUERY[..2]);
    let (after, _) = room.end().await;
    assert_eq!(after, Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_client_is_the_end() {
    let Room { client, conversation, stop: _stop, .. } = Room::open(1024);
    drop(client);
    assert!(conversation.await.unwrap().is_ok());
}
