//! The Python worker's native helper: what each request costs, without Python's share of it.
//!
//! ```text
//!   server.py     polls, accepts, stops ─┐
//!                                        ▼
//!   connection    reads the socket ──▶ intake ──▶ requests that wait
//!   request       environ ──▶ application ──▶ RESPONSE and END in one write
//!                                        │
//!   wsgi.py       content, iterators, write(), errors: whatever is not common ◀┘
//! ```
//! It is an extension module of the stable ABI, carried in davy's binary and loaded by the user's
//! own interpreter; where that can't be, the worker is the same in pure Python (`workers/python`).
//! Both keep to docs/worker-protocol.md and pass the same tests.
//!
//! It starts no thread, so an application may fork; it never waits, so it keeps the GIL (waiting is
//! `poll`, in server.py, which releases it); a panic becomes an exception of Python's.

#![cfg_attr(
    not(feature = "module"),
    allow(dead_code, reason = "the module alone uses all of the frames")
)]

#[cfg(feature = "module")]
mod connection;
mod frame;
#[cfg(feature = "module")]
mod head;
mod intake;
#[cfg(feature = "module")]
mod names;
#[cfg(feature = "module")]
mod request;
mod variables;

/// The module as Python sees it.
#[cfg(feature = "module")]
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::connection::Connection;
    #[pymodule_export]
    use crate::request::Application;
}

/// Parsers of hostile input as plain functions, for fuzzing. They must not panic.
#[doc(hidden)]
pub mod fuzz {
    /// What an edge may send, however it arrives.
    pub fn frames(bytes: &[u8]) {
        crate::intake::fuzz(bytes);
    }
}
