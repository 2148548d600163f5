//! A request as the meta-variables of CGI/1.1 (RFC 3875 §4.1), the way workers are told of it. Pure.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use flow::{Failure, Request, Scheme, Script, Step, Text};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName};
use http::{StatusCode, Version};

use crate::frame::PAYLOAD_BYTES_MAX;

/// What holds for a request that does not say otherwise (docs/worker-protocol.md); SCRIPT_NAME is
/// empty for all so far. PHP is told all of it.
const METHOD: (&str, &str) = ("REQUEST_METHOD", "GET");
const QUERY: (&str, &str) = ("QUERY_STRING", "");
const PROTOCOL: (&str, &str) = ("SERVER_PROTOCOL", "HTTP/1.1");
const SCHEME: (&str, &str) = ("REQUEST_SCHEME", "http");

/// Whether what most requests have in common is said as well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Usual {
    Said,
    LeftOut,
}

/// The variables of a request: name, NUL, value, NUL … A failure when it can't be put so.
pub(crate) fn encode(request: &Request) -> Result<Bytes, Failure> {
    let mut out = BytesMut::with_capacity(VARIABLES_BYTES);
    let head = &request.head;
    let usual = if request.script.is_some() { Usual::Said } else { Usual::LeftOut };
    put_unless(&mut out, usual, METHOD, head.method.as_str());
    match &request.script {
        Some(script) => put_script(&mut out, script),
        None => put_path(&mut out, head.uri.path())?,
    }
    put_unless(&mut out, usual, QUERY, head.uri.query().unwrap_or(""));
    let target = head.uri.path_and_query().map_or("*", |target| target.as_str());
    put(&mut out, "REQUEST_URI", target.as_bytes());
    put_server(&mut out, usual, request);
    put_fields(&mut out, request);
    if out.len() > PAYLOAD_BYTES_MAX {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Failure::new(Step::Queue, status, "the request's head does not fit a frame"));
    }
    Ok(out.freeze())
}

/// The value of a variable among those that [`encode`] made.
pub(crate) fn value(variables: &[u8], name: &str) -> Option<String> {
    let mut pieces = variables.split(|byte| *byte == 0);
    while let (Some(found), Some(value)) = (pieces.next(), pieces.next()) {
        if found == name.as_bytes() {
            return Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    None
}

/// The application gets the whole path.
fn put_path(out: &mut BytesMut, path: &str) -> Result<(), Failure> {
    let path = decode_path(path);
    if memchr::memchr(0, &path).is_some() {
        return Err(Failure::new(Step::Web, StatusCode::BAD_REQUEST, "the path holds a NUL"));
    }
    put(out, "PATH_INFO", &path);
    Ok(())
}

/// What PHP makes `$_SERVER` of; it makes PHP_SELF itself, of SCRIPT_NAME and PATH_INFO.
fn put_script(out: &mut BytesMut, script: &Script) {
    let root = script.root.as_os_str().as_encoded_bytes();
    put(out, "SCRIPT_NAME", &script.name);
    put_joined(out, "SCRIPT_FILENAME", root, &script.name);
    put(out, "DOCUMENT_ROOT", root);
    put_joined(out, "DOCUMENT_URI", &script.name, &script.rest);
    if !script.rest.is_empty() {
        put(out, "PATH_INFO", &script.rest);
        put_joined(out, "PATH_TRANSLATED", root, &script.rest);
    }
}

fn put_server(out: &mut BytesMut, usual: Usual, request: &Request) {
    let client = &request.client;
    let host = request.head.headers.get(HOST).map(|host| without_port(host.as_bytes()));
    match host.filter(|host| !host.is_empty()) {
        Some(host) => put(out, "SERVER_NAME", host),
        None => put(out, "SERVER_NAME", Text::address(client.local.ip()).as_bytes()),
    }
    put(out, "SERVER_PORT", Text::number(client.local.port().into()).as_bytes());
    let protocol = match request.head.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    };
    put_unless(out, usual, PROTOCOL, protocol);
    put(out, "REMOTE_ADDR", Text::address(client.address.ip()).as_bytes());
    put(out, "REMOTE_PORT", Text::number(client.address.port().into()).as_bytes());
    put_unless(out, usual, SCHEME, client.scheme.as_str());
    if request.script.is_some() {
        put(out, "SERVER_ADDR", Text::address(client.local.ip()).as_bytes());
        // What PHP applications ask, rather than for the scheme.
        if client.scheme == Scheme::Https {
            put(out, "HTTPS", b"on");
        }
    }
    put(out, "REQUEST_ID", request.trace.id.text().as_bytes());
}

fn put_fields(out: &mut BytesMut, request: &Request) {
    let headers = &request.head.headers;
    for name in headers.keys() {
        if *name == CONTENT_TYPE || *name == CONTENT_LENGTH {
            if let Some(value) = headers.get(name) {
                let name = if *name == CONTENT_TYPE { "CONTENT_TYPE" } else { "CONTENT_LENGTH" };
                put(out, name, value.as_bytes());
            }
            continue;
        }
        // A name with an underscore could pose as another; `Proxy` would become HTTP_PROXY, which
        // many an HTTP client takes for its proxy ("httpoxy").
        if name.as_str().contains('_') || name == "proxy" {
            continue;
        }
        put_field(out, name, headers.get_all(name).iter().map(http::HeaderValue::as_bytes));
    }
}

fn put_field<'a>(out: &mut BytesMut, name: &HeaderName, values: impl Iterator<Item = &'a [u8]>) {
    out.put_slice(b"HTTP_");
    out.extend(name.as_str().bytes().map(|byte| match byte {
        b'-' => b'_',
        byte => byte.to_ascii_uppercase(),
    }));
    out.put_u8(0);
    let join: &[u8] = if *name == COOKIE { b"; " } else { b", " };
    for (n, value) in values.enumerate() {
        if n > 0 {
            out.put_slice(join);
        }
        out.put_slice(value);
    }
    out.put_u8(0);
}

fn put(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.put_slice(name.as_bytes());
    out.put_u8(0);
    out.put_slice(value);
    out.put_u8(0);
}

/// A variable that most requests have in common is left out when it has its usual value.
fn put_unless(out: &mut BytesMut, said: Usual, (name, usual): (&str, &str), value: &str) {
    if said == Usual::Said || value != usual {
        put(out, name, value.as_bytes());
    }
}

fn put_joined(out: &mut BytesMut, name: &str, first: &[u8], second: &[u8]) {
    for part in [name.as_bytes(), b"\0", first, second, b"\0"] {
        out.put_slice(part);
    }
}

/// `example.org:8080` and `[::1]:8080` without their port.
fn without_port(host: &[u8]) -> &[u8] {
    let end = match host.first() {
        Some(b'[') => memchr::memchr(b']', host).map_or(host.len(), |bracket| bracket + 1),
        _ => memchr::memchr(b':', host).unwrap_or(host.len()),
    };
    &host[..end]
}

/// Percent-decoding, once; a `%` that is not followed by two hexadecimal digits stays as it is.
fn decode_path(path: &str) -> Cow<'_, [u8]> {
    let bytes = path.as_bytes();
    if memchr::memchr(b'%', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| escaped(bytes.get(at + 1..at + 3)?)).flatten();
        decoded.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(decoded)
}

fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

/// What most requests' variables fit into. The allocator keeps pieces up to 1 032 bytes at hand, and
/// is slow with larger ones.
const VARIABLES_BYTES: usize = 960;

#[cfg(test)]
mod tests;
