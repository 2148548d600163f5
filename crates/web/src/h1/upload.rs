//! A request's content on its way from the connection to the application.
//!
//! ```text
//! socket -> Incoming -> Decoder -> Writer [ ≤ 64 KiB ] Body -> queue, worker
//!   '-- read only while there is room --'
//! ```
//!
//! While the application does not read, the socket is not read and no timer runs: the client is not
//! to blame. All waits may be cancelled; what was received stays.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flow::{Body, BodyError, Decoded, Writer};
use http::StatusCode;
use tokio::time::Instant;

use super::Refusal;
use super::framing::{Decoder, Expectation};
use super::incoming::{Incoming, PIECE_BYTES};
use crate::timer::Elapsed;
use crate::{Settings, Source};

/// The content of one request, as far as it was not received yet.
#[derive(Debug)]
pub(crate) struct Upload {
    decoder: Decoder,
    writer: Option<Writer>,
    /// How much more is accepted.
    allowed: u64,
    timeout: Duration,
    expectation: Expectation,
    /// Whether its end can't be found any more.
    broken: bool,
}

/// Why content stopped coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The client closed the connection.
    Gone,
    /// The content is malformed, too long or too slow.
    Refused(Refusal),
}

impl Upload {
    /// The content that `decoder` finds; refused at once when it says that it is too long.
    pub(crate) fn new(
        decoder: Decoder,
        expectation: Expectation,
        settings: &Settings,
    ) -> Result<Upload, Refusal> {
        if decoder.left().is_some_and(|length| length > settings.body_bytes_max) {
            return Err(too_large());
        }
        Ok(Upload {
            decoder,
            writer: None,
            allowed: settings.body_bytes_max,
            timeout: settings.body_timeout,
            expectation,
            broken: false,
        })
    }

    /// Whether all of it was received.
    pub(crate) fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Whether the connection may go on after a response that is begun now: what is missing must be
    /// short enough to be thrown away. A client that was never told to go on may send its content
    /// or not, so that nobody knows what its next bytes mean.
    pub(crate) fn lets_stay(&self, settings: &Settings) -> bool {
        let is_short = self.decoder.left().is_none_or(|left| left <= settings.linger_bytes_max);
        self.is_done() || (is_short && !self.broken && self.expectation == Expectation::None)
    }

    /// Whether the client is to be told to go on, as none of its content has come yet.
    pub(crate) fn take_expectation(&mut self, buffer: &BytesMut) -> bool {
        let expectation = std::mem::replace(&mut self.expectation, Expectation::None);
        expectation == Expectation::Continue && buffer.is_empty() && !self.is_done()
    }

    /// The other end, for the application. Content that is here already goes in one piece: the
    /// queue can then give the request to another worker, should the first end before it has begun.
    pub(crate) fn body(&mut self, buffer: &mut BytesMut) -> Body {
        if self.is_done() {
            return Body::Empty;
        }
        let here = buffer.len().min(WINDOW_BYTES) as u64;
        if self.decoder.left().is_some_and(|left| left <= here)
            && let Ok(Some(content)) = self.take(buffer, WINDOW_BYTES)
        {
            return Body::Full(content);
        }
        let (writer, body) = Body::channel(WINDOW_BYTES);
        self.writer = Some(writer);
        body
    }

    /// Receives content for the application until all of it is there.
    pub(crate) async fn receive<R: Source>(
        &mut self,
        incoming: &mut Incoming<R>,
    ) -> Result<(), Trouble> {
        while self.writer.is_some() {
            let pumped = self.pump(&mut incoming.buffer);
            if pumped.map_err(|refusal| self.fail(refusal))? == Pumped::Full {
                if let Some(writer) = &self.writer {
                    writer.wait_for_room(WINDOW_BYTES / 2).await;
                }
                continue;
            }
            if self.is_done() {
                if let Some(writer) = self.writer.take() {
                    writer.end();
                }
                break;
            }
            match incoming.fill_within(self.timeout, READ_BYTES).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Err(Trouble::Gone),
                Err(Elapsed) => {
                    let cause = "the content took longer than body_timeout";
                    return Err(self.fail(Refusal::new(StatusCode::REQUEST_TIMEOUT, cause)));
                }
            }
        }
        Ok(())
    }

    /// Moves content from the buffer to the application while there is room.
    fn pump(&mut self, buffer: &mut BytesMut) -> Result<Pumped, Refusal> {
        // Tiny chunks are put together, so that each does not cost a piece of its own.
        let mut small = BytesMut::new();
        loop {
            let room = self.room().saturating_sub(small.len());
            if room == 0 {
                self.push(small.freeze());
                return Ok(Pumped::Full);
            }
            match self.take(buffer, room)? {
                Some(data) if data.len() < SMALL_BYTES => small.extend_from_slice(&data),
                Some(data) => {
                    self.push(small.split().freeze());
                    self.push(data);
                }
                None => {
                    self.push(small.freeze());
                    return Ok(Pumped::Empty);
                }
            }
        }
    }

    fn push(&self, piece: Bytes) {
        if let Some(writer) = &self.writer {
            // Pieces are cut to the room there is, and only we make that smaller.
            let pushed = writer.push(piece);
            debug_assert!(pushed.is_ok());
        }
    }

    fn room(&self) -> usize {
        match &self.writer {
            Some(writer) if !writer.is_abandoned() => writer.room(),
            _ => WINDOW_BYTES,
        }
    }

    /// The next piece of content in the buffer, held against the limit.
    fn take(&mut self, buffer: &mut BytesMut, room: usize) -> Result<Option<Bytes>, Refusal> {
        let Decoded::Data(data) = self.decoder.next(buffer, room)? else { return Ok(None) };
        self.allowed = self.allowed.checked_sub(data.len() as u64).ok_or(too_large())?;
        Ok(Some(data))
    }

    fn fail(&mut self, refusal: Refusal) -> Trouble {
        self.broken = true;
        if let Some(writer) = self.writer.take() {
            writer.fail(BodyError::Failed(refusal.cause.into()));
        }
        Trouble::Refused(refusal)
    }

    /// Reads and throws away what is missing, so that the connection can serve another request.
    /// Says whether it can.
    pub(crate) async fn linger<R: Source>(
        &mut self,
        incoming: &mut Incoming<R>,
        settings: &Settings,
    ) -> bool {
        self.writer = None;
        if self.is_done() || self.broken {
            return !self.broken;
        }
        self.allowed = settings.linger_bytes_max;
        let deadline = Instant::now() + settings.linger_timeout;
        loop {
            match self.take(&mut incoming.buffer, usize::MAX) {
                Ok(Some(_)) => continue,
                Ok(None) if self.is_done() => return true,
                Ok(None) => {}
                Err(_) => return false,
            }
            match incoming.fill_until(deadline, PIECE_BYTES).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(Elapsed) => return false,
            }
        }
    }
}

/// Why [`Upload::pump`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pumped {
    /// The buffer holds no more content.
    Empty,
    /// The application has not read enough yet.
    Full,
}

fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the content is longer than body_bytes_max")
}

/// How much content may wait for the application, in bytes.
pub(crate) const WINDOW_BYTES: usize = 64 * 1024;

/// How much content is read at a time.
const READ_BYTES: usize = 32 * 1024;

/// Pieces below this size are put together.
const SMALL_BYTES: usize = 1024;
