//! One request at a worker: its answer as it comes in, and what is still owed to either side.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flow::{Answer, Body, BodyError, Failure, Mark, Response, Stamp, Step, Trace, Writer};
use http::StatusCode;
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::answer::{self, HeadError};
use crate::dispatch::{Handing, JobKey};
use crate::frame::RESPONSE_WINDOW;

/// A request on its way to a worker.
pub(crate) struct Ticket {
    /// Its number among the owner's jobs.
    pub(crate) job: JobKey,
    /// How it may be handed out.
    pub(crate) handing: Handing,
    /// Where its answer goes.
    pub(crate) reply: oneshot::Sender<Answer>,
    /// The stamps of its way.
    pub(crate) trace: Arc<Trace>,
    /// Its head, as workers are told of it.
    pub(crate) variables: Bytes,
    /// Its content.
    pub(crate) body: Body,
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
    handing: Handing,
    state: State,
    trace: Arc<Trace>,
    /// What the worker may still send.
    window: usize,
    /// What the visitor took that the worker has not been told of.
    owed: usize,
    /// What the edge may still send, if there is content; closed when the stream ends.
    upload_credit: Option<Arc<Semaphore>>,
    /// Head and content, to give the request to another worker; None when its content streams.
    again: Option<(Bytes, Body)>,
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
        let Ticket { job, handing, reply, trace, variables, body } = ticket;
        let state = State::Awaited(reply);
        let (window, owed, upload_credit) = (RESPONSE_WINDOW, 0, None);
        let again = Some((variables, body));
        Stream { job, handing, state, trace, window, owed, upload_credit, again }
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

    /// How the request may be handed out.
    pub(crate) fn handing(&self) -> Handing {
        self.handing
    }

    /// Whether no answer has begun and the request can be given to another worker.
    pub(crate) fn can_be_given_back(&self) -> bool {
        self.again.is_some() && matches!(self.state, State::Awaited(_))
    }

    /// Takes back a request that the worker has not begun and never will, if that can be done.
    pub(crate) fn give_back(self) -> Option<Ticket> {
        let Stream { job, handing, trace, .. } = self;
        let (State::Awaited(reply), Some((variables, body))) = (self.state, self.again) else {
            return None;
        };
        Some(Ticket { job, handing, reply, trace, variables, body })
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
        self.answer(started, answer::parse(status, head), size, content)
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

    /// A DATA frame.
    pub(crate) fn data(&mut self, content: Bytes, wake: &Arc<Notify>) -> Result<(), StreamError> {
        self.take(content.len())?;
        self.flow(wake);
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
    pub(crate) fn fail(self, failure: Failure, wake: &Arc<Notify>) {
        let mut this = self;
        this.end_upload();
        this.flow(wake);
        match this.state {
            State::Awaited(reply) => drop(reply.send(Err(failure))),
            State::Streaming(writer) => writer.fail(BodyError::Failed(failure.to_string())),
            State::Headed { .. } | State::Given => {}
        }
    }

    /// Hands a kept-back head on, its content still to come.
    pub(crate) fn flow(&mut self, wake: &Arc<Notify>) {
        if !matches!(self.state, State::Headed { .. }) {
            return;
        }
        let State::Headed { reply, head, content } =
            std::mem::replace(&mut self.state, State::Given)
        else {
            return;
        };
        let (writer, body) = Body::channel_waking(RESPONSE_WINDOW, wake.clone());
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
