//! Python applications, told from their source text alone.
//!
//! The rules, in their order:
//!
//! ```text
//!   app = "module:callable"
//!   manage.py that names DJANGO_SETTINGS_MODULE              Django
//!   app.py, wsgi.py, main.py, application.py, a package,
//!     importing flask, with `Flask(` or `create_app`          Flask
//!   wsgi.py or app.py with `application` or `app`            WSGI
//! ```

mod source;

use super::{Folder, Found, Kind};
use crate::Error;
use source::Source;

/// What speaks WSGI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Python {
    /// A Flask application.
    Flask,
    /// A Django project.
    Django {
        /// Its settings module, for DJANGO_SETTINGS_MODULE.
        settings: String,
    },
    /// Any WSGI callable.
    Wsgi,
}

impl Python {
    /// The kind's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Python::Flask => "Flask",
            Python::Django { .. } => "Django",
            Python::Wsgi => "WSGI",
        }
    }
}

/// The first rule that matches.
pub(super) fn find(folder: &dyn Folder) -> Result<Option<Found>, Error> {
    if let Some(found) = django(folder)? {
        return Ok(Some(found));
    }
    match flask(folder) {
        Some(found) => Ok(Some(found)),
        None => wsgi(folder),
    }
}

/// What the settings ask for: a kind, or `module:callable`. An error: `app` is neither.
pub(super) fn asked(folder: &dyn Folder, app: &str) -> Result<Option<Found>, Error> {
    match app {
        "django" => django(folder),
        "flask" => Ok(flask(folder)),
        "wsgi" => wsgi(folder),
        name => named(folder, name).map(Some),
    }
}

/// What was looked for in vain.
pub(super) fn looked_for(app: Option<&str>) -> &'static str {
    match app {
        Some("django") => "manage.py with DJANGO_SETTINGS_MODULE",
        Some("flask") => {
            "app.py, wsgi.py, main.py, application.py or a package that imports flask and has \
             `app = Flask(` or `def create_app(`"
        }
        Some("wsgi") => "wsgi.py or app.py with `application` or `app`",
        _ => {
            "manage.py (Django); app.py, wsgi.py, main.py, application.py or a package with \
             `app = Flask(` or `def create_app(`; wsgi.py or app.py with `application` or `app`"
        }
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
        Some(settings) => Python::Django { settings },
        None if Source::new(&shown).imports("flask") => Python::Flask,
        None => Python::Wsgi,
    };
    let reason = format!("davy.toml says app = \"{name}\"");
    let kind = Kind::Python(kind);
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
    Ok(Some(found(Python::Django { settings }, &file, "application", reason)).map(|mut found| {
        // People know a Django project by its manage.py.
        found.file = "manage.py".to_owned();
        found
    }))
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
            kind: Kind::Python(Python::Flask),
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
    Some(found(Python::Flask, file, &callable, reason))
}

fn wsgi(folder: &dyn Folder) -> Result<Option<Found>, Error> {
    for file in WSGI_FILES {
        let Some(text) = folder.text(file) else { continue };
        let source = Source::new(&text);
        let Some(name) = preferred(&source.names()) else { continue };
        no_asgi(file, &source)?;
        let reason = format!("{file} has `{name}`");
        return Ok(Some(found(Python::Wsgi, file, name, reason)));
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

fn found(kind: Python, file: &str, callable: &str, reason: String) -> Found {
    let callable = Some(format!("{}:{callable}", module_of(file)));
    Found { kind: Kind::Python(kind), callable, file: file.to_owned(), reason }
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

const FLASK_FILES: [&str; 4] = ["app.py", "wsgi.py", "main.py", "application.py"];
const WSGI_FILES: [&str; 2] = ["wsgi.py", "app.py"];
const FACTORIES: [&str; 2] = ["create_app", "make_app"];
const NO_PACKAGES: [&str; 6] = ["venv", "env", "tests", "test", "docs", "examples"];
const ASGI: [&str; 6] = ["fastapi", "starlette", "quart", "sanic", "litestar", "blacksheep"];

#[cfg(test)]
mod tests;
