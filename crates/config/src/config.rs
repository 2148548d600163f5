//! What davy.toml and .env say, checked and complete: plain data for the rest of the program.
//!
//! It travels to child processes as JSON. It holds secrets (the site's environment), so it is never
//! logged as a whole.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A site, as its own files describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The site's main name, in lower case and without a final dot. None: it has no name yet.
    pub domain: Option<String>,
    /// Its other names, written like `domain`; none of them twice, none of them the domain.
    pub aliases: Vec<String>,
    /// The addresses that DNS gives for the domain and its aliases.
    pub address: Vec<IpAddr>,
    /// How the application is run. None: find out by looking at the folder.
    pub app: Option<App>,
    /// The folder of static files: relative to the project's folder, and never outside of it.
    pub root: Option<PathBuf>,
    /// What is started as the site's own server.
    pub command: Option<String>,
    /// How many worker processes run the application: 0 to 512; 0: as they are needed. None: davy
    /// chooses.
    pub workers: Option<u16>,
    /// How many there may be while requests wait: 1 to 512, and at least `workers`.
    pub workers_max: Option<u16>,
    /// How many requests a worker runs at a time: 1 to 64.
    pub threads: Option<u16>,
    /// Variables for the application's environment: those of `.env`, and `[env]` over them.
    pub env: BTreeMap<String, String>,
    /// Programs that run beside the application, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jobs: BTreeMap<String, String>,
    /// Commands that run at times, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cron: BTreeMap<String, Cron>,
    /// Limits on the application.
    #[serde(default, skip_serializing_if = "Limits::are_usual")]
    pub limits: Limits,
    /// The application's database.
    pub db: Db,
}

/// How an application is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum App {
    /// What is found in the folder: one of [`APP_KINDS`].
    Kind(String),
    /// A WSGI or ASGI callable, named.
    Callable {
        /// The Python module: `package.module`.
        module: String,
        /// The callable's name within the module.
        callable: String,
    },
    /// A server that somebody else runs, by its URL: `http`, a host, a port and perhaps a path.
    Proxy(String),
}

/// The words that `app` may be.
pub const APP_KINDS: [&str; 17] = [
    "django",
    "flask",
    "fastapi",
    "starlette",
    "wsgi",
    "asgi",
    "wordpress",
    "laravel",
    "symfony",
    "php",
    "rails",
    "sinatra",
    "rack",
    "puma",
    "node",
    "command",
    "static",
];

/// A command that runs at times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cron {
    /// When.
    pub schedule: Schedule,
    /// What, for `sh`.
    pub command: String,
    /// Both, as they are written.
    pub line: String,
}

/// The fields of crontab(5), each a set of bits: bit 5 of `minutes` is the fifth minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// 0 to 59.
    pub minutes: u64,
    /// 0 to 23.
    pub hours: u64,
    /// Days of the month, 1 to 31.
    pub days: u64,
    /// 1 to 12.
    pub months: u64,
    /// Days of the week, 0 to 6, from Sunday on.
    pub weekdays: u64,
    /// Whether one of the two kinds of days is enough: both are restricted.
    pub either_day: bool,
    /// The time zone's name; None: that of the site or the machine.
    pub zone: Option<String>,
}

/// Limits on an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How long it may take until its answer begins.
    pub request: Duration,
    /// How many requests may wait for a worker.
    pub waiting: u32,
    /// How long one may wait.
    pub wait: Duration,
    /// After how many requests a worker is replaced. None: never.
    pub requests: Option<u32>,
    /// After what time a worker is replaced. None: never.
    pub age: Option<Duration>,
    /// How many bytes of memory (PSS) a worker may have. None: no limit.
    pub memory: Option<u64>,
    /// How long a worker beyond `workers` may have nothing to do.
    pub idle: Duration,
}

impl Limits {
    fn are_usual(&self) -> bool {
        *self == Limits::default()
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            request: Duration::from_secs(60),
            waiting: 1000,
            wait: Duration::from_secs(30),
            requests: None,
            age: None,
            memory: None,
            idle: Duration::from_secs(5 * 60),
        }
    }
}

/// The application's database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Db {
    /// Who runs it.
    pub engine: Engine,
    /// Where it is, when it is not davy's own: a URL that the application understands.
    pub url: Option<String>,
    /// Whether davy's relay stands between the application and a MariaDB of davy's.
    pub relay: Relay,
    /// Whether davy.toml has a `[db]` table; with `engine = "auto"` that alone asks for a database.
    pub table: Table,
}

/// Who runs the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Davy runs a MariaDB if the application seems to need one.
    #[default]
    Auto,
    /// Davy runs a MariaDB.
    Mariadb,
    /// Davy runs no database.
    None,
}

/// Whether davy's relay stands between the application and the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relay {
    /// It does.
    #[default]
    On,
    /// The application talks to the server itself.
    Off,
}

/// Whether a table of davy.toml was written, be it empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// It was not.
    #[default]
    Absent,
    /// It was.
    Written,
}
