//! Upstreams that speak HTTP/1.1 (RFC 9112): any command, or a server that somebody else runs.
//!
//! ```text
//!  Dispatch ──Hand──▶ one task for each request: Exchange
//!                       │  take a kept connection, or connect
//!                       ├─▶ request head, content ──▶ upstream      both at once
//!                       ◀── answer's head, content ◀──'
//!                       '─ keep the connection, if both ended well
//! pure:  request (the head that is written)   response (the head that is read, and its framing)
//! ```
//! To the policy an address is a worker that takes many requests at a time: what comes above waits in
//! the site's queue, with its limits. An address that can't be reached is no worker until it can be.
//!
//! Nothing here is trusted to end where it says: answers are framed strictly, their heads and the
//! content on the way have limits, and a connection is kept only when nothing of it is left unread.
//! What visitors claim about themselves and other proxies is dropped; what davy knows is said instead.

mod exchange;
mod pool;
mod request;
mod response;
mod socket;

pub(crate) use exchange::{Exchange, Outcome, Report};
pub(crate) use pool::Pool;
pub(crate) use socket::Socket;

/// Requests that an address is at; further ones wait in the queue.
pub(crate) const CONCURRENCY: u16 = 256;

/// Answers of an upstream.
pub(crate) fn fuzz(bytes: &[u8]) {
    response::fuzz(bytes);
}

#[cfg(test)]
mod tests;
