//! What kind of application lies in a folder, told from its source text alone.
//!
//! The rules, in their order; the first that matches wins, and says why:
//!
//! ```text
//!   settings: app = "module:callable" or a kind
//!   manage.py that names DJANGO_SETTINGS_MODULE              Django
//!   app.py, wsgi.py, main.py, application.py, a package,
//!     importing flask, with `Flask(` or `create_app`          Flask
//!   wsgi.py or app.py with `application` or `app`            WSGI
//!   public/index.html, index.html                            static files
//! ```
//! No user code runs, files over 1 MiB are not looked at, and the folder is seen through
//! [`Folder`], so that the rules are pure.

mod source;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::Error;
use source::Source;

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
    /// `root`: a folder of files; with it a project without code is static.
    pub root: Option<&'a str>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// `module:callable`, or `module:factory()`; None for static files.
    pub callable: Option<String>,
    /// The file that shows it, by its path from the project's folder.
    pub file: String,
    /// Why it is taken for that.
    pub reason: String,
}

/// The kinds of applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Flask application.
    Flask,
    /// A Django project.
    Django {
        /// Its settings module, for DJANGO_SETTINGS_MODULE.
        settings: String,
    },
    /// Any WSGI callable.
    Wsgi,
    /// Files alone.
    Static,
}

impl Kind {
    /// The kind's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Flask => "Flask",
            Kind::Django { .. } => "Django",
            Kind::Wsgi => "WSGI",
            Kind::Static => "static files",
        }
    }
}

impl Found {
    /// One line for people: `Flask (app.py), Python 3.11, requirements.txt`.
    pub fn text(&self, python: Option<&str>, dependencies: Option<&str>) -> String {
        let mut text = format!("{} ({})", self.kind.name(), self.file);
        if let Some(version) = python {
            text += &format!(", Python {version}");
        }
        if let Some(file) = dependencies {
            text += &format!(", {file}");
        }
        text
    }

    fn new(kind: Kind, file: &str, callable: &str, reason: String) -> Found {
        let callable = Some(format!("{}:{callable}", module_of(file)));
        Found { kind, callable, file: file.to_owned(), reason }
    }
}

/// Finds out what lies in a folder.
pub fn detect(folder: &dyn Folder, asked: Asked<'_>) -> Result<Found, Error> {
    let found = match asked.app {
        None => first(folder)?,
        Some("django") => django(folder)?,
        Some("flask") => flask(folder),
        Some("wsgi") => wsgi(folder)?,
        Some("static") => None,
        Some(name) => return named(folder, name),
    };
    let files_do = matches!(asked.app, None | Some("static"));
    found
        .or_else(|| files_do.then(|| static_files(folder, asked.root)).flatten())
        .ok_or_else(|| Error::NotFound { looked_for: looked_for(asked.app).to_owned() })
}

fn first(folder: &dyn Folder) -> Result<Option<Found>, Error> {
    if let Some(found) = django(folder)? {
        return Ok(Some(found));
    }
    match flask(folder) {
        Some(found) => Ok(Some(found)),
        None => wsgi(folder),
    }
}

/// What the settings name, with the kind that the folder shows.
fn named(folder: &dyn Folder, name: &str) -> Result<Found, Error> {
    let module = name.split_once(':').map_or("", |(module, _)| module);
    if !is_callable(name) {
        return Err(Error::App(name.to_owned()));
    }
    let path = module.replace('.', "/");
    let file = [format!("{path}.py"), format!("{path}/__init__.py")]
        .into_iter()
        .find(|file| folder.text(file).is_some());
    let shown = file.as_deref().and_then(|file| folder.text(file)).unwrap_or_default();
    let kind = match django_settings(folder) {
        Some(settings) => Kind::Django { settings },
        None if Source::new(&shown).imports("flask") => Kind::Flask,
        None => Kind::Wsgi,
    };
    let reason = format!("davy.toml says app = \"{name}\"");
    Ok(Found { kind, callable: Some(name.to_owned()), file: file.unwrap_or(module.into()), reason })
}

fn django(folder: &dyn Folder) -> Result<Option<Found>, Error> {
    let Some(settings) = django_settings(folder) else { return Ok(None) };
    // `a.b.settings` has its wsgi.py in a/b or, when settings is a package, in a.
    let beside = settings
        .char_indices()
        .rev()
        .filter(|(_, c)| *c == '.')
        .map(|(at, _)| format!("{}/wsgi.py", settings[..at].replace('.', "/")));
    let elsewhere = folder.folders().into_iter().map(|name| format!("{name}/wsgi.py"));
    let file = beside.chain(elsewhere).find(|file| {
        folder.text(file).is_some_and(|text| Source::new(&text).names().contains(&"application"))
    });
    let Some(file) = file else { return Err(Error::NoDjangoCallable { settings }) };
    let reason = format!("manage.py names the settings {settings}, {file} has `application`");
    Ok(Some(Found::new(Kind::Django { settings }, &file, "application", reason)).map(
        |mut found| {
            // People know a Django project by its manage.py.
            found.file = "manage.py".to_owned();
            found
        },
    ))
}

/// The settings module that manage.py names.
fn django_settings(folder: &dyn Folder) -> Option<String> {
    let text = folder.text("manage.py")?;
    let settings = Source::new(&text).string_after("DJANGO_SETTINGS_MODULE")?.to_owned();
    settings.split('.').all(is_identifier).then_some(settings)
}

fn flask(folder: &dyn Folder) -> Option<Found> {
    for file in FLASK_FILES {
        if let Some(found) = flask_in(folder, file) {
            return Some(found);
        }
    }
    let in_package = packages(folder).find_map(|file| flask_in(folder, &file))?;
    // A wsgi.py beside the package says how the application is made.
    let entry = wsgi(folder).ok().flatten();
    Some(match entry {
        Some(entry) => Found {
            kind: Kind::Flask,
            reason: format!("{}, {}", in_package.reason, entry.reason),
            ..entry
        },
        None => in_package,
    })
}

fn flask_in(folder: &dyn Folder, file: &str) -> Option<Found> {
    let text = folder.text(file)?;
    let source = Source::new(&text);
    if !source.imports("flask") {
        return None;
    }
    let made = source.called("Flask");
    let (callable, shown) = if let Some(name) = preferred(&made).or(made.first().copied()) {
        (name.to_owned(), format!("{name} = Flask("))
    } else if let Some(name) = preferred(&source.bound()) {
        (name.to_owned(), format!("{name} ="))
    } else {
        let factory = FACTORIES.into_iter().find(|name| source.defined().contains(name))?;
        (format!("{factory}()"), format!("def {factory}"))
    };
    let reason = format!("{file} imports flask and has `{shown}`");
    Some(Found::new(Kind::Flask, file, &callable, reason))
}

fn wsgi(folder: &dyn Folder) -> Result<Option<Found>, Error> {
    for file in WSGI_FILES {
        let Some(text) = folder.text(file) else { continue };
        let source = Source::new(&text);
        let Some(name) = preferred(&source.names()) else { continue };
        no_asgi(file, &source)?;
        let reason = format!("{file} has `{name}`");
        return Ok(Some(Found::new(Kind::Wsgi, file, name, reason)));
    }
    // An ASGI application is told of where it usually stands, rather than overlooked.
    for file in FLASK_FILES {
        folder.text(file).map_or(Ok(()), |text| no_asgi(file, &Source::new(&text)))?;
    }
    Ok(None)
}

fn no_asgi(file: &str, source: &Source<'_>) -> Result<(), Error> {
    match ASGI.into_iter().find(|name| source.imports(name)) {
        Some(framework) => Err(Error::Asgi { file: file.to_owned(), framework }),
        None => Ok(()),
    }
}

fn static_files(folder: &dyn Folder, root: Option<&str>) -> Option<Found> {
    let (file, reason) = match root {
        Some(root) => (root.to_owned(), format!("davy.toml says root = \"{root}\"")),
        None => {
            let file = STATIC_FILES.into_iter().find(|file| folder.text(file).is_some())?;
            (file.to_owned(), format!("there is {file}"))
        }
    };
    Some(Found { kind: Kind::Static, callable: None, file, reason })
}

fn packages(folder: &dyn Folder) -> impl Iterator<Item = String> {
    let wanted = |name: &String| is_identifier(name) && !NO_PACKAGES.contains(&name.as_str());
    folder.folders().into_iter().filter(wanted).map(|name| format!("{name}/__init__.py"))
}

/// The usual names of a callable. A module that has both often imports one to make the other of it,
/// and either will do.
fn preferred<'a>(names: &[&'a str]) -> Option<&'a str> {
    ["app", "application"]
        .into_iter()
        .find_map(|wished| names.iter().find(|name| **name == wished).copied())
}

fn module_of(file: &str) -> String {
    let path = file.strip_suffix("/__init__.py").or_else(|| file.strip_suffix(".py"));
    path.unwrap_or(file).replace('/', ".")
}

fn is_callable(name: &str) -> bool {
    let Some((module, path)) = name.split_once(':') else { return false };
    let path = path.strip_suffix("()").unwrap_or(path);
    module.split('.').all(is_identifier) && path.split('.').all(is_identifier)
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn looked_for(app: Option<&str>) -> &'static str {
    match app {
        Some("django") => "manage.py with DJANGO_SETTINGS_MODULE",
        Some("flask") => {
            "app.py, wsgi.py, main.py, application.py or a package that imports flask and has \
             `app = Flask(` or `def create_app(`"
        }
        Some("wsgi") => "wsgi.py or app.py with `application` or `app`",
        Some("static") => "public/index.html and index.html",
        _ => {
            "manage.py (Django); app.py, wsgi.py, main.py, application.py or a package with \
             `app = Flask(` or `def create_app(`; wsgi.py or app.py with `application` or `app`; \
             public/index.html and index.html"
        }
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
    let asked = Asked { app: Some(&text), root: None };
    let folder = Everywhere(text.clone());
    // Only a panic would be a fault here.
    let _ = detect(&folder, asked);
    let _ = detect(&folder, Asked::default());
}

/// Files and entries beyond these are not looked at.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const ENTRIES_MAX: usize = 1_000;

const FLASK_FILES: [&str; 4] = ["app.py", "wsgi.py", "main.py", "application.py"];
const WSGI_FILES: [&str; 2] = ["wsgi.py", "app.py"];
const STATIC_FILES: [&str; 2] = ["public/index.html", "index.html"];
const FACTORIES: [&str; 2] = ["create_app", "make_app"];
const NO_PACKAGES: [&str; 6] = ["venv", "env", "tests", "test", "docs", "examples"];
const ASGI: [&str; 6] = ["fastapi", "starlette", "quart", "sanic", "litestar", "blacksheep"];

#[cfg(test)]
mod tests;
