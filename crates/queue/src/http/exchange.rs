//! One request at an upstream, from the queue's hand to the last byte of its answer.
//!
//! ```text
//! connect ── kept or fresh ──▶ head sent ▷ content … content     one future
//!    ▲                         head read ◁ content … content     another, polled beside it
//!    '── once more, on a fresh connection: nothing of the answer came, and nothing is done twice
//! ```
//! Both directions go on at once, so that an early answer reaches a client that still sends, and a
//! dialogue works. A tunnel (101) is the same without framing. A visitor who leaves ends all of it.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use flow::control::Server;
use flow::{Answer, Body, BodyError, Decoded, Failure, Mark, Response, Stamp, Step, Trace, Writer};
use http::{Method, StatusCode, header};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::pool::{Freshness, Pool};
use super::request::{self, Framing};
use super::response::{Content, Head, Malformed, Persistence, Scan};
use super::socket::{Reading, Socket, Writing};
use crate::dispatch::JobKey;
use crate::frame::RESPONSE_WINDOW;
use crate::owner::{Command, replaced};
use crate::stream::Ticket;

/// What a request's task tells the owner when the address is free of it, however the task ends.
pub(crate) struct Report {
    /// None when it was told.
    commands: Option<mpsc::UnboundedSender<Command>>,
    worker: usize,
    job: JobKey,
    outcome: Outcome,
}

impl Report {
    /// The report of a request that the policy handed to `worker`.
    pub(crate) fn new(
        commands: mpsc::UnboundedSender<Command>,
        worker: usize,
        job: JobKey,
    ) -> Report {
        Report { commands: Some(commands), worker, job, outcome: Outcome::Ended }
    }

    /// The answer has begun, and may take its time.
    fn answering(&self) {
        if let Some(commands) = &self.commands {
            let _ = commands.send(Command::Answering(self.worker, self.job));
        }
    }

    /// Tells it now: what is still to be done needs no place.
    fn release(&mut self) {
        let (worker, job) = (self.worker, self.job);
        let outcome = std::mem::take(&mut self.outcome);
        if let Some(commands) = self.commands.take() {
            // A queue that has ended asks no more.
            let _ = commands.send(Command::Served { worker, job, outcome });
        }
    }
}

/// How it went, as far as the queue is concerned.
#[derive(Debug, Default)]
pub(crate) enum Outcome {
    /// It was answered, or can't be, or needs no place in the queue any more.
    #[default]
    Ended,
    /// The address can't be reached: the request waits again.
    Unreached(Box<Ticket>, io::Error),
}

impl Drop for Report {
    fn drop(&mut self) {
        self.release();
    }
}

/// Where a request is sent.
pub(crate) struct Exchange {
    pub(crate) server: Arc<Server>,
    pub(crate) pool: Arc<Pool>,
    /// What to answer instead, when that takes too long.
    pub(crate) expired: oneshot::Receiver<Failure>,
}

/// What is sent, and how.
struct Sending {
    /// The head, and the content that is here already.
    first: Bytes,
    framing: Framing,
    method: Method,
    trace: Arc<Trace>,
    /// Whether the upstream took any of it.
    begun: AtomicBool,
}

/// Whether a connection has served before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Kept,
    Fresh,
}

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("it closed the connection before it answered")]
    Closed,
    #[error("it closed the connection in the middle of its answer")]
    Cut,
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("{0}")]
    Content(#[from] BodyError),
    #[error("the visitor has gone")]
    Gone,
}

/// What became of one attempt.
enum Attempt {
    Over,
    /// The upstream had closed the connection before; a fresh one may do better.
    Stale(oneshot::Sender<Answer>),
}

impl Exchange {
    /// Sees a request through.
    pub(crate) async fn run(mut self, ticket: Ticket, mut report: Report) {
        let Some(sending) = self.prepare(&ticket) else {
            return drop(ticket.reply.send(Err(replaced())));
        };
        let mut ticket = ticket;
        if let Some(kept) = self.kept(&sending, &ticket.body) {
            let reply = ticket.reply;
            let body = Body::Empty;
            match self.attempt(kept, Age::Kept, &sending, body, reply, &mut report).await {
                Attempt::Over => return,
                Attempt::Stale(reply) => ticket.reply = reply,
            }
        }
        match Socket::connect(&self.server.address).await {
            Ok(fresh) => {
                let body = match ticket.body {
                    Body::Stream(_) => ticket.body,
                    Body::Empty | Body::Full(_) => Body::Empty,
                };
                self.attempt(fresh, Age::Fresh, &sending, body, ticket.reply, &mut report).await;
            }
            Err(error) => report.outcome = Outcome::Unreached(Box::new(ticket), error),
        }
    }

    /// The bytes to send first; None when the request can't be told to such an upstream.
    fn prepare(&self, ticket: &Ticket) -> Option<Sending> {
        let origin = ticket.origin.as_deref()?;
        let framing = Framing::of(&origin.head.headers, &ticket.body);
        let mut first = BytesMut::new();
        request::write(&mut first, origin, ticket.trace.id, &self.server, framing);
        if let Body::Full(content) = &ticket.body {
            first.extend_from_slice(content);
        }
        Some(Sending {
            first: first.freeze(),
            framing,
            method: origin.head.method.clone(),
            trace: ticket.trace.clone(),
            begun: AtomicBool::new(false),
        })
    }

    /// A kept connection, if the request can go out on one: content that streams is there only once.
    fn kept(&self, sending: &Sending, body: &Body) -> Option<Socket> {
        let freshness =
            if sending.method.is_idempotent() { Freshness::Any } else { Freshness::Recent };
        let streams = matches!(body, Body::Stream(_));
        if streams { None } else { self.pool.take(Instant::now(), freshness) }
    }

    /// One request and its answer on one connection.
    async fn attempt(
        &mut self,
        mut socket: Socket,
        age: Age,
        sending: &Sending,
        body: Body,
        mut reply: oneshot::Sender<Answer>,
        report: &mut Report,
    ) -> Attempt {
        let (mut reading, mut writing) = socket.split();
        let mut incoming = BytesMut::new();
        let mut upload = Upload::new(sending.send(&mut writing, body));
        let head = {
            let mut head = pin!(receive_head(&mut reading, &mut incoming, &sending.method));
            loop {
                tokio::select! {
                    biased;
                    sent = upload.progress() => if let Err(trouble) = sent { break Err(trouble) },
                    head = &mut head => break head,
                    () = reply.closed() => break Err(Trouble::Gone),
                    Ok(failure) = &mut self.expired => {
                        let _ = reply.send(Err(failure));
                        return Attempt::Over;
                    }
                }
            }
        };
        let head = match head {
            Ok(head) if sending.is_unasked(&head) => Err(Malformed::Switching.into()),
            head => head,
        };
        match head {
            Err(Trouble::Gone) => Attempt::Over,
            Err(Trouble::Closed | Trouble::Socket(_))
                if age == Age::Kept && sending.may_be_repeated() =>
            {
                Attempt::Stale(reply)
            }
            Err(trouble) => {
                let _ = reply.send(Err(self.failure(&trouble)));
                Attempt::Over
            }
            Ok(head) => {
                let answer = Receiving { head, incoming, reading: &mut reading };
                let kept = self.deliver(answer, &mut upload, sending, reply, report).await;
                drop(upload);
                if let Some(timeout) = kept {
                    self.pool.put(socket, Instant::now(), timeout);
                }
                Attempt::Over
            }
        }
    }

    /// Passes an answer on. Says how long the connection may be kept, if it may.
    async fn deliver(
        &self,
        answer: Receiving<'_, '_>,
        upload: &mut Upload<'_>,
        sending: &Sending,
        reply: oneshot::Sender<Answer>,
        report: &mut Report,
    ) -> Option<Option<Duration>> {
        let Receiving { head, mut incoming, reading } = answer;
        let Head { parts, mut content, persistence } = head;
        let tunnel = parts.status == StatusCode::SWITCHING_PROTOCOLS;
        if tunnel || is_event_stream(&parts) {
            report.release();
        }
        if !tunnel && sending.framing == Framing::Upgrade {
            upload.stop();
        }
        let (here, ended) = match at_hand(&mut content, &mut incoming) {
            Ok(found) => found,
            Err(malformed) => {
                let _ = reply.send(Err(self.failure(&malformed.into())));
                return None;
            }
        };
        if ended {
            let body = if here.is_empty() { Body::Empty } else { Body::Full(here) };
            let _ = reply.send(Ok(Response { head: parts, body }));
        } else {
            let (writer, body) = Body::channel(RESPONSE_WINDOW);
            // No more was taken than a window holds.
            let _ = writer.push(here);
            let _ = reply.send(Ok(Response { head: parts, body }));
            report.answering();
            let passing = pass(reading, &mut incoming, &mut content, &writer);
            let passed = match tunnel {
                true => upload.tunnel(passing).await,
                false => upload.beside(passing).await,
            };
            if let Err(trouble) = passed {
                writer.fail(BodyError::Failed(self.said(&trouble)));
                return None;
            }
            writer.end();
        }
        sending.trace.mark(Mark::Ended, Stamp::now());
        let Persistence::Keep(timeout) = persistence else { return None };
        (upload.is_whole() && incoming.is_empty()).then_some(timeout)
    }

    fn failure(&self, trouble: &Trouble) -> Failure {
        let (step, status) = match trouble {
            Trouble::Content(_) => (Step::Web, StatusCode::BAD_REQUEST),
            Trouble::Closed | Trouble::Socket(_) | Trouble::Gone => {
                (Step::App, StatusCode::BAD_GATEWAY)
            }
            Trouble::Cut | Trouble::Malformed(_) => (Step::Answer, StatusCode::BAD_GATEWAY),
        };
        Failure::new(step, status, self.said(trouble))
    }

    fn said(&self, trouble: &Trouble) -> String {
        format!("the upstream {}: {trouble}", self.server.address)
    }
}

/// An answer whose head was read.
struct Receiving<'a, 'b> {
    head: Head,
    incoming: BytesMut,
    reading: &'a mut Reading<'b>,
}

impl Sending {
    /// Whether sending it again changes nothing (RFC 9110 §9.2.2).
    fn may_be_repeated(&self) -> bool {
        self.method.is_idempotent() || !self.begun.load(Ordering::Relaxed)
    }

    /// Whether the upstream switches protocols though it was not asked to.
    fn is_unasked(&self, head: &Head) -> bool {
        head.parts.status == StatusCode::SWITCHING_PROTOCOLS && self.framing != Framing::Upgrade
    }

    /// Writes the request, and its content as it comes.
    async fn send(&self, writing: &mut Writing<'_>, mut body: Body) -> Result<(), Unsent> {
        let mut first = self.first.clone();
        while first.has_remaining() {
            writing.write_buf(&mut first).await?;
            self.begun.store(true, Ordering::Relaxed);
        }
        self.trace.mark(Mark::Started, Stamp::now());
        while let Some(piece) = body.next().await {
            let mut piece = piece?;
            if self.framing == Framing::Chunked {
                let mut chunk =
                    Bytes::from(format!("{:x}\r\n", piece.len())).chain(piece).chain(&b"\r\n"[..]);
                writing.write_all_buf(&mut chunk).await?;
            } else {
                writing.write_all_buf(&mut piece).await?;
            }
        }
        match (self.framing, &body) {
            (Framing::Chunked, Body::Stream(_)) => writing.write_all(b"0\r\n\r\n").await?,
            (Framing::Upgrade, _) => writing.shutdown().await?,
            _ => {}
        }
        Ok(())
    }
}

/// What comes of sending a request.
type Sent = Result<(), Unsent>;

/// Why a request was not sent to its end.
#[derive(Debug)]
enum Unsent {
    /// The visitor stopped.
    Content(BodyError),
    /// The upstream takes no more; it may have answered all the same.
    Socket,
}

impl From<io::Error> for Unsent {
    fn from(_: io::Error) -> Unsent {
        Unsent::Socket
    }
}

impl From<BodyError> for Unsent {
    fn from(error: BodyError) -> Unsent {
        Unsent::Content(error)
    }
}

/// The way of the request to the upstream, while its answer is awaited and passed on.
struct Upload<'a> {
    /// None when it is over.
    sending: Option<Pin<Box<dyn Future<Output = Sent> + Send + 'a>>>,
    whole: bool,
}

impl<'a> Upload<'a> {
    fn new(sending: impl Future<Output = Sent> + Send + 'a) -> Upload<'a> {
        Upload { sending: Some(Box::pin(sending)), whole: false }
    }

    /// Whether all of it was sent.
    fn is_whole(&self) -> bool {
        self.whole
    }

    /// Sends no more.
    fn stop(&mut self) {
        self.sending = None;
    }

    /// Goes on until it is over; an error when the visitor's content is not to be had.
    async fn progress(&mut self) -> Result<(), Trouble> {
        let Some(sending) = &mut self.sending else { return std::future::pending().await };
        let sent = sending.await;
        self.sending = None;
        match sent {
            Ok(()) => self.whole = true,
            Err(Unsent::Content(error)) => return Err(Trouble::Content(error)),
            Err(Unsent::Socket) => {}
        }
        Ok(())
    }

    /// Passes an answer on while the request's content still comes.
    async fn beside(
        &mut self,
        passing: impl Future<Output = Result<(), Trouble>>,
    ) -> Result<(), Trouble> {
        let mut passing = pin!(passing);
        loop {
            tokio::select! {
                biased;
                passed = &mut passing => return passed,
                sent = self.progress() => sent?,
            }
        }
    }

    /// Passes bytes both ways. When one side ends, the other has a moment to finish.
    async fn tunnel(
        &mut self,
        passing: impl Future<Output = Result<(), Trouble>>,
    ) -> Result<(), Trouble> {
        let mut passing = pin!(passing);
        tokio::select! {
            biased;
            passed = &mut passing => {
                if matches!(passed, Err(Trouble::Gone)) {
                    // What the visitor said last is still for the upstream.
                    let _ = tokio::time::timeout(LAST_WORDS, self.progress()).await;
                }
                passed
            }
            _ = self.progress() => {
                tokio::time::timeout(LAST_WORDS, passing).await.unwrap_or(Ok(()))
            }
        }
    }
}

/// Reads until there is the head of an answer.
async fn receive_head(
    reading: &mut Reading<'_>,
    incoming: &mut BytesMut,
    method: &Method,
) -> Result<Head, Trouble> {
    let mut scan = Scan::default();
    loop {
        let filled = reading.fill(incoming).await;
        let nothing = incoming.is_empty() && scan.is_fresh();
        match filled {
            Ok(0) if nothing => return Err(Trouble::Closed),
            Err(error) if nothing => return Err(error.into()),
            Ok(0) | Err(_) => return Err(Trouble::Cut),
            Ok(_) => {}
        }
        if let Some(head) = scan.next(incoming, method)? {
            return Ok(head);
        }
    }
}

/// The content that is here already, and whether it is all of it.
fn at_hand(content: &mut Content, incoming: &mut BytesMut) -> Result<(Bytes, bool), Malformed> {
    let mut here = Bytes::new();
    let mut joined = BytesMut::new();
    loop {
        let room = RESPONSE_WINDOW - joined.len() - here.len();
        match content.next(incoming, room)? {
            Decoded::Data(data) if here.is_empty() && joined.is_empty() => here = data,
            Decoded::Data(data) => {
                joined.extend_from_slice(&std::mem::take(&mut here));
                joined.extend_from_slice(&data);
            }
            end => {
                let here = if joined.is_empty() { here } else { joined.freeze() };
                return Ok((here, end == Decoded::End));
            }
        }
    }
}

/// Passes content on as it comes and the visitor takes it.
async fn pass(
    reading: &mut Reading<'_>,
    incoming: &mut BytesMut,
    content: &mut Content,
    writer: &Writer,
) -> Result<(), Trouble> {
    loop {
        if writer.is_abandoned() {
            return Err(Trouble::Gone);
        }
        match drain(content, incoming, writer)? {
            Drained::End => return Ok(()),
            Drained::Full => {
                writer.wait_for_room(RESPONSE_WINDOW / 2).await;
                continue;
            }
            Drained::Empty => {}
        }
        tokio::select! {
            filled = reading.fill(incoming) => match filled? {
                0 if content.ends_with_connection() => return Ok(()),
                0 => return Err(Trouble::Cut),
                _ => {}
            },
            // The visitor took something, or left.
            () = writer.changed() => {}
        }
    }
}

/// Why no more content was moved on.
enum Drained {
    /// That was all of it.
    End,
    /// There is no room for more.
    Full,
    /// There is no more yet.
    Empty,
}

/// Moves content on as far as there is room. Small pieces are put together: each would hold the
/// memory that it was read into.
fn drain(
    content: &mut Content,
    incoming: &mut BytesMut,
    writer: &Writer,
) -> Result<Drained, Malformed> {
    let mut small = BytesMut::new();
    let push = |piece: Bytes| {
        // It was cut to the room there is, and only we make that smaller.
        let pushed = writer.push(piece);
        debug_assert!(pushed.is_ok());
    };
    loop {
        let room = writer.room().saturating_sub(small.len());
        let drained = match content.next(incoming, room)? {
            Decoded::Data(data) if data.len() < SMALL_BYTES => {
                small.extend_from_slice(&data);
                continue;
            }
            Decoded::Data(data) => {
                push(small.split().freeze());
                push(data);
                continue;
            }
            Decoded::End => Drained::End,
            Decoded::More if room == 0 => Drained::Full,
            Decoded::More => Drained::Empty,
        };
        push(small.freeze());
        return Ok(drained);
    }
}

/// A stream of events is silent most of the time: it is no work in progress (WHATWG HTML §9.2).
fn is_event_stream(parts: &http::response::Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// What remains of a tunnel's other direction when one has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Pieces below this size are put together.
const SMALL_BYTES: usize = 4 * 1024;
