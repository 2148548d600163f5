//! The head of a worker's answer: checked before anything of it reaches a visitor.

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderName, HeaderValue, PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Response, StatusCode};

/// Why an answer's head can't be passed on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the application answered with status {0}; 200 to 599 can be passed on")]
    Status(u16),
    #[error("the application's header fields do not end where they should")]
    Shape,
    #[error("the application sent a header field with an invalid name or value: {0:?}")]
    Field(String),
    #[error("the application's header fields are longer than {HEAD_BYTES_MAX} bytes")]
    TooLong,
    #[error("the application sent more than {FIELDS_MAX} header fields")]
    TooMany,
}

/// Whether a request lets its answer switch protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switching {
    /// It asked for it.
    Asked,
    /// It did not.
    Unasked,
}

/// Makes a response head of a status and of name, NUL, value, NUL … Hop-by-hop fields are dropped:
/// framing is the web step's (RFC 9110 §7.6.1).
pub(crate) fn parse(
    status: u16,
    head: &Bytes,
    switching: Switching,
) -> Result<http::response::Parts, HeadError> {
    let switches = status == 101 && switching == Switching::Asked;
    let status = match switches {
        true => StatusCode::SWITCHING_PROTOCOLS,
        false => checked_status(status)?,
    };
    if head.len() > HEAD_BYTES_MAX {
        return Err(HeadError::TooLong);
    }
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = status;
    let mut at = 0;
    while at < head.len() {
        let name_end = end(head, at)?;
        let value_end = end(head, name_end + 1)?;
        let name = &head[at..name_end];
        let field = || HeadError::Field(String::from_utf8_lossy(name).chars().take(80).collect());
        let key = HeaderName::from_bytes(name).map_err(|_| field())?;
        let value = head.slice(name_end + 1..value_end);
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| field())?;
        at = value_end + 1;
        if is_hop_by_hop(&key) && !(switches && key == UPGRADE) {
            continue;
        }
        if parts.headers.len() >= FIELDS_MAX {
            return Err(HeadError::TooMany);
        }
        parts.headers.append(key, value);
    }
    Ok(parts)
}

/// Makes sure that a status can be passed on.
pub(crate) fn checked_status(status: u16) -> Result<StatusCode, HeadError> {
    let final_one = (200..600).contains(&status).then(|| StatusCode::from_u16(status).ok());
    final_one.flatten().ok_or(HeadError::Status(status))
}

/// Fields that speak of one connection alone.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name) || name == "keep-alive" || name == "proxy-connection"
}

/// Where the next NUL lies, from `start` on.
fn end(head: &[u8], start: usize) -> Result<usize, HeadError> {
    let length = memchr::memchr(0, &head[start..]).ok_or(HeadError::Shape)?;
    Ok(start + length)
}

const HOP_BY_HOP: [HeaderName; 6] =
    [CONNECTION, TRANSFER_ENCODING, UPGRADE, TE, TRAILER, PROXY_AUTHENTICATE];
/// The longest head, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 32 * 1024;
/// The most fields in it.
pub(crate) const FIELDS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_kept_in_order_and_hop_by_hop_ones_dropped() {
        let head = Bytes::from_static(
            b"Content-Type\0text/html\0Set-Cookie\0a=1\0Connection\0close\0Set-Cookie\0b=2\0",
        );
        let parts = parse(201, &head, Switching::Asked).unwrap();
        assert_eq!(parts.status, StatusCode::CREATED);
        let cookies: Vec<_> = parts.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(parts.headers.len(), 3);
    }

    #[test]
    fn heads_that_could_fool_a_visitor_are_refused() {
        let parse = |status, head: &'static [u8]| {
            parse(status, &Bytes::from_static(head), Switching::Unasked)
        };
        assert_eq!(parse(101, b"").unwrap_err(), HeadError::Status(101));
        assert_eq!(parse(999, b"").unwrap_err(), HeadError::Status(999));
        assert_eq!(parse(200, b"name\0value").unwrap_err(), HeadError::Shape);
        let split = parse(200, b"location\0/\r\nset-cookie: a=1\0").unwrap_err();
        assert_eq!(split, HeadError::Field("location".into()));
        assert!(matches!(parse(200, b"na me\0v\0").unwrap_err(), HeadError::Field(_)));
    }

    #[test]
    fn protocols_are_switched_for_those_who_asked() {
        let head = Bytes::from_static(b"Upgrade\0websocket\0Connection\0Upgrade\0");
        let parts = parse(101, &head, Switching::Asked).unwrap();
        assert_eq!(
            (&parts.headers["upgrade"], parts.headers.len()),
            (&"websocket".parse().unwrap(), 1)
        );
        assert_eq!(parse(103, &head, Switching::Asked).unwrap_err(), HeadError::Status(103));
    }

    #[test]
    fn heads_have_a_limit() {
        let head = Bytes::from("x\0y\0".repeat(FIELDS_MAX + 1));
        assert_eq!(parse(200, &head, Switching::Unasked).unwrap_err(), HeadError::TooMany);
        let head = Bytes::from(format!("x\0{}\0", "y".repeat(HEAD_BYTES_MAX)));
        assert_eq!(parse(200, &head, Switching::Unasked).unwrap_err(), HeadError::TooLong);
    }
}
