//! An upgraded connection (RFC 9110 §7.8): after the 101 its bytes are nobody's business but the two
//! ends'.
//!
//! ```text
//!  client ──bytes──▶ Writer [ ≤ 64 KiB ] Body ──▶ queue, upstream
//!         ◀──bytes── Body [ ≤ its window ] Writer ◀──
//! ```
//! The request is handed over with a stream for its content, into which nothing is put before the
//! application has answered 101: what a client sends earlier is either the beginning of the tunnel or
//! its next request, and only the answer tells which. Any other answer is an ordinary one.
//!
//! A tunnel has no time limit of its own: TCP's keep-alive tells of a client that has vanished.
//! When one side ends, the other has a moment to finish; a drain ends tunnels at its deadline.

use std::pin::pin;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use flow::{Body, BodyError, Failure, Response, Step, Writer};
use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use tokio::sync::watch;
use tokio::time::Instant;

use super::application::next;
use super::connection::{Connection, Ending};
use super::exchange::Sent;
use super::head::Head;
use super::incoming::{Incoming, PIECE_BYTES};
use super::outgoing::Outgoing;
use super::response;
use super::upload::{Upload, WINDOW_BYTES};
use crate::service::Phase;
use crate::{Sink, Source};

/// What a client wants the connection to become, and the way to there.
#[derive(Debug)]
pub(super) struct Upgrade {
    protocol: HeaderValue,
    writer: Writer,
}

impl Upgrade {
    /// The upgrade that a request asks for, if it is one that an application may grant, and the
    /// content that goes with the request: the client's bytes after the 101.
    pub(super) fn of(head: &Head, upload: &Upload) -> Option<(Upgrade, Body)> {
        let protocol = protocol(head).filter(|_| upload.is_done())?;
        let protocol = HeaderValue::from_bytes(protocol).ok()?;
        let (writer, body) = Body::channel(WINDOW_BYTES);
        Some((Upgrade { protocol, writer }, body))
    }

    /// Says it in the request's fields, from which what speaks of one connection was taken.
    pub(super) fn ask(&self, fields: &mut HeaderMap) {
        fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        fields.insert(header::UPGRADE, self.protocol.clone());
    }

    /// The application has answered otherwise: nothing comes through here.
    pub(super) fn decline(self) {
        self.writer.end();
    }

    /// The head of the answer that grants it.
    fn grant(&self, fields: &HeaderMap, out: &mut BytesMut) -> Result<(), Failure> {
        let granted = fields.get(header::UPGRADE).unwrap_or(&self.protocol);
        if !granted.as_bytes().eq_ignore_ascii_case(self.protocol.as_bytes()) {
            let cause = "the application switches to a protocol that was not asked for";
            return Err(Failure::new(Step::Answer, StatusCode::BAD_GATEWAY, cause));
        }
        response::start(out, StatusCode::SWITCHING_PROTOCOLS);
        response::field(out, "Connection", b"Upgrade");
        response::field(out, "Upgrade", granted.as_bytes());
        response::fields(out, fields);
        out.put_slice(b"\r\n");
        Ok(())
    }
}

/// The one protocol asked for. Those that would change the connection below the application, such
/// as h2c, are passed over, and so is everything of HTTP/1.0 (RFC 9110 §7.8).
fn protocol(head: &Head) -> Option<&[u8]> {
    let mut named = head.list("upgrade");
    let protocol = named.next().filter(|_| head.version == Version::HTTP_11)?;
    let asked = head.list("connection").any(|option| option.eq_ignore_ascii_case(b"upgrade"));
    let name = protocol.split(|&byte| byte == b'/').next().unwrap_or_default();
    let ours = OF_THE_CONNECTION.iter().any(|ours| name.eq_ignore_ascii_case(ours.as_bytes()));
    (asked && named.next().is_none() && !ours).then_some(protocol)
}

impl<R: Source, W: Sink> Connection<R, W> {
    /// Becomes a tunnel, and returns when it has ended.
    pub(super) async fn tunnel(
        &mut self,
        upgrade: Upgrade,
        response: Response,
    ) -> Result<Sent, Failure> {
        let Response { head, body } = response;
        upgrade.grant(&head.headers, &mut self.outgoing.buffer)?;
        let limit = self.service.settings.linger_timeout;
        let phase = self.service.phase();
        let mut down = pin!(pass_down(&mut self.outgoing, body));
        let mut up = pin!(pass_up(&mut self.incoming, upgrade.writer));
        let (sent, ending) = tokio::select! {
            biased;
            sent = &mut down => (sent, Ending::Linger),
            () = &mut up => {
                // What the application still has to say may be for a client that only stopped talking.
                let rest = tokio::time::timeout(limit, down).await;
                (rest.unwrap_or(Ok(())), Ending::Close)
            }
            () = drained(phase) => (Ok(()), Ending::Close),
        };
        let ending = if sent.is_err() { Ending::Reset } else { ending };
        Ok(Sent { status: StatusCode::SWITCHING_PROTOCOLS, failure: sent.err(), ending })
    }
}

/// Passes on what the client sends, until it ends.
async fn pass_up<R: Source>(incoming: &mut Incoming<R>, writer: Writer) {
    let mut count = PIECE_BYTES;
    loop {
        while !incoming.buffer.is_empty() {
            writer.wait_for_room(1).await;
            let room = if writer.is_abandoned() { usize::MAX } else { writer.room() };
            let piece = incoming.buffer.split_to(room.min(incoming.buffer.len()));
            // It was cut to the room there is, and only we make that smaller.
            let pushed = writer.push(piece.freeze());
            debug_assert!(pushed.is_ok());
        }
        // Most tunnels are silent most of the time, and hold nothing then.
        incoming.park();
        match incoming.fill(count).await {
            Ok(0) => return writer.end(),
            Ok(filled) => count = if filled >= count { READ_BYTES } else { PIECE_BYTES },
            Err(_) => return writer.fail(BodyError::Cut),
        }
    }
}

/// Sends the client what the application says, until it ends.
async fn pass_down<W: Sink>(out: &mut Outgoing<W>, mut body: Body) -> Result<(), Failure> {
    while let Some(piece) = next(out, &mut body).await? {
        out.add(&piece).await?;
    }
    out.flush().await
}

/// Waits for the end of a drain, and leaves the time to say so.
async fn drained(mut phase: watch::Receiver<Phase>) {
    loop {
        let present = *phase.borrow_and_update();
        if let Phase::Draining(deadline) = present {
            let end = deadline.checked_sub(LAST_WORDS).unwrap_or_else(Instant::now);
            return tokio::time::sleep_until(end).await;
        }
        if phase.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Protocols that would be spoken with us rather than with the application.
const OF_THE_CONNECTION: [&str; 5] = ["h2c", "h2", "h3", "http", "tls"];

/// How much is read at a time from a client that sends a lot.
const READ_BYTES: usize = 32 * 1024;

/// So long before a drain's deadline tunnels end.
const LAST_WORDS: Duration = Duration::from_millis(50);
