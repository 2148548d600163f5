//! The messages of the control plane.
//!
//! One SOCK_SEQPACKET pair lies between the keeper and each child; a message is one packet of JSON, at
//! most 64 KiB, with file descriptors travelling beside it. The keeper introduces children to one
//! another by handing each of two an end of a new pair; what they say to each other there is theirs.
//!
//! ```text
//!            keeper
//!     ToChild │ ▲ ToKeeper                 site ──ToEdge──▶ edge
//!             ▼ │                          site ◀─Database─▶ db
//!       edge  db  site NAME                edge ─FromEdge─▶ site
//!                                      db ──Passed──▶ edge
//! ```
//! The name on a channel is given by the keeper: a site can't claim to be another.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The version of these messages. A child of another version says so and ends.
pub const VERSION: u32 = 1;

/// What the keeper says to a child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToChild {
    /// The first message. File descriptors lie beside it, named by `sockets` in their order.
    Start {
        /// [`VERSION`].
        version: u32,
        /// What the role needs to know; opaque to the keeper.
        settings: serde_json::Value,
        /// The names of the inherited sockets.
        sockets: Vec<String>,
    },
    /// A channel to another child lies beside this message.
    Meet {
        /// Who is at the other end.
        peer: Peer,
    },
    /// A program that this child asked for runs.
    Running {
        /// The program's name.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// A program that this child asked for has ended; it is started again unless told otherwise.
    Ended {
        /// The program's name.
        name: String,
        /// How it ended, for people.
        how: String,
    },
    /// Asks for a [`ToKeeper::Status`].
    Status,
    /// Finish what is in hand and end; sent once.
    Drain {
        /// After this time the child is killed.
        within_ms: u64,
    },
}

/// What a child says to the keeper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToKeeper {
    /// The child does its work now.
    Ready,
    /// A line for the person who started davy.
    Say(Line),
    /// Asks to be introduced to the database; it is started if need be.
    WantDatabase,
    /// Asks for a program to run beside the children (the database server).
    Run(Program),
    /// Answers [`ToChild::Status`]; opaque to the keeper.
    Status(serde_json::Value),
    /// The child can't do its work, and starting it again would not help until something is mended.
    Failed {
        /// What went wrong, and what to do.
        error: String,
    },
}

/// The other end of an introduction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// The edge.
    Edge,
    /// The database's keeper and relay.
    Db,
    /// A site, by the name the keeper knows it by.
    Site(String),
    /// A command of davy's that somebody has typed.
    Console,
}

/// One line of what davy does while it starts: `label  text  took`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// `found`, `deps`, `db`, `dns`, `ready` …
    pub label: String,
    /// What was done, or is being done.
    pub text: String,
    /// How it stands.
    pub state: LineState,
}

/// How the thing a [`Line`] speaks of stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// Being done; a terminal shows it until the next line comes.
    Doing,
    /// Done, in a time worth showing or none.
    Done {
        /// Milliseconds, where worth showing.
        took_ms: Option<u64>,
    },
    /// Something to know that stops nothing.
    Warning,
}

/// A program to run beside the children: the keeper starts it, restarts it when it dies, and stops it
/// last. It is not tied to the life of the child that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name in logs and in `davy status`.
    pub name: String,
    /// Absolute path of the program, and its arguments.
    pub argv: Vec<String>,
    /// Variables added to the environment.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub dir: PathBuf,
}

/// Site → edge: where its workers listen, and which folders hold its files. Each message replaces the
/// one before it. The descriptors of the folders lie beside the message, in the order of `mounts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToEdge {
    /// Where its application answers. None: it has none, and a path that is no file is not found.
    pub upstream: Option<Upstream>,
    /// How many of the upstream's connections the site is ready with.
    pub wanted: usize,
    /// What the site does with what it is told of its demand.
    #[serde(default)]
    pub pool: Pool,
    /// Folders of files by path prefix.
    pub mounts: Vec<Mount>,
}

/// Whether the number of a site's workers depends on what is asked of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// It does not: reports of what is asked are of use for the status alone.
    #[default]
    Fixed,
    /// It does: that requests wait is worth a message at once.
    Grows,
}

/// Edge → site: what is asked of its workers, and how they do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromEdge {
    /// What is asked of them; sent when it has changed, and no oftener than every 20 ms.
    Report {
        /// What is asked at the moment.
        demand: Demand,
        /// What those have done that are connected.
        served: Vec<Served>,
    },
    /// A worker has been at a request for half of the time that it may take.
    Slow(AtWork),
    /// A worker did not end a request in time: it must end, when its others have.
    Stuck(AtWork),
}

/// What is asked of a site's workers at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Requests that wait for a worker.
    pub waiting: usize,
    /// How long the oldest of them has waited.
    pub longest: Duration,
    /// How many workers the requests would keep busy that are being run.
    pub busy: usize,
}

/// How many requests a worker has served on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The worker's process id, by its own word.
    pub pid: u32,
    /// How many.
    pub requests: u64,
}

/// A worker at a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtWork {
    /// The worker's process id, by its own word.
    pub pid: u32,
    /// How long it has been at the request.
    pub taken: Duration,
    /// The request's id.
    pub request: String,
    /// The request's method and path.
    pub line: String,
    /// How many other requests it is at.
    pub others: usize,
}

/// Where an application answers, and in what way it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upstream {
    /// Workers that speak davy's frames (docs/worker-protocol.md).
    Frames {
        /// The UNIX sockets of those that are ready.
        sockets: Vec<PathBuf>,
        /// Whether the edge stands between them and slow clients.
        buffering: Buffering,
    },
    /// PHP, by FastCGI.
    FastCgi {
        /// The UNIX socket of php-fpm or php-cgi.
        socket: PathBuf,
        /// How many children it has. So many connections are kept: each belongs to one of them.
        connections: usize,
        /// A file that is larger than so many bytes PHP will not take: worth a line in the log.
        upload_bytes_max: u64,
    },
    /// Servers of their own that speak HTTP/1.1: any command, or a proxied site. Both directions
    /// stream.
    Http {
        /// Those that are ready; requests go to the least busy one.
        servers: Vec<Server>,
    },
}

/// A server that speaks HTTP/1.1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Server {
    /// Where it listens.
    pub address: Address,
    /// What goes before the path of each request; empty, or `/path` without a slash at its end.
    pub prefix: String,
    /// The Host it is asked for; the visitor's own when None.
    pub host: Option<String>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// A UNIX stream socket.
    Unix(PathBuf),
    /// A name or an IP address (IPv6 without brackets), and a port.
    Tcp(String, u16),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "{}", path.display()),
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// What becomes of content when one side is slower than the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Buffering {
    /// Content is taken in, in memory and on disk: uploads before a worker is taken, answers as
    /// fast as they are made. For workers that run a request at a time.
    #[default]
    Whole,
    /// Both directions stream at once, each as fast as its slower side. For workers that run many
    /// requests at a time.
    Streamed,
}

/// A folder of files, served below a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The path it appears at: starts and ends with `/`.
    pub prefix: String,
    /// The folder's absolute path, if it is one of PHP scripts: they run, and are no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<PathBuf>,
}

/// Site → db.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToDb {
    /// Asks for a database and a user of the site's own.
    Database,
}

/// Db → site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromDb {
    /// The database is there.
    Database(Access),
    /// There will be none.
    Failed {
        /// Why, and what to do.
        error: String,
    },
}

/// How a site reaches its database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The server's name and version, for people: `MariaDB 10.11`.
    pub server: String,
    /// The socket of the relay.
    pub socket: PathBuf,
    /// The database's name.
    pub database: String,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: String,
}
