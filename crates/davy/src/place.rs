//! Where the things of one `davy up` lie.
//!
//! ```text
//! project/.davy/            all state; holds a .gitignore of `*`
//!   lock                    held by the keeper, with its pid
//!   log/{keeper,edge,db,site}.log
//!   run/{davy,mysql,w1-1 …}.sock, run/db/mariadbd.sock    (or a private folder, when the path is long)
//!   db/                     the database's files
//!   tmp/                    content that waits for a worker or a slow client, in files without names
//!   python/                 environments and davy's worker
//! ~/.cache/davy             programs fetched once for all projects
//! ```

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::bail;
use serde::{Deserialize, Serialize};

/// The folders of one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The project.
    pub(crate) project: PathBuf,
    /// davy's state.
    pub(crate) state: PathBuf,
    /// Sockets.
    pub(crate) run: PathBuf,
    /// Programs shared by all projects of the user.
    pub(crate) cache: PathBuf,
}

/// The folder a person named, or what is wrong with it.
pub(crate) fn project(folder: &Path) -> anyhow::Result<PathBuf> {
    let shown = folder.display();
    match folder.canonicalize() {
        Ok(path) if path.is_dir() => Ok(path),
        Ok(_) => bail!("{shown} is a file; name the folder it lies in"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("there is no folder {shown}")
        }
        Err(error) => bail!("davy can't look into {shown}: {error}"),
    }
}

/// What of davy's own environment decides about folders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    home: Option<OsString>,
    cache: Option<OsString>,
    runtime: Option<OsString>,
}

impl Surroundings {
    /// Reads davy's own environment.
    pub(crate) fn read() -> Surroundings {
        let read = |name| std::env::var_os(name).filter(|value| Path::new(value).is_absolute());
        Surroundings {
            home: read("HOME"),
            cache: read("XDG_CACHE_HOME"),
            runtime: read("XDG_RUNTIME_DIR"),
        }
    }
}

impl Place {
    /// The folders of the project in `folder`. Makes nothing.
    pub(crate) fn of(folder: &Path, around: &Surroundings) -> anyhow::Result<Place> {
        let project = project(folder)?;
        let state = project.join(".davy");
        let run = proc::socket_folder(&state, LONGEST_SOCKET.len(), around.runtime.as_deref());
        let cache = match (&around.cache, &around.home) {
            (Some(cache), _) => Path::new(cache).join("davy"),
            (None, Some(home)) => Path::new(home).join(".cache/davy"),
            (None, None) => state.join("cache"),
        };
        Ok(Place { project, state, run, cache })
    }

    /// Makes the folders.
    pub(crate) fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.state)?;
        fs::write(self.state.join(".gitignore"), "*\n")?;
        fs::create_dir_all(self.logs())?;
        fs::create_dir_all(self.spool())?;
        proc::private_folder(&self.run)
    }

    /// The lock that says a davy is at work here.
    pub(crate) fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// The lock that says that roles are still there, also of a davy that was killed.
    pub(crate) fn roles_lock(&self) -> PathBuf {
        self.state.join("roles.lock")
    }

    /// The keeper's socket.
    pub(crate) fn davy_socket(&self) -> PathBuf {
        self.run.join("davy.sock")
    }

    /// The relay's socket.
    pub(crate) fn mysql_socket(&self) -> PathBuf {
        self.run.join("mysql.sock")
    }

    /// The folder of the logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.state.join("log")
    }

    /// The folder of content that waits.
    pub(crate) fn spool(&self) -> PathBuf {
        self.state.join("tmp")
    }

    /// The site's name: that of its folder, as a person would say it.
    pub(crate) fn site_name(&self) -> String {
        let name = self.project.file_name().unwrap_or_default().to_string_lossy();
        let name: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
            .take(32)
            .collect();
        if name.is_empty() { "site".into() } else { name.to_ascii_lowercase() }
    }
}

/// The longest name of a socket in the run folder: the database's own lies one folder deeper.
const LONGEST_SOCKET: &str = "db/mariadbd.sock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_s_state_lies_in_its_folder_and_deep_sockets_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("d".repeat(100)).join("My Shop!");
        fs::create_dir_all(&deep).unwrap();
        let around = Surroundings { home: Some("/home/ada".into()), ..Surroundings::default() };
        let place = Place::of(&deep, &around).unwrap();
        assert_eq!(place.state, deep.canonicalize().unwrap().join(".davy"));
        assert!(place.run.starts_with("/tmp"), "{}", place.run.display());
        assert_eq!(place.cache, Path::new("/home/ada/.cache/davy"));
        assert_eq!(place.site_name(), "myshop");
    }
}
