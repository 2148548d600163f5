//! The Python that runs a project: `python3` on a PATH, asked once what it is, or the `python3.X`
//! that the project's `.python-version` asks for.
//!
//! That file is read as pyenv and uv write it. Its third number is not held to: an interpreter of
//! the same `3.X` runs the same programs. What is no version of Python, the name of somebody's
//! environment for one, says nothing here.

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
    /// Finds `python3` on `path`, as it is seen from the project's folder; or, where the project has
    /// a `.python-version`, one of that version.
    pub async fn find(own: &Own, path: &OsStr, project: &Path) -> Result<Interpreter, Error> {
        let version = std::fs::read(project.join(VERSION_FILE)).unwrap_or_default();
        match asked_version(&String::from_utf8_lossy(&version)) {
            Some(asked) => Interpreter::find_version(own, path, project, asked).await,
            None => {
                let python = on_path(path, "python3")
                    .ok_or_else(|| Error::NoPython { path: path.to_string_lossy().into_owned() })?;
                let told = ask(own, &python, project).await?;
                Interpreter::checked(python, told)
            }
        }
    }

    async fn find_version(
        own: &Own,
        path: &OsStr,
        project: &Path,
        asked: (u32, u32),
    ) -> Result<Interpreter, Error> {
        let (major, minor) = asked;
        let mut seen = Vec::new();
        for name in [format!("python{major}.{minor}"), "python3".to_owned()] {
            let Some(python) = on_path(path, &name) else { continue };
            match ask(own, &python, project).await {
                Ok(told) if (told.version.0, told.version.1) == asked => {
                    return Interpreter::checked(python, told);
                }
                Ok(told) => seen.push(format!("{name} is {}.{}", told.version.0, told.version.1)),
                // A shim on the PATH whose version is not installed.
                Err(_) => seen.push(format!("{name} does not run")),
            }
        }
        let seen = if seen.is_empty() { String::new() } else { format!(" ({})", seen.join(", ")) };
        Err(Error::NoSuchPython { version: format!("{major}.{minor}"), seen })
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

/// The version that a `.python-version` asks for: its first line that is no comment.
fn asked_version(text: &str) -> Option<(u32, u32)> {
    let line =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let version =
        line.strip_prefix("cpython-").or_else(|| line.strip_prefix("python")).unwrap_or(line);
    let mut numbers = version.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    numbers.all(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).then_some((major, minor))
}

fn on_path(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|python| is_executable(python))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

const VERSION_FILE: &str = ".python-version";
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

    /// A stand-in for an interpreter of any version, that answers as davy's question expects.
    fn stand_in(folder: &Path, name: &str, version: &str) {
        let python = folder.join(name);
        let numbers = version.replace('.', ", ");
        let answer = format!(
            r#"{{"executable": "/x/{name}", "version": [{numbers}], "ensurepip": true, "venv": true}}"#
        );
        fs::write(&python, format!("#!/bin/sh\necho 'davy: {answer}'\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[tokio::test]
    async fn version_that_the_project_asks_for_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        stand_in(folder.path(), "python3", "3.11.7");
        stand_in(folder.path(), "python3.13", "3.13.0");
        let found = async |asked: &str| {
            fs::write(folder.path().join(VERSION_FILE), asked).unwrap();
            let path = folder.path().as_os_str();
            Interpreter::find(&Own::direct(), path, folder.path()).await
        };
        for (asked, version) in [
            ("3.13\n", "3.13.0"),
            ("# ours\n\n3.13.2\n3.11\n", "3.13.0"),
            ("3.11.1", "3.11.7"),
            ("shop-environment\n", "3.11.7"),
            ("", "3.11.7"),
        ] {
            assert_eq!(found(asked).await.unwrap().version, version, "{asked:?}");
        }
        let error = found("3.12").await.unwrap_err().to_string();
        assert!(
            error.contains("asks for Python 3.12") && error.contains("python3 is 3.11"),
            "{error}"
        );
    }

    #[test]
    fn versions_are_read_as_tools_write_them() {
        for (text, version) in [
            ("3.12", Some((3, 12))),
            ("3.12.1\n", Some((3, 12))),
            ("3.13.0rc1", Some((3, 13))),
            ("cpython-3.10.4", Some((3, 10))),
            ("python3.9", Some((3, 9))),
            ("3", None),
            ("pypy3.9-7.3", None),
            ("my.project", None),
            ("#3.12", None),
        ] {
            assert_eq!(asked_version(text), version, "{text}");
        }
    }

    #[test]
    fn old_versions_are_refused_and_named() {
        let error = Interpreter::checked("/usr/bin/python3".into(), told((3, 8, 2))).unwrap_err();
        assert!(error.to_string().contains("Python 3.8.2; davy needs 3.9"), "{error}");
        let found = Interpreter::checked("/usr/bin/python3".into(), told((3, 9, 0))).unwrap();
        assert_eq!((found.short_version(), found.pip), ("3.9", Pip::Fetched));
    }
}
