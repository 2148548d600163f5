//! What has arrived on a connection: whole frames, each in its place. Pure.
//!
//! ```text
//!   HELLO ──▶ REQUEST, each number higher than the last ──▶ DATA END ABORT CREDIT of those
//! ```
//! Whose stream has ended is not its concern: that a stream was once begun is all it knows.

use crate::frame::{Broken, Frame, HEADER_BYTES, Kind, NO_CONTENT, PAYLOAD_BYTES_MAX, split};
use crate::variables;

/// The bytes of a connection that were read and not yet taken, and how far its edge has come.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    at: usize,
    greeted: bool,
    /// The number of the newest stream.
    last: u32,
}

/// What the edge says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    /// HELLO.
    Greeting,
    Request {
        number: u32,
        flags: u8,
        variables: &'a [u8],
    },
    /// Content, its end, credit or an ABORT for a stream that was begun once.
    For {
        number: u32,
        kind: Kind,
        payload: &'a [u8],
    },
}

impl Intake {
    /// The buffer, with room for one read behind what is left in it.
    pub(crate) fn room(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.reserve(READ_BYTES);
        &mut self.bytes
    }

    /// The next whole frame, once it has come.
    pub(crate) fn next(&mut self) -> Result<Option<Said<'_>>, Broken> {
        let Some(frame) = split(&self.bytes[self.at..])? else { return Ok(None) };
        self.at += HEADER_BYTES + frame.payload.len();
        let is_hello = frame.kind == Kind::Hello;
        if self.greeted == is_hello || (frame.stream == 0) != is_hello {
            return Err(Broken("a frame out of its place"));
        }
        let said = said(frame, self.last)?;
        match said {
            Said::Greeting => self.greeted = true,
            Said::Request { number, .. } => self.last = number,
            Said::For { .. } => {}
        }
        Ok(Some(said))
    }
}

/// What a frame says on a connection whose newest stream is `last`.
fn said(frame: Frame<'_>, last: u32) -> Result<Said<'_>, Broken> {
    let Frame { kind, flags, stream: number, payload } = frame;
    match kind {
        Kind::Hello if payload.starts_with(&VERSION) => Ok(Said::Greeting),
        Kind::Hello => Err(Broken("another version")),
        Kind::Request if number <= last => Err(Broken("a stream number used twice")),
        Kind::Request if !variables::are_whole(payload) => {
            Err(Broken("variables without a value each and a NUL at their end"))
        }
        Kind::Request => Ok(Said::Request { number, flags, variables: payload }),
        _ if number > last => Err(Broken("a frame for a stream that was never opened")),
        _ => Ok(Said::For { number, kind, payload }),
    }
}

/// The bytes a CREDIT grants.
pub(crate) fn credit(payload: &[u8]) -> u64 {
    payload.first_chunk().map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)))
}

/// Whether content follows the request.
pub(crate) fn has_content(flags: u8) -> bool {
    flags & NO_CONTENT == 0
}

#[doc(hidden)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut intake = Intake::default();
    // The first byte says in which portions the others arrive.
    let portion = usize::from(bytes.first().copied().unwrap_or(1)).max(1);
    for arrived in bytes.get(1..).unwrap_or_default().chunks(portion) {
        intake.room().extend_from_slice(arrived);
        loop {
            match intake.next() {
                Ok(Some(Said::Request { variables, .. })) => {
                    assert!(variables::pairs(variables).next().is_some());
                }
                Ok(Some(Said::For { payload, .. })) => drop(credit(payload)),
                Ok(Some(Said::Greeting)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(intake.bytes.len() - intake.at <= HEADER_BYTES + PAYLOAD_BYTES_MAX);
    }
}

/// One read: below malloc's threshold for mapping, so that a small frame costs no page faults.
pub(crate) const READ_BYTES: usize = 65_536;
/// HELLO begins with the version: 1.
const VERSION: [u8; 2] = [0, 1];

#[cfg(test)]
mod tests;
