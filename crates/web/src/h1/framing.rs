//! Where a request's content ends, and whether the connection outlives it (RFC 9112 §6, §9.3).
//!
//! Anything that two readers could take differently is refused: this is what request smuggling is
//! made of (RFC 9112 §11.2).

use bytes::BytesMut;
use flow::{Chunked, Decoded};
use http::{StatusCode, Version};

use super::Refusal;
use super::head::Head;

/// Whether the connection serves another request after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// It does.
    Keep,
    /// It is closed after the response.
    Close,
}

/// What the connection's last request asked for: HTTP/1.1 keeps the connection unless told
/// otherwise, HTTP/1.0 closes it unless asked otherwise.
pub(crate) fn persistence(head: &Head) -> Persistence {
    let has =
        |option: &[u8]| head.list("connection").any(|member| member.eq_ignore_ascii_case(option));
    match head.version {
        _ if has(b"close") => Persistence::Close,
        Version::HTTP_10 if !has(b"keep-alive") => Persistence::Close,
        _ => Persistence::Keep,
    }
}

/// Whether the client waits for a 100 before it sends its content (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// It does not.
    None,
    /// It does.
    Continue,
}

/// What the Expect field asks for.
pub(crate) fn expectation(head: &Head) -> Result<Expectation, Refusal> {
    let mut expectation = Expectation::None;
    for member in head.list("expect") {
        if !member.eq_ignore_ascii_case(b"100-continue") {
            let cause = "the only expectation known is 100-continue";
            return Err(Refusal::new(StatusCode::EXPECTATION_FAILED, cause));
        }
        // A client of HTTP/1.0 would not understand a 100.
        if head.version == Version::HTTP_11 {
            expectation = Expectation::Continue;
        }
    }
    Ok(expectation)
}

/// A request's content on its way out of the bytes of the connection.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// That many bytes are to come.
    Length(u64),
    /// Chunks are to come.
    Chunked(Chunked),
}

impl Decoder {
    /// The decoder for a request's content (RFC 9112 §6.3).
    pub(crate) fn of(head: &Head) -> Result<Decoder, Refusal> {
        let mut lengths = head.all("content-length");
        let length = lengths.next();
        if lengths.next().is_some() {
            return Err(Refusal::bad("there are several Content-Length fields"));
        }
        let coded = head.get("transfer-encoding").is_some();
        match length {
            Some(_) if coded => Err(Refusal::bad("both Content-Length and Transfer-Encoding")),
            Some(length) => Ok(Decoder::Length(parse_length(length)?)),
            None if coded => check_coding(head).map(|()| Decoder::Chunked(Chunked::default())),
            None => Ok(Decoder::Length(0)),
        }
    }

    /// Takes the next piece of content, at most `room` bytes of it, out of `bytes`.
    pub(crate) fn next(&mut self, bytes: &mut BytesMut, room: usize) -> Result<Decoded, Refusal> {
        match self {
            Decoder::Chunked(chunked) => Ok(chunked.next(bytes, room)?),
            Decoder::Length(0) => Ok(Decoded::End),
            Decoder::Length(left) => Ok(Decoded::take(left, bytes, room)),
        }
    }

    /// Whether all content was taken.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Decoder::Chunked(chunked) => chunked.is_done(),
            Decoder::Length(left) => *left == 0,
        }
    }

    /// How many bytes are known to be missing; for chunks nobody knows.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Decoder::Length(left) => Some(*left),
            Decoder::Chunked(chunked) => chunked.is_done().then_some(0),
        }
    }
}

/// The value of a Content-Length field: digits, and nothing else.
pub(crate) fn parse_length(value: &[u8]) -> Result<u64, Refusal> {
    let digits = std::str::from_utf8(value).ok();
    digits
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or(Refusal::bad("the Content-Length is not a number"))
}

fn check_coding(head: &Head) -> Result<(), Refusal> {
    if head.version == Version::HTTP_10 {
        return Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"));
    }
    let mut codings = head.all("transfer-encoding");
    match (codings.next(), codings.next()) {
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ if head.list("transfer-encoding").any(is_unknown_coding) => Err(Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "the only transfer coding known is chunked",
        )),
        _ => Err(Refusal::bad("the Transfer-Encoding is malformed")),
    }
}

fn is_unknown_coding(coding: &[u8]) -> bool {
    !coding.eq_ignore_ascii_case(b"chunked")
}

#[cfg(test)]
mod tests;
