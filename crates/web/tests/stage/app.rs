//! The application behind the scripts: what it does stands in the path.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flow::{
    Answer, Body, BodyError, Client, Failure, Job, Request, RequestId, Response, Step, Trace,
};
use http::StatusCode;
use tokio::sync::mpsc;

/// How the way to the application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// It answers.
    Served,
    /// There is none.
    Absent,
    /// Nobody takes anything out.
    Full,
    /// Nobody is there any more.
    Closed,
}

/// Answers jobs as they come.
pub(crate) async fn run(mut jobs: mpsc::Receiver<Job>, queue: Queue) {
    match queue {
        Queue::Closed | Queue::Absent => return,
        Queue::Full => std::future::pending().await,
        Queue::Served => {}
    }
    while let Some(mut job) = jobs.recv().await {
        tokio::spawn(async move {
            tokio::select! {
                answer = answer(job.request) => {
                    if let Some(answer) = answer {
                        let _ = job.reply.send(answer);
                    }
                }
                () = job.reply.closed() => {}
            }
        });
    }
}

/// A request to fill a queue with.
pub(crate) fn filler(client: Client) -> Request {
    let (head, ()) = http::Request::new(()).into_parts();
    let trace = Arc::new(Trace::new(RequestId::new(0, 0)));
    Request { head, body: Body::Empty, client, script: None, trace }
}

async fn answer(request: Request) -> Option<Answer> {
    let path = request.head.uri.path().to_owned();
    let response = match path.as_str() {
        "/stream" => response(200, &[], stream(&["Hello, ", "world"], Duration::ZERO, Ok(()))),
        "/events" => response(200, &[], stream(&["one", "two"], Duration::from_secs(1), Ok(()))),
        "/cut" => response(200, &[], stream(&["abc"], Duration::from_secs(1), Err(BodyError::Cut))),
        "/early" => response(403, &[], full("no")),
        "/short" => response(200, &[("content-length", "10")], full("short")),
        "/long" => response(200, &[("content-length", "4")], full("long enough")),
        "/twice" => response(200, &[("content-length", "2"), ("content-length", "2")], full("ab")),
        "/length" => response(200, &[("content-length", "5")], full("12345")),
        "/204" => response(204, &[("content-length", "3")], full("abc")),
        "/205" => response(205, &[], full("abc")),
        "/304" => response(304, &[("content-length", "3"), ("etag", "\"x\"")], full("abc")),
        "/101" => response(101, &[], Body::Empty),
        "/hop" => response(
            200,
            &[
                ("connection", "close"),
                ("keep-alive", "timeout=5"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("date", "long ago"),
                ("server", "other"),
                ("x-kept", "yes"),
            ],
            full("ok"),
        ),
        "/tunnel" => tunnel(request),
        "/other" => response(101, &[("upgrade", "other")], Body::Empty),
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(300)).await;
            response(200, &[], full("at last"))
        }
        "/fail" => {
            let mut failure = Failure::new(Step::App, StatusCode::INTERNAL_SERVER_ERROR, "secret");
            failure.retry_after = Some(Duration::from_millis(1_200));
            return Some(Err(failure));
        }
        "/drop" => return None,
        _ => return Some(Ok(echo(request).await)),
    };
    Some(Ok(response))
}

/// Switches protocols and says back whatever comes, until it ends.
fn tunnel(mut request: Request) -> Response {
    let (writer, body) = Body::channel(1024);
    tokio::spawn(async move {
        while let Some(Ok(piece)) = request.body.next().await {
            writer.push(piece).unwrap();
        }
        writer.push(Bytes::from_static(b"(end)")).unwrap();
        writer.end();
    });
    response(101, &[("sec-websocket-accept", "x"), ("content-length", "5")], body)
}

/// What arrived: the request line, the fields, the content.
async fn echo(request: Request) -> Response {
    let head = &request.head;
    let mut text = format!("[{} {}]", head.method, head.uri);
    for (name, value) in &head.headers {
        text.push_str(&format!(" {name}={};", value.to_str().unwrap_or("?")));
    }
    let (mut content, mut pieces) = (Vec::new(), 0);
    // The content of an upgrade ends only when that is declined: it is not read before.
    let mut body = match request.head.headers.contains_key("upgrade") {
        true => Body::Empty,
        false => request.body,
    };
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => content.extend_from_slice(&piece),
            Err(error) => content.extend_from_slice(format!("({error})").as_bytes()),
        }
        pieces += 1;
    }
    if pieces > 0 {
        text.push_str(&format!(" content={}", String::from_utf8_lossy(&content)));
    }
    response(200, &[("content-type", "text/plain")], full(&text))
}

fn response(status: u16, fields: &[(&str, &str)], body: Body) -> Response {
    let mut builder = http::Response::builder().status(status);
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    Response { head, body }
}

fn full(text: &str) -> Body {
    Body::Full(Bytes::copy_from_slice(text.as_bytes()))
}

/// A stream of pieces with a pause before each but the first.
fn stream(pieces: &[&'static str], pause: Duration, end: Result<(), BodyError>) -> Body {
    let (writer, body) = Body::channel(1024);
    let pieces = pieces.to_vec();
    tokio::spawn(async move {
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                tokio::time::sleep(pause).await;
            }
            writer.push(Bytes::from_static(piece.as_bytes())).unwrap();
        }
        match end {
            Ok(()) => writer.end(),
            Err(error) => writer.fail(error),
        }
    });
    body
}
