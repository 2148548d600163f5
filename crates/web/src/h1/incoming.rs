//! The reading half of a connection: its buffer, and waits with a limit.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use crate::Source;
use crate::timer::{Elapsed, Timer};

/// Bytes on their way in.
#[derive(Debug)]
pub(crate) struct Incoming<R> {
    source: R,
    /// What was received and not yet used.
    pub(crate) buffer: BytesMut,
    timer: Timer,
    /// Whether the buffer has outgrown what a waiting connection keeps; its present capacity does
    /// not tell, as pieces of it are given away.
    is_large: bool,
}

impl<R: Source> Incoming<R> {
    /// Bytes from `source`.
    pub(crate) fn new(source: R) -> Incoming<R> {
        Incoming { source, buffer: BytesMut::new(), timer: Timer::default(), is_large: false }
    }

    /// Gives a large buffer back before a long wait.
    pub(crate) fn park(&mut self) {
        if self.is_large {
            self.buffer = BytesMut::new();
            self.is_large = false;
        }
    }

    /// Receives what is there, usually up to `count` bytes, and says how many; 0 at the end.
    /// Cancelling the wait loses nothing.
    pub(crate) async fn fill(&mut self, count: usize) -> io::Result<usize> {
        let Incoming { source, buffer, is_large, .. } = self;
        receive(source, buffer, is_large, count).await
    }

    /// The same, with a limit to the wait.
    pub(crate) async fn fill_within(
        &mut self,
        limit: Duration,
        count: usize,
    ) -> Result<io::Result<usize>, Elapsed> {
        let Incoming { source, buffer, is_large, timer } = self;
        timer.within(limit, receive(source, buffer, is_large, count)).await
    }

    /// The same, with an end to the wait.
    pub(crate) async fn fill_until(
        &mut self,
        deadline: Instant,
        count: usize,
    ) -> Result<io::Result<usize>, Elapsed> {
        let Incoming { source, buffer, is_large, timer } = self;
        timer.until(deadline, receive(source, buffer, is_large, count)).await
    }

    /// Waits until the client has closed the connection. What it sends meanwhile (the next
    /// requests) is kept; a client that sends more than `limit` bytes of it is not watched on.
    pub(crate) async fn closed(&mut self, limit: usize) {
        while self.buffer.len() < limit {
            match self.fill(PIECE_BYTES).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending::<()>().await;
    }
}

async fn receive<R: Source>(
    source: &mut R,
    buffer: &mut BytesMut,
    is_large: &mut bool,
    count: usize,
) -> io::Result<usize> {
    // First readiness, then memory: a connection that waits holds as little as it can.
    std::future::poll_fn(|context| source.poll_readable(context)).await?;
    buffer.reserve(count);
    *is_large |= buffer.capacity() > BUFFER_BYTES_KEPT;
    source.read_buf(buffer).await
}

/// How much is read at a time while a head is expected; most heads are shorter.
pub(crate) const PIECE_BYTES: usize = 2 * 1024;

/// A waiting connection keeps buffers up to this size; it has two of them.
pub(crate) const BUFFER_BYTES_KEPT: usize = 2 * 1024;
