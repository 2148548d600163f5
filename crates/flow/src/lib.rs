//! What passes between the steps of a request, and nothing else.
//!
//! ```text
//! 1 browser   2 dns   3 record   4 connect   5 web   6 queue   7 app (code, db)
//!                                               9 response <- 8 answer <-'
//! ```
//!
//! The steps do not know one another: `web` hands a [`Job`] to `queue` over a channel, `queue` hands
//! it to a worker, the worker's answer comes back through the job. This crate holds the types of that
//! channel ([`Request`], [`Response`], [`Body`], [`Failure`]), the stamps every step leaves on its way
//! ([`Trace`]), the one coding that two steps read ([`Chunked`]), and the messages of the control
//! plane ([`control`]). It does no I/O: its one system call is reading the clock.

mod body;
mod chunked;
pub mod control;
#[doc(hidden)]
pub mod fuzz;
mod query;
mod request;
mod step;
mod text;
mod trace;

pub use body::{Body, BodyError, Overflow, Reader, Writer};
pub use chunked::{Chunked, Decoded, NotChunked};
pub use query::{Flush, Passed, QUERY_TEXT_MAX, Query};
pub use request::{Answer, Client, Failure, Job, Request, Response, Scheme, Script, SiteId};
pub use step::{RequestId, Stamp, Step};
pub use text::Text;
pub use trace::{Mark, Marks, Trace};
