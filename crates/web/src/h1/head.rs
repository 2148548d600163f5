//! The head of a request: found, checked, kept (RFC 9112 §2.2, §3, §5).
//!
//! `httparse` reads the grammar; what it forgives is refused here before: lines that end in a bare
//! LF, fields folded over lines. [`Scan`] finds the end of the head however it is split into
//! pieces, looking at each byte once. [`Head`] keeps one copy of the bytes and the places of the
//! fields in it; a map of fields is made only for requests that go to an application.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};

use super::Refusal;
use super::target::{self, Form};
use crate::Settings;

/// The search for the end of a head, continued as bytes arrive.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    searched: usize,
    line: usize,
    begun: bool,
}

impl Scan {
    /// How long the head at the start of `bytes` is, when all of it is there. `bytes` may only have
    /// grown since it was last asked.
    pub(crate) fn end(
        &mut self,
        bytes: &[u8],
        settings: &Settings,
    ) -> Result<Option<usize>, Refusal> {
        for place in memchr::memchr_iter(b'\n', &bytes[self.searched..]) {
            let newline = self.searched + place;
            if newline == 0 || bytes[newline - 1] != b'\r' {
                return Err(Refusal::bad("a line of the head ends in a bare LF"));
            }
            let empty = newline - 1 == self.line;
            self.line = newline + 1;
            if empty && self.begun {
                self.limit(newline + 1, settings)?;
                return Ok(Some(newline + 1));
            }
            // Empty lines before the request line are ignored (RFC 9112 §2.2).
            self.begun |= !empty;
        }
        self.searched = bytes.len();
        self.check_beginning(&bytes[self.line..], settings)?;
        self.limit(bytes.len(), settings)?;
        Ok(None)
    }

    /// Refuses early what can't become a request line any more: TLS on a plain port, a target
    /// without end.
    fn check_beginning(&self, line: &[u8], settings: &Settings) -> Result<(), Refusal> {
        let Some(first) = line.first() else { return Ok(()) };
        if self.begun {
            return Ok(());
        }
        if !first.is_ascii_alphanumeric() && !b"\r!#$%&'*+-.^_`|~".contains(first) {
            return Err(Refusal::bad("the request does not begin with a method"));
        }
        if line.len() > settings.target_bytes_max + AROUND_TARGET_BYTES {
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, "the request line has no end"));
        }
        Ok(())
    }

    fn limit(&self, length: usize, settings: &Settings) -> Result<(), Refusal> {
        if length <= settings.head_bytes_max {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too long"))
    }
}

/// The checked head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    /// The method.
    pub(crate) method: Method,
    /// HTTP/1.0 or HTTP/1.1.
    pub(crate) version: Version,
    bytes: Bytes,
    target: Target,
    /// The host that counts: the target's own, else the Host field's.
    host: Option<Range<usize>>,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

#[derive(Debug)]
enum Target {
    Within(Range<usize>),
    /// Of an absolute form without a path: `http://host` means `/`, `http://host?a` means `/?a`.
    Own(String),
}

impl Head {
    /// Reads a whole head, as [`Scan`] found it.
    pub(crate) fn parse(bytes: &[u8], settings: &Settings) -> Result<Head, Refusal> {
        let mut space = [const { MaybeUninit::uninit() }; Settings::HEADERS_CEILING];
        let fields_max = settings.headers_max.min(Settings::HEADERS_CEILING);
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, &mut space[..fields_max]) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(Refusal::bad("the head ends before its empty line")),
            Err(error) => return Err(refusal(error, bytes)),
        }
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return Err(Refusal::bad("the request line is incomplete"));
        };
        if target.len() > settings.target_bytes_max {
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, "the target is too long"));
        }
        let version = if request.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
        let method = checked_method(method)?;
        let place = |part: &[u8]| {
            let start = part.as_ptr() as usize - bytes.as_ptr() as usize;
            start..start + part.len()
        };
        let fields: Vec<_> = request
            .headers
            .iter()
            .map(|field| (place(field.name.as_bytes()), place(field.value)))
            .collect();
        let (authority, target) = match target::parse(&method, target)? {
            Form::Origin(target) => (None, Target::Within(place(target.as_bytes()))),
            Form::Absolute { authority, rest } if rest.starts_with('/') => {
                (Some(place(authority.as_bytes())), Target::Within(place(rest.as_bytes())))
            }
            Form::Absolute { authority, rest } => {
                (Some(place(authority.as_bytes())), Target::Own(format!("/{rest}")))
            }
        };
        let bytes = Bytes::copy_from_slice(bytes);
        let mut head = Head { method, version, bytes, target, host: None, fields };
        let named = head.checked_host()?;
        head.host = authority.or(named);
        Ok(head)
    }

    /// The target in origin form, or `*`.
    pub(crate) fn target(&self) -> &str {
        match &self.target {
            Target::Within(place) => self.text(place),
            Target::Own(target) => target,
        }
    }

    /// The target up to its query.
    pub(crate) fn path(&self) -> &str {
        self.target().split_once('?').map_or(self.target(), |(path, _)| path)
    }

    /// The host and port asked for; only HTTP/1.0 may do without.
    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_ref().map(|place| self.text(place))
    }

    /// The values of a field, line by line. `name` is in lower case.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let matching = move |place: &Range<usize>| {
            place.len() == name.len()
                && self.bytes[place.clone()].eq_ignore_ascii_case(name.as_bytes())
        };
        self.fields
            .iter()
            .filter(move |(name, _)| matching(name))
            .map(|(_, value)| &self.bytes[value.clone()])
    }

    /// The value of a field's first line. `name` is in lower case.
    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The members of a field that is a comma-separated list, over all its lines.
    pub(crate) fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|line| line.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|member| !member.is_empty())
    }

    /// The head as an application gets it: without hop-by-hop fields, with the host that counts.
    pub(crate) fn parts(&self) -> Result<http::request::Parts, Refusal> {
        let target = match &self.target {
            Target::Within(place) => {
                PathAndQuery::from_maybe_shared(self.bytes.slice(place.clone()))
            }
            Target::Own(target) => PathAndQuery::try_from(target.as_str()),
        };
        let target = target.map_err(|_| Refusal::bad("the target has a forbidden character"))?;
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.version = self.version;
        parts.uri = Uri::from(target);
        parts.headers.reserve(self.fields.len());
        // Fields that the client itself says are for this connection alone (RFC 9110 §7.6.1); its
        // content's length is never one of them.
        let nominates = self.list("connection").any(|option| !is_usual_option(option));
        let nominated = |name: &HeaderName| {
            let is_it = |option: &[u8]| option.eq_ignore_ascii_case(name.as_str().as_bytes());
            nominates && *name != header::CONTENT_LENGTH && self.list("connection").any(is_it)
        };
        for (name, value) in &self.fields {
            let name = HeaderName::from_bytes(&self.bytes[name.clone()])
                .map_err(|_| Refusal::bad("a field name has a forbidden character"))?;
            let dropped = name == header::HOST || name == header::EXPECT || nominated(&name);
            if !dropped && !is_hop_by_hop(&name) {
                parts.headers.append(name, self.value(value)?);
            }
        }
        if let Some(host) = &self.host {
            parts.headers.insert(header::HOST, self.value(host)?);
        }
        Ok(parts)
    }

    fn value(&self, place: &Range<usize>) -> Result<HeaderValue, Refusal> {
        HeaderValue::from_maybe_shared(self.bytes.slice(place.clone()))
            .map_err(|_| Refusal::bad("a field value has a forbidden character"))
    }

    /// Exactly one valid Host field; HTTP/1.0 may have none (RFC 9112 §3.2).
    fn checked_host(&self) -> Result<Option<Range<usize>>, Refusal> {
        let mut hosts = self
            .fields
            .iter()
            .filter(|(name, _)| self.bytes[name.clone()].eq_ignore_ascii_case(b"host"));
        match (hosts.next(), hosts.next()) {
            (Some((_, place)), None) => {
                target::check_authority(&self.bytes[place.clone()])?;
                Ok(Some(place.clone()))
            }
            (None, _) if self.version == Version::HTTP_10 => Ok(None),
            (None, _) => Err(Refusal::bad("there is no Host field")),
            (Some(_), Some(_)) => Err(Refusal::bad("there are several Host fields")),
        }
    }

    fn text(&self, place: &Range<usize>) -> &str {
        // Targets and hosts are checked to be ASCII before they are kept.
        std::str::from_utf8(&self.bytes[place.clone()]).unwrap_or_default()
    }
}

/// Fields that speak of one connection alone (RFC 9110 §7.6.1), and those that stand for them.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::TE
        || *name == header::TRAILER
        || *name == header::UPGRADE
        || name == "keep-alive"
        || name == "proxy-connection"
}

/// Options of the Connection field that name no further fields.
fn is_usual_option(option: &[u8]) -> bool {
    let is = |usual: &[u8]| option.eq_ignore_ascii_case(usual);
    is(b"keep-alive") || is(b"close") || is(b"upgrade")
}

fn checked_method(method: &str) -> Result<Method, Refusal> {
    match method {
        "TRACE" => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "TRACE is never answered")),
        "CONNECT" => Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "davy is no forward proxy")),
        method if method.len() > METHOD_BYTES_MAX => {
            Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "the method is too long"))
        }
        method => Method::from_bytes(method.as_bytes())
            .map_err(|_| Refusal::bad("the method has a forbidden character")),
    }
}

fn refusal(error: httparse::Error, bytes: &[u8]) -> Refusal {
    match error {
        httparse::Error::Version if names_another_version(bytes) => Refusal::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "neither HTTP/1.0 nor HTTP/1.1 is spoken",
        ),
        httparse::Error::Version => Refusal::bad("the version is malformed"),
        httparse::Error::TooManyHeaders => Refusal::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "there are too many header fields",
        ),
        httparse::Error::HeaderName => Refusal::bad("a field name is malformed"),
        httparse::Error::HeaderValue => Refusal::bad("a field value is malformed"),
        httparse::Error::NewLine => Refusal::bad("a line of the head ends badly"),
        httparse::Error::Status | httparse::Error::Token => {
            Refusal::bad("the request line is malformed")
        }
    }
}

/// Whether the request line ends in a well-formed `HTTP/x.y`, as the preface of HTTP/2 does.
fn names_another_version(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii_start().split(|&byte| byte == b'\r').next().unwrap_or_default();
    let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// The longest method, in bytes.
const METHOD_BYTES_MAX: usize = 32;

/// Method, spaces and version around the target.
const AROUND_TARGET_BYTES: usize = METHOD_BYTES_MAX + " HTTP/1.1 \r\n".len();

#[cfg(test)]
mod tests;
