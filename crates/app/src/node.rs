//! A Node project: its version, its packages, what runs it.
//!
//! ```text
//!   package-lock.json   npm ci: exactly what it says        else   npm install
//! ```
//! Packages lie in the project's own node_modules, where Node looks for them. They are installed
//! again when package.json, the lock file or Node has changed since davy did; a key beside davy's own
//! state says so. Registries and proxies come from the environment and npm's own files.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proc::Own;
use serde::Deserialize;

use crate::key::Key;
use crate::program::Program;
use crate::{Error, Progress};

/// A Node project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `20.19.2`
    version: String,
    engine: Option<String>,
    has_packages: bool,
}

/// Whether packages were there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packages {
    /// The project needs none.
    None,
    /// They were installed.
    Installed,
    /// Nothing has changed since they were.
    Unchanged,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Package {
    engines: Engines,
    dependencies: serde_json::Map<String, serde_json::Value>,
    dev_dependencies: serde_json::Map<String, serde_json::Value>,
    optional_dependencies: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Engines {
    node: Option<String>,
}

impl Node {
    /// Looks at a project; None: it has no package.json.
    ///
    /// # Errors
    /// When package.json can't be understood, or there is no Node.
    pub async fn find(own: &Own, project: &Path) -> Result<Option<Node>, Error> {
        let Some(text) = read(project, PACKAGE)? else { return Ok(None) };
        let package: Package = serde_json::from_str(&text).map_err(|error| {
            Error::Dependencies { file: PACKAGE.to_owned(), reason: error.to_string() }
        })?;
        let version = version(own, project).await?;
        let lists =
            [&package.dependencies, &package.dev_dependencies, &package.optional_dependencies];
        Ok(Some(Node {
            version,
            engine: package.engines.node,
            has_packages: lists.iter().any(|list| !list.is_empty()),
        }))
    }

    /// What it is, for people: `Node 20.19.2 (wants >=18)`.
    pub fn text(&self) -> String {
        match &self.engine {
            Some(engine) => format!("Node {} (package.json wants {engine})", self.version),
            None => format!("Node {}", self.version),
        }
    }

    /// Installs the packages, unless nothing has changed since that was done. `state` is a folder for
    /// davy's notes.
    ///
    /// # Errors
    /// When npm fails, or there is none.
    pub async fn install(
        &self,
        own: &Own,
        project: &Path,
        state: &Path,
        each: Progress<'_>,
    ) -> Result<Packages, Error> {
        if !self.has_packages {
            return Ok(Packages::None);
        }
        let note = state.join("packages");
        let key = self.key(project)?;
        let noted = fs::read_to_string(&note).is_ok_and(|noted| noted == key);
        if noted && project.join("node_modules").is_dir() {
            return Ok(Packages::Unchanged);
        }
        fs::create_dir_all(state).map_err(Error::io(state))?;
        // Whatever happens now, the packages are no longer what the note says.
        let _ = fs::remove_file(&note);
        let verb = if project.join(LOCK).is_file() { "ci" } else { "install" };
        let argv = ["npm", verb, "--no-audit", "--no-fund", "--include=dev"];
        run(own, project, &format!("npm {verb}"), &argv, each).await?;
        let made = tempfile::NamedTempFile::new_in(state).map_err(Error::io(state))?;
        // npm may have written a lock file meanwhile.
        fs::write(made.path(), self.key(project)?).map_err(Error::io(&note))?;
        made.persist(&note).map_err(|error| Error::io(&note)(error.error))?;
        Ok(Packages::Installed)
    }

    /// What the packages depend on.
    fn key(&self, project: &Path) -> Result<String, Error> {
        let files = [read(project, PACKAGE)?, read(project, LOCK)?].map(Option::unwrap_or_default);
        let key = files.iter().fold(Key::new(), |key, part| key.with(part.as_bytes()));
        Ok(key.with(self.version.as_bytes()).to_string())
    }
}

/// The version of the Node that the project would run with.
async fn version(own: &Own, project: &Path) -> Result<String, Error> {
    let said = Mutex::new(String::new());
    let each = |line: &str| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        *said = line.trim().trim_start_matches('v').to_owned();
    };
    run(own, project, "node --version", &["node", "--version"], &each).await?;
    Ok(said.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn run(
    own: &Own,
    project: &Path,
    what: &str,
    argv: &[&str],
    each: Progress<'_>,
) -> Result<(), Error> {
    let program = Program {
        what,
        argv: argv.iter().map(OsString::from).collect(),
        env: Vec::new(),
        dir: project,
        limit: INSTALL_TIMEOUT,
    };
    program.run(own, each).await.map_err(|error| match error {
        Error::Failed { what, how, told, .. } => {
            Error::Failed { what, how, told, advice: ADVICE.to_owned() }
        }
        error => error,
    })
}

fn read(project: &Path, file: &str) -> Result<Option<String>, Error> {
    let path = project.join(file);
    match fs::metadata(&path) {
        Ok(about) if about.len() > FILE_BYTES_MAX => Err(Error::Dependencies {
            file: file.to_owned(),
            reason: "it is longer than 32 MiB".to_owned(),
        }),
        Ok(_) => fs::read_to_string(&path).map(Some).map_err(Error::io(&path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(&path)(error)),
    }
}

const PACKAGE: &str = "package.json";
const LOCK: &str = "package-lock.json";
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
const INSTALL_TIMEOUT: Duration = Duration::from_secs(15 * 60);
const ADVICE: &str = "Is Node installed, with npm? (Debian, Ubuntu: apt install nodejs npm)";
