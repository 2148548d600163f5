//! The Ruby that runs a project: `ruby` on a PATH, asked once what it is.
//!
//! Version managers (rbenv, asdf, mise, chruby) show themselves as a `ruby` on the PATH, which looks
//! at the project's files itself: it is asked from the project's folder. What `.ruby-version` or
//! `.tool-versions` ask for is compared with what was found.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proc::Own;
use serde::Deserialize;

use crate::Error;
use crate::interpreter::is_executable;
use crate::program::Program;

/// A Ruby interpreter, 3.1 or newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruby {
    /// The interpreter's own idea of its path (a shim on the PATH is seen through).
    pub path: PathBuf,
    /// `3.1.7`.
    pub version: String,
    /// Whether Bundler is there.
    pub bundler: bool,
    /// What the project's files ask for, if that is another version.
    pub asked: Option<String>,
}

/// The answer of [`QUESTION`].
#[derive(Deserialize)]
struct Told {
    executable: PathBuf,
    version: String,
    bundler: bool,
}

impl Ruby {
    /// Finds the project's Ruby on `path`: of the version that its files ask for, if there is one.
    pub async fn find(own: &Own, path: &OsStr, project: &Path) -> Result<Ruby, Error> {
        let asked = asked(&|file| fs::read_to_string(project.join(file)).ok());
        let first = on(path, "ruby").ok_or_else(|| no_ruby(path))?;
        let ruby = Ruby::checked(first.clone(), ask(own, &first, project).await?, asked)?;
        // Debian has several by the name of their versions.
        let other =
            ruby.asked.as_deref().and_then(short).and_then(|v| on(path, &format!("ruby{v}")));
        let Some(other) = other else { return Ok(ruby) };
        Ruby::checked(other.clone(), ask(own, &other, project).await?, ruby.asked)
    }

    /// `3.1`.
    pub fn short_version(&self) -> &str {
        short(&self.version).unwrap_or(&self.version)
    }

    fn checked(path: PathBuf, told: Told, asked: Option<String>) -> Result<Ruby, Error> {
        let Told { executable, version, bundler } = told;
        let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
        let known = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if known < OLDEST {
            let reason = format!("this is Ruby {version}; davy needs 3.1 or newer");
            return Err(Error::Ruby { path, reason });
        }
        let asked = asked.filter(|asked| short(asked) != short(&version));
        let path = if executable.is_absolute() { executable } else { path };
        Ok(Ruby { path, version, bundler, asked })
    }
}

/// The version that a project's files ask for.
fn asked(read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let own = read(".ruby-version")
        .and_then(|text| Some(text.split_whitespace().next()?.trim_start_matches("ruby-").into()));
    let of_tools = || {
        read(".tool-versions")?
            .lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .find(|(tool, _)| *tool == "ruby")
            .and_then(|(_, versions)| versions.split_whitespace().next().map(str::to_owned))
    };
    let version: String = own.or_else(of_tools)?;
    // `system`, `jruby-9.4`: nothing to compare with.
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

/// `3.1` of `3.1.7`.
fn short(version: &str) -> Option<&str> {
    let (major, rest) = version.split_once('.')?;
    let minor = rest.split(['.', '-']).next()?;
    Some(&version[..=major.len() + minor.len()])
}

fn on(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|path| is_executable(path))
}

fn no_ruby(path: &OsStr) -> Error {
    Error::NoRuby { path: path.to_string_lossy().into_owned() }
}

async fn ask(own: &Own, ruby: &Path, project: &Path) -> Result<Told, Error> {
    let answer = Mutex::new(None);
    let keep = |line: &str| {
        if let Some(json) = line.strip_prefix(MARK) {
            let told = serde_json::from_str(json).ok();
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = told;
        }
    };
    let argv: [OsString; 3] = [ruby.into(), "-e".into(), QUESTION.into()];
    let what = format!("asking {} for its version", ruby.display());
    Program { what: &what, argv: argv.into(), env: Vec::new(), dir: project, limit: LIMIT }
        .run(own, &keep)
        .await?;
    answer.into_inner().unwrap_or_else(PoisonError::into_inner).ok_or_else(|| Error::Ruby {
        path: ruby.to_owned(),
        reason: "it does not answer as Ruby does; check `ruby --version`".to_owned(),
    })
}

const MARK: &str = "davy: ";
const QUESTION: &str = r#"
require "json"
bundler = !Gem::Specification.find_all_by_name("bundler").empty?
puts "davy: " + JSON.generate(executable: RbConfig.ruby, version: RUBY_VERSION, bundler: bundler)
"#;
const OLDEST: (u32, u32) = (3, 1);
const LIMIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn told(version: &str) -> Told {
        Told { executable: "/usr/bin/ruby".into(), version: version.into(), bundler: true }
    }

    #[tokio::test]
    async fn ruby_on_the_path_is_asked_for_its_version() {
        let path = std::env::var_os("PATH").unwrap();
        let found = Ruby::find(&Own::direct(), &path, Path::new("/")).await.unwrap();
        assert!(found.path.is_absolute() && found.asked.is_none(), "{found:?}");
        assert!(found.short_version().starts_with("3."), "{found:?}");
    }

    #[tokio::test]
    async fn path_without_ruby_says_what_to_install() {
        let error = Ruby::find(&Own::direct(), OsStr::new("/nowhere"), Path::new("/")).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("/nowhere") && error.contains("apt install ruby"), "{error}");
    }

    #[tokio::test]
    async fn ruby_of_the_version_asked_for_goes_before_another() {
        let folder = tempfile::tempdir().unwrap();
        for (name, version) in [("ruby", "3.1.7"), ("ruby3.3", "3.3.1")] {
            let file = folder.path().join(name);
            let told =
                format!(r#"{{"executable":"/x/{name}","version":"{version}","bundler":false}}"#);
            fs::write(&file, format!("#!/bin/sh\necho 'davy: {told}'\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let find = async |text: &str| {
            fs::write(folder.path().join(".ruby-version"), text).unwrap();
            let found = Ruby::find(&Own::direct(), folder.path().as_os_str(), folder.path()).await;
            let found = found.unwrap();
            (found.version, found.asked)
        };
        assert_eq!(find("ruby-3.3.0\n").await, ("3.3.1".to_owned(), None));
        assert_eq!(find("3.1\n").await, ("3.1.7".to_owned(), None));
        assert_eq!(find("3.2.2\n").await, ("3.1.7".to_owned(), Some("3.2.2".to_owned())));
    }

    #[test]
    fn version_asked_for_stands_in_either_file() {
        let of = |name: &'static str, text: &'static str| {
            asked(&move |file| (file == name).then(|| text.to_owned()))
        };
        assert_eq!(of(".ruby-version", "ruby-3.2.1\n").as_deref(), Some("3.2.1"));
        assert_eq!(of(".tool-versions", "nodejs 20\nruby  3.3.0 3.2\n").as_deref(), Some("3.3.0"));
        assert_eq!(of(".ruby-version", "jruby-9.4\n"), None);
        assert_eq!(of(".ruby-version", ""), None);
    }

    #[test]
    fn old_versions_are_refused_and_named() {
        let error = Ruby::checked("/usr/bin/ruby".into(), told("2.7.4"), None).unwrap_err();
        assert!(error.to_string().contains("Ruby 2.7.4; davy needs 3.1"), "{error}");
        let found = Ruby::checked("/usr/bin/ruby".into(), told("3.4.1"), None).unwrap();
        assert_eq!(found.short_version(), "3.4");
    }
}
