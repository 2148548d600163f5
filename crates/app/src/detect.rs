//! What kind of application lies in a folder, told from its files alone.
//!
//! Each language has its rules in a module of its own; the first that matches wins, and says why:
//!
//! ```text
//!   settings: app = "…", command = "…"; a URL is a proxy
//!   python        Django, Flask, WSGI
//!   php           WordPress, Laravel, Symfony, index.php
//!   ruby          Rails, Sinatra, Rack
//!   procfile      its web line
//!   node          package.json with a start script
//!   files         public/index.html, index.html
//! ```
//! A framework's own package.json or Procfile says less than the framework: those rules come after.
//! No user code runs, files over 1 MiB are not looked at, and the folder is seen through
//! [`Folder`], so that the rules are pure.

mod node;
mod php;
mod procfile;
mod python;
mod ruby;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::Error;

pub use php::{Framework as PhpFramework, Php};
pub use python::Python;
pub use ruby::{Entry, Framework as RubyFramework, Ruby, Server};

/// What detection sees of a project.
pub trait Folder {
    /// The names of its subfolders, in alphabetical order.
    fn folders(&self) -> Vec<String>;
    /// The text of a file, by its path from the project's folder; None when it is not there.
    fn text(&self, path: &str) -> Option<String>;
}

/// A folder on disk.
#[derive(Clone, Copy, Debug)]
pub struct Disk<'a>(pub &'a Path);

/// What the settings say about the application.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// `app`: a kind, or `module:callable`.
    pub app: Option<&'a str>,
    /// `command`: what is started as the site's own server.
    pub command: Option<&'a str>,
    /// `root`: a folder of files; with it a project without code is static.
    pub root: Option<&'a str>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Python: `module:callable`, or `module:factory()`; None for others.
    pub callable: Option<String>,
    /// The file that shows it, by its path from the project's folder.
    pub file: String,
    /// Why it is taken for that.
    pub reason: String,
}

/// The kinds of applications, by what runs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Python, in davy's worker.
    Python(Python),
    /// Ruby, in davy's worker or in Puma.
    Ruby(Ruby),
    /// A server of its own, started by a command.
    Command(Command),
    /// A server that somebody else runs, by its URL.
    Proxy(String),
    /// PHP, in php-fpm or php-cgi.
    Php(Php),
    /// Files alone.
    Static,
}

/// A command that starts a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it is, for people.
    pub name: &'static str,
    /// The command's line, see [`crate::command`].
    pub line: String,
}

impl Kind {
    /// The kind's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Python(python) => python.name(),
            Kind::Ruby(ruby) => ruby.name(),
            Kind::Command(command) => command.name,
            Kind::Proxy(_) => "proxy",
            Kind::Php(php) => php.framework.name(),
            Kind::Static => "static files",
        }
    }
}

impl Found {
    /// Whether its workers run many requests at a time, whose content streams both ways at once.
    /// One that is taken for WSGI and is not works all the same: its uploads are taken in first.
    pub fn streams(&self) -> bool {
        let callable = self.callable.as_deref();
        matches!(&self.kind, Kind::Python(python) if python.speaks_asgi(callable))
    }

    /// One line for people: `Flask (app.py), Python 3.11, requirements.txt`. `with` is what it runs
    /// with.
    pub fn text(&self, with: &[String]) -> String {
        let text = format!("{} ({})", self.kind.name(), self.file);
        with.iter().fold(text, |text, part| text + ", " + part)
    }
}

/// Finds out what lies in a folder.
pub fn detect(folder: &dyn Folder, asked: Asked<'_>) -> Result<Found, Error> {
    let found = match asked.app {
        None if asked.command.is_some() => asked.command.map(command),
        None => python::find(folder)?
            .or_else(|| ruby::find(folder))
            .or_else(|| php::find(folder, asked.root))
            .or_else(|| procfile::find(folder))
            .or_else(|| node::find(folder))
            .or_else(|| files(folder, asked.root)),
        Some("static") => files(folder, asked.root),
        Some("node") => asked.command.map(command).or_else(|| node::find(folder)),
        Some("command") => asked.command.map(command).or_else(|| procfile::find(folder)),
        Some(url) if url.contains("://") => Some(proxy(url)),
        Some(app) if php::is_asked(app) => php::asked(folder, app, asked.root),
        Some(app) if ruby::KINDS.contains(&app) => ruby::asked(folder, app),
        Some(app) => python::asked(folder, app)?,
    };
    found.ok_or_else(|| Error::NotFound { looked_for: looked_for(asked.app) })
}

fn command(line: &str) -> Found {
    let kind = Kind::Command(Command { name: "command", line: line.to_owned() });
    let reason = format!("davy.toml says command = \"{line}\"");
    Found { kind, callable: None, file: line.to_owned(), reason }
}

fn proxy(url: &str) -> Found {
    let reason = format!("davy.toml says app = \"{url}\"");
    Found { kind: Kind::Proxy(url.to_owned()), callable: None, file: url.to_owned(), reason }
}

fn files(folder: &dyn Folder, root: Option<&str>) -> Option<Found> {
    let (file, reason) = match root {
        Some(root) => (root.to_owned(), format!("davy.toml says root = \"{root}\"")),
        None => {
            let file = STATIC_FILES.into_iter().find(|file| folder.text(file).is_some())?;
            (file.to_owned(), format!("there is {file}"))
        }
    };
    Some(Found { kind: Kind::Static, callable: None, file, reason })
}

fn looked_for(app: Option<&str>) -> String {
    match app {
        Some("static") => FILES_LOOKED_FOR.to_owned(),
        Some("node") => node::LOOKED_FOR.to_owned(),
        Some("command") => procfile::LOOKED_FOR.to_owned(),
        None => {
            let (python, ruby) = (python::looked_for(None), ruby::looked_for(None));
            let php = php::looked_for(None);
            let (procfile, node) = (procfile::LOOKED_FOR, node::LOOKED_FOR);
            format!("{python}; {ruby}; {php}; {procfile}; {node}; {FILES_LOOKED_FOR}")
        }
        Some(app) if php::is_asked(app) => php::looked_for(Some(app)).to_owned(),
        Some(app) if ruby::KINDS.contains(&app) => ruby::looked_for(Some(app)).to_owned(),
        Some(app) => python::looked_for(Some(app)).to_owned(),
    }
}

impl Folder for Disk<'_> {
    fn folders(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0).into_iter().flatten().take(ENTRIES_MAX).flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    fn text(&self, path: &str) -> Option<String> {
        let path = self.0.join(path);
        let about = fs::metadata(&path).ok()?;
        if !about.is_file() || about.len() > FILE_BYTES_MAX {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(&path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

pub(crate) fn fuzz(bytes: &[u8]) {
    struct Everywhere(String);
    impl Folder for Everywhere {
        fn folders(&self) -> Vec<String> {
            vec!["site".to_owned()]
        }
        fn text(&self, _: &str) -> Option<String> {
            Some(self.0.clone())
        }
    }
    let text = String::from_utf8_lossy(bytes).into_owned();
    let asked = Asked { app: Some(&text), ..Asked::default() };
    let folder = Everywhere(text.clone());
    // Only a panic would be a fault here.
    let _ = detect(&folder, asked);
    let _ = detect(&folder, Asked::default());
}

/// Files and entries beyond these are not looked at.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const ENTRIES_MAX: usize = 1_000;

const STATIC_FILES: [&str; 2] = ["public/index.html", "index.html"];
const FILES_LOOKED_FOR: &str = "public/index.html and index.html";

#[cfg(test)]
mod tests;
