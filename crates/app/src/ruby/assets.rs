//! The assets of a Rails application: compiled before it starts, when they have changed.
//!
//! `assets:precompile` writes below public/, which the web step serves. It is run when the project has
//! app/assets and a gem that brings the task, and only if one of the files that it is made from is
//! another than last time.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proc::Own;

use super::gems::Gems;
use super::interpreter::Ruby;
use crate::key::Key;
use crate::program::Program;
use crate::{Error, Progress};

/// Whose assets are compiled.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// davy's own executable.
    pub own: &'a Own,
    /// The project's Ruby.
    pub ruby: &'a Ruby,
    /// Its gems.
    pub gems: &'a Gems,
    /// The project's folder.
    pub project: &'a Path,
    /// A folder of davy's to remember the last time in.
    pub state: &'a Path,
    /// The site's variables.
    pub env: &'a [(String, String)],
}

/// What became of the assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assets {
    /// The project has none.
    None,
    /// They are as they were.
    Unchanged,
    /// They were compiled.
    Compiled,
}

/// Compiles the assets of a Rails application.
pub async fn precompile(request: Request<'_>, progress: Progress<'_>) -> Result<Assets, Error> {
    let Request { project, gems, state, .. } = request;
    let task = TASKS.iter().any(|name| gems.has(name));
    if !task || !project.join("app/assets").is_dir() {
        return Ok(Assets::None);
    }
    let mark = state.join("assets");
    let key = key(project).map_err(Error::io(project))?.to_string();
    if project.join("public/assets").is_dir()
        && fs::read_to_string(&mark).is_ok_and(|old| old == key)
    {
        return Ok(Assets::Unchanged);
    }
    let argv: [OsString; 3] =
        [(&request.ruby.path).into(), "bin/rails".into(), "assets:precompile".into()];
    let argv: Vec<OsString> = match project.join("bin/rails").is_file() {
        true => argv.into(),
        false => {
            let words = ["-S", "bundle", "exec", "rake", "assets:precompile"].map(OsString::from);
            [(&request.ruby.path).into()].into_iter().chain(words).collect()
        }
    };
    let env = request.env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
    Program { what: "rails assets:precompile", argv, env, dir: project, limit: LIMIT }
        .run(request.own, progress)
        .await?;
    fs::create_dir_all(state).and_then(|()| fs::write(&mark, &key)).map_err(Error::io(&mark))?;
    Ok(Assets::Compiled)
}

/// A key of all that assets are made from. Large files count by their size and time.
fn key(project: &Path) -> io::Result<Key> {
    let mut key = Key::new();
    let mut waiting: Vec<PathBuf> = SOURCES.iter().rev().map(|path| project.join(path)).collect();
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        key = key.with(path.as_os_str().as_encoded_bytes());
        if about.is_dir() {
            let entries: io::Result<Vec<_>> = fs::read_dir(&path)?.collect();
            let mut below: Vec<PathBuf> = entries?.into_iter().map(|entry| entry.path()).collect();
            below.sort_by(|a, b| b.cmp(a));
            waiting.extend(below);
        } else if about.is_file() && about.len() <= FILE_BYTES_MAX {
            key = key.with(&fs::read(&path)?);
        } else {
            key = key.with(format!("{} {:?}", about.len(), about.modified()?).as_bytes());
        }
        files += 1;
        if files > FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} files of assets")));
        }
    }
    Ok(key)
}

/// The gems that bring the task.
const TASKS: [&str; 5] = ["sprockets-rails", "propshaft", "webpacker", "vite_rails", "shakapacker"];
/// What assets are made from; views, as some styles are made from the classes that they use.
const SOURCES: [&str; 12] = [
    "Gemfile.lock",
    "app/assets",
    "app/helpers",
    "app/javascript",
    "app/views",
    "config",
    "lib/assets",
    "package.json",
    "vendor/assets",
    "vendor/javascript",
    "vendor/stylesheets",
    "yarn.lock",
];
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const FILES_MAX: usize = 100_000;
const LIMIT: Duration = Duration::from_secs(20 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const RAILS: &str = "require 'fileutils'\nFileUtils.mkdir_p 'public/assets'\n\
                         File.write('runs', 'x', mode: 'a')\nputs ENV.fetch('SAID')\nexit 0\n";

    fn project(lock: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("Gemfile", ""),
            ("Gemfile.lock", lock),
            ("app/assets/config/manifest.js", "//= link_tree ../images\n"),
            ("bin/rails", RAILS),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    async fn compile(project: &Path) -> Assets {
        let (own, path) = (Own::direct(), std::env::var_os("PATH").unwrap());
        let ruby = Ruby::find(&own, &path, project).await.unwrap();
        let (gems, state) = (Gems::read(project).unwrap(), project.join(".davy/ruby"));
        let env = [("SAID".to_owned(), "compiling".to_owned())];
        let request =
            Request { own: &own, ruby: &ruby, gems: &gems, project, state: &state, env: &env };
        precompile(request, &|line| assert_eq!(line, "compiling")).await.unwrap()
    }

    #[tokio::test]
    async fn assets_are_compiled_when_they_have_changed() {
        let folder = project("    sprockets-rails (3.4.2)\n");
        let runs = || fs::read_to_string(folder.path().join("runs")).unwrap().len();
        assert_eq!(compile(folder.path()).await, Assets::Compiled);
        assert_eq!((compile(folder.path()).await, runs()), (Assets::Unchanged, 1));
        fs::write(folder.path().join("app/assets/new.css"), "a {}").unwrap();
        assert_eq!((compile(folder.path()).await, runs()), (Assets::Compiled, 2));
        fs::remove_dir(folder.path().join("public/assets")).unwrap();
        assert_eq!((compile(folder.path()).await, runs()), (Assets::Compiled, 3));
    }

    #[tokio::test]
    async fn application_without_the_task_is_left_alone() {
        let folder = project("    rails (7.1.0)\n");
        assert_eq!(compile(folder.path()).await, Assets::None);
    }
}
