//! `cargo xtask bench`: davy beside the programs it takes the place of, on this machine.
//!
//! ```text
//!   place ──▶ contender ──▶ process     what is installed, started, and stopped again
//!                 │
//!     rounds ─────┼──▶ load ──▶ http    every contender once in each round, and every answer whole
//!        │        └──▶ cpu, memory      what the servers used meanwhile
//!        ▼
//!     report                            medians, ratios, and what was to be reached
//! ```
//! What counts is the CPU time that all processes of a server use for one answer: other programs on
//! the machine disturb it far less than requests per second. Contenders take turns, so that what
//! disturbs one disturbs all, and ratios are made within a round.
//!
//! What it never does: time a test, or run as one. Nothing it starts outlives it.

mod contender;
mod cpu;
mod database;
mod http;
mod idle;
mod layout;
mod load;
mod memory;
mod place;
mod process;
mod report;
mod rounds;
mod stats;

pub(crate) use idle::idle;
pub(crate) use report::hello;
