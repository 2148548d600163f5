//! Over real sockets: what an in-memory stream can't show.

use std::net::SocketAddr;
use std::sync::Mutex;

use flow::{Body, BodyError, Job, Response, SiteId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::*;
use crate::{Absent, Mount, Site};

/// A server with a folder and an application.
struct Stage {
    server: Server,
    address: SocketAddr,
    jobs: mpsc::Receiver<Job>,
    statuses: Arc<Mutex<Vec<(u16, u64)>>>,
    folder: tempfile::TempDir,
}

fn stage(settings: Settings) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let (sender, jobs) = mpsc::channel(4);
    let mount = Mount {
        prefix: "/".into(),
        folder: Arc::new(std::fs::File::open(folder.path()).unwrap().into()),
        scripts: None,
    };
    let site = Site {
        id: SiteId::new("one"),
        names: Vec::new(),
        mounts: vec![mount],
        jobs: Some(sender),
        absent: Absent::default(),
    };
    let statuses = Arc::new(Mutex::new(Vec::new()));
    let teller = statuses.clone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::start(
        settings,
        listener,
        Arc::new(ArcSwap::from_pointee(Sites::new(vec![site]))),
        Arc::new(move |finished| {
            teller.lock().unwrap().push((finished.status.as_u16(), finished.bytes_sent));
        }),
    );
    Stage { server: server.unwrap(), address, jobs, statuses, folder }
}

async fn ask(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn read_all(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

const CLOSE: &str = "Host: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_large_file_arrives_byte_for_byte_by_sendfile() {
    let stage = stage(Settings::default());
    let content: Vec<u8> =
        (0..5u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(stage.folder.path().join("large.bin"), &content).unwrap();
    let bytes =
        read_all(ask(stage.address, &format!("GET /large.bin HTTP/1.1\r\n{CLOSE}")).await).await;
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(bytes[head..] == content, "the content differs");
    let range = format!("GET /large.bin HTTP/1.1\r\nRange: bytes=1000000-3999999\r\n{CLOSE}");
    let part = read_all(ask(stage.address, &range).await).await;
    assert!(part.ends_with(&content[1_000_000..4_000_000]), "the part differs");
    let told = stage.statuses.lock().unwrap().clone();
    assert_eq!(told, [(200, bytes.len() as u64), (206, part.len() as u64)]);
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_sent_cuts_the_connection() {
    let stage = stage(Settings::default());
    let path = stage.folder.path().join("shrinking.bin");
    // More than any socket buffers, so that the server must wait for us.
    std::fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
    let mut stream = ask(stage.address, &format!("GET /shrinking.bin HTTP/1.1\r\n{CLOSE}")).await;
    stream.read_exact(&mut [0; 1000]).await.unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    let mut bytes = Vec::new();
    // The end may come as a reset.
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(bytes.len() < 64 << 20, "the content can't be whole");
}

#[tokio::test]
async fn accepted_sockets_do_not_wait_to_fill_packets() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::sockopt::set_tcp_nodelay(&listener, true).unwrap();
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    assert!(accepted.nodelay().unwrap(), "Linux hands the option on");
}

#[tokio::test]
async fn content_without_a_length_that_breaks_off_ends_in_a_reset() {
    let mut stage = stage(Settings::default());
    let mut stream = ask(stage.address, "GET /app HTTP/1.0\r\n\r\n").await;
    let job = stage.jobs.recv().await.unwrap();
    let (writer, body) = Body::channel(100);
    let (head, ()) = http::Response::new(()).into_parts();
    job.reply.send(Ok(Response { head, body })).unwrap();
    writer.push("half".into()).unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"half") {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
    }
    writer.fail(BodyError::Cut);
    let error = stream.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn draining_ends_idle_connections_and_waits_for_busy_ones_until_the_deadline() {
    let mut stage = stage(Settings::default());
    let mut idle = ask(stage.address, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n").await;
    drop(stage.jobs.recv().await.unwrap());
    assert!(idle.read(&mut [0; 4096]).await.unwrap() > 0);
    let busy = ask(stage.address, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let job = stage.jobs.recv().await.unwrap();
    assert_eq!(stage.server.status(), Status { connections: 2, requests: 2, draining: false });

    let deadline = Instant::now() + Duration::from_millis(300);
    stage.server.drain(deadline).await;
    assert!(Instant::now() >= deadline, "the busy connection was waited for");
    assert!(job.reply.is_closed(), "and then cut");
    assert_eq!(stage.server.status(), Status { connections: 0, requests: 2, draining: true });
    assert!(TcpStream::connect(stage.address).await.is_err(), "nobody listens any more");
    drop(busy);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_in_the_backlog_until_one_ends() {
    let mut stage = stage(Settings { connections_max: 1, ..Settings::default() });
    std::fs::write(stage.folder.path().join("a.txt"), "a").unwrap();
    let first = ask(stage.address, "GET /app HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let job = stage.jobs.recv().await.unwrap();
    let second = ask(stage.address, "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Time enough to accept it, were that allowed; a slow machine can't make this fail.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(stage.server.status(), Status { connections: 1, requests: 1, draining: false });

    let (head, ()) = http::Response::new(()).into_parts();
    job.reply.send(Ok(Response { head, body: Body::Full("done".into()) })).unwrap();
    let first = String::from_utf8(read_all(first).await).unwrap();
    assert!(first.contains("\r\nConnection: close\r\n") && first.ends_with("done"), "{first}");
    let mut second = second;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\na") {
        assert!(second.read_buf(&mut answer).await.unwrap() > 0);
    }
}
