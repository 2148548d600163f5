//! The limits of the web step. Each has a named answer when it is reached; none can be switched
//! off.

use std::time::Duration;

/// Limits and times of one [`Server`](crate::Server).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From a request's first byte to the end of its head. Then 408 and close. A new connection has
    /// the same time to send its first byte; then it is closed silently.
    pub head_timeout: Duration,
    /// How long a connection may wait for its next request. Then it is closed silently.
    pub idle_timeout: Duration,
    /// How long the next piece of a request's content may take, while the application wants it.
    /// Then 408 and close.
    pub body_timeout: Duration,
    /// How long a client may take nothing of the response. Then the connection is reset.
    pub write_timeout: Duration,
    /// How long content that nobody wants is read and thrown away after the response, so that the
    /// client gets to see the response (RFC 9112 §9.6). Then the connection is closed.
    pub linger_timeout: Duration,
    /// How much such content is read so that the connection can be kept, in bytes.
    pub linger_bytes_max: u64,
    /// Request line and header fields together, in bytes. Beyond: 431 and close.
    pub head_bytes_max: usize,
    /// Number of header fields, at most [`Settings::HEADERS_CEILING`]. Beyond: 431 and close.
    pub headers_max: usize,
    /// The request target, in bytes. Beyond: 414 and close.
    pub target_bytes_max: usize,
    /// The content of a request, in bytes. Beyond: 413 and close.
    pub body_bytes_max: u64,
    /// Open connections. Beyond, idle ones are closed and new ones wait in the kernel's backlog.
    pub connections_max: usize,
}

impl Settings {
    /// The most header fields that [`Settings::headers_max`] can ask for.
    pub const HEADERS_CEILING: usize = 128;
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(5),
            linger_bytes_max: 256 * 1024,
            head_bytes_max: 32 * 1024,
            headers_max: 100,
            target_bytes_max: 8 * 1024,
            body_bytes_max: 100 * 1024 * 1024,
            connections_max: 32_768,
        }
    }
}
