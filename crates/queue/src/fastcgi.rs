//! The connection to one child of php-fpm or php-cgi: FastCGI 1.0, one request at a time.
//!
//! A connection that is kept pins the child that accepted it. So the site opens exactly as many as
//! PHP has children, each is a worker to the queue, and nobody waits in PHP's own backlog:
//!
//! ```text
//!   connected ──▶ Greeting ──END_REQUEST──▶ Idle ───── a request ────▶ Busy
//!                 an empty request:           ▲                          │ END_REQUEST
//!                 a child is there, and       '── read to its end ── Finishing
//!                 its pid                                         fastcgi_finish_request()
//! ```
//! The greeting is a request without variables, which PHP answers without running anything. Until it
//! is answered the connection waits in PHP's backlog, and is no worker.
//!
//! A script may end its answer and go on working. PHP reads the end of a request's content only on its
//! way to the next one: as long as that is unread, the child is no idle worker.
//!
//! FastCGI knows no credit: what is not read here waits in the socket, and in time stops PHP. Nor
//! can a request be taken back or ended early: if its visitor leaves, the connection is closed, which
//! PHP notices at its next output. A script may then go on (`ignore_user_abort`).

pub(crate) mod head;
mod peer;
pub(crate) mod record;
mod said;
mod upload;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flow::{Body, Failure, RequestId, Stamp, Step};
use http::StatusCode;
use http::response::Parts;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use crate::dispatch::JobKey;
use crate::frame::REQUEST_WINDOW;
use crate::link::{LinkError, News, Upload};
use crate::stream::{Outlet, Stream, Ticket};
use head::Collector;
use record::{Ended, Record};
use said::Said;

/// A connection to a child of PHP.
pub(crate) struct Connection {
    socket: UnixStream,
    incoming: BytesMut,
    outgoing: BytesMut,
    state: State,
    /// How much the child has not read.
    unread: fn(BorrowedFd<'_>) -> io::Result<usize>,
    /// How many requests it was handed.
    handed: u32,
    /// The largest file that PHP takes, by its settings.
    upload_bytes_max: u64,
    /// It can't go on, for this reason.
    fault: Option<LinkError>,
    /// No longer listed: closes when its request is done.
    pub(crate) leaving: bool,
    /// The child's process id, once it has answered.
    pub(crate) pid: u32,
    /// How many requests it has ended.
    pub(crate) served: u64,
}

enum State {
    Greeting,
    Idle,
    Busy(Box<Exchange>),
    /// The answer has ended, and the child may still be at work.
    Finishing(JobKey),
}

/// A request at PHP, and its answer.
struct Exchange {
    number: u32,
    stream: Stream,
    part: Part,
    /// What came of the answer with the batch that is being read.
    batch: Batch,
    /// When the first byte of the request was written, if it was.
    begun: Option<Stamp>,
    /// Its visitor has gone.
    abandoned: bool,
    /// Content of the request that is not written yet.
    unwritten: usize,
    said: Said,
}

/// Which part of the answer comes next.
enum Part {
    Head(Collector),
    Content,
}

#[derive(Default)]
struct Batch {
    head: Option<Parts>,
    content: Content,
}

/// Pieces of content that came together go on together.
#[derive(Default)]
enum Content {
    #[default]
    None,
    One(Bytes),
    Joined(BytesMut),
}

impl Connection {
    /// A connection that was just made; it greets.
    pub(crate) fn new(
        socket: UnixStream,
        upload_bytes_max: u64,
        unread: fn(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Connection {
        let mut outgoing = BytesMut::new();
        record::encode_request(&[], &mut outgoing);
        record::encode_end(&mut outgoing);
        let fault = peer::ask_for_pid(&socket).err().map(LinkError::from);
        Connection {
            socket,
            incoming: BytesMut::new(),
            outgoing,
            state: State::Greeting,
            unread,
            handed: 0,
            upload_bytes_max,
            fault,
            leaving: false,
            pid: 0,
            served: 0,
        }
    }

    /// Whether a child of PHP has answered.
    pub(crate) fn greeted(&self) -> bool {
        !matches!(self.state, State::Greeting)
    }

    /// How many requests PHP is at.
    pub(crate) fn running(&self) -> usize {
        usize::from(matches!(self.state, State::Busy(_)))
    }

    /// Ready when there is something to read and room for it, or to be written.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let readable = self.may_read() && self.socket.poll_read_ready(context).is_ready();
        let writes = !self.outgoing.is_empty() || matches!(self.state, State::Finishing(_));
        let writable = writes && self.socket.poll_write_ready(context).is_ready();
        if readable || writable || self.fault.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether the visitor leaves room for all that one read can bring.
    fn may_read(&self) -> bool {
        match &self.state {
            State::Busy(exchange) => exchange.stream.window() >= self.incoming.len() + READ_BYTES,
            State::Greeting | State::Idle | State::Finishing(_) => true,
        }
    }

    /// Starts a request: all of it that is there goes out in one write. Content that does not fit
    /// is given back as an upload.
    pub(crate) fn hand(&mut self, mut ticket: Ticket) -> Option<Upload> {
        ticket.trace.hand_to(self.pid);
        self.handed = self.handed.wrapping_add(1);
        upload::warn_if_too_large(&ticket, self.upload_bytes_max);
        let length = upload::length_unsaid(&ticket);
        let parts = [&ticket.variables[..], SAID_TO_PHP, length.as_bytes()];
        record::encode_request(&parts, &mut self.outgoing);
        let whole = match &ticket.body {
            Body::Empty => Some(Bytes::new()),
            Body::Full(bytes) if bytes.len() <= REQUEST_WINDOW => Some(bytes.clone()),
            Body::Full(_) | Body::Stream(_) => None,
        };
        let number = self.handed;
        let said = Said::new(ticket.trace.id);
        let (stream, upload) = match whole {
            Some(content) => {
                record::encode_content(&content, &mut self.outgoing);
                record::encode_end(&mut self.outgoing);
                (Stream::whole(ticket), None)
            }
            None => {
                let credit = Arc::new(Semaphore::new(REQUEST_WINDOW));
                let body = std::mem::take(&mut ticket.body);
                let stream = Stream::uploading(ticket, credit.clone());
                (stream, Some(Upload { stream: number, body, credit }))
            }
        };
        self.state = State::Busy(Box::new(Exchange {
            number,
            stream,
            part: Part::Head(Collector::default()),
            batch: Batch::default(),
            begun: None,
            abandoned: false,
            unwritten: 0,
            said,
        }));
        upload
    }

    /// Sends a piece of a request's content, for which there was credit.
    pub(crate) fn send_content(&mut self, number: u32, content: &[u8]) {
        if let Some(exchange) = exchange(&mut self.state, number) {
            exchange.unwritten += content.len();
            record::encode_content(content, &mut self.outgoing);
        }
    }

    /// Ends a request's content.
    pub(crate) fn end_content(&mut self, number: u32) {
        if exchange(&mut self.state, number).is_some() {
            record::encode_end(&mut self.outgoing);
        }
    }

    /// Content that ends early can't be told to PHP but by the end of the connection.
    pub(crate) fn abort(&mut self, number: u32, reason: &str) {
        if exchange(&mut self.state, number).is_some() {
            self.fault = Some(LinkError::Given(reason.to_owned()));
        }
    }

    /// Reads what is there and works it off. The news counts also when the connection has ended.
    pub(crate) fn read(&mut self, outlet: &Outlet, news: &mut Vec<News>) -> Result<(), LinkError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        while self.may_read()
            && let Some(read) = self.read_some()
        {
            match read {
                Ok(0) => return Err(LinkError::Closed),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(LinkError::Closed);
                }
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    while let Some(record) = record::decode(&mut self.incoming)? {
                        self.take(record, outlet, news)?;
                    }
                    if let State::Busy(exchange) = &mut self.state {
                        exchange.deliver(outlet)?;
                    }
                }
            }
        }
        if let State::Busy(exchange) = &mut self.state {
            exchange.stream.flow(outlet);
            if exchange.stream.newly_answering() {
                news.push(News::Answering(exchange.stream.job));
            }
        }
        self.finish(news);
        Ok(())
    }

    /// A child that has read all of its request is there for the next one. The kernel wakes who
    /// waits to write whenever something was read.
    fn finish(&mut self, news: &mut Vec<News>) {
        let State::Finishing(job) = self.state else { return };
        let read =
            self.socket.try_io(Interest::WRITABLE, || match (self.unread)(self.socket.as_fd())? {
                0 => Ok(()),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            });
        if !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.state = State::Idle;
            news.push(News::Ended(job, None));
        }
    }

    /// What there is to read, if anything; polled, not tried, as in [`crate::link`].
    fn read_some(&mut self) -> Option<io::Result<usize>> {
        if !self.greeted() {
            return peer::read(&self.socket, &mut self.incoming, &mut self.pid);
        }
        if self.incoming.capacity() - self.incoming.len() < READ_BYTES_MIN {
            self.incoming.reserve(READ_BYTES);
        }
        let mut room = (&mut self.incoming).limit(READ_BYTES);
        let read = pin!(self.socket.read_buf(&mut room));
        match read.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => Some(read),
            Poll::Pending => None,
        }
    }

    /// Works off one record.
    fn take(
        &mut self,
        record: Record,
        outlet: &Outlet,
        news: &mut Vec<News>,
    ) -> Result<(), LinkError> {
        match (record, std::mem::replace(&mut self.state, State::Idle)) {
            (Record::End(_), State::Greeting) => news.push(News::Greeted(1)),
            // What it says to an empty request is nobody's.
            (_, State::Greeting) => self.state = State::Greeting,
            (_, State::Idle | State::Finishing(_)) => return Err(LinkError::OutOfPlace),
            (Record::End(ended), State::Busy(exchange)) => {
                self.state = State::Finishing(exchange.stream.job);
                self.served += 1;
                exchange.end(ended, outlet)?;
                // Content that PHP did not read would be taken for the next request's.
                if !self.outgoing.is_empty() {
                    return Err(LinkError::Given("PHP did not read all of it".into()));
                }
            }
            (record, State::Busy(mut exchange)) => {
                let taken = match record {
                    Record::Stdout(piece) => exchange.take(piece),
                    Record::Stderr(text) => {
                        exchange.said.take(&text);
                        Ok(())
                    }
                    Record::End(_) => Ok(()),
                };
                self.state = State::Busy(exchange);
                taken?;
            }
        }
        Ok(())
    }

    /// Makes room for what visitors took; a visitor who has gone takes the connection along.
    pub(crate) fn settle(&mut self) {
        let State::Busy(exchange) = &mut self.state else { return };
        exchange.abandoned |= exchange.stream.newly_abandoned();
        // The window is larger by what was taken: that is all there is to tell.
        let _ = exchange.stream.credit();
    }

    /// Writes what is to be written, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> Result<(), LinkError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        while !self.outgoing.is_empty() {
            match self.socket.try_write(&self.outgoing) {
                Ok(written) => {
                    self.outgoing.advance(written);
                    if let State::Busy(exchange) = &mut self.state {
                        exchange.begun.get_or_insert_with(Stamp::now);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // PHP has closed; what it said before that is still to be read.
                Err(error) if CLOSED.contains(&error.kind()) => self.outgoing.clear(),
                Err(error) => return Err(error.into()),
            }
        }
        if let State::Busy(exchange) = &mut self.state {
            exchange.stream.grant(std::mem::take(&mut exchange.unwritten));
            // The request is out: PHP may go on with it, and is told by the end of the connection.
            if exchange.abandoned {
                return Err(LinkError::Given("the visitor has gone".into()));
            }
        }
        Ok(())
    }

    /// Takes the request back that a child which has gone did not begin: nothing of it was written.
    /// What PHP has read of one that was is not to be known: it leaves the end of each unread.
    pub(crate) fn take_unbegun(&mut self) -> Vec<Ticket> {
        let unbegun = |exchange: &Exchange| exchange.begun.is_none();
        self.take_if(unbegun).and_then(Stream::give_back).into_iter().collect()
    }

    /// Takes the request back that a child which has gone may have begun, if it may run again.
    pub(crate) fn take_repeatable(&mut self) -> Vec<Ticket> {
        let repeatable = |exchange: &Exchange| exchange.stream.can_be_repeated();
        self.take_if(repeatable).and_then(Stream::repeat).into_iter().collect()
    }

    fn take_if(&mut self, wanted: impl Fn(&Exchange) -> bool) -> Option<Stream> {
        let State::Busy(exchange) = &self.state else { return None };
        if !exchange.stream.can_be_given_back() || !wanted(exchange) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Busy(exchange) => Some(exchange.stream),
            State::Greeting | State::Idle | State::Finishing(_) => None,
        }
    }

    /// A request's id, method and path.
    pub(crate) fn request(&self, job: JobKey) -> Option<(RequestId, String)> {
        match &self.state {
            State::Busy(exchange) if exchange.stream.job == job => Some(exchange.stream.request()),
            _ => None,
        }
    }

    /// Answers a request in PHP's place. The connection goes with it.
    pub(crate) fn expire(&mut self, job: JobKey, failure: Failure) {
        if let State::Busy(exchange) = &mut self.state
            && exchange.stream.job == job
        {
            exchange.stream.expire(failure);
            self.fault = Some(LinkError::Given("it took too long".into()));
        }
    }

    /// Ends the connection: what PHP was at gets a failure. Returns how many requests that were.
    pub(crate) fn close(self, error: &LinkError, outlet: &Outlet) -> usize {
        let State::Busy(exchange) = self.state else { return 0 };
        if exchange.abandoned {
            return 0;
        }
        let cause =
            format!("PHP (process {}) ended while it was at the request: {error}", self.pid);
        exchange.stream.fail(Failure::new(Step::App, StatusCode::BAD_GATEWAY, cause), outlet);
        1
    }
}

fn exchange(state: &mut State, number: u32) -> Option<&mut Exchange> {
    match state {
        State::Busy(exchange) if exchange.number == number => Some(exchange),
        _ => None,
    }
}

impl Exchange {
    /// A piece of PHP's output.
    fn take(&mut self, piece: Bytes) -> Result<(), LinkError> {
        match &mut self.part {
            Part::Head(collector) => match collector.take(piece).and_then(|found| {
                found.map(|(lines, rest)| Ok((head::parse(lines)?, rest))).transpose()
            }) {
                Ok(Some((head, rest))) => {
                    self.batch.head = Some(head);
                    self.batch.content.add(rest);
                    self.part = Part::Content;
                }
                Ok(None) => {}
                Err(error) => {
                    let cause = error.to_string();
                    let _ = self.stream.answer(self.begun(), Err(error), 0, Bytes::new());
                    return Err(LinkError::Given(cause));
                }
            },
            Part::Content => self.batch.content.add(piece),
        }
        Ok(())
    }

    /// Hands on what the batch brought.
    fn deliver(&mut self, outlet: &Outlet) -> Result<(), LinkError> {
        let Batch { head, content } = std::mem::take(&mut self.batch);
        let content = content.into_bytes();
        if let Some(head) = head {
            self.stream.answer(self.begun(), Ok(head), content.len(), content)?;
        } else if !content.is_empty() {
            self.stream.data(content, outlet)?;
        }
        Ok(())
    }

    fn end(mut self: Box<Exchange>, ended: Ended, outlet: &Outlet) -> Result<(), LinkError> {
        self.deliver(outlet)?;
        let now = Stamp::now();
        let whole = matches!(self.part, Part::Content);
        if let Ended::Refused(reason) = ended {
            let cause = format!("PHP did not take the request on (FastCGI's reason {reason})");
            let status = StatusCode::SERVICE_UNAVAILABLE;
            self.stream.fail(Failure::new(Step::App, status, cause), outlet);
        } else if whole {
            self.stream.end(now)?;
        } else {
            self.stream.ran(self.begun(), now);
            let cause = "PHP ended the request without an answer";
            self.stream.fail(Failure::new(Step::App, StatusCode::BAD_GATEWAY, cause), outlet);
        }
        Ok(())
    }

    /// When PHP began: it says nothing of that, and was idle when the request was written.
    fn begun(&self) -> Stamp {
        self.begun.unwrap_or_default()
    }
}

impl Content {
    fn add(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        *self = match std::mem::take(self) {
            Content::None => Content::One(piece),
            Content::One(first) => {
                let mut joined = BytesMut::with_capacity(READ_BYTES);
                joined.put_slice(&first);
                joined.put_slice(&piece);
                Content::Joined(joined)
            }
            Content::Joined(mut joined) => {
                joined.put_slice(&piece);
                Content::Joined(joined)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Content::None => Bytes::new(),
            Content::One(piece) => piece,
            Content::Joined(joined) => joined.freeze(),
        }
    }
}

/// What PHP is told besides the request itself. Some builds of php-cgi run nothing without
/// REDIRECT_STATUS: a visitor, they think, might have called them directly.
const SAID_TO_PHP: &[u8] =
    b"GATEWAY_INTERFACE\0CGI/1.1\0SERVER_SOFTWARE\0davy\0REDIRECT_STATUS\x00200\0";
const CLOSED: [io::ErrorKind; 2] = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
const READ_BYTES: usize = 64 * 1024;
const READ_BYTES_MIN: usize = 16 * 1024;

#[cfg(test)]
mod tests;
