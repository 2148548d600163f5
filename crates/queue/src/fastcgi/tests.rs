//! The queue with PHP over real UNIX sockets; PHP's side is played record by record.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use flow::control::Upstream;
use flow::{Answer, Response};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use super::*;
use crate::owner::tests::{Scene, collect, settings};

/// A child of PHP that was greeted.
struct Child {
    socket: UnixStream,
    incoming: BytesMut,
}

/// A request as PHP reads it.
struct Read {
    variables: Vec<u8>,
    content: Vec<u8>,
}

impl Child {
    async fn accept(listener: &UnixListener) -> Child {
        let (socket, _) = listener.accept().await.unwrap();
        let mut child = Child { socket, incoming: BytesMut::new() };
        let greeting = child.hear().await.unwrap();
        assert!(greeting.variables.is_empty() && greeting.content.is_empty());
        child.say(&[stdout(b"Status: 404 Not Found\r\n\r\nNo input file"), end()]).await;
        child
    }

    /// The next record: its type and its content; None at the connection's end.
    async fn record(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(header) = self.incoming.first_chunk::<8>() {
                let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
                let kind = header[1];
                if self.incoming.len() >= 8 + length {
                    self.incoming.advance(8);
                    return Some((kind, self.incoming.split_to(length).to_vec()));
                }
            }
            if self.socket.read_buf(&mut self.incoming).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn hear(&mut self) -> Option<Read> {
        let mut read = Read { variables: Vec::new(), content: Vec::new() };
        loop {
            match self.record().await? {
                (4, variables) => read.variables.extend(variables),
                (5, content) if content.is_empty() => return Some(read),
                (5, content) => read.content.extend(content),
                (kind, _) => assert_eq!(kind, 1, "BEGIN_REQUEST"),
            }
        }
    }

    async fn say(&mut self, records: &[Vec<u8>]) {
        self.socket.write_all(&records.concat()).await.unwrap();
    }
}

fn say(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat()
}

fn stdout(content: &[u8]) -> Vec<u8> {
    say(6, content)
}

fn end() -> Vec<u8> {
    say(3, &[0; 8])
}

/// The queue is told of PHP with so many children.
fn php(scene: &Scene, connections: usize) -> UnixListener {
    let socket = scene.socket("php");
    let listener = UnixListener::bind(&socket).unwrap();
    scene.queue.reload(Upstream::FastCgi { socket, connections, upload_bytes_max: 1 << 20 });
    listener
}

async fn connected(scene: &Scene, count: usize) {
    scene.queue.connected().wait_for(|connected| *connected == count).await.unwrap();
}

async fn text(answer: oneshot::Receiver<Answer>) -> String {
    let Response { head, body } = answer.await.unwrap().unwrap();
    let content = collect(body).await.unwrap();
    format!("{} {}", head.status.as_u16(), String::from_utf8_lossy(&content))
}

#[tokio::test]
async fn a_child_is_a_worker_once_it_has_answered_the_greeting_and_its_pid_is_known() {
    let scene = Scene::new();
    let listener = php(&scene, 2);
    let answer = scene.get();
    let mut child = Child::accept(&listener).await;
    connected(&scene, 1).await;
    let read = child.hear().await.unwrap();
    let variables = String::from_utf8_lossy(&read.variables).into_owned();
    for name in ["REQUEST_URI/", "GATEWAY_INTERFACECGI/1.1", "REDIRECT_STATUS200"] {
        assert!(variables.contains(name), "{name}: {variables}");
    }
    child.say(&[stdout(b"X-A: 1\r\n\r\nhel"), stdout(b"lo"), stdout(b""), end()]).await;
    let Response { head, body } = answer.await.unwrap().unwrap();
    assert_eq!(head.headers["x-a"], "1");
    assert!(matches!(&body, Body::Full(whole) if whole == "hello"), "in one piece: {body:?}");
    let _second = Child::accept(&listener).await;
    connected(&scene, 2).await;
}

#[tokio::test]
async fn a_child_gets_one_request_at_a_time_and_its_connection_is_kept() {
    let scene = Scene::new();
    let listener = php(&scene, 1);
    let mut child = Child::accept(&listener).await;
    let (first, second) = (scene.get(), scene.get());
    child.hear().await.unwrap();
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), child.record()).await;
    assert!(early.is_err(), "nothing is written ahead to PHP: {early:?}");
    child.say(&[stdout(b"\r\none"), end()]).await;
    assert_eq!(text(first).await, "200 one");
    child.hear().await.unwrap();
    child.say(&[stdout(b"\r\ntwo"), end()]).await;
    assert_eq!(text(second).await, "200 two");
}

#[tokio::test]
async fn content_is_sent_as_php_takes_it_and_its_length_is_told() {
    let scene = Scene::new();
    let listener = php(&scene, 1);
    let content = Bytes::from(vec![7; 1_000_000]);
    let answer = scene.ask(Body::Full(content.clone()));
    let mut child = Child::accept(&listener).await;
    let read = child.hear().await.unwrap();
    assert_eq!(read.content, content);
    let length = b"CONTENT_LENGTH1000000";
    assert!(read.variables.windows(length.len()).any(|found| found == length));
    child.say(&[stdout(b"\r\nok"), end()]).await;
    assert_eq!(text(answer).await, "200 ok");
}

#[tokio::test]
async fn a_large_answer_is_read_as_the_visitor_takes_it_where_there_is_no_room_for_it() {
    let scene = Scene::with(crate::Settings { spool_bytes_max: 0, ..settings() });
    let listener = php(&scene, 1);
    let mut child = Child::accept(&listener).await;
    let answer = scene.get();
    child.hear().await.unwrap();
    let playing = tokio::spawn(async move {
        child.say(&[stdout(b"\r\n")]).await;
        for _ in 0..40 {
            child.say(&[stdout(&[b'x'; 60_000])]).await;
        }
        child.say(&[end()]).await;
        child
    });
    let Response { body, .. } = answer.await.unwrap().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!playing.is_finished(), "nobody takes it, so PHP has to wait");
    assert_eq!(collect(body).await.unwrap().len(), 40 * 60_000);
    let mut child = playing.await.unwrap();
    let next = scene.get();
    child.hear().await.unwrap();
    child.say(&[stdout(b"\r\nok"), end()]).await;
    assert_eq!(text(next).await, "200 ok");
}

#[tokio::test]
async fn a_visitor_who_leaves_ends_the_connection_and_another_one_is_made() {
    let scene = Scene::new();
    let listener = php(&scene, 1);
    let mut child = Child::accept(&listener).await;
    let answer = scene.get();
    child.hear().await.unwrap();
    drop(answer);
    assert!(child.record().await.is_none(), "closed");
    let answer = scene.get();
    let mut child = Child::accept(&listener).await;
    child.hear().await.unwrap();
    child.say(&[stdout(b"\r\nok"), end()]).await;
    assert_eq!(text(answer).await, "200 ok");
}

#[tokio::test]
async fn a_post_runs_though_its_visitor_has_left_and_a_get_does_not() {
    let scene = Scene::new();
    let listener = php(&scene, 1);
    let mut child = Child::accept(&listener).await;
    drop(scene.get());
    drop(scene.ask(Body::Full(Bytes::from_static(b"doing_cron"))));
    let read = child.hear().await.unwrap();
    assert_eq!(read.content, b"doing_cron");
    assert!(child.record().await.is_none(), "PHP learns that nobody waits");
}

#[tokio::test]
async fn a_get_goes_to_another_child_once_if_one_dies_and_a_post_does_not() {
    let scene = Scene::new();
    let listener = php(&scene, 1);
    let mut child = Child::accept(&listener).await;
    let answer = scene.get();
    child.hear().await.unwrap();
    drop(child);
    let mut child = Child::accept(&listener).await;
    child.hear().await.unwrap();
    drop(child);
    let failure = answer.await.unwrap().unwrap_err();
    assert_eq!((failure.step, failure.status), (Step::App, StatusCode::BAD_GATEWAY));

    let mut child = Child::accept(&listener).await;
    let answer = scene.ask(Body::Empty);
    child.hear().await.unwrap();
    drop(child);
    let failure = answer.await.unwrap().unwrap_err();
    assert_eq!(failure.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_connection_that_php_closes_idle_is_made_again_and_costs_no_request() {
    let scene = Scene::new();
    let listener = php(&scene, 1);
    for _ in 0..8 {
        let child = Child::accept(&listener).await;
        connected(&scene, 1).await;
        drop(child);
        // Whether the request or the end is seen first: nothing of it was written to the old one.
        let answer = scene.ask(Body::Empty);
        let mut child = Child::accept(&listener).await;
        child.hear().await.unwrap();
        child.say(&[stdout(b"\r\nok"), end()]).await;
        assert_eq!(text(answer).await, "200 ok");
    }
}

#[tokio::test]
async fn an_answer_without_a_head_fails_and_the_child_goes_on() {
    let scene = Scene::new();
    let listener = php(&scene, 1);
    let mut child = Child::accept(&listener).await;
    let answer = scene.get();
    child.hear().await.unwrap();
    child.say(&[say(7, b"PHP message: PHP Fatal error:  out of memory"), end()]).await;
    let failure = answer.await.unwrap().unwrap_err();
    assert_eq!((failure.step, failure.status), (Step::App, StatusCode::BAD_GATEWAY));
    let answer = scene.get();
    child.hear().await.unwrap();
    child.say(&[stdout(b"\r\nok"), end()]).await;
    assert_eq!(text(answer).await, "200 ok");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_reaches_the_visitor_as_cut_off() {
    let scene = Scene::new();
    let listener = php(&scene, 1);
    let mut child = Child::accept(&listener).await;
    let answer = scene.get();
    child.hear().await.unwrap();
    child.say(&[stdout(b"\r\nhalf")]).await;
    let Response { body, .. } = answer.await.unwrap().unwrap();
    drop(child);
    assert!(collect(body).await.is_err());
}

#[tokio::test]
async fn a_head_that_can_not_be_passed_on_is_answered_and_the_connection_given_up() {
    let scene = Scene::new();
    let listener = php(&scene, 1);
    let mut child = Child::accept(&listener).await;
    let answer = scene.get();
    child.hear().await.unwrap();
    child.say(&[stdout(b"Status: 42\r\n\r\n"), end()]).await;
    let failure = answer.await.unwrap().unwrap_err();
    assert_eq!((failure.step, failure.status), (Step::Answer, StatusCode::BAD_GATEWAY));
    Child::accept(&listener).await;
}

/// What is left unread, in the test below: the kernel's word, which only another crate can ask for.
static UNREAD: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn a_child_that_has_ended_its_answer_gets_the_next_request_when_it_is_back() {
    let unread = |_: BorrowedFd<'_>| Ok(UNREAD.load(Ordering::SeqCst));
    let scene = Scene::with(crate::Settings { unread, ..settings() });
    let listener = php(&scene, 1);
    let mut child = Child::accept(&listener).await;
    let first = scene.get();
    child.socket.readable().await.unwrap();
    UNREAD.store(8, Ordering::SeqCst);
    // As after fastcgi_finish_request(): the answer has ended, and the request is not read to its end.
    child.say(&[stdout(b"\r\nearly"), end()]).await;
    assert_eq!(text(first).await, "200 early");
    let second = scene.get();
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    assert_eq!(scene.queue.status().await.waiting, 1, "the child is not free");
    UNREAD.store(0, Ordering::SeqCst);
    child.hear().await.unwrap();
    child.hear().await.unwrap();
    child.say(&[stdout(b"\r\nok"), end()]).await;
    assert_eq!(text(second).await, "200 ok");
}
