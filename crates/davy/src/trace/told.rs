//! What `davy trace` and the edge say to each other, over a channel that the keeper made.
//!
//! ```text
//!  trace  Addresses ──────▶ edge
//!         ◀────── Addresses
//!         Watch(own port) ▶        so that the request is found among all others
//!         ◀─────── Watching
//!         ~~~~ HTTP ~~~~~~▶ ~~~~▶ worker ~~~~▶ relay
//!         ◀──────── Visited        when the last byte was sent
//!         ◀───── Statements …      joined by the worker's pid and the time
//!         ◀──────────── End
//! ```

use std::net::SocketAddr;

use flow::{Marks, Query, RequestId, Step};
use serde::{Deserialize, Serialize};

/// Whether davy takes note of what happens to requests, beyond the line in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tracing {
    /// It does: `davy trace` works.
    #[default]
    On,
    /// It does not: the relay does not look into what passes.
    Off,
}

/// What is asked of the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    /// Where it listens.
    Addresses,
    /// To be told of the next request that comes from this address.
    Watch(SocketAddr),
}

/// What the edge tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// Where it listens, and whether requests are traced at all.
    Addresses { http: SocketAddr, dns: SocketAddr, tracing: Tracing },
    /// The next request from there is watched for.
    Watching,
    /// Too many are watched for already.
    Busy,
    /// The request is over.
    Visited(Box<Visited>),
    /// Statements that passed while the worker was at it.
    Statements(Vec<Statement>),
    /// That was all. So many statements, of any request, are not known.
    End { missed: u64 },
}

/// A request that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Visited {
    pub(crate) id: RequestId,
    pub(crate) site: Option<String>,
    pub(crate) status: u16,
    pub(crate) bytes_sent: u64,
    pub(crate) marks: Marks,
    /// The process id of the worker that it was handed to.
    pub(crate) worker: Option<u32>,
    /// The step it failed at, and why.
    pub(crate) failure: Option<(Step, String)>,
}

/// A statement of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub(crate) query: Query,
    /// Whether no other request can have asked it.
    pub(crate) sure: bool,
}
