//! Requests, responses and failures as they pass from the web step to the queue and back.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::oneshot;

use crate::{Body, Step, Trace};

/// The name of a site, given by the keeper: never taken from a request or from a site's own files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(Arc<str>);

impl SiteId {
    /// A site of that name.
    pub fn new(name: &str) -> SiteId {
        SiteId(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the visitor's connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// The connection a request came in on.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The visitor's address.
    pub address: SocketAddr,
    /// The address of ours that it reached.
    pub local: SocketAddr,
    /// How the connection is secured.
    pub scheme: Scheme,
}

/// A request for a site's application.
#[derive(Debug)]
pub struct Request {
    /// Method, target, version and headers, checked by the web step. The target is in origin form
    /// (`/path?query`) or `*`; there is exactly one Host header, or none in HTTP/1.0.
    pub head: http::request::Parts,
    /// The request's content.
    pub body: Body,
    /// The connection it came in on.
    pub client: Client,
    /// The script it leads to, where the site is one of scripts.
    pub script: Option<Script>,
    /// The stamps of its way.
    pub trace: Arc<Trace>,
}

/// The script of a PHP site that a request leads to. The web step found it beneath the descriptor of
/// the site's folder: it is a regular file, and lies inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The site's folder, as PHP knows it: an absolute path.
    pub root: Arc<Path>,
    /// The script's path below the root, decoded: `/blog/index.php`.
    pub name: Arc<[u8]>,
    /// What follows the script in the request's path, decoded: empty, or it begins with `/`.
    pub rest: Arc<[u8]>,
}

/// The application's response.
#[derive(Debug)]
pub struct Response {
    /// Status and headers, checked by the queue step: no hop-by-hop fields.
    pub head: http::response::Parts,
    /// The response's content.
    pub body: Body,
}

/// Why a request got no response from the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The step it failed at.
    pub step: Step,
    /// What the visitor is told.
    pub status: StatusCode,
    /// The reason, for the log; visitors never see it.
    pub cause: String,
    /// When trying again is worth while.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure at `step`, answered with `status`.
    pub fn new(step: Step, status: StatusCode, cause: impl Into<String>) -> Failure {
        Failure { step, status, cause: cause.into(), retry_after: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at step {}: {}", self.status.as_u16(), self.step, self.cause)
    }
}

/// What comes back for a request.
pub type Answer = Result<Response, Failure>;

/// A request on its way to an application, with the place its answer is awaited at. When the visitor
/// has gone, `reply` is closed.
#[derive(Debug)]
pub struct Job {
    /// The request.
    pub request: Request,
    /// Where its answer goes.
    pub reply: oneshot::Sender<Answer>,
}
