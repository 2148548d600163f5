//! The head of a request as an upstream gets it (RFC 9112 §3, RFC 7239). Pure.

use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::{BufMut as _, BytesMut};
use flow::control::Server;
use flow::{Body, Client, RequestId};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;

use crate::answer::is_hop_by_hop;
use crate::stream::Origin;

/// How an upstream learns where a request's content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// That many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// There is none; what the client sends after a 101 is not framed.
    Upgrade,
}

impl Framing {
    /// The framing of a request's content. The web step has held the content against its length.
    pub(super) fn of(fields: &HeaderMap, body: &Body) -> Framing {
        if fields.contains_key(header::UPGRADE) {
            return Framing::Upgrade;
        }
        let declared = fields.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok());
        match (declared.and_then(|text| text.parse().ok()), body) {
            (_, Body::Full(bytes)) => Framing::Length(bytes.len() as u64),
            (Some(length), _) => Framing::Length(length),
            (None, Body::Empty) => Framing::None,
            (None, Body::Stream(_)) => Framing::Chunked,
        }
    }
}

/// Writes the head of a request.
pub(super) fn write(
    out: &mut BytesMut,
    origin: &Origin,
    id: RequestId,
    server: &Server,
    framing: Framing,
) {
    let Origin { head, client } = origin;
    out.reserve(HEAD_BYTES_USUAL);
    out.put_slice(head.method.as_str().as_bytes());
    out.put_u8(b' ');
    match head.uri.path_and_query().map(PathAndQuery::as_str) {
        Some(target) if target.starts_with('/') => {
            out.put_slice(server.prefix.as_bytes());
            out.put_slice(target.as_bytes());
        }
        _ => out.put_u8(b'*'),
    }
    out.put_slice(b" HTTP/1.1\r\n");
    let asked = head.headers.get(header::HOST).map(HeaderValue::as_bytes);
    match (&server.host, asked) {
        (Some(host), _) => field(out, "host", host.as_bytes()),
        (None, Some(host)) => field(out, "host", host),
        // HTTP/1.0 may do without; HTTP/1.1 may not.
        (None, None) => shown(out, "host", client.local),
    }
    for (name, value) in &head.headers {
        if !is_dropped(name) {
            field(out, name.as_str(), value.as_bytes());
        }
    }
    forwarded(out, client, asked);
    shown(out, "x-request-id", id);
    match framing {
        Framing::None => {}
        Framing::Length(length) => shown(out, "content-length", length),
        Framing::Chunked => field(out, "transfer-encoding", b"chunked"),
        Framing::Upgrade => {
            field(out, "connection", b"Upgrade");
            let protocol = head.headers.get(header::UPGRADE);
            field(out, "upgrade", protocol.map_or(b"", HeaderValue::as_bytes));
        }
    }
    out.put_slice(b"\r\n");
}

/// Where the request came from, as davy knows it.
fn forwarded(out: &mut BytesMut, client: &Client, host: Option<&[u8]>) {
    let address = client.address.ip().to_canonical();
    let scheme = client.scheme.as_str();
    shown(out, "x-forwarded-for", address);
    field(out, "x-forwarded-proto", scheme.as_bytes());
    if let Some(host) = host {
        field(out, "x-forwarded-host", host);
    }
    // Writing into memory does not fail.
    let _ = match address {
        IpAddr::V4(address) => write!(out, "forwarded: for={address}"),
        IpAddr::V6(address) => write!(out, "forwarded: for=\"[{address}]\""),
    };
    if let Some(host) = host {
        // The web step lets no quotation mark into a host.
        out.put_slice(b";host=\"");
        out.put_slice(host);
        out.put_u8(b'"');
    }
    let _ = write!(out, ";proto={scheme}\r\n");
}

/// Fields that are said anew here, that belong to the visitor's connection, or that could pose as
/// others: names with an underscore do in CGI, and `Proxy` does there too ("httpoxy").
fn is_dropped(name: &HeaderName) -> bool {
    let text = name.as_str();
    *name == header::HOST
        || *name == header::CONTENT_LENGTH
        || *name == header::FORWARDED
        || is_hop_by_hop(name)
        || text.starts_with("x-forwarded-")
        || ["x-real-ip", "x-request-id", "proxy"].contains(&text)
        || text.contains('_')
}

fn field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

fn shown(out: &mut BytesMut, name: &str, value: impl std::fmt::Display) {
    // Writing into memory does not fail.
    let _ = write!(out, "{name}: {value}\r\n");
}

/// Room for the head of most requests.
const HEAD_BYTES_USUAL: usize = 1024;

#[cfg(test)]
mod tests;
