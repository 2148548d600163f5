//! The connection to one worker: frames in and out, and the requests the worker is at.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use flow::{Body, Failure, RequestId, Step};
use http::StatusCode;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use crate::dispatch::JobKey;
use crate::fastcgi::record::RecordError;
use crate::frame::{self, Content, Frame, REQUEST_WINDOW, VERSION, WireError};
use crate::stream::{Outlet, Stream, StreamError, Ticket};

/// A connection to a worker.
pub(crate) struct Link {
    socket: UnixStream,
    incoming: BytesMut,
    outgoing: BytesMut,
    streams: BTreeMap<u32, Stream>,
    /// Streams taken back from the worker, which it has not ended yet: what it still says is dropped.
    recalled: HashSet<u32>,
    next: u32,
    /// The first stream that has not been written, and the first one of the last write.
    unwritten: u32,
    last_written: u32,
    /// The worker closed with something of ours unread.
    reset: bool,
    greeted: bool,
    /// No longer listed: closes when its last request is done.
    pub(crate) leaving: bool,
    /// The worker's process id, once it has said so.
    pub(crate) pid: u32,
    /// How many requests it has ended.
    pub(crate) served: u64,
}

/// What a batch of frames brought that the queue must know.
pub(crate) enum News {
    /// The worker greeted: it takes so many requests at a time.
    Greeted(u16),
    /// The worker has begun to answer a request, and the answer goes on.
    Answering(JobKey),
    /// The worker is done with a request, or goes on with it aside; how long it was at it, if it
    /// says.
    Ended(JobKey, Option<Duration>),
    /// The worker takes no more; these requests it has not begun, in the order they were handed.
    Leaving(Vec<Ticket>),
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the worker closed its connection")]
    Closed,
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("{0}")]
    Stream(#[from] StreamError),
    #[error("the worker speaks version {0} of the worker protocol, this davy {VERSION}")]
    Version(u16),
    #[error("the worker sent a frame out of place")]
    OutOfPlace,
    #[error("the worker does not end the requests that were recalled from it")]
    Deaf,
    #[error("the worker was stuck at a request, and is ended")]
    Stuck,
    #[error("the worker is no longer listed")]
    Unlisted,
    #[error("{0}")]
    Record(#[from] RecordError),
    /// A connection of FastCGI, which has no other way to end a request early.
    #[error("{0}")]
    Given(String),
}

/// A request's content that is still to be sent, piece by piece and by credit.
pub(crate) struct Upload {
    pub(crate) stream: u32,
    pub(crate) body: Body,
    pub(crate) credit: Arc<Semaphore>,
}

impl Link {
    /// A link over a new connection; says HELLO.
    pub(crate) fn new(socket: UnixStream) -> Link {
        let mut outgoing = BytesMut::new();
        let hello = Frame::Hello { version: VERSION, concurrency: 0, pid: std::process::id() };
        frame::encode(&hello, &mut outgoing);
        Link {
            socket,
            incoming: BytesMut::new(),
            outgoing,
            streams: BTreeMap::new(),
            recalled: HashSet::new(),
            next: 1,
            unwritten: 1,
            last_written: 1,
            reset: false,
            greeted: false,
            leaving: false,
            pid: 0,
            served: 0,
        }
    }

    /// Whether the worker has said HELLO.
    pub(crate) fn greeted(&self) -> bool {
        self.greeted
    }

    /// How many requests the worker is at.
    pub(crate) fn running(&self) -> usize {
        self.streams.len()
    }

    /// Ready when there is something to read, or room for what is to be written.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let readable = self.socket.poll_read_ready(context).is_ready();
        let writable =
            !self.outgoing.is_empty() && self.socket.poll_write_ready(context).is_ready();
        if readable || writable { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Starts a request at the worker. The content that does not fit into the first window is given
    /// back as an upload.
    pub(crate) fn hand(&mut self, mut ticket: Ticket) -> Option<Upload> {
        let stream = self.next;
        // Four billion requests on one connection: far beyond a worker's life.
        self.next = self.next.wrapping_add(1).max(1);
        ticket.trace.hand_to(self.pid);
        let content = match &ticket.body {
            Body::Empty => Content::None,
            Body::Full(_) | Body::Stream(_) => Content::Follows,
        };
        frame::encode_request(stream, content, &ticket.variables, &mut self.outgoing);
        let whole = match &ticket.body {
            Body::Empty => Some(Bytes::new()),
            Body::Full(bytes) if bytes.len() <= REQUEST_WINDOW => Some(bytes.clone()),
            _ => None,
        };
        let Some(whole) = whole else {
            let credit = Arc::new(Semaphore::new(REQUEST_WINDOW));
            let body = std::mem::take(&mut ticket.body);
            self.streams.insert(stream, Stream::uploading(ticket, credit.clone()));
            return Some(Upload { stream, body, credit });
        };
        self.streams.insert(stream, Stream::whole(ticket));
        if content == Content::Follows {
            self.send_content(stream, whole);
            self.end_content(stream);
        }
        None
    }

    /// Sends a piece of a request's content, for which there was credit.
    pub(crate) fn send_content(&mut self, stream: u32, content: Bytes) {
        if self.streams.contains_key(&stream) && !content.is_empty() {
            frame::encode(&Frame::Data { stream, content }, &mut self.outgoing);
        }
    }

    /// Ends a request's content.
    pub(crate) fn end_content(&mut self, stream: u32) {
        if self.streams.contains_key(&stream) {
            frame::encode(&Frame::End { stream, ended: None }, &mut self.outgoing);
        }
    }

    /// Tells the worker that nobody waits for an answer; it ends the stream itself.
    pub(crate) fn abort(&mut self, stream: u32, reason: &str) {
        if self.streams.contains_key(&stream) {
            frame::encode(&Frame::abort(stream, reason), &mut self.outgoing);
        }
    }

    /// Takes a request back that the worker has not begun: it is told to forget it. None when its
    /// answer has begun.
    pub(crate) fn recall(&mut self, job: JobKey) -> Option<Ticket> {
        let (&number, _) = self
            .streams
            .iter()
            .rev()
            .find(|(_, stream)| stream.job == job && stream.can_be_given_back())?;
        self.abort(number, "given to another worker");
        self.recalled.insert(number);
        self.streams.remove(&number)?.give_back()
    }

    /// A request's id, method and path.
    pub(crate) fn request(&self, job: JobKey) -> Option<(RequestId, String)> {
        self.streams.values().find(|stream| stream.job == job).map(Stream::request)
    }

    /// Answers a request in the worker's place, and tells the worker to give it up.
    pub(crate) fn expire(&mut self, job: JobKey, failure: Failure) {
        let found = self.streams.iter_mut().find(|(_, stream)| stream.job == job);
        if let Some((&number, stream)) = found {
            stream.expire(failure);
            frame::encode_overdue(number, &mut self.outgoing);
        }
    }

    /// Reads what is there and works it off. The news counts also when the link has ended.
    pub(crate) fn read(&mut self, outlet: &Outlet, news: &mut Vec<News>) -> Result<(), LinkError> {
        while let Some(read) = self.read_some() {
            match read {
                Ok(0) => return Err(LinkError::Closed),
                // The worker closed with frames of ours unread; its own last ones follow.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.reset = true,
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    while let Some(frame) = frame::decode(&mut self.incoming)? {
                        self.take(frame, outlet, news)?;
                    }
                }
            }
            // More may be there, but other links come first.
            if news.len() >= NEWS_MAX {
                break;
            }
        }
        for stream in self.streams.values_mut() {
            stream.flow(outlet);
            if stream.newly_answering() {
                news.push(News::Answering(stream.job));
            }
        }
        if self.recalled.len() > RECALLED_MAX { Err(LinkError::Deaf) } else { Ok(()) }
    }

    /// What there is to read, if anything. Polled, not tried: after a short read tokio knows that
    /// there is no more, and the next look costs no system call. Who sleeps after this asks
    /// [`Link::poll_ready`] first, which leaves its waker.
    fn read_some(&mut self) -> Option<io::Result<usize>> {
        if self.incoming.capacity() - self.incoming.len() < READ_BYTES_MIN {
            self.incoming.reserve(READ_BYTES);
        }
        let read = pin!(self.socket.read_buf(&mut self.incoming));
        match read.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => Some(read),
            Poll::Pending => None,
        }
    }

    /// Works off one frame.
    fn take(
        &mut self,
        frame: Frame,
        outlet: &Outlet,
        news: &mut Vec<News>,
    ) -> Result<(), LinkError> {
        match frame {
            Frame::Response { stream, .. }
            | Frame::Data { stream, .. }
            | Frame::Credit { stream, .. }
            | Frame::Aside { stream }
                if self.recalled.contains(&stream) => {}
            Frame::End { stream, ended: Some(_) } | Frame::Abort { stream, .. }
                if self.recalled.remove(&stream) => {}
            Frame::Hello { version, concurrency, pid } if !self.greeted => {
                if version != VERSION {
                    return Err(LinkError::Version(version));
                }
                (self.greeted, self.pid) = (true, pid);
                news.push(News::Greeted(concurrency.max(1)));
            }
            Frame::Response { stream, started, status, head, content } => {
                let entry = self.streams.get_mut(&stream).ok_or(LinkError::OutOfPlace)?;
                if let Some(reason) = entry.response(started, status, &head, content)? {
                    self.abort(stream, &reason);
                }
            }
            Frame::Data { stream, content } => {
                let entry = self.streams.get_mut(&stream).ok_or(LinkError::OutOfPlace)?;
                entry.data(content, outlet)?;
            }
            Frame::End { stream, ended: Some(ended) } => {
                let entry = self.take_served(stream)?;
                let (job, aside) = (entry.job, entry.aside);
                let took = entry.end(ended)?;
                news.extend((!aside).then_some(News::Ended(job, took)));
            }
            Frame::Abort { stream, started, ended, reason } => {
                let entry = self.take_served(stream)?;
                entry.ran(started, ended);
                let failure = Failure::new(Step::App, StatusCode::INTERNAL_SERVER_ERROR, reason);
                let took = (started.0 != 0).then(|| ended.since(started));
                news.extend((!entry.aside).then_some(News::Ended(entry.job, took)));
                entry.fail(failure, outlet);
            }
            Frame::Aside { stream } => {
                let entry = self.streams.get_mut(&stream).ok_or(LinkError::OutOfPlace)?;
                let again = std::mem::replace(&mut entry.aside, true);
                news.extend((!again).then_some(News::Ended(entry.job, None)));
            }
            Frame::Credit { stream, bytes } => {
                // Credit may cross the stream's end.
                if let Some(entry) = self.streams.get(&stream) {
                    entry.grant(bytes as usize);
                }
            }
            Frame::GoAway { last } => {
                self.leaving = true;
                news.push(News::Leaving(self.take_back(last, outlet)));
            }
            Frame::Hello { .. } | Frame::Request { .. } | Frame::End { ended: None, .. } => {
                return Err(LinkError::OutOfPlace);
            }
        }
        Ok(())
    }

    /// A request that the worker is done with.
    fn take_served(&mut self, stream: u32) -> Result<Stream, LinkError> {
        let served = self.streams.remove(&stream).ok_or(LinkError::OutOfPlace)?;
        self.served += 1;
        Ok(served)
    }

    /// Takes the requests above `last` back: the worker will not run them.
    fn take_back(&mut self, last: u32, outlet: &Outlet) -> Vec<Ticket> {
        let above = self.streams.split_off(&last.saturating_add(1));
        let mut tickets = Vec::new();
        for stream in above.into_values() {
            if stream.can_be_given_back() {
                tickets.extend(stream.give_back());
            } else {
                let cause = "the worker stopped before it ran the request";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                stream.fail(Failure::new(Step::Queue, status, cause), outlet);
            }
        }
        tickets
    }

    /// Grants credit for what visitors took, and aborts what they no longer wait for.
    pub(crate) fn settle(&mut self) {
        for (&stream, entry) in &mut self.streams {
            if entry.newly_abandoned() {
                frame::encode(&Frame::abort(stream, "the visitor has gone"), &mut self.outgoing);
            }
            if let Some(bytes) = entry.credit() {
                frame::encode(&Frame::Credit { stream, bytes }, &mut self.outgoing);
            }
        }
    }

    /// Writes what is to be written, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> Result<(), LinkError> {
        while !self.outgoing.is_empty() {
            match self.socket.try_write(&self.outgoing) {
                Ok(written) => {
                    self.outgoing.advance(written);
                    // Of a request in several writes the first part may have been read.
                    let whole = self.outgoing.is_empty() && written <= WRITE_BYTES_WHOLE;
                    self.last_written = if whole { self.unwritten } else { self.next };
                    self.unwritten = self.next;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The worker has closed; what it said before that is still to be read.
                Err(error) if CLOSED.contains(&error.kind()) => self.outgoing.clear(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes the requests back that a worker which has gone has not begun: those in `behind`, which
    /// waited there, and those that it never read. The kernel tells of the latter: to close a UNIX
    /// socket with something unread is a reset (unix(7)), and what is unread is the end of it: the
    /// last write at least in part. A worker begins nothing of a read before it has read on to the
    /// end (docs/worker-protocol.md), so it has begun nothing of that write.
    pub(crate) fn take_unbegun(&mut self, behind: &[JobKey]) -> Vec<Ticket> {
        let unread = if self.reset { self.last_written } else { self.unwritten };
        let unbegun = |number: u32, stream: &Stream| {
            (number >= unread || behind.contains(&stream.job)) && stream.can_be_given_back()
        };
        let taken = self.streams.extract_if(.., |number, stream| unbegun(*number, stream));
        taken.filter_map(|(_, stream)| stream.give_back()).collect()
    }

    /// Takes the requests back that a worker which has gone may have begun, and that may run again.
    pub(crate) fn take_repeatable(&mut self) -> Vec<Ticket> {
        let taken = self.streams.extract_if(.., |_, stream| stream.can_be_repeated());
        taken.filter_map(|(_, stream)| stream.repeat()).collect()
    }

    /// Ends the link: what the worker was at gets a failure. Returns how many requests that were.
    pub(crate) fn close(self, error: &LinkError, outlet: &Outlet) -> usize {
        let running = self.streams.len();
        for stream in self.streams.into_values() {
            let cause = format!("worker {} ended while it was at the request: {error}", self.pid);
            stream.fail(Failure::new(Step::App, StatusCode::BAD_GATEWAY, cause), outlet);
        }
        running
    }
}

const CLOSED: [io::ErrorKind; 2] = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
/// What is read stays in one piece of memory for many small answers, which hold it together.
const READ_BYTES: usize = 64 * 1024;
const READ_BYTES_MIN: usize = 8 * 1024;
/// A longer write may have been read in part while the rest of it was still being written.
const WRITE_BYTES_WHOLE: usize = 16 * 1024;
const NEWS_MAX: usize = 64;
/// A worker ends what was recalled when it next reads its socket; then no more than a few are open.
const RECALLED_MAX: usize = 1024;
