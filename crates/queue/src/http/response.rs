//! The head of an upstream's answer, and where its content ends (RFC 9112 §4, §6). Pure.
//!
//! `httparse` reads the grammar. What other readers could take differently is refused, as it is in
//! requests: two lengths, a coding besides chunked, lines that end in a bare LF.

use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use flow::{Chunked, Decoded, NotChunked};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Version};

use crate::answer::{FIELDS_MAX, HEAD_BYTES_MAX, is_hop_by_hop};

/// Why an answer can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("its head is longer than {HEAD_BYTES_MAX} bytes")]
    TooLong,
    #[error("its head is malformed: {0}")]
    Grammar(&'static str),
    #[error("where its content ends is ambiguous: {0}")]
    Framing(&'static str),
    #[error("its content is malformed: {0}")]
    Content(#[from] NotChunked),
    #[error("it switches protocols, and nobody asked for that")]
    Switching,
}

/// The head of a final answer, or of a 101.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: http::response::Parts,
    pub(super) content: Content,
    pub(super) persistence: Persistence,
}

/// Whether the connection serves another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It does; for so long, if the upstream says.
    Keep(Option<Duration>),
    /// It is closed.
    Close,
}

/// An answer's content on its way out of the bytes of the connection.
#[derive(Debug)]
pub(super) enum Content {
    /// That many bytes are to come.
    Length(u64),
    /// Chunks are to come.
    Chunked(Chunked),
    /// It ends with the connection.
    UntilClose,
}

impl Content {
    /// Takes the next piece, at most `room` bytes of it.
    pub(super) fn next(&mut self, bytes: &mut BytesMut, room: usize) -> Result<Decoded, Malformed> {
        match self {
            Content::Length(0) => Ok(Decoded::End),
            Content::Length(left) => Ok(Decoded::take(left, bytes, room)),
            Content::Chunked(chunked) => Ok(chunked.next(bytes, room)?),
            Content::UntilClose => {
                let mut endless = u64::MAX;
                Ok(Decoded::take(&mut endless, bytes, room))
            }
        }
    }

    /// Whether the end of the connection ends it well.
    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self, Content::UntilClose)
    }
}

/// The search for a head in the bytes of a connection, continued as they arrive.
#[derive(Debug, Default)]
pub(super) struct Scan {
    searched: usize,
    line: usize,
    informational: u8,
}

impl Scan {
    /// Takes the next head that says something off the front of `bytes`, which may only have grown
    /// since: 1xx answers but 101 are passed over (100 is given by the web step, RFC 9110 §15.2).
    pub(super) fn next(
        &mut self,
        bytes: &mut BytesMut,
        method: &Method,
    ) -> Result<Option<Head>, Malformed> {
        while let Some(end) = self.end(bytes)? {
            let informational = self.informational + 1;
            *self = Scan { informational, ..Scan::default() };
            let head = bytes.split_to(end).freeze();
            match parse(&head, method)? {
                Some(head) => return Ok(Some(head)),
                None if informational >= INFORMATIONAL_MAX => {
                    return Err(Malformed::Grammar("too many 1xx answers"));
                }
                None => {}
            }
        }
        Ok(None)
    }

    /// Whether not even a 1xx answer was found.
    pub(super) fn is_fresh(&self) -> bool {
        self.informational == 0
    }

    fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        for place in memchr::memchr_iter(b'\n', &bytes[self.searched..]) {
            let newline = self.searched + place;
            if newline == 0 || bytes[newline - 1] != b'\r' {
                return Err(Malformed::Grammar("a line ends in a bare LF"));
            }
            if newline >= HEAD_BYTES_MAX {
                return Err(Malformed::TooLong);
            }
            if newline - 1 == self.line {
                return Ok(Some(newline + 1));
            }
            self.line = newline + 1;
        }
        self.searched = bytes.len();
        if bytes.len() > HEAD_BYTES_MAX { Err(Malformed::TooLong) } else { Ok(None) }
    }
}

/// Reads a whole head; None for a 1xx that is passed over.
fn parse(bytes: &Bytes, method: &Method) -> Result<Option<Head>, Malformed> {
    let mut space = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut space,
    );
    match parsed {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(Malformed::Grammar("it ends before its empty line")),
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::Grammar("too many fields")),
        Err(_) => return Err(Malformed::Grammar("it is no HTTP/1.x")),
    }
    let status = StatusCode::from_u16(response.code.unwrap_or_default()).ok();
    let status = status.filter(|status| status.as_u16() < 600);
    let status = status.ok_or(Malformed::Grammar("its status is no status"))?;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(None);
    }
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = status;
    parts.version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    parts.headers.reserve(response.headers.len());
    for field in response.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Malformed::Grammar("a field has a forbidden character"));
        };
        parts.headers.append(name, value);
    }
    let content = content(&parts, method)?;
    let persistence = persistence(&parts, &content);
    drop_hop_by_hop(&mut parts);
    Ok(Some(Head { parts, content, persistence }))
}

/// Where an answer's content ends (RFC 9112 §6.3).
fn content(parts: &http::response::Parts, method: &Method) -> Result<Content, Malformed> {
    let mut lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let mut codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let (length, coding) = (lengths.next(), codings.next());
    if lengths.next().is_some() || codings.next().is_some() {
        return Err(Malformed::Framing("a field that frames it is there twice"));
    }
    let length = match length {
        Some(text) => {
            Some(parse_length(text).ok_or(Malformed::Framing("its length is no number"))?)
        }
        None => None,
    };
    let chunked = match coding {
        Some(_) if length.is_some() => {
            return Err(Malformed::Framing("both Content-Length and Transfer-Encoding"));
        }
        Some(_) if parts.version == Version::HTTP_10 => {
            return Err(Malformed::Framing("Transfer-Encoding in HTTP/1.0"));
        }
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            return Err(Malformed::Framing("a transfer coding besides chunked"));
        }
        coding => coding.is_some(),
    };
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        // What follows is not HTTP any more, and ends when the upstream says so.
        return Ok(Content::UntilClose);
    }
    let has_none = *method == Method::HEAD
        || parts.status == StatusCode::NO_CONTENT
        || parts.status == StatusCode::NOT_MODIFIED;
    Ok(match length {
        _ if has_none => Content::Length(0),
        Some(length) => Content::Length(length),
        None if chunked => Content::Chunked(Chunked::default()),
        None => Content::UntilClose,
    })
}

fn parse_length(value: &HeaderValue) -> Option<u64> {
    let digits = value.to_str().ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn persistence(parts: &http::response::Parts, content: &Content) -> Persistence {
    let has = |option: &str| options(&parts.headers).any(|it| it.eq_ignore_ascii_case(option));
    let closes = match parts.version {
        Version::HTTP_10 => !has("keep-alive"),
        _ => has("close"),
    };
    if closes || has("close") || content.ends_with_connection() {
        return Persistence::Close;
    }
    let told = parts.headers.get("keep-alive").and_then(|told| told.to_str().ok());
    let timeout = told.and_then(|told| {
        let named = told.split(',').find_map(|part| part.trim().strip_prefix("timeout="));
        named?.trim().parse().ok().map(Duration::from_secs)
    });
    Persistence::Keep(timeout)
}

/// The members of the Connection field.
fn options(fields: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = fields.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Takes away what speaks of the upstream's connection, and what it says does (RFC 9110 §7.6.1).
/// The protocol of a 101 stays: it is for the visitor.
fn drop_hop_by_hop(parts: &mut http::response::Parts) {
    let named: Vec<HeaderName> = options(&parts.headers)
        .filter_map(|option| HeaderName::try_from(option).ok())
        .filter(|name| *name != header::CONTENT_LENGTH)
        .collect();
    let switches = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    let gone: Vec<HeaderName> = parts
        .headers
        .keys()
        .filter(|name| is_hop_by_hop(name) || named.contains(name))
        .filter(|name| !switches || *name != header::UPGRADE)
        .cloned()
        .collect();
    for name in gone {
        parts.headers.remove(name);
    }
}

/// Answers, whole and cut: none may panic, and content is never more than was sent.
pub(super) fn fuzz(bytes: &[u8]) {
    for method in [Method::GET, Method::HEAD] {
        let (mut scan, mut buffer, mut found) = (Scan::default(), BytesMut::new(), 0);
        for piece in bytes.chunks(23) {
            buffer.extend_from_slice(piece);
            let Ok(head) = scan.next(&mut buffer, &method) else { break };
            let Some(mut head) = head else { continue };
            assert!(!head.parts.headers.contains_key(header::TRANSFER_ENCODING));
            while let Ok(Decoded::Data(data)) = head.content.next(&mut buffer, 7) {
                assert!(!data.is_empty() && data.len() <= 7);
                found += data.len();
            }
            break;
        }
        assert!(found <= bytes.len());
        buffer.advance(buffer.len());
    }
}

/// 1xx answers before the one that counts.
const INFORMATIONAL_MAX: u8 = 16;

#[cfg(test)]
mod tests;
