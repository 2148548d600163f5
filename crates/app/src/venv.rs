//! The environment a project runs in: a venv of its own with its dependencies, reused while nothing
//! changed.
//!
//! ```text
//!   state/venv/KEY.part    under way: python -m venv, pip install
//!   state/venv/KEY         complete: renamed in one step
//! ```
//! KEY is made of the interpreter (path and version) and the content of the dependency files. The
//! venv in use and the one before it are kept, the rest is removed. A project without dependencies
//! has no venv: the interpreter runs it directly.
//!
//! Proxies, package indexes and certificates come from the environment and pip's own files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proc::Own;

use crate::dependencies::{Dependencies, Tool, Wanted};
use crate::interpreter::{Interpreter, Pip};
use crate::key::Key;
use crate::program::Program;
use crate::{Error, Progress};

/// What an environment is made of.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// davy's own executable.
    pub own: &'a Own,
    /// The interpreter.
    pub interpreter: &'a Interpreter,
    /// What is to be installed.
    pub dependencies: &'a Dependencies,
    /// The project's folder; pip runs in it.
    pub project: &'a Path,
    /// The folder below which environments are kept.
    pub state: &'a Path,
}

/// An environment that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The interpreter to run the project with.
    pub python: PathBuf,
    /// The venv; None when the project needs none.
    pub folder: Option<PathBuf>,
    /// How many packages are installed in it (pip and its like not counted).
    pub packages: usize,
    /// Whether it was there already.
    pub origin: Origin,
}

/// Whether an environment was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// There is nothing to install.
    System,
    /// Nothing has changed since it was made.
    Reused,
    /// It was made now.
    Made,
}

/// Makes a project's environment, or finds the one made before. `fetch_pip` gives the path of pip's
/// wheel; it is asked only when the interpreter can't bring pip itself. pip's lines go to
/// `progress`.
pub async fn prepare(
    request: Request<'_>,
    fetch_pip: impl AsyncFnOnce() -> Result<PathBuf, String>,
    progress: Progress<'_>,
) -> Result<Environment, Error> {
    if *request.dependencies.wanted() == Wanted::Nothing {
        let python = request.interpreter.path.clone();
        return Ok(Environment { python, folder: None, packages: 0, origin: Origin::System });
    }
    let all = request.state.join("venv");
    let folder = all.join(key(&request).to_string());
    let origin = if python_in(&folder).exists() { Origin::Reused } else { Origin::Made };
    if origin == Origin::Made {
        fs::create_dir_all(&all).map_err(Error::io(&all))?;
        let part = folder.with_extension("part");
        make(&request, &part, fetch_pip, progress).await?;
        finish(&part, &folder).map_err(Error::io(&folder))?;
    }
    prune(&all, &folder).map_err(Error::io(&all))?;
    let packages = count_packages(&folder);
    Ok(Environment { python: python_in(&folder), folder: Some(folder), packages, origin })
}

fn key(request: &Request<'_>) -> Key {
    let interpreter = request.interpreter;
    Key::new()
        .with(interpreter.path.as_os_str().as_encoded_bytes())
        .with(interpreter.version.as_bytes())
        .with(request.dependencies.key().to_string().as_bytes())
}

async fn make(
    request: &Request<'_>,
    part: &Path,
    fetch_pip: impl AsyncFnOnce() -> Result<PathBuf, String>,
    progress: Progress<'_>,
) -> Result<(), Error> {
    progress("making the environment");
    remove(part).map_err(Error::io(part))?;
    if let Wanted::Locked { tool, program: Some(program), .. } = request.dependencies.wanted() {
        return make_locked(request, *tool, program, part, progress).await;
    }
    let mut argv: Vec<OsString> =
        vec![(&request.interpreter.path).into(), "-m".into(), "venv".into()];
    let pip: [OsString; 2] = match request.interpreter.pip {
        Pip::Ensured => ["-m".into(), "pip".into()],
        Pip::Fetched => {
            argv.push("--without-pip".into());
            // A wheel is a zip file, and Python runs the package inside of it.
            let wheel = fetch_pip().await.map_err(Error::NoPip)?;
            ["-B".into(), wheel.join("pip").into()]
        }
    };
    argv.push(part.into());
    run(request, "python -m venv", argv, &[], VENV_LIMIT, progress).await?;
    let mut argv: Vec<OsString> = vec![python_in(part).into()];
    argv.extend(pip);
    argv.extend(["install", "--disable-pip-version-check", "--no-input", "-r"].map(Into::into));
    argv.push(requirements(request, part)?.into());
    let what = format!("pip install ({})", request.dependencies.file().unwrap_or_default());
    run(request, &what, argv, &[], PIP_LIMIT, progress).await.map_err(with_advice)
}

/// Lets the tool that wrote the lock install by it, without what is for development alone. uv makes
/// the venv itself; poetry takes one that is active. Neither needs pip.
async fn make_locked(
    request: &Request<'_>,
    tool: Tool,
    program: &Path,
    part: &Path,
    progress: Progress<'_>,
) -> Result<(), Error> {
    let python = request.interpreter.path.as_os_str();
    let install: &[&str] = match tool {
        Tool::Uv => &["sync", "--frozen", "--no-dev", "--python"],
        Tool::Poetry => &["install", "--no-interaction", "--no-root", "--only", "main"],
    };
    let mut argv: Vec<OsString> = vec![program.into()];
    argv.extend(install.iter().map(Into::into));
    let folder = match tool {
        Tool::Uv => {
            argv.push(python.into());
            ("UV_PROJECT_ENVIRONMENT", part)
        }
        Tool::Poetry => {
            let mut venv: Vec<OsString> = vec![python.into()];
            venv.extend(["-m", "venv", "--without-pip"].map(Into::into));
            venv.push(part.into());
            run(request, "python -m venv", venv, &[], VENV_LIMIT, progress).await?;
            ("VIRTUAL_ENV", part)
        }
    };
    let what = format!("{} {} ({})", tool.name(), install[0], tool.file());
    run(request, &what, argv, &[folder], PIP_LIMIT, progress).await.map_err(with_advice)
}

async fn run(
    request: &Request<'_>,
    what: &str,
    argv: Vec<OsString>,
    folders: &[(&str, &Path)],
    limit: Duration,
    progress: Progress<'_>,
) -> Result<(), Error> {
    // What a shell's own venv has set would mislead this one.
    let env = [("VIRTUAL_ENV", None), ("PYTHONHOME", None), ("PYTHONUNBUFFERED", Some("1".into()))];
    let mut env: Vec<(OsString, Option<OsString>)> =
        env.map(|(name, value)| (name.into(), value)).to_vec();
    env.retain(|(name, _)| !folders.iter().any(|(folder, _)| name == folder));
    env.extend(folders.iter().map(|(name, folder)| ((*name).into(), Some((*folder).into()))));
    Program { what, argv, env, dir: request.project, limit }.run(request.own, progress).await
}

/// The file pip reads. What stands in pyproject.toml is written out as one.
fn requirements(request: &Request<'_>, part: &Path) -> Result<PathBuf, Error> {
    match request.dependencies.wanted() {
        Wanted::Project(lines) => {
            let file = part.join("requirements.txt");
            fs::write(&file, lines.join("\n") + "\n").map_err(Error::io(&file))?;
            Ok(file)
        }
        Wanted::Nothing | Wanted::Requirements | Wanted::Locked { .. } => {
            Ok(request.project.join("requirements.txt"))
        }
    }
}

/// Moves a complete venv to its place, and the paths in its scripts with it.
fn finish(part: &Path, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(part.join("bin"))? {
        let path = entry?.path();
        let about = fs::symlink_metadata(&path)?;
        if about.is_file() && about.len() <= SCRIPT_BYTES_MAX {
            // Programs that are no scripts are not text, and name no paths of the venv.
            if let (Ok(text), Some(old), Some(new)) =
                (fs::read_to_string(&path), part.to_str(), folder.to_str())
                && text.contains(old)
            {
                fs::write(&path, text.replace(old, new))?;
            }
        }
    }
    remove(folder)?;
    fs::rename(part, folder)
}

/// Marks `current` as used, and removes all but it and the one used before it.
fn prune(all: &Path, current: &Path) -> io::Result<()> {
    File::open(current)?.set_modified(SystemTime::now())?;
    let mut old = Vec::new();
    for entry in fs::read_dir(all)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "part") {
            remove(&path)?;
        } else if path != current {
            old.push((fs::symlink_metadata(&path)?.modified()?, path));
        }
    }
    old.sort();
    old.pop();
    old.iter().try_for_each(|(_, path)| remove(path))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn python_in(folder: &Path) -> PathBuf {
    folder.join("bin").join("python")
}

/// Packages by the folders of their metadata.
fn count_packages(folder: &Path) -> usize {
    let entries = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten();
    let is_package = |name: &str| {
        let own = ["pip-", "setuptools-", "wheel-"].iter().any(|own| name.starts_with(own));
        name.ends_with(".dist-info") && !own
    };
    entries(folder.join("lib"))
        .flat_map(|python| entries(python.path().join("site-packages")))
        .filter(|entry| entry.file_name().to_str().is_some_and(is_package))
        .count()
}

/// Adds what to do to a failure of pip, where its lines tell.
fn with_advice(error: Error) -> Error {
    match error {
        Error::Failed { what, how, told, .. } => {
            let advice = ADVICE.iter().find(|(sign, _)| told.contains(sign));
            let advice = advice.map_or(ELSE, |(_, advice)| advice).to_owned();
            Error::Failed { what, how, told, advice }
        }
        error => error,
    }
}

const VENV_LIMIT: Duration = Duration::from_secs(120);
const PIP_LIMIT: Duration = Duration::from_secs(30 * 60);
const SCRIPT_BYTES_MAX: u64 = 1024 * 1024;

/// What to do, by what pip says. The first sign that is found counts.
const ADVICE: [(&str, &str); 6] = [
    (
        "mysql_config",
        "mysqlclient is compiled against MySQL's library. Install it (Debian, Ubuntu: apt install \
         default-libmysqlclient-dev pkg-config gcc python3-dev), or use PyMySQL, which needs none.",
    ),
    ("Python.h", "Install Python's header files (Debian, Ubuntu: apt install python3-dev)."),
    ("No such file or directory: 'gcc'", "Install a C compiler (Debian, Ubuntu: apt install gcc)."),
    ("command 'gcc' failed", "Install a C compiler (Debian, Ubuntu: apt install gcc)."),
    (
        "NewConnectionError",
        "The package index can't be reached: check the network, or the proxy in HTTPS_PROXY.",
    ),
    (
        "No matching distribution",
        "Check the package's name and version, and that it is made for this Python.",
    ),
];
const ELSE: &str = "Mend what it complains of and start davy again.";

#[cfg(test)]
mod tests;
