//! Connections in virtual time: every timeout is armed, every wait ends.

use std::sync::Mutex;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use flow::{Body, BodyError, Failure, Job, Response, Scheme, SiteId, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::{Absent, Mount, Settings, Site, Sites};

/// What a finished request told: method and target, status, the step it failed at, its marks.
type Told = (String, u16, Option<Step>, Vec<Mark>);

/// A client's end of a connection, the application's end of the queue, and what was told.
struct Stage {
    client: DuplexStream,
    jobs: mpsc::Receiver<Job>,
    service: Arc<Service>,
    told: Arc<Mutex<Vec<Told>>>,
    task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// A connection whose two directions hold so many bytes.
    fn new(capacity: usize) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("large.bin"), vec![b'x'; 1 << 20]).unwrap();
        std::fs::write(folder.path().join("small.txt"), "small").unwrap();
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
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = told.clone();
        let service = Service::new(
            Settings::default(),
            Arc::new(ArcSwap::from_pointee(Sites::new(vec![site]))),
            Arc::new(move |finished| teller.lock().unwrap().push(tell(finished))),
        );
        let (client, server) = tokio::io::duplex(capacity);
        let (source, sink) = tokio::io::split(server);
        let task = tokio::spawn(service.clone().serve(source, sink, address()));
        Stage { client, jobs, service, told, task, _folder: folder }
    }

    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
    }

    /// What has come so far, once nothing more comes.
    async fn receive(&mut self) -> String {
        let mut bytes = Vec::new();
        let moment = Duration::from_millis(10);
        while let Ok(Ok(1..)) = tokio::time::timeout(moment, self.client.read_buf(&mut bytes)).await
        {
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Waits for the end of the connection, and says after how many seconds it came.
    async fn ends_after(self) -> (u64, Vec<Told>) {
        let start = Instant::now();
        self.task.await.unwrap();
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        (start.elapsed().as_secs(), told)
    }
}

fn tell(finished: &Finished<'_>) -> Told {
    let marks =
        [Mark::Accepted, Mark::Begun, Mark::Received, Mark::Queued, Mark::Answered, Mark::Sent];
    (
        format!("{} {}", finished.method, finished.target),
        finished.status.as_u16(),
        finished.failure.map(|failure| failure.step),
        marks.into_iter().filter(|&mark| finished.trace.at(mark).is_some()).collect(),
    )
}

fn address() -> Client {
    let address = ([127, 0, 0, 1], 1).into();
    Client { address, local: address, scheme: Scheme::Http }
}

fn response(body: Body) -> Response {
    let (head, ()) = http::Response::new(()).into_parts();
    Response { head, body }
}

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_silently_after_idle_timeout() {
    let mut stage = Stage::new(1 << 16);
    stage.send("GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(stage.receive().await.ends_with("\r\n\r\nsmall"));
    let (after, told) = stage.ends_after().await;
    assert!((59..=60).contains(&after), "{after}");
    let marks = vec![Mark::Accepted, Mark::Begun, Mark::Received, Mark::Answered, Mark::Sent];
    assert_eq!(told, [("GET /small.txt".into(), 200, None, marks)]);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_gets_408_after_head_timeout() {
    let mut stage = Stage::new(1 << 16);
    stage.send("GET / HTTP/1.1\r\n").await;
    for _ in 0..9 {
        seconds(1).await;
        stage.send("X: y\r\n").await;
    }
    assert_eq!(stage.receive().await, "");
    seconds(2).await;
    assert!(stage.receive().await.starts_with("HTTP/1.1 408 "));
    let (after, told) = stage.ends_after().await;
    assert!(after <= 5, "it lingers for linger_timeout at most: {after}");
    assert_eq!((&told[0].0[..], told[0].1, told[0].2), ("- -", 408, Some(Step::Connect)));
}

#[tokio::test(start_paused = true)]
async fn empty_lines_do_not_keep_a_connection_for_ever() {
    let mut stage = Stage::new(1 << 16);
    for _ in 0..24 {
        // It fails once the server has closed.
        let _ = stage.client.write_all(b"\r\n").await;
        seconds(5).await;
    }
    assert!(stage.task.is_finished(), "two minutes of nothing but empty lines");
}

#[tokio::test(start_paused = true)]
async fn a_second_request_has_its_own_head_timeout() {
    let mut stage = Stage::new(1 << 16);
    for _ in 0..2 {
        stage.send("GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(stage.receive().await.starts_with("HTTP/1.1 200 "));
        seconds(50).await;
    }
    stage.send("GET").await;
    seconds(9).await;
    assert_eq!(stage.receive().await, "");
    seconds(1).await;
    assert!(stage.receive().await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test(start_paused = true)]
async fn content_that_stops_gets_408_after_body_timeout_and_the_application_hears_of_it() {
    let mut stage = Stage::new(1 << 16);
    stage.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab").await;
    let mut job = stage.jobs.recv().await.unwrap();
    for _ in 0..3 {
        // Each piece gives another 30 seconds.
        seconds(29).await;
        stage.send("c").await;
    }
    seconds(31).await;
    assert!(stage.receive().await.starts_with("HTTP/1.1 408 "));
    assert!(job.reply.is_closed(), "nobody waits for the answer any more");
    let mut last = None;
    while let Some(piece) = job.request.body.next().await {
        last = Some(piece);
    }
    let reason = "the content took longer than body_timeout".into();
    assert_eq!(last, Some(Err(BodyError::Failed(reason))));
}

#[tokio::test(start_paused = true)]
async fn content_that_came_with_its_head_goes_on_in_one_piece() {
    let mut stage = Stage::new(1 << 20);
    stage.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nblueGET / HT").await;
    let job = stage.jobs.recv().await.unwrap();
    assert!(matches!(job.request.body, Body::Full(content) if content == "blue"));
    job.reply.send(Ok(response(Body::Full("done".into())))).unwrap();
    assert!(stage.receive().await.ends_with("done"));
    stage.send("TP/1.1\r\nHost: a\r\n\r\n").await;
    let next = stage.jobs.recv().await.unwrap();
    assert!(matches!(next.request.body, Body::Empty), "the next request was left alone");
}

#[tokio::test(start_paused = true)]
async fn no_timer_runs_while_the_application_does_not_read() {
    let mut stage = Stage::new(1 << 20);
    let content = "x".repeat(200_000);
    stage
        .send(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{content}"))
        .await;
    let mut job = stage.jobs.recv().await.unwrap();
    seconds(1_000).await;
    let mut read = 0;
    while let Some(piece) = job.request.body.next().await {
        read += piece.unwrap().len();
    }
    assert_eq!(read, content.len());
    job.reply.send(Ok(response(Body::Full("done".into())))).unwrap();
    assert!(stage.receive().await.ends_with("done"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut_after_write_timeout() {
    let mut stage = Stage::new(1024);
    stage.send("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let client = std::mem::replace(&mut stage.client, tokio::io::duplex(1).0);
    let (after, told) = stage.ends_after().await;
    assert_eq!((after, told[0].1, told[0].2), (30, 200, Some(Step::Response)));
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_gets_everything() {
    let mut stage = Stage::new(100_000);
    stage.send("GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let mut bytes = Vec::new();
    let start = Instant::now();
    while stage.client.read_buf(&mut bytes).await.unwrap() > 0 {
        bytes.reserve(50_000);
        seconds(20).await;
    }
    assert!(start.elapsed() > Duration::from_secs(200));
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'x').count(), 1 << 20);
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_goes_on_sending_is_read_for_linger_timeout() {
    let mut stage = Stage::new(1024);
    stage.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n").await;
    let (mut from, mut to) =
        tokio::io::split(std::mem::replace(&mut stage.client, tokio::io::duplex(1).0));
    let sending = tokio::spawn(async move {
        while to.write_all(&[b'x'; 512]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = String::new();
    from.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let (after, _) = stage.ends_after().await;
    assert!((4..=5).contains(&after), "{after}");
    drop(from);
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_releases_the_waiting_application() {
    let mut stage = Stage::new(1 << 16);
    stage.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\n").await;
    let mut job = stage.jobs.recv().await.unwrap();
    seconds(100).await;
    assert!(!job.reply.is_closed());
    stage.client.shutdown().await.unwrap();
    job.reply.closed().await;
    let (after, told) = stage.ends_after().await;
    let marks = vec![Mark::Accepted, Mark::Begun, Mark::Received, Mark::Queued, Mark::Sent];
    assert_eq!(after, 0);
    assert_eq!(told, [("GET /slow".into(), 499, Some(Step::Response), marks)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_connection_is_cut_is_told_of_all_the_same() {
    let mut stage = Stage::new(1 << 16);
    stage.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let _job = stage.jobs.recv().await.unwrap();
    stage.task.abort();
    assert!(stage.task.await.unwrap_err().is_cancelled());
    let told = std::mem::take(&mut *stage.told.lock().unwrap());
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].0[..], told[0].2), ("GET /slow", Some(Step::Response)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_releases_an_answer_that_pauses() {
    let mut stage = Stage::new(1 << 16);
    stage.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (writer, body) = Body::channel(100);
    let job = stage.jobs.recv().await.unwrap();
    job.reply.send(Ok(response(body))).unwrap();
    writer.push("one".into()).unwrap();
    assert!(stage.receive().await.ends_with("\r\n3\r\none\r\n"));
    stage.client.shutdown().await.unwrap();
    while !writer.is_abandoned() {
        writer.changed().await;
    }
    assert_eq!(stage.ends_after().await.1[0].1, 200);
}

#[tokio::test(start_paused = true)]
async fn content_and_answer_flow_at_the_same_time() {
    let mut stage = Stage::new(1 << 16);
    stage.send("POST /chat HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut job = stage.jobs.recv().await.unwrap();
    let (writer, body) = Body::channel(100);
    job.reply.send(Ok(response(body))).unwrap();
    assert!(stage.receive().await.ends_with("\r\n\r\n"));
    for word in ["one", "two", "six"] {
        stage.send(&format!("3\r\n{word}\r\n")).await;
        let heard = job.request.body.next().await.unwrap().unwrap();
        assert_eq!(heard, word);
        writer.push(heard).unwrap();
        assert_eq!(stage.receive().await, format!("3\r\n{word}\r\n"));
    }
    stage.send("0\r\n\r\nGET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    writer.end();
    let rest = stage.receive().await;
    assert!(rest.starts_with("0\r\n\r\nHTTP/1.1 200 OK\r\n") && rest.ends_with("small"), "{rest}");
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_waits_for_missing_content_no_longer_than_linger_timeout() {
    let mut stage = Stage::new(1 << 16);
    stage.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab").await;
    let job = stage.jobs.recv().await.unwrap();
    job.reply.send(Ok(response(Body::Full("early".into())))).unwrap();
    assert!(stage.receive().await.ends_with("early"));
    let (after, _) = stage.ends_after().await;
    // Once for the content, once more for the end of the connection.
    assert!((9..=10).contains(&after), "{after}");
}

#[tokio::test(start_paused = true)]
async fn draining_closes_idle_connections_at_once() {
    let mut stage = Stage::new(1 << 16);
    stage.send("GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!stage.receive().await.contains("Connection: close"));
    stage.service.enter(Phase::Draining(Instant::now() + Duration::from_secs(60)));
    assert_eq!(stage.ends_after().await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn draining_answers_what_is_in_hand_and_says_close() {
    let mut stage = Stage::new(1 << 16);
    stage.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let job = stage.jobs.recv().await.unwrap();
    stage.service.enter(Phase::Draining(Instant::now() + Duration::from_secs(60)));
    seconds(20).await;
    job.reply.send(Ok(response(Body::Full("done".into())))).unwrap();
    let answer = stage.receive().await;
    assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("done"), "{answer}");
    assert_eq!(stage.ends_after().await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn draining_still_answers_a_request_that_was_on_its_way() {
    let mut stage = Stage::new(1 << 16);
    tokio::task::yield_now().await;
    stage.service.enter(Phase::Draining(Instant::now() + Duration::from_secs(60)));
    tokio::time::sleep(Duration::from_millis(900)).await;
    stage.send("GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = stage.receive().await;
    assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("small"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_sends_idle_connections_away_and_lets_new_ones_speak() {
    let mut idle = Stage::new(1 << 16);
    idle.send("GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.receive().await;
    idle.service.enter(Phase::Crowded);
    assert_eq!(idle.ends_after().await.0, 0);
    let mut new = Stage::new(1 << 16);
    new.service.enter(Phase::Crowded);
    seconds(9).await;
    new.send("GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(new.receive().await.contains("\r\nConnection: close\r\n"));
}

#[tokio::test(start_paused = true)]
async fn an_application_that_ends_too_early_or_fails_is_told_of_at_step_8() {
    for end in [None, Some(BodyError::Failed("worker ended".into()))] {
        let mut stage = Stage::new(1 << 16);
        stage.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (writer, body) = Body::channel(100);
        let mut answer = response(body);
        answer.head.headers.insert("content-length", http::HeaderValue::from_static("10"));
        stage.jobs.recv().await.unwrap().reply.send(Ok(answer)).unwrap();
        writer.push(Bytes::from_static(b"half")).unwrap();
        assert!(stage.receive().await.ends_with("half"));
        match end {
            None => writer.end(),
            Some(error) => writer.fail(error),
        }
        let (after, told) = stage.ends_after().await;
        assert_eq!((after, told[0].1, told[0].2), (0, 200, Some(Step::Answer)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_with_the_id_on_its_page() {
    let mut stage = Stage::new(1 << 16);
    stage.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let job = stage.jobs.recv().await.unwrap();
    let id = job.request.trace.id.to_string();
    let failure = Failure::new(Step::App, StatusCode::BAD_GATEWAY, "worker ended");
    job.reply.send(Err(failure)).unwrap();
    let page = stage.receive().await;
    assert!(page.contains(&id) && page.contains("failed at step 7, app"), "{page}");
    assert!(!page.contains("worker ended"));
    drop(std::mem::replace(&mut stage.client, tokio::io::duplex(1).0));
    assert_eq!(stage.ends_after().await.1[0].2, Some(Step::App));
}

#[tokio::test]
async fn a_waiting_connection_is_small() {
    let service = Service::new(
        Settings::default(),
        Arc::new(ArcSwap::from_pointee(Sites::default())),
        Arc::new(|_| ()),
    );
    let (source, sink) = tokio::io::split(tokio::io::duplex(1).0);
    let mut connection = Connection::new(service, source, sink, address());
    connection.outgoing.buffer.reserve(1 << 20);
    connection.outgoing.park();
    assert!(connection.outgoing.buffer.capacity() <= 2048);
    let size = size_of_val(&connection.run());
    assert!(size <= 4096, "the task of a connection takes {size} bytes");
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";

/// An answer that grants an upgrade.
fn switched(body: Body) -> Response {
    let mut answer = response(body);
    answer.head.status = StatusCode::SWITCHING_PROTOCOLS;
    answer
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_bounded_both_ways_and_has_no_time_limit() {
    let mut stage = Stage::new(1 << 10);
    stage.send(UPGRADE).await;
    let mut job = stage.jobs.recv().await.unwrap();
    assert_eq!(job.request.head.headers["upgrade"], "x");
    let (writer, body) = Body::channel(1 << 16);
    job.reply.send(Ok(switched(body))).unwrap();
    assert!(stage.receive().await.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    seconds(10_000).await;
    let (mut from, mut to) = tokio::io::split(stage.client);
    let lots = vec![b'x'; 300_000];
    let sending = tokio::spawn(async move { to.write_all(&lots).await.map(|()| to) });
    seconds(1).await;
    assert!(!sending.is_finished(), "nobody reads, so that no more than a window is taken");
    writer.push(Bytes::from_static(b"meanwhile")).unwrap();
    let mut heard = [0; 9];
    from.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"meanwhile");
    let mut passed = 0;
    while passed < 300_000 {
        passed += job.request.body.next().await.unwrap().unwrap().len();
    }
    drop(sending.await.unwrap());
    writer.end();
    assert_eq!(from.read(&mut heard).await.unwrap(), 0, "the end reaches the client");
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_whose_client_leaves_ends_though_the_application_says_nothing() {
    let mut stage = Stage::new(1 << 16);
    stage.send(UPGRADE).await;
    let mut job = stage.jobs.recv().await.unwrap();
    let (writer, body) = Body::channel(100);
    job.reply.send(Ok(switched(body))).unwrap();
    stage.receive().await;
    stage.send("bye").await;
    stage.client.shutdown().await.unwrap();
    assert_eq!(job.request.body.next().await.unwrap().unwrap(), "bye");
    assert!(job.request.body.next().await.is_none());
    let (after, told) = stage.ends_after().await;
    assert_eq!((after, told[0].1, told[0].2), (5, 101, None));
    assert!(writer.is_abandoned());
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_lasts_until_the_deadline_of_a_drain() {
    let mut stage = Stage::new(1 << 16);
    stage.send(UPGRADE).await;
    let job = stage.jobs.recv().await.unwrap();
    let (_writer, body) = Body::channel(100);
    job.reply.send(Ok(switched(body))).unwrap();
    stage.receive().await;
    stage.service.enter(Phase::Draining(Instant::now() + Duration::from_secs(60)));
    let (after, told) = stage.ends_after().await;
    assert_eq!((after, told[0].1, told[0].2), (59, 101, None));
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_the_application_breaks_is_told_of_at_step_8() {
    let mut stage = Stage::new(1 << 16);
    stage.send(UPGRADE).await;
    let job = stage.jobs.recv().await.unwrap();
    let (writer, body) = Body::channel(100);
    job.reply.send(Ok(switched(body))).unwrap();
    writer.fail(BodyError::Cut);
    let (_, told) = stage.ends_after().await;
    assert_eq!((told[0].1, told[0].2), (101, Some(Step::Answer)));
}
