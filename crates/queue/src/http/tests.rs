//! The queue with upstreams over real sockets; the upstream's side is played byte by byte.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flow::control::{Address, Server, Upstream};
use flow::{Answer, Body, Client, Job, Request, RequestId, Response, Scheme, Step, Trace};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{mpsc, oneshot};

use crate::{Queue, Settings};

/// A queue, and an upstream that it is told of.
struct Scene {
    queue: Queue,
    jobs: mpsc::Sender<Job>,
    listener: TcpListener,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Scene {
        Scene::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path().to_owned());
        change(&mut settings);
        let (jobs, receiver) = mpsc::channel(512);
        let queue = Queue::start(settings, receiver);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scene = Scene { queue, jobs, listener, folder };
        scene.list(&[&scene.listener]);
        scene
    }

    fn list(&self, listeners: &[&TcpListener]) {
        let servers = listeners.iter().map(|listener| {
            let port = listener.local_addr().unwrap().port();
            server(Address::Tcp("127.0.0.1".into(), port))
        });
        self.queue.reload(Upstream::Http { servers: servers.collect() });
    }

    fn get(&self) -> oneshot::Receiver<Answer> {
        self.send(Method::GET, Body::Empty, &[])
    }

    fn send(
        &self,
        method: Method,
        body: Body,
        fields: &[(&str, &str)],
    ) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        let request = http::Request::builder().method(method).uri("/x").header("host", "a");
        let request =
            fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (head, ()) = request.body(()).unwrap().into_parts();
        let address = "127.0.0.1:1".parse().unwrap();
        let client = Client { address, local: address, scheme: Scheme::Http };
        let trace = Arc::new(Trace::new(RequestId::new(1, 1)));
        let request = Request { head, body, client, trace, script: None };
        self.jobs.try_send(Job { request, reply }).unwrap();
        answer
    }

    async fn accept(&self) -> Played {
        Played(self.listener.accept().await.unwrap().0)
    }
}

fn server(address: Address) -> Server {
    Server { address, prefix: String::new(), host: None }
}

/// The upstream's end of a connection.
struct Played(TcpStream);

impl Played {
    async fn hear(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return "(end)".into(),
            }
        }
        String::from_utf8(head).unwrap()
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Hears a request and answers it.
    async fn answer(&mut self, text: &str) -> String {
        let heard = self.hear().await;
        self.say(text).await;
        heard
    }

    async fn is_closed(&mut self) -> bool {
        self.0.read_u8().await.is_err()
    }
}

async fn content(mut body: Body) -> Result<String, String> {
    let mut content = Vec::new();
    while let Some(piece) = body.next().await {
        content.extend_from_slice(&piece.map_err(|error| error.to_string())?);
    }
    Ok(String::from_utf8(content).unwrap())
}

async fn answered(answer: oneshot::Receiver<Answer>) -> (u16, String) {
    let Response { head, body } = answer.await.unwrap().unwrap();
    (head.status.as_u16(), content(body).await.unwrap())
}

async fn failed(answer: oneshot::Receiver<Answer>) -> (u16, Step, String) {
    let failure = answer.await.unwrap().unwrap_err();
    (failure.status.as_u16(), failure.step, failure.cause)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let scene = Scene::new().await;
    let mut played = scene.accept().await;
    for _ in 0..3 {
        let answer = scene.get();
        let heard = played.answer(OK).await;
        assert!(heard.starts_with("GET /x HTTP/1.1\r\nhost: a\r\n"), "{heard}");
        assert_eq!(answered(answer).await, (200, "ok".into()));
    }
    let status = scene.queue.status().await;
    assert_eq!((status.workers, status.handed, status.running), (1, 3, 0));
}

#[tokio::test]
async fn a_unix_socket_does_as_well() {
    let scene = Scene::new().await;
    let path = scene.folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    scene.queue.reload(Upstream::Http { servers: vec![server(Address::Unix(path))] });
    let answer = scene.get();
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut heard = [0; 15];
    socket.read_exact(&mut heard).await.unwrap();
    socket.write_all(OK.as_bytes()).await.unwrap();
    assert_eq!(answered(answer).await, (200, "ok".into()));
}

#[tokio::test]
async fn a_request_that_meets_a_closed_connection_goes_out_again_if_that_is_safe() {
    let scene = Scene::new().await;
    let mut first = scene.accept().await;
    let answer = scene.get();
    first.answer(OK).await;
    answered(answer).await;
    // The upstream takes the next request in, and closes without a word.
    let answer = scene.get();
    first.hear().await;
    drop(first);
    let mut second = scene.accept().await;
    second.answer(OK).await;
    assert_eq!(answered(answer).await, (200, "ok".into()));
    let answer = scene.send(Method::POST, Body::Full("abc".into()), &[]);
    second.hear().await;
    drop(second);
    let (status, step, cause) = failed(answer).await;
    assert_eq!((status, step), (502, Step::App), "{cause}");
}

#[tokio::test]
async fn a_fresh_connection_that_is_closed_is_the_end() {
    let scene = Scene::new().await;
    // That which was made to see whether the upstream is there.
    drop(scene.accept().await);
    let answer = scene.get();
    drop(scene.accept().await);
    assert_eq!(failed(answer).await.0, 502);
}

#[tokio::test]
async fn an_answer_may_come_before_the_content_has_been_sent() {
    let scene = Scene::new().await;
    drop(scene.accept().await);
    let (writer, body) = Body::channel(10);
    let answer = scene.send(Method::POST, body, &[("content-length", "100")]);
    writer.push("first".into()).unwrap();
    let mut played = scene.accept().await;
    let heard = played.answer("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno").await;
    assert!(heard.contains("\r\ncontent-length: 100\r\n"), "{heard}");
    assert_eq!(answered(answer).await, (413, "no".into()));
    while !writer.is_abandoned() {
        writer.changed().await;
    }
}

#[tokio::test]
async fn both_directions_stream_at_once() {
    let scene = Scene::new().await;
    drop(scene.accept().await);
    let (writer, body) = Body::channel(100);
    let answer = scene.send(Method::POST, body, &[]);
    let mut played = scene.accept().await;
    played.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut body = answer.await.unwrap().unwrap().body;
    for word in ["one", "two", "six"] {
        writer.push(Bytes::from_static(word.as_bytes())).unwrap();
        let mut heard = [0; 8];
        played.0.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, format!("3\r\n{word}\r\n").as_bytes());
        played.0.write_all(&heard).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), word);
    }
    writer.end();
    let mut end = [0; 5];
    played.0.read_exact(&mut end).await.unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
    played.say("0\r\n\r\n").await;
    assert!(body.next().await.is_none());
    let again = scene.get();
    played.answer(OK).await;
    assert_eq!(answered(again).await.0, 200, "the connection was kept");
}

#[tokio::test]
async fn an_upgrade_makes_a_tunnel_that_takes_no_place() {
    let scene = Scene::new().await;
    drop(scene.accept().await);
    let (writer, body) = Body::channel(100);
    let fields = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let answer = scene.send(Method::GET, body, &fields);
    let mut played = scene.accept().await;
    let switching = "HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi";
    let heard = played.answer(switching).await;
    assert!(heard.ends_with("\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"), "{heard}");
    let Response { head, mut body } = answer.await.unwrap().unwrap();
    assert_eq!(
        (head.status.as_u16(), &head.headers["upgrade"]),
        (101, &"websocket".parse().unwrap())
    );
    assert_eq!(body.next().await.unwrap().unwrap(), "hi");
    assert_eq!(scene.queue.status().await.running, 0);
    writer.push("\x01\x02".into()).unwrap();
    assert_eq!(played.0.read_u16().await.unwrap(), 0x0102);
    writer.end();
    assert!(played.is_closed().await);
    played.say("bye").await;
    drop(played);
    assert_eq!(content(body).await, Ok("bye".into()));
}

#[tokio::test]
async fn protocols_are_switched_only_for_those_who_asked() {
    let scene = Scene::new().await;
    let mut played = scene.accept().await;
    let answer = scene.get();
    played.answer("HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n").await;
    let (status, step, cause) = failed(answer).await;
    assert_eq!((status, step), (502, Step::Answer), "{cause}");
}

#[tokio::test]
async fn answers_that_can_not_be_framed_are_a_502_that_names_the_step() {
    let scene = Scene::new().await;
    for bad in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "nonsense\r\n\r\n",
    ] {
        let answer = scene.get();
        let mut played = scene.accept().await;
        played.answer(bad).await;
        drop(played);
        let (status, step, cause) = failed(answer).await;
        assert_eq!((status, step), (502, Step::Answer), "{cause}");
    }
}

#[tokio::test]
async fn content_that_breaks_off_or_turns_bad_is_no_good_end() {
    let scene = Scene::new().await;
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    for rest in ["", "x"] {
        let answer = scene.get();
        let mut played = scene.accept().await;
        played.answer(head).await;
        let body = answer.await.unwrap().unwrap().body;
        played.say(rest).await;
        drop(played);
        assert!(content(body).await.is_err());
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_ends_the_exchange() {
    let scene = Scene::new().await;
    let mut played = scene.accept().await;
    let answer = scene.get();
    played.hear().await;
    drop(answer);
    assert!(played.is_closed().await);
    let answer = scene.get();
    let mut played = scene.accept().await;
    played.answer("HTTP/1.1 200 OK\r\n\r\nabc").await;
    drop(answer.await.unwrap().unwrap());
    assert!(played.is_closed().await);
}

#[tokio::test]
async fn requests_wait_for_an_upstream_that_is_not_there_yet() {
    let scene = Scene::new().await;
    let port = scene.listener.local_addr().unwrap();
    let Scene { queue, jobs, listener, folder } = scene;
    drop(listener);
    let mut connected = queue.connected();
    let place = Address::Tcp("127.0.0.1".into(), port.port());
    queue.reload(Upstream::Http { servers: Vec::new() });
    queue.reload(Upstream::Http { servers: vec![server(place)] });
    connected.wait_for(|count| *count == 0).await.unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    let waiting = {
        let (reply, answer) = oneshot::channel();
        let (head, ()) = http::Request::new(()).into_parts();
        let address = "127.0.0.1:1".parse().unwrap();
        let client = Client { address, local: address, scheme: Scheme::Http };
        let trace = Arc::new(Trace::new(RequestId::new(1, 1)));
        let request = Request { head, body: Body::Empty, client, trace, script: None };
        jobs.try_send(Job { request, reply }).unwrap();
        answer
    };
    socket.bind(port).unwrap();
    let scene = Scene { queue, jobs, listener: socket.listen(8).unwrap(), folder };
    scene.accept().await.answer(OK).await;
    assert_eq!(answered(waiting).await.0, 200);
}

#[tokio::test]
async fn an_upstream_that_never_comes_is_a_502_that_says_why() {
    let scene = Scene::with(|settings| settings.wait_max = Duration::from_millis(50)).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    scene.list(&[&free]);
    drop(free.accept().await);
    drop(free);
    let (status, step, cause) = failed(scene.get()).await;
    assert_eq!((status, step), (502, Step::App));
    assert!(cause.contains("can't be reached"), "{cause}");
}

#[tokio::test]
async fn an_address_gets_256_requests_at_a_time_and_the_rest_waits() {
    let scene = Scene::with(|settings| settings.waiting_max = 1).await;
    scene.queue.connected().wait_for(|count| *count == 1).await.unwrap();
    let mut answers: Vec<_> = (0..257).map(|_| scene.get()).collect();
    let mut played = Vec::new();
    while played.len() < 256 {
        let mut next = scene.accept().await;
        next.hear().await;
        played.push(next);
    }
    let status = scene.queue.status().await;
    assert_eq!((status.running, status.waiting), (256, 1));
    let (status, step, _) = failed(scene.get()).await;
    assert_eq!((status, step), (503, Step::Queue));
    played[0].say(OK).await;
    played[0].answer(OK).await;
    assert_eq!(answered(answers.pop().unwrap()).await.0, 200);
}

#[tokio::test]
async fn of_several_addresses_the_least_busy_one_is_asked() {
    let scene = Scene::new().await;
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connected = scene.queue.connected();
    scene.list(&[&scene.listener, &second]);
    connected.wait_for(|count| *count == 2).await.unwrap();
    let _first = scene.accept().await;
    let _second = second.accept().await.unwrap();
    let _answers = [scene.get(), scene.get(), scene.get(), scene.get()];
    // One of two goes out on the connection that was there already.
    drop(scene.accept().await);
    drop(second.accept().await.unwrap());
}

#[tokio::test]
async fn an_answer_that_does_not_begin_in_time_is_a_504() {
    let scene = Scene::with(|settings| settings.request_max = Duration::from_millis(50)).await;
    let mut played = scene.accept().await;
    let answer = scene.get();
    played.hear().await;
    let (status, step, cause) = failed(answer).await;
    assert_eq!((status, step), (504, Step::App), "{cause}");
    assert!(played.is_closed().await);
}
