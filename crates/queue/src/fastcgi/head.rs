//! The head of an answer as CGI has it (RFC 3875 §6.2, §6.3): found in the stream, and checked before
//! anything of it reaches a visitor. Pure.

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::{Response, StatusCode, response::Parts};
use memchr::{memchr, memchr_iter};

use crate::answer::{self, FIELDS_MAX, HEAD_BYTES_MAX, HeadError};

/// A head that comes in pieces. Most come in one, and nothing of it is copied.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    held: BytesMut,
}

impl Collector {
    /// Takes a piece of the stream. Gives the head's lines and what follows them, once all of the
    /// head is there.
    pub(crate) fn take(&mut self, piece: Bytes) -> Result<Option<(Bytes, Bytes)>, HeadError> {
        let mut whole = if self.held.is_empty() {
            piece
        } else {
            self.held.extend_from_slice(&piece);
            self.held.split().freeze()
        };
        match end(&whole) {
            Some(end) if end <= HEAD_BYTES_MAX => Ok(Some((whole.split_to(end), whole))),
            None if whole.len() <= HEAD_BYTES_MAX => {
                self.held = whole.into();
                Ok(None)
            }
            _ => Err(HeadError::TooLong),
        }
    }
}

/// Where the content begins: behind the first empty line.
fn end(bytes: &[u8]) -> Option<usize> {
    let mut line = 0;
    for newline in memchr_iter(b'\n', bytes) {
        if matches!(&bytes[line..newline], b"" | b"\r") {
            return Some(newline + 1);
        }
        line = newline + 1;
    }
    None
}

/// Makes a response head of its lines. `Status` is the status; without it a `Location` means 302, and
/// all else 200. Hop-by-hop fields are dropped: framing is the web step's (RFC 9110 §7.6.1).
pub(crate) fn parse(mut lines: Bytes) -> Result<Parts, HeadError> {
    let (mut parts, ()) = Response::new(()).into_parts();
    let mut status = None;
    while let Some(newline) = memchr(b'\n', &lines) {
        let mut line = lines.split_to(newline + 1);
        line.truncate(newline);
        if line.ends_with(b"\r") {
            line.truncate(newline - 1);
        }
        if line.is_empty() {
            break;
        }
        let (name, value) = field(&line)?;
        if name == "status" {
            status = Some(status_of(&value)?);
        } else if !answer::is_hop_by_hop(&name) {
            if parts.headers.len() >= FIELDS_MAX {
                return Err(HeadError::TooMany);
            }
            parts.headers.append(name, value);
        }
    }
    let unsaid =
        if parts.headers.contains_key(LOCATION) { StatusCode::FOUND } else { StatusCode::OK };
    parts.status = status.unwrap_or(unsaid);
    Ok(parts)
}

fn field(line: &Bytes) -> Result<(HeaderName, HeaderValue), HeadError> {
    let refused = || HeadError::Field(String::from_utf8_lossy(line).chars().take(80).collect());
    let colon = memchr(b':', line).ok_or_else(refused)?;
    let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| refused())?;
    let value = line.slice_ref(line[colon + 1..].trim_ascii());
    Ok((name, HeaderValue::from_maybe_shared(value).map_err(|_| refused())?))
}

/// `404 Not Found`: the reason is for people, and HTTP/2 has none.
fn status_of(value: &HeaderValue) -> Result<StatusCode, HeadError> {
    let refused = HeadError::Status(0);
    let code = value.as_bytes().split(|byte| *byte == b' ').next();
    let code = code.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok()).ok_or(refused)?;
    answer::checked_status(code)
}

#[cfg(test)]
mod tests;
