//! The database's settings.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;

use db::{Asked, Choice, Engine, Folders, RelaySettings, Table, Url};

use crate::place::Place;

/// Where the private server of a project lies.
pub(crate) fn folders(place: &Place, path: OsString) -> Folders {
    Folders {
        data: place.state.join("db/data"),
        private: place.state.join("db/private"),
        run: place.run.join("db"),
        socket: place.mysql_socket(),
        cache: place.cache.clone(),
        zones: ZONES.into(),
        path,
    }
}

/// The relay in front of the server at `server`, for these users and no others.
pub(crate) fn relay(server: PathBuf, users: HashSet<String>) -> RelaySettings {
    RelaySettings { users, ..RelaySettings::new(server) }
}

/// What database a site gets. `inherited` is DATABASE_URL in davy's own environment.
pub(crate) fn choose(
    config: &config::Config,
    inherited: Option<&str>,
    driver: Option<&str>,
) -> Choice {
    let in_files = config.env.get("DATABASE_URL").map(String::as_str);
    let found = [
        (in_files, "DATABASE_URL in .env or [env]"),
        (inherited, "DATABASE_URL in the environment"),
        (config.db.url.as_deref(), "[db] url in davy.toml"),
    ];
    let url = found.iter().find_map(|(url, found)| url.map(|url| Url { url, found }));
    let engine = match config.db.engine {
        config::Engine::Auto => Engine::Auto,
        config::Engine::Mariadb => Engine::Mariadb,
        config::Engine::None => Engine::None,
    };
    let table = match config.db.table {
        config::Table::Absent => Table::Absent,
        config::Table::Written => Table::Present,
    };
    db::choose(Asked { engine, table, url, driver })
}

/// Where every system keeps its time zones.
const ZONES: &str = "/usr/share/zoneinfo";
