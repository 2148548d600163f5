//! The packages of a PHP project: `composer install`, done only when there is something new.
//!
//! ```text
//!   no composer.json                      nothing to do
//!   vendor/ is there, the key as before   unchanged
//!   vendor/ is there, seen the first time taken as it is: it is the developer's
//!   else                                  composer install --no-dev
//! ```
//! The key is made of composer.lock, or of composer.json where there is none.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proc::Own;

use crate::key::Key;
use crate::program::Program;
use crate::{Error, Progress};

/// What is to be installed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// davy's own executable.
    pub own: &'a Own,
    /// The PATH on which `composer` is looked for.
    pub path: &'a OsStr,
    /// The project's folder.
    pub project: &'a Path,
    /// The folder of what is remembered.
    pub state: &'a Path,
    /// The site's variables.
    pub env: &'a [(String, String)],
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The project needs no packages.
    Nothing,
    /// They are there already.
    Unchanged,
    /// They were installed now.
    Installed,
}

/// Installs a project's packages, if there are new ones. Composer's lines go to `progress`.
pub async fn install(request: Request<'_>, progress: Progress<'_>) -> Result<Outcome, Error> {
    let read = |name: &str| fs::read(request.project.join(name)).ok();
    let Some(json) = read("composer.json") else { return Ok(Outcome::Nothing) };
    let key = Key::new().with(&read("composer.lock").unwrap_or(json)).to_string();
    let mark = request.state.join("composer");
    let there = request.project.join("vendor/autoload.php").is_file();
    let known = fs::read_to_string(&mark).ok();
    if there && known.as_ref().is_none_or(|known| *known == key) {
        remember(&mark, &key)?;
        return Ok(Outcome::Unchanged);
    }
    let Some(composer) = find(request.path) else {
        return Err(Error::NoComposer { vendor: if there { "too old" } else { "missing" } });
    };
    let mut argv: Vec<OsString> = vec![composer.into()];
    argv.extend(ARGUMENTS.map(Into::into));
    let mut env: Vec<(OsString, Option<OsString>)> =
        vec![("COMPOSER_ALLOW_SUPERUSER".into(), Some("1".into()))];
    env.extend(request.env.iter().map(|(name, value)| (name.into(), Some(value.into()))));
    Program { what: "composer install", argv, env, dir: request.project, limit: LIMIT }
        .run(request.own, progress)
        .await?;
    remember(&mark, &key)?;
    Ok(Outcome::Installed)
}

fn remember(mark: &Path, key: &str) -> Result<(), Error> {
    let folder = mark.parent().unwrap_or(mark);
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let part = mark.with_extension("part");
    fs::write(&part, key).map_err(Error::io(&part))?;
    fs::rename(&part, mark).map_err(Error::io(mark))
}

fn find(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join("composer")).find(|file| file.is_file())
}

const ARGUMENTS: [&str; 5] =
    ["install", "--no-dev", "--no-interaction", "--no-progress", "--optimize-autoloader"];
const LIMIT: Duration = Duration::from_secs(30 * 60);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A project with a `composer` that makes vendor/ and counts its calls.
    struct Stage(tempfile::TempDir);

    impl Stage {
        fn new() -> Stage {
            let stage = Stage(tempfile::tempdir().unwrap());
            stage.write(
                "bin/composer",
                "#!/bin/sh\necho \"$@\"\nmkdir -p vendor; echo x >> calls; touch vendor/autoload.php\n",
            );
            let composer = stage.0.path().join("bin/composer");
            fs::set_permissions(composer, fs::Permissions::from_mode(0o755)).unwrap();
            stage
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        async fn install(&self, bin: &str) -> Result<Outcome, Error> {
            let path = self.0.path().join(bin);
            let request = Request {
                own: &Own::direct(),
                path: path.as_os_str(),
                project: self.0.path(),
                state: &self.0.path().join("state"),
                env: &[],
            };
            install(request, &|_| ()).await
        }
    }

    #[tokio::test]
    async fn packages_are_installed_when_the_lock_file_changes() {
        let stage = Stage::new();
        assert_eq!(stage.install("bin").await.unwrap(), Outcome::Nothing);
        stage.write("composer.json", "{}");
        assert_eq!(stage.install("bin").await.unwrap(), Outcome::Installed);
        assert_eq!(stage.install("bin").await.unwrap(), Outcome::Unchanged);
        stage.write("composer.lock", "{}{}");
        assert_eq!(stage.install("bin").await.unwrap(), Outcome::Installed);
        assert_eq!(fs::read_to_string(stage.0.path().join("calls")).unwrap(), "x\nx\n");
    }

    #[tokio::test]
    async fn a_vendor_folder_of_the_developer_s_is_taken_as_it_is() {
        let stage = Stage::new();
        stage.write("composer.json", "{}");
        stage.write("vendor/autoload.php", "");
        assert_eq!(stage.install("bin").await.unwrap(), Outcome::Unchanged);
        assert!(!stage.0.path().join("calls").exists());
    }

    #[tokio::test]
    async fn without_composer_and_without_packages_it_is_said_what_to_do() {
        let stage = Stage::new();
        stage.write("composer.json", "{}");
        let error = stage.install("nowhere").await.unwrap_err().to_string();
        assert!(error.contains("apt install composer") && error.contains("vendor"), "{error}");
    }
}
