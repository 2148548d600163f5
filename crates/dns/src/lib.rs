//! Steps 2 and 3: authoritative answers for the site's names.
//!
//! ```text
//!  Settings ──compile──▶ Zones              (immutable; a reload swaps one pointer)
//!                          │
//!  datagram ─▶ udp ─┐      ▼
//!                   ├─▶ answer: Query ─▶ decide ─▶ Reply ─▶ bytes
//!  stream ──▶ tcp ──┘   (pure: no socket, no clock, no allocation)
//! ```
//!
//! [`answer()`] is the whole protocol; the sockets around it only carry bytes, count, and end what
//! is too slow. The crate `domain` reads names and messages. Records are written once, when the
//! zones are compiled, so that answering is a look-up and a few copies.
//!
//! This server is an authority and nothing else: it never asks another server, never follows a
//! referral and never answers for a name outside its own zones (RFC 1034 §4.3.1 makes recursion
//! optional; an open resolver is the classic misconfiguration).

mod answer;
mod ask;
mod authority;
mod compile;
#[doc(hidden)]
pub mod fuzz;
mod places;
mod query;
mod reply;
mod rrset;
mod server;
mod settings;
mod status;
mod tcp;
mod udp;
mod zones;

pub use answer::{Rcode, Transport, answer};
pub use ask::{Answered, AskError, ask};
pub use server::{Server, Sockets};
pub use settings::{Error, Names, Settings};
pub use status::{Answers, Status};
pub use zones::Zones;
