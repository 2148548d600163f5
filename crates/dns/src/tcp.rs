//! The loop of one TCP listener, and the conversation on each of its connections (RFC 7766).
//!
//! ```text
//! client  ├ 2: length ┼ query ┼ 2: length ┼ query ┤ …          pipelined at will
//! server              ├ 2: length ┼ answer ┼ 2: length ┼ answer ┤   in the same order
//! ```
//! A client has ten seconds for each whole message, and as long to take what it is sent; trickling
//! bytes wins no time. Whoever breaks the format is shown the door.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Transport;
use crate::authority::Authority;
use crate::places::{Place, Places};
use crate::server::Stop;
use crate::status::add;

/// The most connections of one listener.
pub(crate) const CONNECTIONS_MAX: usize = 128;

/// The most connections of one client at a listener.
pub(crate) const CLIENT_CONNECTIONS_MAX: usize = 16;

/// How long a client may take for one message, from the end of the one before.
const IDLE: Duration = Duration::from_secs(10);

/// How long a client may take to read what was written to it at once.
const WRITE: Duration = Duration::from_secs(10);

/// The longest query, in bytes. No query that makes sense is a tenth as long.
const QUERY_BYTES_MAX: usize = 4096;

/// Answers to pipelined queries are collected up to this size before they are sent, in bytes.
const ANSWERS_BYTES: usize = 16 * 1024;

/// How long the listener rests after an error: it is short of descriptors, most likely.
const REST: Duration = Duration::from_millis(100);

/// Takes connections until told to stop, and then waits for the conversations to end.
pub(crate) async fn listen(listener: TcpListener, authority: Arc<Authority>, mut stop: Stop) {
    let places = Places::new(CONNECTIONS_MAX, CLIENT_CONNECTIONS_MAX);
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => {
                    welcome(accepted, &places, &authority, &stop, &mut conversations);
                }
                Err(error) => {
                    tracing::warn!(%error, "the DNS server can't take TCP connections");
                    tokio::time::sleep(REST).await;
                }
            },
            Some(_) = conversations.join_next() => {}
            () = stop.requested() => break,
        }
    }
    drop(listener);
    while conversations.join_next().await.is_some() {}
}

fn welcome(
    (stream, client): (TcpStream, SocketAddr),
    places: &Places,
    authority: &Arc<Authority>,
    stop: &Stop,
    conversations: &mut JoinSet<()>,
) {
    let Some(place) = places.take(client.ip()) else {
        add(&authority.counters.tcp_refused);
        return;
    };
    add(&authority.counters.tcp_accepted);
    let guest = Guest::new(place, authority.clone());
    let conversation = Conversation::new(stream, authority.clone(), stop.clone());
    conversations.spawn(async move {
        if let Err(error) = conversation.run().await {
            tracing::debug!(%error, %client, "a TCP conversation was cut off");
        }
        drop(guest);
    });
}

/// A connection, as long as it is open.
struct Guest {
    _place: Place,
    authority: Arc<Authority>,
}

impl Guest {
    fn new(place: Place, authority: Arc<Authority>) -> Guest {
        add(&authority.counters.tcp_open);
        Guest { _place: place, authority }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.authority.counters.tcp_open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// One connection.
pub(crate) struct Conversation<S> {
    stream: S,
    authority: Arc<Authority>,
    stop: Stop,
    /// What was read and not yet answered: less than a message, and what came with it.
    incoming: BytesMut,
    /// Answers that are not sent yet, each behind its length.
    outgoing: Vec<u8>,
    answer: Vec<u8>,
}

/// What lies at the front of what was read.
enum Front {
    /// Not enough yet.
    Part,
    /// A message of this length, behind its two bytes.
    Whole(usize),
    /// A message that is too long to be read, but its header is there.
    Long,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(crate) fn new(stream: S, authority: Arc<Authority>, stop: Stop) -> Conversation<S> {
        let (incoming, outgoing) = (BytesMut::new(), Vec::new());
        Conversation { stream, authority, stop, incoming, outgoing, answer: Vec::new() }
    }

    /// Answers one message after the other until the client has no more, is too slow or breaks the
    /// format, or until told to stop, when no message is under way.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        while self.next_message().await? {
            let more = self.answer_all().await?;
            self.flush().await?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// Waits until a message lies at the front. False: there will be none.
    async fn next_message(&mut self) -> io::Result<bool> {
        let deadline = Instant::now() + IDLE;
        while let Front::Part = self.front() {
            let under_way = !self.incoming.is_empty();
            self.incoming.reserve(QUERY_BYTES_MAX);
            let read = tokio::select! {
                read = timeout_at(deadline, self.stream.read_buf(&mut self.incoming)) => read,
                () = self.stop.requested(), if !under_way => return Ok(false),
            };
            match read {
                Ok(Ok(0)) | Err(_) => return Ok(false),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Answers what was read. False: the connection is to be closed after that.
    async fn answer_all(&mut self) -> io::Result<bool> {
        let authority = self.authority.clone();
        let zones = authority.zones();
        loop {
            let (message, last) = match self.front() {
                Front::Part => return Ok(true),
                Front::Whole(length) => (2..2 + length, false),
                // The header alone is a broken message, and answered as such.
                Front::Long => (2..2 + HEADER_BYTES, true),
            };
            let query = &self.incoming[message.clone()];
            if !authority.answer(&zones, query, Transport::Tcp, &mut self.answer) {
                return Ok(false);
            }
            self.post();
            if last {
                return Ok(false);
            }
            self.incoming.advance(message.end);
            if self.outgoing.len() >= ANSWERS_BYTES {
                self.flush().await?;
            }
        }
    }

    fn front(&self) -> Front {
        let Some((length, message)) = self.incoming.split_first_chunk::<2>() else {
            return Front::Part;
        };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > QUERY_BYTES_MAX && message.len() >= HEADER_BYTES {
            Front::Long
        } else if message.len() >= length {
            Front::Whole(length)
        } else {
            Front::Part
        }
    }

    /// Puts the answer behind those that are to be sent.
    fn post(&mut self) {
        let length = u16::try_from(self.answer.len())
            .expect("an answer is never longer than the limit of its transport, 65535 bytes");
        self.outgoing.extend_from_slice(&length.to_be_bytes());
        self.outgoing.extend_from_slice(&self.answer);
    }

    async fn flush(&mut self) -> io::Result<()> {
        timeout(WRITE, self.stream.write_all(&self.outgoing)).await??;
        self.outgoing.clear();
        Ok(())
    }
}

const HEADER_BYTES: usize = 12;

#[cfg(test)]
mod tests;
