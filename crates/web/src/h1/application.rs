//! A request that goes to the site's queue, and its answer on the way back.
//!
//! While the application works, the request's content goes on flowing to it, and a client that
//! leaves is noticed; both go on while its answer is sent:
//!
//! ```text
//! attend   content … content, end, then watching for the client to leave
//! answer   ~~~~~ queue, app ~~~~~> head, content … content
//! ```
//! An answer that upgrades the connection makes a tunnel of it.
//! How long an answer may take is not for this step to say: nothing here ends that wait but the
//! client.

use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use flow::{Answer, Body, Failure, Job, Mark, Request, Response, Script, Stamp, Step, Trace};
use http::StatusCode;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::connection::{Connection, Ending};
use super::exchange::Sent;
use super::framing::Persistence;
use super::head::Head;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::response::{self, Framing, Terms};
use super::tunnel::Upgrade;
use super::upload::{Trouble, Upload};
use crate::{Sink, Source};

impl<R: Source, W: Sink> Connection<R, W> {
    /// Hands a request to the site's queue and sends back what comes of it.
    pub(super) async fn ask(
        &mut self,
        jobs: &mpsc::Sender<Job>,
        head: &Head,
        script: Option<Script>,
        upload: &mut Upload,
        trace: &Arc<Trace>,
    ) -> Sent {
        let mut parts = match head.parts() {
            Ok(parts) => parts,
            Err(refusal) => return self.send_refusal(Some(head), refusal, trace).await,
        };
        let (upgrade, body) = match Upgrade::of(head, upload) {
            Some((upgrade, body)) => {
                upgrade.ask(&mut parts.headers);
                (Some(upgrade), body)
            }
            None => (None, upload.body(&mut self.incoming.buffer)),
        };
        let (client, trace_of) = (self.client, trace.clone());
        let request = Request { head: parts, body, client, script, trace: trace_of };
        let waited = match hand_over(jobs, request) {
            Ok(reply) => match self.send_continue(upload).await {
                Ok(()) => self.wait(reply, upload).await,
                Err(failure) => return Sent::new(failure.status, Terms::refused(), Err(failure)),
            },
            Err(failure) => Ok(Err(failure)),
        };
        match waited {
            Err(Trouble::Gone) => Sent::new(client_left(), Terms::refused(), Err(gone())),
            Err(Trouble::Refused(refusal)) => {
                trace.mark(Mark::Answered, Stamp::now());
                self.send_refusal(Some(head), refusal, trace).await
            }
            Ok(answer) => {
                trace.mark(Mark::Answered, Stamp::now());
                let terms = self.terms(head, upload);
                match self.send_answer(answer, upgrade, terms, upload).await {
                    Ok(sent) => sent,
                    Err(failure) => self.send_page(Some(head), failure, terms, trace).await,
                }
            }
        }
    }

    /// Sends an answer of either kind; an error when there is none that could be sent.
    async fn send_answer(
        &mut self,
        answer: Answer,
        upgrade: Option<Upgrade>,
        terms: Terms,
        upload: &mut Upload,
    ) -> Result<Sent, Failure> {
        match (answer?, upgrade) {
            (response, Some(upgrade))
                if response.head.status == StatusCode::SWITCHING_PROTOCOLS =>
            {
                self.tunnel(upgrade, response).await
            }
            (response, upgrade) => {
                upgrade.into_iter().for_each(Upgrade::decline);
                let (response, framing) = framed(response, terms)?;
                Ok(self.deliver(response, framing, terms, upload).await)
            }
        }
    }

    /// Tells a client that waits for it to send its content (RFC 9110 §10.1.1).
    async fn send_continue(&mut self, upload: &mut Upload) -> Result<(), Failure> {
        if !upload.take_expectation(&self.incoming.buffer) {
            return Ok(());
        }
        self.outgoing.buffer.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        self.outgoing.flush().await
    }

    async fn wait(
        &mut self,
        reply: oneshot::Receiver<Answer>,
        upload: &mut Upload,
    ) -> Result<Answer, Trouble> {
        let limit = self.service.settings.head_bytes_max;
        tokio::select! {
            biased;
            answer = reply => Ok(answer.unwrap_or_else(|_| {
                let cause = "the queue dropped the request without an answer";
                Err(Failure::new(Step::Queue, StatusCode::INTERNAL_SERVER_ERROR, cause))
            })),
            // Dropping the reply tells the queue that nobody waits any more.
            trouble = attend(&mut self.incoming, upload, limit) => Err(trouble),
        }
    }

    /// Sends the application's answer while the rest of the request's content still comes in.
    async fn deliver(
        &mut self,
        response: Response,
        framing: Framing,
        mut terms: Terms,
        upload: &mut Upload,
    ) -> Sent {
        if framing == Framing::UntilClose {
            terms.persistence = Persistence::Close;
        }
        let status = response.head.status;
        let limit = self.service.settings.head_bytes_max;
        let mut sending = pin!(send(&mut self.outgoing, response, framing, terms));
        let sent = tokio::select! {
            biased;
            sent = &mut sending => sent,
            trouble = attend(&mut self.incoming, upload, limit) => match trouble {
                Trouble::Gone => Err(gone()),
                // The application has heard of it; its answer may be whole all the same.
                Trouble::Refused(_) => sending.await,
            },
        };
        let failed_upstream = sent.as_ref().is_err_and(|failure| failure.step == Step::Answer);
        let mut sent = Sent::new(status, terms, sent);
        if failed_upstream && framing != Framing::UntilClose {
            // Length or chunks tell the client that something is missing; what there is arrives.
            sent.ending = Ending::Cut;
        }
        sent
    }
}

fn hand_over(
    jobs: &mpsc::Sender<Job>,
    request: Request,
) -> Result<oneshot::Receiver<Answer>, Failure> {
    let (reply, answer) = oneshot::channel();
    request.trace.mark(Mark::Queued, Stamp::now());
    let unavailable = |cause| Failure::new(Step::Queue, StatusCode::SERVICE_UNAVAILABLE, cause);
    match jobs.try_send(Job { request, reply }) {
        Ok(()) => Ok(answer),
        Err(TrySendError::Full(_)) => Err(Failure {
            retry_after: Some(Duration::from_secs(1)),
            ..unavailable("the way to the queue is full")
        }),
        Err(TrySendError::Closed(_)) => Err(unavailable("the queue has ended")),
    }
}

/// Receives the request's content, then watches for the client to leave; returns on trouble only.
async fn attend<R: Source>(
    incoming: &mut Incoming<R>,
    upload: &mut Upload,
    limit: usize,
) -> Trouble {
    match upload.receive(incoming).await {
        Ok(()) => incoming.closed(limit).await,
        Err(Trouble::Refused(refusal)) => return Trouble::Refused(refusal),
        Err(Trouble::Gone) => {}
    }
    Trouble::Gone
}

fn framed(response: Response, terms: Terms) -> Result<(Response, Framing), Failure> {
    let Response { head, body } = response;
    let framing = Framing::of(head.status, &head.headers, body.size(), terms)?;
    Ok((Response { head, body }, framing))
}

/// Sends an answer. What is ready is sent together; a stream that pauses is sent up to there.
async fn send<W: Sink>(
    out: &mut Outgoing<W>,
    response: Response,
    framing: Framing,
    terms: Terms,
) -> Result<(), Failure> {
    let Response { head, mut body } = response;
    response::start(&mut out.buffer, head.status);
    response::fields(&mut out.buffer, &head.headers);
    response::finish(&mut out.buffer, framing, terms);
    match framing {
        Framing::None | Framing::Absent(_) => {}
        Framing::Length(length) => send_length(out, &mut body, length).await?,
        Framing::UntilClose => {
            while let Some(piece) = next(out, &mut body).await? {
                out.add(&piece).await?;
            }
        }
        Framing::Chunked => {
            while let Some(piece) = next(out, &mut body).await? {
                // Writing into memory does not fail.
                let _ = write!(out.buffer, "{:x}\r\n", piece.len());
                out.add(&piece).await?;
                out.buffer.extend_from_slice(b"\r\n");
            }
            out.buffer.extend_from_slice(b"0\r\n\r\n");
        }
    }
    out.flush().await
}

/// Sends exactly as much content as was promised.
async fn send_length<W: Sink>(
    out: &mut Outgoing<W>,
    body: &mut Body,
    mut left: u64,
) -> Result<(), Failure> {
    while left > 0 {
        let Some(piece) = next(out, body).await? else {
            out.flush().await?;
            let cause = format!("the content ended {left} bytes before its Content-Length");
            return Err(Failure::new(Step::Answer, StatusCode::BAD_GATEWAY, cause));
        };
        let fits = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        out.add(&piece[..fits]).await?;
        left -= fits as u64;
        if fits < piece.len() {
            report_excess();
            return Ok(());
        }
    }
    // The end of the content is not waited for: the client has all of it.
    if let Some(Some(Ok(_))) = at_once(body.next()).await {
        report_excess();
    }
    Ok(())
}

fn report_excess() {
    tracing::warn!("the application sent more content than its Content-Length; cut off");
}

/// The next piece of an answer. Before it is waited for, what was added so far is sent.
pub(super) async fn next<W: Sink>(
    out: &mut Outgoing<W>,
    body: &mut Body,
) -> Result<Option<Bytes>, Failure> {
    let next = match at_once(body.next()).await {
        Some(next) => next,
        None => {
            out.flush().await?;
            out.park();
            body.next().await
        }
    };
    match next.transpose() {
        Ok(piece) => Ok(piece),
        Err(error) => {
            out.flush().await?;
            Err(Failure::new(Step::Answer, StatusCode::BAD_GATEWAY, error.to_string()))
        }
    }
}

/// What a future gives without waiting.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn gone() -> Failure {
    Failure::new(Step::Response, client_left(), "the client left before it had the answer")
}

/// nginx's status for a client that left; it is for the log and never sent.
fn client_left() -> StatusCode {
    StatusCode::from_u16(499).expect("499 is a number between 100 and 999")
}
