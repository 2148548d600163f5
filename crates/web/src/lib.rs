//! Steps 4, 5 and 9: HTTP/1.1, static files, answers and error pages.
//!
//! ```text
//!            +------------------------- Service ---------------------------+
//! listener   |  Connection (one task)                                      |
//!    |       |    Incoming  -> Scan, Head -> route -+- file   (files/)     |
//!  Server ---|->  Upload    -> Decoder -> Body --.  +- page   (pages)      |
//! (accept)   |                                   '--+- Job    ~~> step 6   |
//!            |    Outgoing  <- framing, head <-- answer <-----------' step 8
//!            +-------------------------------------------------------------+
//! ```
//!
//! - [`Server`] accepts connections, limits their number, and drains them.
//! - [`Service`] is what all connections share: [`Settings`], [`Sites`], where [`Finished`]
//!   requests are told.
//! - `h1` is the protocol: pure parsers and framing in `head`, `target`, `framing`,
//!   `response`; one task per connection in `connection`, which joins them to a socket.
//! - `files` finds a file beneath a site's directory descriptors and decides what of it to send.
//! - `pages` says what went wrong, at which step, under which id.
//!
//! The server is our own rather than a library's because sendfile, parked connections, early hints
//! and the hand-over of connections all need the socket. It never follows a path out of a site's
//! folder, never buffers a whole request or response, and never waits without a deadline but for
//! the application.

mod date;
mod files;
#[doc(hidden)]
pub mod fuzz;
mod h1;
mod pages;
mod route;
mod server;
mod service;
mod settings;
mod sites;
mod socket;
mod timer;

pub use files::absent::Absent;
pub use server::Server;
pub use service::{Finished, Log, Service, Status};
pub use settings::Settings;
pub use sites::{Mount, Site, Sites};
pub use socket::{Sink, Source};
