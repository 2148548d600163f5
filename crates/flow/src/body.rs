//! The content of a request or response: nothing, one piece, or a bounded stream.
//!
//! A stream never holds more than its window. The writing side knows how much has been read since it
//! last asked, and hands just that much on as credit to the side it reads from:
//!
//! ```text
//!   socket -> Writer [ ≤ window ] Body -> socket
//!        credit <- consumed
//! ```
//!
//! Nothing here waits for a socket; both ends may live on different threads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// Content, read piece by piece.
#[derive(Debug, Default)]
pub enum Body {
    /// No content.
    #[default]
    Empty,
    /// All of it at once.
    Full(Bytes),
    /// Piece by piece, as the other side writes it.
    Stream(Reader),
}

impl Body {
    /// A stream that holds at most `window` bytes.
    pub fn channel(window: usize) -> (Writer, Body) {
        Self::channel_waking(window, Arc::new(Notify::new()))
    }

    /// A stream whose writing side is woken through `wake` when content was read from it or its
    /// reader went away, so that one task can write many streams.
    pub fn channel_waking(window: usize, wake: Arc<Notify>) -> (Writer, Body) {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            window,
            readable: Notify::new(),
            writable: wake,
        });
        (Writer(shared.clone()), Body::Stream(Reader(shared)))
    }

    /// The next piece, or None at the end. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        match self {
            Body::Empty => None,
            Body::Full(_) => match std::mem::take(self) {
                Body::Full(bytes) if !bytes.is_empty() => Some(Ok(bytes)),
                _ => None,
            },
            Body::Stream(reader) => reader.next().await,
        }
    }

    /// The content's length, when it is known beforehand.
    pub fn size(&self) -> Option<u64> {
        match self {
            Body::Empty => Some(0),
            Body::Full(bytes) => Some(bytes.len() as u64),
            Body::Stream(_) => None,
        }
    }
}

/// Why content ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The writing side went away before the end.
    #[error("the content was cut off before its end")]
    Cut,
    /// The writing side gave up, and says why.
    #[error("{0}")]
    Failed(String),
}

/// More was written than the window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more content was sent than there was credit for")]
pub struct Overflow;

/// The reading end of a stream; dropped, it tells the writer that nobody reads any more.
pub struct Reader(Arc<Shared>);

/// The writing end of a stream; dropped without [`Writer::end`], it cuts the content off.
pub struct Writer(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    window: usize,
    readable: Notify,
    writable: Arc<Notify>,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Bytes>,
    buffered: usize,
    consumed: usize,
    end: Option<Result<(), BodyError>>,
    abandoned: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while holding the lock leaves the state whole: every change below is one statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.0.readable.notified().await;
        }
    }

    /// The next piece, the end (`Some(None)`), or None when there is nothing yet.
    fn take(&self) -> Option<Option<Result<Bytes, BodyError>>> {
        let mut state = self.0.state();
        if let Some(piece) = state.pieces.pop_front() {
            state.buffered -= piece.len();
            state.consumed += piece.len();
            drop(state);
            self.0.writable.notify_one();
            return Some(Some(Ok(piece)));
        }
        match &state.end {
            None => None,
            Some(Ok(())) => Some(None),
            Some(Err(error)) => {
                let error = error.clone();
                state.end = Some(Ok(()));
                Some(Some(Err(error)))
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.state().abandoned = true;
        self.0.writable.notify_one();
    }
}

impl Writer {
    /// Adds a piece without waiting.
    pub fn push(&self, piece: Bytes) -> Result<(), Overflow> {
        let mut state = self.0.state();
        if state.abandoned || piece.is_empty() {
            return Ok(());
        }
        if state.buffered + piece.len() > self.0.window {
            return Err(Overflow);
        }
        state.buffered += piece.len();
        state.pieces.push_back(piece);
        drop(state);
        self.0.readable.notify_one();
        Ok(())
    }

    /// How many bytes the stream can take now.
    pub fn room(&self) -> usize {
        self.0.window - self.0.state().buffered
    }

    /// How many bytes were read since this was last asked.
    pub fn take_consumed(&self) -> usize {
        std::mem::take(&mut self.0.state().consumed)
    }

    /// Whether nobody reads any more.
    pub fn is_abandoned(&self) -> bool {
        self.0.state().abandoned
    }

    /// Waits until something was read or the reader went away. Ask again after each wake-up: a
    /// wake-up may be early. Only one task may wait at a time.
    pub async fn changed(&self) {
        self.0.writable.notified().await;
    }

    /// Waits until `bytes` (at most the window) fit or the reader went away.
    pub async fn wait_for_room(&self, bytes: usize) {
        while self.room() < bytes.min(self.0.window) && !self.is_abandoned() {
            self.changed().await;
        }
    }

    /// Ends the content well.
    pub fn end(self) {
        self.close(Ok(()));
    }

    /// Ends the content early, with the reason.
    pub fn fail(self, error: BodyError) {
        self.close(Err(error));
    }

    fn close(&self, how: Result<(), BodyError>) {
        self.0.state().end.get_or_insert(how);
        self.0.readable.notify_one();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close(Err(BodyError::Cut));
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("buffered", &self.0.state().buffered).finish()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("buffered", &self.0.state().buffered).finish()
    }
}

#[cfg(test)]
mod tests;
