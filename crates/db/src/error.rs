//! What can go wrong with the private server, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Version;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no MariaDB, and none could be fetched.
    #[error(
        "MariaDB is not installed and could not be fetched: {because}\n\
         Install it (apt-get install mariadb-server-core), or set DATABASE_URL to a server of your \
         own, or write engine = \"none\" under [db] in davy.toml."
    )]
    NoServer {
        /// What stood in the way.
        because: String,
    },
    /// The data directory belongs to a later MariaDB.
    #[error(
        "{} was last used by MariaDB {made}, and this is MariaDB {found}, which could damage it. \
         Install MariaDB {made} or later; the data was not touched.",
        .data.display()
    )]
    Newer {
        /// The data directory.
        data: PathBuf,
        /// The version that used it last.
        made: Version,
        /// The version that is here.
        found: Version,
    },
    /// The data directory could not be made.
    #[error("the data directory could not be made: {told}")]
    Bootstrap {
        /// What the server said.
        told: String,
    },
    /// The server ended while it was waited for.
    #[error("mariadbd ended ({how}). It said last:\n{told}")]
    Ended {
        /// How it ended.
        how: String,
        /// The last lines of its log.
        told: String,
    },
    /// The server is not there in time.
    #[error("mariadbd was not ready in time ({why}). It said last:\n{told}")]
    NotReady {
        /// The last attempt's error.
        why: String,
        /// The last lines of its log.
        told: String,
    },
    /// Two sites would share a database.
    #[error("the database {database} belongs to the site {owner}; give the site another name")]
    Taken {
        /// The database's name.
        database: String,
        /// Whose it is.
        owner: String,
    },
    /// A program took too long.
    #[error("{program} was stopped after {} s", .limit.as_secs())]
    TimedOut {
        /// Which.
        program: String,
        /// The time it was given.
        limit: Duration,
    },
    /// The server refused a statement of ours.
    #[error("mariadbd: {0}")]
    Sql(#[from] mysql_async::Error),
    /// A file could not be read or written, or a program not be started.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Names the file in an I/O error.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Io { path, source }
}
