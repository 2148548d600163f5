//! The relay between a scripted server and a scripted client. With MariaDB: `tests/server.rs`.

use super::*;
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GREETING: &[u8] = b"\x0a5.5\0\x07\0\0\0saltsalt\0\xff\xff\x2d\x02\0\xff\xff\x15";

struct Stage {
    folder: TempDir,
    relay: Relay,
}

impl Stage {
    fn set(change: impl FnOnce(&mut Settings)) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path().join("server"));
        settings.users.insert("shop".into());
        change(&mut settings);
        let listener = proc::listen_unix(&folder.path().join("relay")).unwrap();
        let relay = Relay::start(settings, listener, None).unwrap();
        Stage { folder, relay }
    }

    fn server(&self) -> UnixListener {
        UnixListener::bind(self.folder.path().join("server")).unwrap()
    }

    async fn client(&self) -> UnixStream {
        connect(&self.folder.path().join("relay")).await
    }

    /// A client and the server's end of its connection, past the greeting.
    async fn session(&self, server: &UnixListener) -> (UnixStream, UnixStream) {
        let mut client = self.client().await;
        let (mut end, _) = server.accept().await.unwrap();
        end.write_all(&framed(0, GREETING)).await.unwrap();
        read(&mut client).await;
        client.write_all(&framed(1, &answer("shop"))).await.unwrap();
        read(&mut end).await;
        (client, end)
    }
}

async fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).await.unwrap()
}

fn framed(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[length[0], length[1], length[2], sequence], payload].concat()
}

fn answer(user: &str) -> Vec<u8> {
    let mut answer = vec![0; 32];
    answer[1] = 0x02;
    answer.extend(user.as_bytes());
    answer.push(0);
    answer
}

/// One packet, header and all.
async fn read(from: &mut UnixStream) -> Vec<u8> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await.unwrap();
    let length = usize::from(packet[0]) | usize::from(packet[1]) << 8;
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..]).await.unwrap();
    packet
}

/// The code of an error packet and its sequence number.
async fn read_error(from: &mut UnixStream) -> (u16, u8) {
    let packet = read(from).await;
    assert_eq!(packet[4], 0xff, "an error packet");
    (u16::from_le_bytes([packet[5], packet[6]]), packet[3])
}

async fn read_end(from: &mut UnixStream) -> Vec<u8> {
    let mut rest = Vec::new();
    from.read_to_end(&mut rest).await.unwrap();
    rest
}

#[tokio::test]
async fn bytes_pass_both_ways_and_the_end_too() {
    let stage = Stage::set(|_| {});
    let server = stage.server();
    let (mut client, mut end) = stage.session(&server).await;
    let peer = Peer { pid: std::process::id(), user: Some("shop".into()) };
    assert_eq!(
        stage.relay.status(),
        Status { connections: 1, peers: vec![peer], missed: 0, unread: 0 }
    );
    let query = framed(0, b"\x03SELECT 1");
    client.write_all(&query).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_end(&mut end).await, query, "the client's last words, and that it has ended");
    end.write_all(b"rows").await.unwrap();
    drop(end);
    assert_eq!(read_end(&mut client).await, b"rows", "the answer still comes");
}

#[tokio::test]
async fn a_client_is_closed_when_the_server_closes() {
    let stage = Stage::set(|_| {});
    let server = stage.server();
    let (mut client, end) = stage.session(&server).await;
    drop(end);
    assert_eq!(read_end(&mut client).await, b"");
}

#[tokio::test]
async fn other_users_are_denied_before_the_server_hears_of_them() {
    let stage = Stage::set(|_| {});
    let server = stage.server();
    for user in ["root", "", "davy_admin", "Shop", "shop ", "'shop'"] {
        let mut client = stage.client().await;
        let (mut end, _) = server.accept().await.unwrap();
        end.write_all(&framed(0, GREETING)).await.unwrap();
        read(&mut client).await;
        client.write_all(&framed(1, &answer(user))).await.unwrap();
        assert_eq!(read_error(&mut client).await, (1045, 2), "{user}");
        assert_eq!(read_end(&mut end).await, b"", "{user}");
    }
}

#[tokio::test]
async fn a_change_to_another_user_is_denied() {
    let stage = Stage::set(|_| {});
    let server = stage.server();
    let (mut client, mut end) = stage.session(&server).await;
    let change = framed(0, b"\x11root\0\0");
    client.write_all(&change[..7]).await.unwrap();
    client.write_all(&change[7..]).await.unwrap();
    assert_eq!(read_error(&mut client).await, (1045, 1));
    assert!(read_end(&mut end).await.len() < change.len());
}

#[tokio::test]
async fn users_come_and_go_with_a_reload() {
    let stage = Stage::set(|_| {});
    let server = stage.server();
    stage.relay.reload(HashSet::from(["blog".to_owned()]));
    let mut client = stage.client().await;
    let (mut end, _) = server.accept().await.unwrap();
    end.write_all(&framed(0, GREETING)).await.unwrap();
    read(&mut client).await;
    client.write_all(&framed(1, &answer("shop"))).await.unwrap();
    assert_eq!(read_error(&mut client).await, (1045, 2));
}

#[tokio::test]
async fn a_refusal_of_the_server_reaches_the_client() {
    let stage = Stage::set(|_| {});
    let server = stage.server();
    let mut client = stage.client().await;
    let (mut end, _) = server.accept().await.unwrap();
    end.write_all(&framed(0, b"\xff\x10\x04Too many connections")).await.unwrap();
    assert_eq!(read_error(&mut client).await, (1040, 0));
    assert_eq!(read_end(&mut client).await, b"");
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let stage = Stage::set(|settings| settings.connections_max = 1);
    let server = stage.server();
    let (_client, _end) = stage.session(&server).await;
    let mut second = stage.client().await;
    assert_eq!(read_error(&mut second).await, (1040, 0));
}

#[tokio::test]
async fn a_connection_is_held_until_the_server_is_back() {
    let stage = Stage::set(|settings| settings.hold = Duration::from_secs(60));
    let client = stage.client().await;
    let server = stage.server();
    let (_end, _) = server.accept().await.unwrap();
    drop(client);
}

#[tokio::test]
async fn a_connection_to_a_dying_server_waits_for_the_next() {
    let stage = Stage::set(|settings| settings.hold = Duration::from_secs(60));
    let server = stage.server();
    let mut client = stage.client().await;
    let (dying, _) = server.accept().await.unwrap();
    drop(dying);
    let (mut end, _) = server.accept().await.unwrap();
    end.write_all(&framed(0, GREETING)).await.unwrap();
    assert_eq!(read(&mut client).await[4], 10, "the greeting of the second");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_held_for_a_limited_time() {
    let stage = Stage::set(|_| {});
    let began = Instant::now();
    let mut client = stage.client().await;
    assert_eq!(read_error(&mut client).await, (1053, 0));
    assert!(began.elapsed() >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed() {
    let stage = Stage::set(|_| {});
    let server = stage.server();
    let mut client = stage.client().await;
    let (mut end, _) = server.accept().await.unwrap();
    end.write_all(&framed(0, GREETING)).await.unwrap();
    read(&mut client).await;
    assert_eq!(read_end(&mut client).await, b"");
}

#[tokio::test]
async fn draining_waits_for_sessions_and_cuts_off_the_rest() {
    let stage = Stage::set(|_| {});
    let server = stage.server();
    let (mut client, _end) = stage.session(&server).await;
    let (shared, folder) = (stage.relay.shared.clone(), stage.folder);
    stage.relay.drain(Instant::now() + Duration::from_millis(50)).await;
    assert_eq!(read_end(&mut client).await, b"");
    assert!(lock(&shared.peers).is_empty());
    let refused = UnixStream::connect(folder.path().join("relay")).await;
    assert!(refused.is_err(), "nobody listens any more");
}
