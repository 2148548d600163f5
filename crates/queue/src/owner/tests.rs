//! The queue with workers over real UNIX sockets; the worker's side is played frame by frame.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;
use flow::{Answer, Body, Client, Request, RequestId, Response, Scheme, Trace};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;
use crate::Queue;
use crate::frame::{self, Content, Frame};

pub(crate) fn settings() -> Settings {
    Settings::new(PathBuf::new())
}

mod slow_clients;

/// A queue, and a worker's socket that it is told of.
pub(crate) struct Scene {
    pub(crate) queue: Queue,
    jobs: mpsc::Sender<Job>,
    folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        Scene::with(settings())
    }

    pub(crate) fn with(mut settings: Settings) -> Scene {
        let (jobs, receiver) = mpsc::channel(64);
        let folder = tempfile::tempdir().unwrap();
        folder.path().clone_into(&mut settings.spool);
        let queue = Queue::start(settings, receiver);
        Scene { queue, jobs, folder }
    }

    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ask(&self, body: Body) -> oneshot::Receiver<Answer> {
        self.send(Method::POST, body)
    }

    pub(crate) fn get(&self) -> oneshot::Receiver<Answer> {
        self.send(Method::GET, Body::Empty)
    }

    fn send(&self, method: Method, body: Body) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        let request = http::Request::builder().method(method).uri("/").body(());
        let (head, ()) = request.unwrap().into_parts();
        let address = "127.0.0.1:1".parse().unwrap();
        let client = Client { address, local: address, scheme: Scheme::Http };
        let trace = Arc::new(Trace::new(RequestId::new(1, 1)));
        let job = Job { request: Request { head, body, client, script: None, trace }, reply };
        self.jobs.try_send(job).unwrap();
        answer
    }
}

/// The worker's end of a link.
struct Played {
    socket: UnixStream,
    incoming: BytesMut,
}

impl Played {
    /// Waits for the edge, and greets it.
    async fn accept(listener: &UnixListener) -> Played {
        Played::accept_with(listener, 1).await
    }

    /// The same, as a worker that takes so many requests at a time.
    async fn accept_with(listener: &UnixListener, concurrency: u16) -> Played {
        let (socket, _) = listener.accept().await.unwrap();
        let mut played = Played { socket, incoming: BytesMut::new() };
        played.say(&[Frame::Hello { version: 1, concurrency, pid: 4711 }]).await;
        let hello = played.hear().await;
        assert!(matches!(hello, Some(Frame::Hello { version: 1, .. })), "{hello:?}");
        played
    }

    async fn start(scene: &Scene) -> Played {
        Played::start_as(scene, Buffering::Whole).await
    }

    async fn start_as(scene: &Scene, buffering: Buffering) -> Played {
        let path = scene.socket("w");
        let listener = UnixListener::bind(&path).unwrap();
        scene.queue.reload(Upstream::Frames { sockets: vec![path], buffering });
        Played::accept(&listener).await
    }

    async fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = frame::decode(&mut self.incoming).unwrap() {
                return Some(frame);
            }
            if self.socket.read_buf(&mut self.incoming).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn hear_request(&mut self) -> (u32, Content) {
        match self.hear().await {
            Some(Frame::Request { stream, content, .. }) => (stream, content),
            other => panic!("expected a request, got {other:?}"),
        }
    }

    async fn say(&mut self, frames: &[Frame]) {
        let mut out = BytesMut::new();
        frames.iter().for_each(|frame| frame::encode(frame, &mut out));
        self.socket.write_all(&out).await.unwrap();
    }
}

fn head(stream: u32, content: &'static [u8]) -> Frame {
    let head = Bytes::from_static(b"content-type\0text/plain\0");
    let content = Bytes::from_static(content);
    Frame::Response { stream, started: Stamp(1), status: 200, head, content }
}

fn end(stream: u32) -> Frame {
    Frame::End { stream, ended: Some(Stamp(2)) }
}

/// Lists a new worker in place of the old, which gets the request and answers it.
async fn another_worker_answers(scene: &Scene, answer: oneshot::Receiver<Answer>) {
    let path = scene.socket("new");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Frames { sockets: vec![path], buffering: Buffering::Whole });
    let mut new = Played::accept(&listener).await;
    let (stream, _) = new.hear_request().await;
    new.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(answer.await.unwrap().is_ok());
}

pub(crate) async fn collect(mut body: Body) -> Result<Vec<u8>, flow::BodyError> {
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

#[tokio::test]
async fn a_request_is_held_until_a_worker_comes_and_a_small_answer_comes_in_one_piece() {
    let scene = Scene::new();
    let answer = scene.ask(Body::Empty);
    let mut worker = Played::start(&scene).await;
    let (stream, content) = worker.hear_request().await;
    assert_eq!((stream, content), (1, Content::None));
    worker.say(&[head(stream, b"hello"), end(stream)]).await;
    let response = answer.await.unwrap().unwrap();
    assert_eq!(response.head.headers["content-type"], "text/plain");
    assert!(matches!(response.body, Body::Full(ref bytes) if bytes == "hello"));
}

#[tokio::test]
async fn a_large_answer_streams_within_its_credit() {
    let scene = Scene::new();
    let answer = scene.ask(Body::Empty);
    let mut worker = Played::start(&scene).await;
    let (stream, _) = worker.hear_request().await;
    let worker = tokio::spawn(async move {
        worker.say(&[head(stream, b"")]).await;
        let (mut credit, mut left) = (256 * 1024, 3 * 1024 * 1024);
        while left > 0 {
            while credit < 64 * 1024 {
                match worker.hear().await {
                    Some(Frame::Credit { bytes, .. }) => credit += bytes as usize,
                    other => panic!("expected credit, got {other:?}"),
                }
            }
            let content = Bytes::from(vec![7; 64 * 1024]);
            (credit, left) = (credit - content.len(), left - content.len());
            worker.say(&[Frame::Data { stream, content }]).await;
        }
        worker.say(&[end(stream)]).await;
        worker
    });
    let response = answer.await.unwrap().unwrap();
    assert_eq!(collect(response.body).await.unwrap().len(), 3 * 1024 * 1024);
    worker.await.unwrap();
}

#[tokio::test]
async fn content_of_a_request_streams_within_the_worker_s_credit() {
    let scene = Scene::new();
    let (writer, body) = Body::channel(64 * 1024);
    let answer = scene.ask(body);
    let mut worker = Played::start(&scene).await;
    let feeder = tokio::spawn(async move {
        for _ in 0..32 {
            writer.wait_for_room(32 * 1024).await;
            writer.push(Bytes::from(vec![5; 32 * 1024])).unwrap();
        }
        writer.end();
    });
    let (stream, content) = worker.hear_request().await;
    assert_eq!(content, Content::Follows);
    let (mut got, mut since) = (0, 0);
    loop {
        match worker.hear().await {
            Some(Frame::Data { content, .. }) => {
                (got, since) = (got + content.len(), since + content.len());
                assert!(since <= 64 * 1024, "more content than credit");
                if since == 64 * 1024 {
                    worker.say(&[Frame::Credit { stream, bytes: 64 * 1024 }]).await;
                    since = 0;
                }
            }
            Some(Frame::End { .. }) => break,
            other => panic!("expected content, got {other:?}"),
        }
    }
    assert_eq!(got, 1024 * 1024);
    worker.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(answer.await.unwrap().is_ok());
    feeder.await.unwrap();
}

#[tokio::test]
async fn a_worker_that_dies_fails_its_request_at_step_app_and_is_tried_again() {
    let scene = Scene::new();
    let path = scene.socket("w");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Frames { sockets: vec![path], buffering: Buffering::Whole });
    let mut worker = Played::accept(&listener).await;
    let first = scene.ask(Body::Empty);
    worker.hear_request().await;
    drop(worker);
    let failure = first.await.unwrap().unwrap_err();
    assert_eq!((failure.step, failure.status), (Step::App, StatusCode::BAD_GATEWAY));

    let second = scene.ask(Body::Empty);
    let mut worker = Played::accept(&listener).await;
    let (stream, _) = worker.hear_request().await;
    worker.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(second.await.unwrap().is_ok());
}

#[tokio::test]
async fn an_application_that_fails_is_a_500_and_its_worker_goes_on() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let first = scene.ask(Body::Empty);
    let (stream, _) = worker.hear_request().await;
    worker.say(&[Frame::abort(stream, "ZeroDivisionError")]).await;
    let failure = first.await.unwrap().unwrap_err();
    assert_eq!((failure.step, failure.status.as_u16()), (Step::App, 500));
    assert_eq!(failure.cause, "ZeroDivisionError");

    let second = scene.ask(Body::Empty);
    let (stream, _) = worker.hear_request().await;
    worker.say(&[head(stream, b"partial")]).await;
    let response = second.await.unwrap().unwrap();
    worker.say(&[Frame::abort(stream, "late")]).await;
    assert!(collect(response.body).await.is_err(), "content that is cut off says so");
}

#[tokio::test]
async fn a_request_that_goes_on_aside_leaves_room_for_the_next() {
    let scene = Scene::new();
    let mut played = Played::start(&scene).await;
    let taken_over = scene.ask(Body::Empty);
    let (first, _) = played.hear_request().await;
    let next = scene.ask(Body::Empty);
    played.say(&[Frame::Aside { stream: first }]).await;
    let (second, _) = played.hear_request().await;
    played.say(&[head(second, b"two"), end(second)]).await;
    assert_eq!(collect(next.await.unwrap().unwrap().body).await.unwrap(), b"two");
    // The first is still answered, and its end makes no second place.
    let third = scene.ask(Body::Empty);
    let (number, _) = played.hear_request().await;
    played.say(&[head(first, b"one"), end(first)]).await;
    assert_eq!(collect(taken_over.await.unwrap().unwrap().body).await.unwrap(), b"one");
    let waiting = scene.ask(Body::Empty);
    played.say(&[head(number, b"three"), end(number)]).await;
    assert_eq!(collect(third.await.unwrap().unwrap().body).await.unwrap(), b"three");
    let (number, _) = played.hear_request().await;
    played.say(&[head(number, b"four"), end(number)]).await;
    assert_eq!(collect(waiting.await.unwrap().unwrap().body).await.unwrap(), b"four");
}

#[tokio::test]
async fn an_upgrade_that_a_worker_grants_is_a_tunnel_past_the_spool() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let (reply, answer) = oneshot::channel();
    let request = http::Request::builder().uri("/ws").header("upgrade", "websocket");
    let (head, ()) = request.header("connection", "Upgrade").body(()).unwrap().into_parts();
    let address = "127.0.0.1:1".parse().unwrap();
    let client = Client { address, local: address, scheme: Scheme::Http };
    let trace = Arc::new(Trace::new(RequestId::new(1, 1)));
    let (writer, body) = Body::channel(100);
    let request = Request { head, body, client, trace, script: None };
    scene.jobs.try_send(Job { request, reply }).unwrap();
    // It is handed out though its content has no end yet.
    let (stream, content) = worker.hear_request().await;
    assert_eq!(content, Content::Follows);
    let head = Bytes::from_static(b"upgrade\0websocket\0");
    let content = Bytes::from_static(b"hi");
    worker.say(&[Frame::Response { stream, started: Stamp(1), status: 101, head, content }]).await;
    let Response { head, mut body } = answer.await.unwrap().unwrap();
    assert_eq!((head.status.as_u16(), head.headers.len()), (101, 1));
    assert_eq!(body.next().await.unwrap().unwrap(), "hi");
    writer.push("ping".into()).unwrap();
    assert!(matches!(worker.hear().await, Some(Frame::Data { content, .. }) if content == "ping"));
    writer.end();
    assert!(matches!(worker.hear().await, Some(Frame::End { ended: None, .. })));
    worker.say(&[end(stream)]).await;
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_refused() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let answer = scene.get();
    let (stream, _) = worker.hear_request().await;
    let (head, content) = (Bytes::new(), Bytes::new());
    worker.say(&[Frame::Response { stream, started: Stamp(1), status: 101, head, content }]).await;
    let failure = answer.await.unwrap().unwrap_err();
    assert_eq!((failure.step, failure.status.as_u16()), (Step::Answer, 502));
}

#[tokio::test]
async fn a_visitor_that_goes_away_is_told_to_the_worker() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let answer = scene.ask(Body::Empty);
    let (stream, _) = worker.hear_request().await;
    drop(answer);
    assert!(matches!(worker.hear().await, Some(Frame::Abort { .. })));
    worker.say(&[end(stream)]).await;
    let next = scene.ask(Body::Empty);
    let (stream, _) = worker.hear_request().await;
    worker.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(next.await.unwrap().is_ok(), "the worker is free again");
}

#[tokio::test]
async fn content_without_credit_ends_the_link_and_not_the_queue() {
    let scene = Scene::new();
    let mut worker = Played::start_as(&scene, Buffering::Streamed).await;
    let answer = scene.ask(Body::Empty);
    let (stream, _) = worker.hear_request().await;
    worker.say(&[head(stream, b"")]).await;
    let response = answer.await.unwrap().unwrap();
    for _ in 0..5 {
        let content = Bytes::from(vec![0; 64 * 1024]);
        // The queue may have closed already.
        let mut out = BytesMut::new();
        frame::encode(&Frame::Data { stream, content }, &mut out);
        let _ = worker.socket.write_all(&out).await;
    }
    assert!(worker.hear().await.is_none(), "nothing was read, so there was no more credit");
    assert!(collect(response.body).await.is_err());
    assert_eq!(scene.queue.status().await.running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_too_long_is_refused_with_a_time_to_retry() {
    let wait_max = Duration::from_millis(50);
    let scene = Scene::with(Settings { waiting_max: 1, wait_max, ..settings() });
    let (first, second) = (scene.ask(Body::Empty), scene.ask(Body::Empty));
    let full = second.await.unwrap().unwrap_err();
    assert_eq!((full.step, full.status.as_u16()), (Step::Queue, 503));
    // The policy's clock is the real one; the paused runtime only skips the waiting.
    let late = first.await.unwrap().unwrap_err();
    assert_eq!((late.step, late.status.as_u16()), (Step::Queue, 503));
    assert!(late.retry_after.is_some() && late.cause.contains("no worker"), "{late}");
}

#[tokio::test]
async fn a_socket_that_is_no_longer_listed_finishes_what_it_has() {
    let scene = Scene::new();
    let mut old = Played::start(&scene).await;
    let first = scene.ask(Body::Empty);
    let (stream, _) = old.hear_request().await;

    let path = scene.socket("new");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Frames { sockets: vec![path], buffering: Buffering::Whole });
    let mut new = Played::accept(&listener).await;
    let second = scene.ask(Body::Empty);
    let (other, _) = new.hear_request().await;
    new.say(&[head(other, b"new"), end(other)]).await;
    assert!(second.await.unwrap().is_ok());

    old.say(&[head(stream, b"old"), end(stream)]).await;
    assert!(first.await.unwrap().is_ok());
    assert!(old.hear().await.is_none(), "then the link is closed");
}

#[tokio::test]
async fn requests_that_a_stopping_worker_has_not_begun_go_to_the_next() {
    let scene = Scene::new();
    let mut old = Played::start(&scene).await;
    let answer = scene.ask(Body::Empty);
    let (stream, _) = old.hear_request().await;
    // It may be heard together with the end of the connection.
    old.say(&[Frame::GoAway { last: stream - 1 }]).await;
    drop(old);

    another_worker_answers(&scene, answer).await;
}

#[tokio::test]
async fn a_worker_that_stops_with_its_answer_gets_no_further_request() {
    let scene = Scene::new();
    let mut old = Played::start(&scene).await;
    let (first, second) = (scene.ask(Body::Empty), scene.ask(Body::Empty));
    let (stream, _) = old.hear_request().await;
    // In one write: the answer would free the worker for the request that waits.
    old.say(&[head(stream, b"ok"), end(stream), Frame::GoAway { last: stream }]).await;
    assert!(first.await.unwrap().is_ok());
    assert!(old.hear().await.is_none());

    another_worker_answers(&scene, second).await;
}

#[tokio::test]
async fn a_stopping_worker_finishes_what_it_has_begun() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let answer = scene.ask(Body::Empty);
    let (stream, _) = worker.hear_request().await;
    worker.say(&[Frame::GoAway { last: stream }]).await;
    let next = scene.ask(Body::Empty);
    worker.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(answer.await.unwrap().is_ok());
    assert!(worker.hear().await.is_none(), "it gets no further request");
    drop(next);
}

#[tokio::test]
async fn draining_answers_what_is_there_and_refuses_what_comes() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let first = scene.ask(Body::Empty);
    let (stream, _) = worker.hear_request().await;
    let queue = scene.queue.clone();
    let drained = tokio::spawn(async move {
        queue.drain(tokio::time::Instant::now() + Duration::from_secs(5)).await;
    });
    while !scene.jobs.is_closed() {
        tokio::task::yield_now().await;
    }
    worker.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(first.await.unwrap().is_ok());
    drained.await.unwrap();
}

#[tokio::test]
async fn garbage_on_the_socket_ends_the_link() {
    let scene = Scene::new();
    let path = scene.socket("w");
    let listener = UnixListener::bind(&path).unwrap();
    scene
        .queue
        .reload(Upstream::Frames { sockets: vec![path.clone()], buffering: Buffering::Whole });
    let (mut socket, _) = listener.accept().await.unwrap();
    socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    // The queue comes back to a socket that is still listed.
    let mut worker = Played::accept(&listener).await;
    let answer = scene.ask(Body::Empty);
    let (stream, _) = worker.hear_request().await;
    worker.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(answer.await.unwrap().is_ok());
    assert!(Path::new(&path).exists());
}

#[tokio::test]
async fn a_worker_that_ends_as_a_request_arrives_costs_the_queue_nothing() {
    let scene = Scene::new();
    let path = scene.socket("w");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Frames { sockets: vec![path], buffering: Buffering::Whole });
    let (signal, waiter) = UnixStream::pair().unwrap();
    // The queue takes what is ready in no fixed order: often enough, all orders come.
    for _ in 0..32 {
        let worker = Played::accept(&listener).await;
        scene.queue.connected().wait_for(|connected| *connected == 1).await.unwrap();
        // Both events come with one look at the sockets, and this task goes on first.
        signal.try_write(b"x").unwrap();
        drop(worker);
        waiter.readable().await.unwrap();
        while waiter.try_read(&mut [0]).is_ok() {}
        let answer = scene.ask(Body::Empty);
        let mut worker = Played::accept(&listener).await;
        tokio::select! {
            answer = answer => {
                let failure = answer.expect("the queue goes on").unwrap_err();
                assert_eq!((failure.step, failure.status), (Step::App, StatusCode::BAD_GATEWAY));
            }
            (stream, _) = worker.hear_request() => worker.say(&[head(stream, b""), end(stream)]).await,
        }
    }
}

#[tokio::test]
async fn a_worker_that_greets_and_goes_on_with_garbage_is_not_counted() {
    let scene = Scene::new();
    let path = scene.socket("w");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Frames { sockets: vec![path], buffering: Buffering::Whole });
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut out = BytesMut::new();
    frame::encode(&Frame::Hello { version: 1, concurrency: 1, pid: 4711 }, &mut out);
    out.extend_from_slice(&[0xff; 12]);
    socket.write_all(&out).await.unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    let _worker = Played::accept(&listener).await;
    let connected = tokio::time::timeout(Duration::from_secs(5), async {
        scene.queue.connected().wait_for(|connected| *connected > 0).await.map(|count| *count)
    });
    assert_eq!(connected.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_visitor_that_goes_away_gives_up_its_place_in_the_queue() {
    let scene = Scene::with(Settings { waiting_max: 1, ..settings() });
    drop(scene.ask(Body::Empty));
    tokio::time::timeout(Duration::from_secs(5), async {
        while scene.queue.status().await.waiting > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("the place is free long before the time to wait is over");
    let mut second = scene.ask(Body::Empty);
    tokio::task::yield_now().await;
    assert_eq!(scene.queue.status().await.waiting, 1);
    assert!(second.try_recv().is_err(), "it waits, and was not refused");
}

/// A worker that has answered enough, and quickly, for requests to be written ahead to it.
async fn quick_worker(scene: &Scene) -> Played {
    let mut worker = Played::start(scene).await;
    for _ in 0..20 {
        let answer = scene.get();
        let (stream, _) = worker.hear_request().await;
        worker.say(&[head(stream, b"quick"), end(stream)]).await;
        assert!(answer.await.unwrap().is_ok());
    }
    worker
}

#[tokio::test]
async fn what_is_behind_a_slow_request_is_recalled_for_another_worker_and_its_late_answer_dropped()
{
    let scene = Scene::new();
    let mut slow = quick_worker(&scene).await;
    let (first, second, third) = (scene.get(), scene.get(), scene.get());
    let (front, _) = slow.hear_request().await;
    let (behind, last) = (slow.hear_request().await.0, slow.hear_request().await.0);
    for expected in [behind, last] {
        let heard = slow.hear().await;
        assert!(
            matches!(heard, Some(Frame::Abort { stream, .. }) if stream == expected),
            "{heard:?}"
        );
    }
    let path = scene.socket("other");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Frames {
        sockets: vec![scene.socket("w"), path],
        buffering: Buffering::Whole,
    });
    let mut other = Played::accept(&listener).await;
    for answer in [second, third] {
        let (stream, _) = other.hear_request().await;
        other.say(&[head(stream, b"other"), end(stream)]).await;
        assert!(matches!(answer.await.unwrap().unwrap().body, Body::Full(body) if body == "other"));
    }
    // The first worker had begun one of them after all.
    slow.say(&[head(front, b"slow"), end(front), head(behind, b"late"), end(behind)]).await;
    slow.say(&[Frame::abort(last, "not begun")]).await;
    assert!(matches!(first.await.unwrap().unwrap().body, Body::Full(body) if body == "slow"));
    let answer = scene.get();
    let (stream, _) = tokio::select! {
        heard = slow.hear_request() => heard,
        heard = other.hear_request() => panic!("the other worker was idle before: {heard:?}"),
    };
    slow.say(&[head(stream, b"again"), end(stream)]).await;
    assert!(answer.await.unwrap().is_ok(), "the link is still good");
}

#[tokio::test]
async fn what_waited_behind_at_a_worker_that_died_goes_to_the_next() {
    let scene = Scene::new();
    let mut worker = quick_worker(&scene).await;
    let (first, second) = (scene.ask(Body::Empty), scene.get());
    worker.hear_request().await;
    worker.hear_request().await;
    drop(worker);
    let failure = first.await.unwrap().unwrap_err();
    assert_eq!((failure.step, failure.status), (Step::App, StatusCode::BAD_GATEWAY));
    another_worker_answers(&scene, second).await;
}

#[tokio::test]
async fn what_a_worker_that_died_has_never_read_goes_to_the_next_even_a_post() {
    let scene = Scene::new();
    let worker = Played::start(&scene).await;
    let answer = scene.ask(Body::Full(Bytes::from_static(b"content")));
    worker.socket.readable().await.unwrap();
    drop(worker);
    another_worker_answers(&scene, answer).await;
}

#[tokio::test]
async fn a_post_with_its_content_comes_back_from_a_worker_that_stops() {
    let scene = Scene::new();
    let mut old = Played::start(&scene).await;
    let answer = scene.ask(Body::Full(Bytes::from_static(b"content")));
    let (stream, _) = old.hear_request().await;
    old.say(&[Frame::GoAway { last: stream - 1 }]).await;
    let path = scene.socket("new");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Frames { sockets: vec![path], buffering: Buffering::Whole });
    let mut new = Played::accept(&listener).await;
    let (stream, content) = new.hear_request().await;
    assert_eq!(content, Content::Follows);
    let whole = [new.hear().await.unwrap(), new.hear().await.unwrap()];
    let data = Frame::Data { stream, content: Bytes::from_static(b"content") };
    assert_eq!(whole, [data, Frame::End { stream, ended: None }]);
    new.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(answer.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn visitors_that_leave_together_take_no_worker_with_them() {
    let scene = Scene::new();
    let mut worker = quick_worker(&scene).await;
    let first = scene.ask(Body::Empty);
    let (stream, _) = worker.hear_request().await;
    // A request that waits for an idle worker holds those behind it back; all of them leave.
    let waiting = (scene.ask(Body::Empty), scene.get(), scene.get(), scene.ask(Body::Empty));
    tokio::task::yield_now().await;
    drop(waiting);
    tokio::time::sleep(TICK * 3).await;
    worker.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(first.await.unwrap().is_ok());
    for post in [true, false, true] {
        let answer = if post { scene.ask(Body::Empty) } else { scene.get() };
        let (stream, _) = worker.hear_request().await;
        worker.say(&[head(stream, b"ok"), end(stream)]).await;
        assert!(answer.await.unwrap().is_ok());
    }
    let status = scene.queue.status().await;
    assert_eq!((status.waiting, status.running), (0, 0));
}

/// A queue whose workers have so many milliseconds for a request, and one that is at a request.
async fn one_at_work(method: Method, concurrency: u16, ms: u64) -> (Scene, Played, Asked) {
    let request_max = Duration::from_millis(ms);
    let scene = Scene::with(Settings { request_max, ..settings() });
    let (tell, notices) = mpsc::channel(8);
    scene.queue.notify(tell);
    let path = scene.socket("w");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Frames { sockets: vec![path], buffering: Buffering::Whole });
    let mut worker = Played::accept_with(&listener, concurrency).await;
    let answer = scene.send(method, Body::Empty);
    worker.hear_request().await;
    (scene, worker, Asked { answer, notices, _listener: listener })
}

/// What became of a request.
struct Asked {
    answer: oneshot::Receiver<Answer>,
    notices: mpsc::Receiver<FromEdge>,
    _listener: UnixListener,
}

#[tokio::test]
async fn a_worker_that_hangs_is_told_of_and_its_visitor_gets_504() {
    let (scene, mut worker, mut asked) = one_at_work(Method::GET, 1, 400).await;
    let Some(FromEdge::Slow(look)) = asked.notices.recv().await else { panic!("not slow") };
    assert_eq!((look.pid, &*look.line), (4711, "GET /"));
    assert!(look.taken >= Duration::from_millis(200), "{look:?}");
    let failure = asked.answer.await.unwrap().unwrap_err();
    assert_eq!((failure.step, failure.status), (Step::App, StatusCode::GATEWAY_TIMEOUT));
    let Some(FromEdge::Stuck(end)) = asked.notices.recv().await else { panic!("not stuck") };
    assert_eq!((end.pid, end.request), (4711, look.request));
    assert_eq!(worker.hear().await, None, "nothing more is to come from this worker");
    let status = scene.queue.status().await;
    assert_eq!((status.expired, status.repeated), (1, 0), "it is not tried again");
}

#[tokio::test]
async fn a_worker_with_several_requests_is_told_to_give_the_late_one_up_and_lives_on() {
    let (scene, mut worker, asked) = one_at_work(Method::GET, 4, 200).await;
    let failure = asked.answer.await.unwrap().unwrap_err();
    assert_eq!(failure.status, StatusCode::GATEWAY_TIMEOUT);
    let heard = worker.hear().await;
    assert!(matches!(heard, Some(Frame::Abort { stream: 1, .. })), "{heard:?}");
    worker.say(&[Frame::abort(1, "given up")]).await;
    let answer = scene.get();
    let (stream, _) = worker.hear_request().await;
    worker.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(answer.await.unwrap().is_ok());
    assert_eq!(scene.queue.status().await.each[0].served, 2);
}

#[tokio::test]
async fn a_safe_request_whose_worker_died_is_repeated_once_and_a_post_never() {
    let (scene, worker, asked) = one_at_work(Method::GET, 1, 60_000).await;
    drop(worker);
    let path = scene.socket("second");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Frames { sockets: vec![path], buffering: Buffering::Whole });
    let mut second = Played::accept(&listener).await;
    second.hear_request().await;
    drop(second);
    let failure = asked.answer.await.unwrap().unwrap_err();
    assert_eq!(failure.status, StatusCode::BAD_GATEWAY, "what kills two workers gets no third");
    assert_eq!(scene.queue.status().await.repeated, 1);

    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let (_scene, worker, asked) = one_at_work(method, 1, 60_000).await;
        drop(worker);
        let failure = asked.answer.await.unwrap().unwrap_err();
        assert_eq!(failure.status, StatusCode::BAD_GATEWAY);
    }
}
