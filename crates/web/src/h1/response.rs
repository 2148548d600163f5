//! The head of a response and the framing of its content (RFC 9112 §6, RFC 9110 §6.4.1, §8.6).

use bytes::{BufMut as _, BytesMut};
use flow::{Failure, Step};
use http::{HeaderMap, Method, StatusCode, Version, header};

use super::framing::{Persistence, parse_length};
use super::head::{Head, is_hop_by_hop};
use crate::date;

/// What the request means for its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The version the client speaks.
    pub(crate) version: Version,
    /// Whether content may be sent at all.
    pub(crate) wanted: Wanted,
    /// Whether the connection stays open.
    pub(crate) persistence: Persistence,
}

/// Whether a request's method lets the response have content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Head and content.
    Content,
    /// The head alone (HEAD).
    HeadOnly,
}

impl Terms {
    /// The terms of a request.
    pub(crate) fn of(head: &Head, persistence: Persistence) -> Terms {
        let wanted = if head.method == Method::HEAD { Wanted::HeadOnly } else { Wanted::Content };
        Terms { version: head.version, wanted, persistence }
    }

    /// The terms of a request that could not be read.
    pub(crate) fn refused() -> Terms {
        Terms {
            version: Version::HTTP_11,
            wanted: Wanted::Content,
            persistence: Persistence::Close,
        }
    }
}

/// How the client learns where the content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, and nothing says how long it would be.
    None,
    /// There is none, but it would be that long.
    Absent(u64),
    /// That many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

impl Framing {
    /// The framing of an application's response. `known` is the size of its content, if that is
    /// known; its own Content-Length comes first, and what is sent is held against it.
    pub(crate) fn of(
        status: StatusCode,
        fields: &HeaderMap,
        known: Option<u64>,
        terms: Terms,
    ) -> Result<Framing, Failure> {
        if status.is_informational() {
            return Err(bad_gateway("the application's status is no final one"));
        }
        let declared = declared_length(fields)?;
        let head_only = terms.wanted == Wanted::HeadOnly;
        if status == StatusCode::NO_CONTENT {
            return Ok(Framing::None);
        }
        if status == StatusCode::RESET_CONTENT {
            return Ok(Framing::Length(0));
        }
        if status == StatusCode::NOT_MODIFIED || head_only {
            // Content left out by the application says nothing about what GET would send.
            let known = known.filter(|&length| length > 0 && head_only);
            return Ok(declared.or(known).map_or(Framing::None, Framing::Absent));
        }
        Ok(match declared.or(known) {
            Some(length) => Framing::Length(length),
            None if terms.version == Version::HTTP_10 => Framing::UntilClose,
            None => Framing::Chunked,
        })
    }

    /// The framing of a response of ours, whose content is `length` bytes long.
    pub(crate) fn known(length: u64, terms: Terms) -> Framing {
        match terms.wanted {
            Wanted::Content => Framing::Length(length),
            Wanted::HeadOnly => Framing::Absent(length),
        }
    }
}

/// The one Content-Length that an application gave.
fn declared_length(fields: &HeaderMap) -> Result<Option<u64>, Failure> {
    let mut lengths = fields.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => {
            Err(bad_gateway("the application sent several Content-Length fields"))
        }
        (Some(length), None) => parse_length(length.as_bytes())
            .map(Some)
            .map_err(|_| bad_gateway("the application's Content-Length is not a number")),
    }
}

fn bad_gateway(cause: &str) -> Failure {
    Failure::new(Step::Answer, StatusCode::BAD_GATEWAY, cause)
}

/// Begins a head.
pub(crate) fn start(out: &mut BytesMut, status: StatusCode) {
    out.reserve(HEAD_BYTES_USUAL);
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.put_slice(b"\r\n");
}

/// Adds a field.
pub(crate) fn field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Adds an application's fields, but for those that are ours to say.
pub(crate) fn fields(out: &mut BytesMut, fields: &HeaderMap) {
    for (name, value) in fields {
        let ours = is_hop_by_hop(name)
            || *name == header::CONTENT_LENGTH
            || *name == header::DATE
            || *name == header::SERVER;
        if !ours {
            field(out, name.as_str(), value.as_bytes());
        }
    }
}

/// Ends a head: framing, connection, date, server, empty line.
pub(crate) fn finish(out: &mut BytesMut, framing: Framing, terms: Terms) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Absent(length) | Framing::Length(length) => {
            field(out, "Content-Length", Decimal::of(length).as_bytes());
        }
        Framing::Chunked => field(out, "Transfer-Encoding", b"chunked"),
    }
    match (terms.persistence, terms.version) {
        (Persistence::Close, _) => field(out, "Connection", b"close"),
        (Persistence::Keep, Version::HTTP_10) => field(out, "Connection", b"keep-alive"),
        (Persistence::Keep, _) => {}
    }
    field(out, "Date", &date::now());
    out.put_slice(b"Server: davy\r\n\r\n");
}

/// A number in decimal digits, without an allocation.
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// The digits of `number`.
    pub(crate) fn of(mut number: u64) -> Decimal {
        let mut digits = [b'0'; 20];
        let mut start = digits.len() - 1;
        loop {
            // The remainder is a digit, so that the cast loses nothing.
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Decimal { digits, start };
            }
            start -= 1;
        }
    }

    /// The digits as they are sent.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// Room for the head of most responses.
const HEAD_BYTES_USUAL: usize = 512;

#[cfg(test)]
mod tests;
