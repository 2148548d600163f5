//! Frames of the worker protocol, version 1 (docs/worker-protocol.md): bytes to frames and back. Pure.
//!
//! A frame is checked when it is read: what comes out of [`decode`] has the right shape. Whether it
//! belongs to a stream, and whether there was credit for it, is the link's to decide.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flow::Stamp;

/// The version of the protocol spoken here.
pub(crate) const VERSION: u16 = 1;
/// The longest payload of a frame, in bytes.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 128 * 1024;
/// The content a worker may send of an answer before it gets credit, in bytes.
pub(crate) const RESPONSE_WINDOW: usize = 256 * 1024;
/// The content the edge may send of a request before it gets credit, in bytes.
pub(crate) const REQUEST_WINDOW: usize = 64 * 1024;

const HEADER_BYTES: usize = 12;
const REASON_BYTES_MAX: usize = 1024;
const NO_CONTENT: u8 = 1;

/// One frame. `stream` counts requests on a connection from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Hello { version: u16, concurrency: u16, pid: u32 },
    Request { stream: u32, content: Content, variables: Bytes },
    Response { stream: u32, started: Stamp, status: u16, head: Bytes, content: Bytes },
    Data { stream: u32, content: Bytes },
    End { stream: u32, ended: Option<Stamp> },
    Abort { stream: u32, started: Stamp, ended: Stamp, reason: String },
    Credit { stream: u32, bytes: u32 },
    GoAway { last: u32 },
    Aside { stream: u32 },
}

impl Frame {
    /// ABORT from the edge: nobody waits for the answer.
    pub(crate) fn abort(stream: u32, reason: &str) -> Frame {
        let (started, ended) = (Stamp::default(), Stamp::default());
        Frame::Abort { stream, started, ended, reason: reason.into() }
    }
}

/// Whether DATA and END follow a REQUEST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    None,
    Follows,
}

/// Why bytes are not frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("a frame of {0} bytes is longer than the protocol allows")]
    TooLong(usize),
    #[error("a frame of unknown type {0}")]
    UnknownType(u8),
    #[error("a {0} frame of the wrong shape")]
    Malformed(&'static str),
}

/// Takes the next frame off the front of `bytes`; None when it is not there whole yet.
pub(crate) fn decode(bytes: &mut BytesMut) -> Result<Option<Frame>, WireError> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let mut header = &header[..];
    let length = header.get_u32() as usize;
    let (kind, flags) = (header.get_u8(), header.get_u8());
    header.advance(2);
    let stream = header.get_u32();
    if length > PAYLOAD_BYTES_MAX {
        return Err(WireError::TooLong(length));
    }
    if bytes.len() < HEADER_BYTES + length {
        bytes.reserve(HEADER_BYTES + length - bytes.len());
        return Ok(None);
    }
    bytes.advance(HEADER_BYTES);
    let payload = bytes.split_to(length).freeze();
    payload_of(kind, flags, stream, payload).map(Some)
}

fn payload_of(kind: u8, flags: u8, stream: u32, mut payload: Bytes) -> Result<Frame, WireError> {
    let name = name(kind).ok_or(WireError::UnknownType(kind))?;
    let malformed = WireError::Malformed(name);
    if (stream == 0) != matches!(kind, HELLO | GOAWAY) {
        return Err(malformed);
    }
    let frame = match kind {
        HELLO if payload.len() == 8 => Frame::Hello {
            version: payload.get_u16(),
            concurrency: payload.get_u16(),
            pid: payload.get_u32(),
        },
        REQUEST => {
            let content = if flags & NO_CONTENT == 0 { Content::Follows } else { Content::None };
            Frame::Request { stream, content, variables: payload }
        }
        RESPONSE if payload.len() >= 14 => {
            let (started, status) = (Stamp(payload.get_u64()), payload.get_u16());
            let head_bytes = payload.get_u32() as usize;
            if head_bytes > payload.len() {
                return Err(malformed);
            }
            let head = payload.split_to(head_bytes);
            Frame::Response { stream, started, status, head, content: payload }
        }
        DATA => Frame::Data { stream, content: payload },
        END if payload.is_empty() => Frame::End { stream, ended: None },
        END if payload.len() == 8 => Frame::End { stream, ended: Some(Stamp(payload.get_u64())) },
        ABORT if (16..=16 + REASON_BYTES_MAX).contains(&payload.len()) => Frame::Abort {
            stream,
            started: Stamp(payload.get_u64()),
            ended: Stamp(payload.get_u64()),
            reason: String::from_utf8_lossy(&payload).into_owned(),
        },
        CREDIT if payload.len() == 4 => Frame::Credit { stream, bytes: payload.get_u32() },
        GOAWAY if payload.len() == 4 => Frame::GoAway { last: payload.get_u32() },
        ASIDE if payload.is_empty() => Frame::Aside { stream },
        _ => return Err(malformed),
    };
    Ok(frame)
}

/// Appends a frame to `out`. Payloads longer than the protocol allows are the caller's mistake.
pub(crate) fn encode(frame: &Frame, out: &mut BytesMut) {
    match frame {
        Frame::Hello { version, concurrency, pid } => {
            header(out, 8, HELLO, 0, 0);
            out.put_u16(*version);
            out.put_u16(*concurrency);
            out.put_u32(*pid);
        }
        Frame::Request { stream, content, variables } => {
            encode_request(*stream, *content, variables, out);
        }
        Frame::Response { stream, started, status, head, content } => {
            header(out, 14 + head.len() + content.len(), RESPONSE, 0, *stream);
            out.put_u64(started.0);
            out.put_u16(*status);
            out.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
            out.put_slice(head);
            out.put_slice(content);
        }
        Frame::Data { stream, content } => {
            header(out, content.len(), DATA, 0, *stream);
            out.put_slice(content);
        }
        Frame::End { stream, ended: None } => header(out, 0, END, 0, *stream),
        Frame::End { stream, ended: Some(ended) } => {
            header(out, 8, END, 0, *stream);
            out.put_u64(ended.0);
        }
        Frame::Abort { stream, started, ended, reason } => {
            let reason = &reason.as_bytes()[..reason.len().min(REASON_BYTES_MAX)];
            header(out, 16 + reason.len(), ABORT, 0, *stream);
            out.put_u64(started.0);
            out.put_u64(ended.0);
            out.put_slice(reason);
        }
        Frame::Credit { stream, bytes } => {
            header(out, 4, CREDIT, 0, *stream);
            out.put_u32(*bytes);
        }
        Frame::GoAway { last } => {
            header(out, 4, GOAWAY, 0, 0);
            out.put_u32(*last);
        }
        Frame::Aside { stream } => header(out, 0, ASIDE, 0, *stream),
    }
}

/// Appends a REQUEST frame to `out`.
pub(crate) fn encode_request(stream: u32, content: Content, variables: &[u8], out: &mut BytesMut) {
    let flags = if content == Content::None { NO_CONTENT } else { 0 };
    header(out, variables.len(), REQUEST, flags, stream);
    out.put_slice(variables);
}

fn header(out: &mut BytesMut, length: usize, kind: u8, flags: u8, stream: u32) {
    debug_assert!(length <= PAYLOAD_BYTES_MAX, "a payload of {length} bytes");
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u16(0);
    out.put_u32(stream);
}

const HELLO: u8 = 1;
const REQUEST: u8 = 2;
const RESPONSE: u8 = 3;
const DATA: u8 = 4;
const END: u8 = 5;
const ABORT: u8 = 6;
const CREDIT: u8 = 7;
const GOAWAY: u8 = 8;
const ASIDE: u8 = 9;

fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        HELLO => "HELLO",
        REQUEST => "REQUEST",
        RESPONSE => "RESPONSE",
        DATA => "DATA",
        END => "END",
        ABORT => "ABORT",
        CREDIT => "CREDIT",
        GOAWAY => "GOAWAY",
        ASIDE => "ASIDE",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
