//! The Python that runs a project: `python3` on a PATH, asked once what it is.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use proc::Own;
use serde::Deserialize;

use crate::Error;
use crate::program::Program;

/// A Python interpreter, 3.9 or newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The interpreter's own idea of its path (a shim on the PATH is seen through).
    pub path: PathBuf,
    /// `3.11.7`.
    pub version: String,
    /// Whether it can make environments that have pip.
    pub(crate) pip: Pip,
}

/// Where pip comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pip {
    /// `python -m venv` brings it.
    Ensured,
    /// Debian's python3 without python3-venv: it has to be fetched.
    Fetched,
}

/// The answer of [`QUESTION`].
#[derive(Deserialize)]
struct Told {
    executable: PathBuf,
    version: (u32, u32, u32),
    ensurepip: bool,
    venv: bool,
}

impl Interpreter {
    /// Finds `python3` on `path`, as it is seen from the project's folder.
    pub async fn find(own: &Own, path: &OsStr, project: &Path) -> Result<Interpreter, Error> {
        let python = std::env::split_paths(path)
            .map(|folder| folder.join("python3"))
            .find(|python| is_executable(python))
            .ok_or_else(|| Error::NoPython { path: path.to_string_lossy().into_owned() })?;
        let told = ask(own, &python, project).await?;
        Interpreter::checked(python, told)
    }

    /// `3.11`.
    pub fn short_version(&self) -> &str {
        self.version.rsplit_once('.').map_or(&self.version, |(short, _)| short)
    }

    fn checked(python: PathBuf, told: Told) -> Result<Interpreter, Error> {
        let (major, minor, micro) = told.version;
        let version = format!("{major}.{minor}.{micro}");
        let refused = |reason| Err(Error::Python { path: python.clone(), reason });
        if (major, minor) < OLDEST {
            return refused(format!("this is Python {version}; davy needs 3.9 or newer"));
        }
        if !told.venv {
            return refused(
                "this Python has no module venv. Install python3-venv (Debian, Ubuntu: apt install \
                 python3-venv)"
                    .to_owned(),
            );
        }
        let path = if told.executable.is_absolute() { told.executable } else { python };
        let pip = if told.ensurepip { Pip::Ensured } else { Pip::Fetched };
        Ok(Interpreter { path, version, pip })
    }
}

async fn ask(own: &Own, python: &Path, project: &Path) -> Result<Told, Error> {
    let answer = Mutex::new(None);
    let keep = |line: &str| {
        if let Some(json) = line.strip_prefix(MARK) {
            let told = serde_json::from_str(json).ok();
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = told;
        }
    };
    let argv: [OsString; 4] = [python.into(), "-I".into(), "-c".into(), QUESTION.into()];
    let what = format!("asking {} for its version", python.display());
    Program { what: &what, argv: argv.into(), env: Vec::new(), dir: project, limit: LIMIT }
        .run(own, &keep)
        .await?;
    answer.into_inner().unwrap_or_else(PoisonError::into_inner).ok_or_else(|| Error::Python {
        path: python.to_owned(),
        reason: "it does not answer as Python 3 does; check `python3 --version`".to_owned(),
    })
}

pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

const MARK: &str = "davy: ";
const QUESTION: &str = r#"
import importlib.util as util, json, sys
has = lambda name: util.find_spec(name) is not None
print("davy: " + json.dumps({"executable": sys.executable, "version": sys.version_info[:3],
    "ensurepip": has("ensurepip"), "venv": has("venv")}))
"#;
const OLDEST: (u32, u32) = (3, 9);
const LIMIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn told(version: (u32, u32, u32)) -> Told {
        Told { executable: "/usr/bin/python3".into(), version, ensurepip: false, venv: true }
    }

    #[tokio::test]
    async fn python_on_the_path_is_asked_for_its_version() {
        let path = std::env::var_os("PATH").unwrap();
        let found = Interpreter::find(&Own::direct(), &path, Path::new("/")).await.unwrap();
        assert!(found.path.is_absolute());
        assert!(found.short_version().starts_with("3."), "{found:?}");
    }

    #[tokio::test]
    async fn path_without_python_says_what_to_install() {
        let error = Interpreter::find(&Own::direct(), OsStr::new("/nowhere"), Path::new("/"))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere") && error.contains("python3-venv"), "{error}");
    }

    #[tokio::test]
    async fn something_else_called_python3_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python3");
        fs::write(&python, "#!/bin/sh\necho hello\n").unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().as_os_str();
        let error = Interpreter::find(&Own::direct(), path, folder.path()).await.unwrap_err();
        assert!(matches!(error, Error::Python { .. }), "{error}");
    }

    #[test]
    fn old_versions_are_refused_and_named() {
        let error = Interpreter::checked("/usr/bin/python3".into(), told((3, 8, 2))).unwrap_err();
        assert!(error.to_string().contains("Python 3.8.2; davy needs 3.9"), "{error}");
        let found = Interpreter::checked("/usr/bin/python3".into(), told((3, 9, 0))).unwrap();
        assert_eq!((found.short_version(), found.pip), ("3.9", Pip::Fetched));
    }
}
