//! The static files of a project: which folders the web step serves, and Django's collectstatic.
//!
//! ```text
//!   /           root from the settings, else public/
//!   /static/    Flask: static/ beside the module; Django: STATIC_ROOT below STATIC_URL
//! ```
//! Only Django is asked: its settings are Python. The probe runs with the site's own environment,
//! prints one line, and is stopped after a minute.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proc::Own;
use serde::Deserialize;

use crate::detect::{Found, Kind, Python};
use crate::program::Program;
use crate::{Error, Progress};

/// A folder of files and the path it is served at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Starts and ends with `/`.
    pub prefix: String,
    /// An absolute path, if the project's was one.
    pub folder: PathBuf,
}

/// The folders of files that a project shows by itself; `root` is from the settings. Django's are
/// found by [`collect`].
pub fn mounts(project: &Path, found: &Found, root: Option<&Path>) -> Vec<Mount> {
    let at = |prefix: &str, folder: PathBuf| {
        folder.is_dir().then(|| Mount { prefix: prefix.to_owned(), folder })
    };
    let shown = project.join(&found.file);
    let beside = shown.parent().unwrap_or(project);
    let whole = match (root, &found.kind) {
        (Some(root), _) => at("/", project.join(root)),
        (None, Kind::Static) => at("/", beside.to_owned()),
        // Such a server may serve its files itself, and only to whom it likes.
        (None, Kind::Command(_) | Kind::Proxy(_)) => None,
        (None, Kind::Php(php)) => at("/", project.join(&php.root)),
        (None, _) => at("/", project.join("public")),
    };
    let flask = match found.kind {
        Kind::Python(Python::Flask) => at("/static/", beside.join("static")),
        _ => None,
    };
    flask.into_iter().chain(whole).collect()
}

/// Where a project's Django is run.
#[derive(Clone, Copy, Debug)]
pub struct Django<'a> {
    /// davy's own executable.
    pub own: &'a Own,
    /// The environment's interpreter.
    pub python: &'a Path,
    /// The project's folder.
    pub project: &'a Path,
    /// The settings module that manage.py names.
    pub settings: &'a str,
    /// The site's variables.
    pub env: &'a [(String, String)],
}

/// The answer of [`PROBE`].
#[derive(Debug, Deserialize)]
struct Told {
    static_root: Option<PathBuf>,
    static_url: Option<String>,
    staticfiles: bool,
}

/// Runs `collectstatic` if STATIC_ROOT is set, and gives the mount of what it collected. Its lines
/// go to `progress`.
pub async fn collect(django: Django<'_>, progress: Progress<'_>) -> Result<Option<Mount>, Error> {
    let told = probe(&django).await?;
    let Some(folder) = told.static_root else { return Ok(None) };
    if told.staticfiles {
        let argv = ["manage.py", "collectstatic", "--noinput"];
        django.run("manage.py collectstatic", &argv, COLLECT_LIMIT, progress).await?;
    }
    Ok(told.static_url.as_deref().and_then(prefix).map(|prefix| Mount { prefix, folder }))
}

async fn probe(django: &Django<'_>) -> Result<Told, Error> {
    let answer = Mutex::new(None);
    let keep = |line: &str| {
        if let Some(json) = line.strip_prefix(MARK) {
            let told = serde_json::from_str(json).ok();
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = told;
        }
    };
    let what = "reading Django's settings";
    django.run(what, &["-c", PROBE, django.settings], PROBE_LIMIT, &keep).await?;
    answer.into_inner().unwrap_or_else(PoisonError::into_inner).ok_or_else(|| Error::Failed {
        what: what.to_owned(),
        how: "no answer".to_owned(),
        told: String::new(),
        advice: format!("Check that `python -c \"import {}\"` works.", django.settings),
    })
}

impl Django<'_> {
    async fn run(
        &self,
        what: &str,
        arguments: &[&str],
        limit: Duration,
        each: Progress<'_>,
    ) -> Result<(), Error> {
        let mut argv: Vec<OsString> = vec![self.python.into()];
        argv.extend(arguments.iter().map(Into::into));
        let env = self.env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
        Program { what, argv, env, dir: self.project, limit }.run(self.own, each).await
    }
}

/// STATIC_URL as a prefix; None when it leads to another host. A relative one lies below `/`.
fn prefix(url: &str) -> Option<String> {
    if url.contains("//") || url.contains(['?', '#', '\0']) {
        return None;
    }
    let inner = url.trim_matches('/');
    Some(if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") })
}

const MARK: &str = "davy: ";
const PROBE: &str = r#"
import json, os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", sys.argv[1])
from django.conf import settings
root = settings.STATIC_ROOT
print("\ndavy: " + json.dumps({"static_root": os.path.abspath(root) if root else None,
    "static_url": settings.STATIC_URL,
    "staticfiles": "django.contrib.staticfiles" in settings.INSTALLED_APPS}))
"#;
const PROBE_LIMIT: Duration = Duration::from_secs(60);
const COLLECT_LIMIT: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests;
