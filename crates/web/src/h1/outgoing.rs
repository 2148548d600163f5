//! The writing half of a connection: its buffer, and writes that must make progress.

use std::io;
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use flow::{Failure, Step};
use http::StatusCode;
use tokio::io::AsyncWriteExt as _;

use super::incoming::BUFFER_BYTES_KEPT;
use crate::Sink;
use crate::timer::{Elapsed, Timer};

/// Bytes on their way out.
#[derive(Debug)]
pub(crate) struct Outgoing<W> {
    sink: W,
    /// What is to be sent next.
    pub(crate) buffer: BytesMut,
    timer: Timer,
    timeout: Duration,
    sent: u64,
}

impl<W: Sink> Outgoing<W> {
    /// Bytes to `sink`, which must take some of them within `timeout`.
    pub(crate) fn new(sink: W, timeout: Duration) -> Outgoing<W> {
        Outgoing { sink, buffer: BytesMut::new(), timer: Timer::default(), timeout, sent: 0 }
    }

    /// Gives a large buffer back before a long wait.
    pub(crate) fn park(&mut self) {
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = BytesMut::new();
        }
    }

    /// How many bytes the kernel took since this was last asked.
    pub(crate) fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent)
    }

    /// Adds a piece of content: small ones wait in the buffer, large ones go out uncopied.
    pub(crate) async fn add(&mut self, piece: &[u8]) -> Result<(), Failure> {
        if piece.len() > COPY_BYTES_MAX {
            return self.flush_with(piece).await;
        }
        self.buffer.extend_from_slice(piece);
        if self.buffer.len() > BUFFER_BYTES_MAX { self.flush().await } else { Ok(()) }
    }

    /// Sends what is in the buffer.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        self.flush_with(b"").await
    }

    async fn flush_with(&mut self, mut piece: &[u8]) -> Result<(), Failure> {
        while !self.buffer.is_empty() || !piece.is_empty() {
            let written = self.write(piece).await?;
            self.sent += written as u64;
            if written < self.buffer.len() {
                self.buffer.advance(written);
            } else {
                piece = &piece[written - self.buffer.len()..];
                self.buffer.clear();
            }
        }
        let flushed = self.timer.within(self.timeout, self.sink.flush()).await;
        flushed.map_err(stalled)?.map_err(|error| gone(&error))
    }

    /// One write of what is in the buffer and the piece behind it.
    async fn write(&mut self, piece: &[u8]) -> Result<usize, Failure> {
        let Outgoing { sink, buffer, timer, timeout, .. } = self;
        let write = std::future::poll_fn(|context| {
            let sink = Pin::new(&mut *sink);
            if piece.is_empty() {
                return sink.poll_write(context, buffer);
            }
            if buffer.is_empty() {
                return sink.poll_write(context, piece);
            }
            sink.poll_write_vectored(context, &[IoSlice::new(buffer), IoSlice::new(piece)])
        });
        match timer.within(*timeout, write).await.map_err(stalled)? {
            Ok(0) => Err(gone(&io::ErrorKind::WriteZero.into())),
            Ok(written) => Ok(written),
            Err(error) => Err(gone(&error)),
        }
    }

    /// Sends what is in the buffer, then `length` bytes of `file` from `start` on.
    pub(crate) async fn send_file(
        &mut self,
        file: &OwnedFd,
        start: u64,
        length: u64,
    ) -> Result<(), Failure> {
        self.flush().await?;
        let (mut at, end) = (start, start + length);
        while at < end {
            let count = usize::try_from(end - at).unwrap_or(TURN_BYTES_MAX).min(TURN_BYTES_MAX);
            let turn = self.sink.send_file(file, at, count);
            match self.timer.within(self.timeout, turn).await.map_err(stalled)? {
                Ok(0) => return Err(shrank()),
                Ok(sent) => {
                    at += sent as u64;
                    self.sent += sent as u64;
                }
                Err(error) => return Err(gone(&error)),
            }
            // The socket may take a whole file without ever making us wait: others have a turn.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Tells the client that nothing follows.
    pub(crate) async fn shutdown(&mut self) {
        // A client that has gone already needs no telling.
        let _ = self.timer.within(self.timeout, self.sink.shutdown()).await;
    }

    /// Ends the connection in a way that the client can't take for the end of the content.
    pub(crate) fn reset(self) {
        self.sink.reset();
    }
}

fn gone(error: &io::Error) -> Failure {
    failure(format!("the client went away: {error}"))
}

fn stalled(_: Elapsed) -> Failure {
    failure("the client took nothing of the response for write_timeout")
}

fn shrank() -> Failure {
    failure("the file became shorter while it was sent")
}

/// A failure to send; the status tells the log what the visitor could not be told.
fn failure(cause: impl Into<String>) -> Failure {
    Failure::new(Step::Response, StatusCode::INTERNAL_SERVER_ERROR, cause)
}

/// Pieces up to this size are copied behind one another; larger ones are written where they lie.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// The buffer is sent when it holds more than this.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// How much of a file is sent before others have their turn.
const TURN_BYTES_MAX: usize = 1024 * 1024;
