//! One request at a worker: its answer as it comes in, and what is still owed to either side.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flow::{
    Answer, Body, BodyError, Client, Failure, Mark, RequestId, Response, Stamp, Step, Trace, Writer,
};
use http::StatusCode;
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::answer::{self, HeadError, Switching};
use crate::dispatch::{Handing, JobKey};
use crate::frame::RESPONSE_WINDOW;
use crate::spool::Spool;
use crate::variables;

/// A request on its way to a worker.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Its number among the owner's jobs.
    pub(crate) job: JobKey,
    /// How it may be handed out.
    pub(crate) handing: Handing,
    /// Where its answer goes.
    pub(crate) reply: oneshot::Sender<Answer>,
    /// The stamps of its way.
    pub(crate) trace: Arc<Trace>,
    /// Its head, as workers are told of it; empty where only HTTP upstreams may get it.
    pub(crate) variables: Bytes,
    /// Its head as it came; None where only workers may get it.
    pub(crate) origin: Option<Box<Origin>>,
    /// Its content.
    pub(crate) body: Body,
    pub(crate) repeat: Repeat,
}

/// Whether a request may be given to another worker when its own died at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Once: it asks for nothing to be changed.
    Once,
    Never,
}

/// The head of a request, and where it came from.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) head: http::request::Parts,
    pub(crate) client: Client,
}

/// A request at a worker.
///
/// ```text
/// Awaited ──RESPONSE──▶ Headed ──DATA or end of batch──▶ Streaming ──END──▶ gone
///                         └───────────END: one piece──────────────────────▶ gone
/// ```
/// The head is kept back until the rest of the batch has been read, so that a small answer reaches
/// the web step in one piece.
pub(crate) struct Stream {
    /// The request's number among the owner's jobs.
    pub(crate) job: JobKey,
    /// Whether the worker runs it aside, with room for another.
    pub(crate) aside: bool,
    handing: Handing,
    state: State,
    trace: Arc<Trace>,
    /// What the worker may still send.
    window: usize,
    /// What the visitor took that the worker has not been told of.
    owed: usize,
    /// What the edge may still send, if there is content; closed when the stream ends.
    upload_credit: Option<Arc<Semaphore>>,
    variables: Bytes,
    /// The content, to give the request to another worker; None when it streams.
    again: Option<Body>,
    repeat: Repeat,
    /// The queue has been told that the answer has begun.
    told: bool,
}

enum State {
    Awaited(oneshot::Sender<Answer>),
    Headed {
        reply: oneshot::Sender<Answer>,
        head: Box<http::response::Parts>,
        content: Bytes,
    },
    Streaming(Writer),
    /// Nobody waits any more; the rest of the worker's answer is dropped.
    Given,
}

/// Where the content of answers goes.
#[derive(Clone)]
pub(crate) struct Outlet {
    /// Woken when content was taken, or its reader has gone.
    pub(crate) wake: Arc<Notify>,
    /// What stands between a worker and a slow client, if anything does.
    pub(crate) spool: Option<Spool>,
}

impl Outlet {
    pub(crate) fn new(spool: Option<Spool>) -> Outlet {
        Outlet { wake: Arc::default(), spool }
    }

    /// A way for the content of one answer.
    fn open(&self, status: StatusCode) -> (Writer, Body) {
        let (writer, body) = Body::channel_waking(RESPONSE_WINDOW, self.wake.clone());
        match &self.spool {
            // A tunnel has no end that could be waited for: both sides keep pace.
            Some(spool) if status != StatusCode::SWITCHING_PROTOCOLS => {
                (writer, spool.through(body))
            }
            _ => (writer, body),
        }
    }
}

/// The worker sent more than it had credit for, or frames in the wrong order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("the worker sent content without credit")]
    NoCredit,
    #[error("the worker sent a second head for one request")]
    SecondHead,
    #[error("the worker sent content before a head")]
    NoHead,
}

impl Stream {
    /// A request that a worker is being handed with all its content, and that can be taken back.
    pub(crate) fn whole(ticket: Ticket) -> Stream {
        Stream {
            job: ticket.job,
            aside: false,
            handing: ticket.handing,
            state: State::Awaited(ticket.reply),
            trace: ticket.trace,
            window: RESPONSE_WINDOW,
            owed: 0,
            upload_credit: None,
            variables: ticket.variables,
            again: Some(ticket.body),
            repeat: ticket.repeat,
            told: false,
        }
    }

    /// A request whose content goes to the worker by this credit.
    pub(crate) fn uploading(ticket: Ticket, credit: Arc<Semaphore>) -> Stream {
        Stream { upload_credit: Some(credit), again: None, ..Stream::whole(ticket) }
    }

    /// Credit for so many bytes more of the request's content.
    pub(crate) fn grant(&self, bytes: usize) {
        if let Some(credit) = &self.upload_credit {
            let most = Semaphore::MAX_PERMITS - credit.available_permits();
            credit.add_permits(bytes.min(most));
        }
    }

    fn end_upload(&self) {
        if let Some(credit) = &self.upload_credit {
            credit.close();
        }
    }

    /// What the worker may still send, in bytes.
    pub(crate) fn window(&self) -> usize {
        self.window
    }

    /// Whether no answer has begun and the request can be given to another worker.
    pub(crate) fn can_be_given_back(&self) -> bool {
        self.again.is_some() && matches!(self.state, State::Awaited(_))
    }

    /// Takes back a request that the worker has not begun and never will, if that can be done.
    pub(crate) fn give_back(self) -> Option<Ticket> {
        let Stream { job, handing, trace, variables, repeat, .. } = self;
        let (State::Awaited(reply), Some(body)) = (self.state, self.again) else { return None };
        Some(Ticket { job, handing, reply, trace, variables, origin: None, body, repeat })
    }

    /// Whether the request may run once more, though a worker has begun it.
    pub(crate) fn can_be_repeated(&self) -> bool {
        self.repeat == Repeat::Once && self.can_be_given_back()
    }

    /// Takes a request back from a worker that died at it. That happens once in its life.
    pub(crate) fn repeat(self) -> Option<Ticket> {
        Some(Ticket { repeat: Repeat::Never, ..self.give_back()? })
    }

    /// The request's id, and its method and path.
    pub(crate) fn request(&self) -> (RequestId, String) {
        let of = |name| variables::value(&self.variables, name).unwrap_or_default();
        let method = Some(of("REQUEST_METHOD")).filter(|method| !method.is_empty());
        let method = method.unwrap_or_else(|| "GET".into());
        let target = of("REQUEST_URI");
        // A query may hold what is nobody's business.
        let path = target.split('?').next().unwrap_or_default();
        (self.trace.id, format!("{method} {path}"))
    }

    /// Answers in the worker's place, which has not begun to; what it still says is dropped.
    pub(crate) fn expire(&mut self, failure: Failure) {
        self.end_upload();
        if let State::Awaited(reply) = std::mem::replace(&mut self.state, State::Given) {
            let _ = reply.send(Err(failure));
        }
    }

    /// Whether the answer has begun to stream since this was last asked.
    pub(crate) fn newly_answering(&mut self) -> bool {
        matches!(self.state, State::Streaming(_)) && !std::mem::replace(&mut self.told, true)
    }

    /// A RESPONSE frame. `Some` says why the answer can't be used; the visitor has been told.
    pub(crate) fn response(
        &mut self,
        started: Stamp,
        status: u16,
        head: &Bytes,
        content: Bytes,
    ) -> Result<Option<String>, StreamError> {
        let size = content.len();
        let head = answer::parse(status, head, self.switching(status));
        self.answer(started, head, size, content)
    }

    /// The head of an answer, and what came of its content with it, in so many bytes of the window.
    /// `Some` says why the answer can't be used; the visitor has been told.
    pub(crate) fn answer(
        &mut self,
        started: Stamp,
        head: Result<http::response::Parts, HeadError>,
        size: usize,
        content: Bytes,
    ) -> Result<Option<String>, StreamError> {
        self.take(size)?;
        self.trace.mark(Mark::Started, started);
        match std::mem::replace(&mut self.state, State::Given) {
            State::Awaited(reply) => match head {
                Ok(head) => {
                    self.state = State::Headed { reply, head: Box::new(head), content };
                    Ok(None)
                }
                Err(error) => {
                    let cause = error.to_string();
                    let failure = Failure::new(Step::Answer, StatusCode::BAD_GATEWAY, &cause);
                    let _ = reply.send(Err(failure));
                    Ok(Some(cause))
                }
            },
            State::Given => Ok(None),
            State::Headed { .. } | State::Streaming(_) => Err(StreamError::SecondHead),
        }
    }

    fn switching(&self, status: u16) -> Switching {
        let switches = status == StatusCode::SWITCHING_PROTOCOLS.as_u16();
        if switches && variables::value(&self.variables, "HTTP_UPGRADE").is_some() {
            return Switching::Asked;
        }
        Switching::Unasked
    }

    /// A DATA frame.
    pub(crate) fn data(&mut self, content: Bytes, outlet: &Outlet) -> Result<(), StreamError> {
        self.take(content.len())?;
        self.flow(outlet);
        match &self.state {
            State::Awaited(_) => Err(StreamError::NoHead),
            State::Streaming(writer) => writer.push(content).map_err(|_| StreamError::NoCredit),
            State::Headed { .. } => Ok(()),
            State::Given => {
                self.owed += content.len();
                Ok(())
            }
        }
    }

    /// An END frame: the stream is over. Returns how long the worker was at the request.
    pub(crate) fn end(self, ended: Stamp) -> Result<Option<Duration>, StreamError> {
        self.trace.mark(Mark::Ended, ended);
        let took = self.trace.at(Mark::Started).map(|started| ended.since(started));
        self.end_upload();
        match self.state {
            State::Awaited(_) => return Err(StreamError::NoHead),
            State::Headed { reply, head, content } => {
                let body = if content.is_empty() { Body::Empty } else { Body::Full(content) };
                let _ = reply.send(Ok(Response { head: *head, body }));
            }
            State::Streaming(writer) => writer.end(),
            State::Given => {}
        }
        Ok(took)
    }

    /// When the application ran, by the worker's stamps; zero means that it did not.
    pub(crate) fn ran(&self, started: Stamp, ended: Stamp) {
        self.trace.mark(Mark::Started, started);
        self.trace.mark(Mark::Ended, ended);
    }

    /// The stream is over without a good end: by an ABORT frame, or with its link.
    pub(crate) fn fail(self, failure: Failure, outlet: &Outlet) {
        let mut this = self;
        this.end_upload();
        this.flow(outlet);
        match this.state {
            State::Awaited(reply) => drop(reply.send(Err(failure))),
            State::Streaming(writer) => writer.fail(BodyError::Failed(failure.to_string())),
            State::Headed { .. } | State::Given => {}
        }
    }

    /// Hands a kept-back head on, its content still to come.
    pub(crate) fn flow(&mut self, outlet: &Outlet) {
        if !matches!(self.state, State::Headed { .. }) {
            return;
        }
        let State::Headed { reply, head, content } =
            std::mem::replace(&mut self.state, State::Given)
        else {
            return;
        };
        let (writer, body) = outlet.open(head.status);
        // The window was checked when the content came, so it fits.
        let _ = writer.push(content);
        let _ = reply.send(Ok(Response { head: *head, body }));
        self.state = State::Streaming(writer);
    }

    /// Whether the visitor has gone since this was last asked. What the worker still sends is dropped.
    pub(crate) fn newly_abandoned(&mut self) -> bool {
        let gone = match &self.state {
            State::Awaited(reply) => reply.is_closed(),
            State::Streaming(writer) => writer.is_abandoned(),
            State::Headed { .. } | State::Given => false,
        };
        if gone {
            self.state = State::Given;
            self.end_upload();
        }
        gone
    }

    /// The credit to grant now: what the visitor took, in portions worth a frame.
    pub(crate) fn credit(&mut self) -> Option<u32> {
        if let State::Streaming(writer) = &self.state {
            self.owed += writer.take_consumed();
        }
        if self.owed < RESPONSE_WINDOW / 8 {
            return None;
        }
        let credit = std::mem::take(&mut self.owed);
        self.window += credit;
        u32::try_from(credit).ok()
    }

    fn take(&mut self, bytes: usize) -> Result<(), StreamError> {
        self.window = self.window.checked_sub(bytes).ok_or(StreamError::NoCredit)?;
        Ok(())
    }
}
