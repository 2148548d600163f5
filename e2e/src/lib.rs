//! What the end-to-end tests are written with: davy as a process on a project of its own, and the
//! real clients that talk to it.
//!
//! ```text
//!   Project   a folder made for one test ── up ──▶ Davy   a running `davy up`: its lines, its end
//!                                                   ▲ ▲
//!             curl, dig, mariadb, Browser ──────────┘ └───── processes: what /proc says of it
//! ```
//! The tests know davy only from outside: its command line, lines, logs, sockets and answers. They
//! share no code with it, and nothing of what they use is faked. A test waits for what it expects
//! and never for time to pass; what is missing is a failure, never a skip. Only where root alone
//! may do what a test does is it left out for others, and says so.

mod browser;
mod clients;
mod davy;
mod debian;
mod eventually;
mod lines;
mod load;
mod machine;
mod namespace;
pub mod processes;
mod project;
mod wordpress;

pub use browser::Browser;
pub use clients::{Answer, Dig, Sql, curl, curl_args, curl_many, dig, tool};
pub use davy::{Davy, Part};
pub use eventually::eventually;
pub use load::{Load, Sent};
pub use machine::Machine;
pub use project::{Project, Ran, cache};
