//! One connection: wait for a request, read its head, answer it, again and again.
//!
//! ```text
//!           idle_timeout     head_timeout
//!  begin ---------------> receive_head ----> exchange --keep--> begin
//!    | silent close           | 408, 4xx        |-- close: nothing is left to say
//!    v                        v                 |-- linger: shut down, read on for a moment
//!   end                    linger               '-- cut, reset: the client must notice
//! ```
//!
//! Requests that arrive together are answered one after another from the same buffer. An idle
//! connection holds no more than two small buffers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Buf as _;
use flow::{Client, Mark, Stamp, Trace};
use http::StatusCode;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Refusal;
use super::head::{Head, Scan};
use super::incoming::{Incoming, PIECE_BYTES};
use super::outgoing::Outgoing;
use crate::service::{Phase, Service};
use crate::timer::Elapsed;
use crate::{Finished, Sink, Source};

/// One connection and what it is doing.
pub(crate) struct Connection<R, W> {
    pub(super) service: Arc<Service>,
    pub(super) client: Client,
    pub(super) incoming: Incoming<R>,
    pub(super) outgoing: Outgoing<W>,
    phase: watch::Receiver<Phase>,
    /// When it was accepted, until its first request.
    accepted: Option<Stamp>,
}

/// How a connection goes on after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The next request, please.
    Keep,
    /// It is closed; everything was received and sent.
    Close,
    /// It is closed, after reading on for a moment: a reset would take the response from the client
    /// (RFC 9112 §9.6).
    Linger,
    /// It is closed at once; the framing tells the client that content is missing.
    Cut,
    /// It is reset; nothing else would tell the client.
    Reset,
}

impl<R: Source, W: Sink> Connection<R, W> {
    /// A connection that was accepted just now.
    pub(crate) fn new(
        service: Arc<Service>,
        source: R,
        sink: W,
        client: Client,
    ) -> Connection<R, W> {
        Connection {
            client,
            incoming: Incoming::new(source),
            outgoing: Outgoing::new(sink, service.settings.write_timeout),
            phase: service.phase(),
            accepted: Some(Stamp::now()),
            service,
        }
    }

    /// Serves the connection until it ends.
    pub(crate) async fn run(mut self) {
        while let Some(begun) = self.begin().await {
            match self.serve_request(begun).await {
                Ending::Keep => {}
                Ending::Close | Ending::Cut => return,
                Ending::Linger => return self.linger().await,
                Ending::Reset => return self.outgoing.reset(),
            }
        }
    }

    /// Waits for the first byte of a request. None: the connection is over.
    async fn begin(&mut self) -> Option<Stamp> {
        let mut empty_lines = 0;
        loop {
            // Some clients send an empty line after content; it begins no request (RFC 9112 §2.2).
            // With more of them a connection could be kept for ever.
            while empty_lines < EMPTY_LINES_MAX && self.incoming.buffer.starts_with(b"\r\n") {
                self.incoming.buffer.advance(2);
                empty_lines += 1;
            }
            if !self.incoming.buffer.is_empty() {
                return Some(Stamp::now());
            }
            self.incoming.park();
            self.outgoing.park();
            let patience = self.patience();
            tokio::select! {
                biased;
                filled = self.incoming.fill_within(patience, PIECE_BYTES) => match filled {
                    Ok(Ok(1..)) => {}
                    Ok(Ok(0) | Err(_)) | Err(Elapsed) => return None,
                },
                _ = self.phase.changed() => {}
            }
        }
    }

    /// How long the connection may be idle now. A new one may have a request on its way; of an old
    /// one that must go, only what has arrived already is still answered.
    fn patience(&mut self) -> Duration {
        let settings = &self.service.settings;
        match (*self.phase.borrow_and_update(), self.accepted.is_some()) {
            (Phase::Open, false) => settings.idle_timeout,
            (Phase::Open | Phase::Crowded, true) => settings.head_timeout,
            (Phase::Draining(_), true) => settings.head_timeout.min(Duration::from_secs(1)),
            (Phase::Crowded | Phase::Draining(_), false) => Duration::ZERO,
        }
    }

    /// Whether the connection may serve more requests after the present one.
    pub(super) fn may_stay(&self) -> bool {
        *self.phase.borrow() == Phase::Open
    }

    async fn serve_request(&mut self, begun: Stamp) -> Ending {
        let trace = self.service.trace();
        if let Some(accepted) = self.accepted.take() {
            trace.mark(Mark::Accepted, accepted);
        }
        trace.mark(Mark::Begun, begun);
        match self.receive_head().await {
            Ok(Some(head)) => {
                trace.mark(Mark::Received, Stamp::now());
                self.exchange(&head, &trace).await
            }
            Ok(None) => Ending::Cut,
            Err(refusal) => self.refuse(refusal, &trace).await,
        }
    }

    /// Reads the head of a request. None: the client left.
    async fn receive_head(&mut self) -> Result<Option<Head>, Refusal> {
        let settings = &self.service.settings;
        let mut scan = Scan::default();
        let mut deadline = None;
        loop {
            if let Some(end) = scan.end(&self.incoming.buffer, settings)? {
                let head = Head::parse(&self.incoming.buffer[..end], settings)?;
                self.incoming.buffer.advance(end);
                return Ok(Some(head));
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + settings.head_timeout);
            match self.incoming.fill_until(deadline, PIECE_BYTES).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Ok(None),
                Err(Elapsed) => {
                    let cause = "the head took longer than head_timeout";
                    return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, cause));
                }
            }
        }
    }

    /// Answers a request that could not be read.
    async fn refuse(&mut self, refusal: Refusal, trace: &Trace) -> Ending {
        let sent = self.send_refusal(None, refusal, trace).await;
        trace.mark(Mark::Sent, Stamp::now());
        self.service.finish(&Finished {
            site: None,
            host: None,
            method: "-",
            target: "-",
            status: sent.status,
            bytes_sent: self.outgoing.take_sent(),
            client: &self.client,
            trace,
            failure: sent.failure.as_ref(),
        });
        sent.ending
    }

    /// Ends the connection so that the client gets to see the last response.
    async fn linger(mut self) {
        self.outgoing.shutdown().await;
        let deadline = Instant::now() + self.service.settings.linger_timeout;
        loop {
            self.incoming.buffer.clear();
            match self.incoming.fill_until(deadline, PIECE_BYTES).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(Elapsed) => return,
            }
        }
    }
}

const EMPTY_LINES_MAX: usize = 4;

#[cfg(test)]
mod tests;
