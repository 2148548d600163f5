//! What davy.toml and .env say, checked and complete: plain data for the rest of the program.
//!
//! It travels to child processes as JSON. It holds secrets (the site's environment), so it is never
//! logged as a whole.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

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
    /// How many worker processes run the application: 1 to 512. None: davy chooses.
    pub workers: Option<u16>,
    /// Variables for the application's environment: those of `.env`, and `[env]` over them.
    pub env: BTreeMap<String, String>,
    /// The application's database.
    pub db: Db,
}

/// How an application is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum App {
    /// A Flask application, found in the folder.
    Flask,
    /// A Django project, found in the folder.
    Django,
    /// A WSGI callable (PEP 3333), found in the folder.
    Wsgi,
    /// No application: files only.
    Static,
    /// A WSGI callable, named.
    Callable {
        /// The Python module: `package.module`.
        module: String,
        /// The callable's name within the module.
        callable: String,
    },
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
