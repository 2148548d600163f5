//! HTTP/1.1 (RFC 9112), strictly: what is ambiguous is refused, so that no other reader of the same
//! bytes can see other requests in them than we do.
//!
//! ```text
//! pure                                       joined to a socket
//! head      bytes -> Head, or a Refusal      incoming     bytes in, outgoing: bytes out
//! target    the four forms, Host             upload       a request's content
//! framing   where content ends               connection   one exchange after another
//! response  head and framing of an answer    exchange     one request and its answer
//!                                            application  an answer from the queue
//!                                            tunnel       an upgraded connection
//! ```

mod application;
pub(crate) mod connection;
mod exchange;
mod framing;
pub(crate) mod head;
mod incoming;
mod outgoing;
mod response;
mod target;
mod tunnel;
mod upload;

use flow::NotChunked;
use http::StatusCode;

/// Why a request is not answered as asked. The connection is closed after the page that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the client is told.
    pub(crate) status: StatusCode,
    /// The reason, for the log.
    pub(crate) cause: &'static str,
}

impl Refusal {
    /// A refusal with this status.
    pub(crate) fn new(status: StatusCode, cause: &'static str) -> Refusal {
        Refusal { status, cause }
    }

    /// 400: the request breaks the grammar or is ambiguous.
    pub(crate) fn bad(cause: &'static str) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, cause)
    }
}

impl From<NotChunked> for Refusal {
    fn from(NotChunked(cause): NotChunked) -> Refusal {
        Refusal::bad(cause)
    }
}
