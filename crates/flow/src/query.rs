//! A statement that passed the relay of the MySQL protocol, as the trace of a request shows it.
//!
//! The relay knows which process asked and when, not for which request: who holds the requests joins
//! the two by the process id of the worker and the time.

use serde::{Deserialize, Serialize};

use crate::Stamp;

/// One statement and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// The process that asked, as the kernel names the other end of its connection.
    pub pid: u32,
    /// When the statement's last byte had come in.
    pub begun: Stamp,
    /// When the last byte of its result had come in.
    pub ended: Stamp,
    /// The statement with every value masked by `?`, at most [`QUERY_TEXT_MAX`] bytes.
    pub text: String,
    /// Rows returned, or rows changed where none are returned.
    pub rows: u64,
    /// The server's error: number, SQLSTATE, and its text with every quoted value masked.
    pub error: Option<String>,
}

/// Db → edge: statements that have passed since the last message. Such messages may be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The statements, in the order they ended.
    pub queries: Vec<Query>,
    /// How many more there were that found no room.
    pub missed: u64,
    /// The newest [`Flush`] before which all of these had passed.
    pub flushed: u64,
}

/// Edge → db: asks for all statements so far; the answer's `flushed` is this number or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flush {
    /// Counts up.
    pub number: u64,
    /// Whether statements from now on are to be told of.
    pub listening: bool,
}

/// Bytes of a statement's masked text that are kept; a longer one ends in `…`.
pub const QUERY_TEXT_MAX: usize = 1024;
