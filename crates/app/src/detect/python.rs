//! Python applications, told from their source text alone.
//!
//! The rules, in their order:
//!
//! ```text
//!   app = "module:callable"
//!   manage.py that names DJANGO_SETTINGS_MODULE              Django, by its wsgi.py
//!   app.py, wsgi.py, main.py, application.py, a package,
//!     importing flask, with `Flask(` or `create_app`          Flask
//!   main.py, app.py, asgi.py, api.py, application.py,
//!     the same in a package or its `__init__.py`,
//!     importing fastapi, with `FastAPI(` or `create_app`      FastAPI
//!     the same of other frameworks                           Starlette, ASGI
//!   wsgi.py, asgi.py or app.py with `application` or `app`   WSGI, ASGI
//! ```
//! The names of the kinds are for people: which interface a callable speaks, the worker sees for
//! itself when it has loaded it.

mod source;

use super::{Folder, Found, Kind};
use crate::Error;
use source::Source;

/// What speaks WSGI or ASGI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Python {
    /// A Flask application.
    Flask,
    /// A Django project.
    Django {
        /// Its settings module, for DJANGO_SETTINGS_MODULE.
        settings: String,
    },
    /// A FastAPI application.
    FastApi,
    /// A Starlette application.
    Starlette,
    /// Any WSGI callable.
    Wsgi,
    /// Any ASGI callable.
    Asgi,
}

impl Python {
    /// The kind's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Python::Flask => "Flask",
            Python::Django { .. } => "Django",
            Python::FastApi => "FastAPI",
            Python::Starlette => "Starlette",
            Python::Wsgi => "WSGI",
            Python::Asgi => "ASGI",
        }
    }
}

/// The first rule that matches.
pub(super) fn find(folder: &dyn Folder) -> Result<Option<Found>, Error> {
    if let Some(found) = django(folder, WSGI_FILE)? {
        return Ok(Some(found));
    }
    Ok(flask(folder).or_else(|| async_framework(folder, &FRAMEWORKS)).or_else(|| plain(folder)))
}

/// What the settings ask for: a kind, or `module:callable`. An error: `app` is neither.
pub(super) fn asked(folder: &dyn Folder, app: &str) -> Result<Option<Found>, Error> {
    let files = [WSGI_FILE, PLAIN_FILE];
    match app {
        "django" => django(folder, WSGI_FILE),
        "flask" => Ok(flask(folder)),
        "fastapi" => Ok(async_framework(folder, &FRAMEWORKS[..1])),
        "starlette" => Ok(async_framework(folder, &FRAMEWORKS[1..2])),
        "wsgi" => Ok(files.into_iter().find_map(|file| plain_in(folder, file))),
        "asgi" => asgi(folder),
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
        Some("fastapi") => {
            "main.py, app.py, asgi.py, api.py or application.py, also in a package, that imports \
             fastapi and has `app = FastAPI(` or `def create_app(`"
        }
        Some("starlette") => {
            "main.py, app.py, asgi.py, api.py or application.py, also in a package, that imports \
             starlette and has `app = Starlette(` or `def create_app(`"
        }
        Some("wsgi") => "wsgi.py or app.py with `application` or `app`",
        Some("asgi") => {
            "an asgi.py beside Django's settings; `app = FastAPI(` and its like in main.py, \
             app.py, asgi.py, api.py, application.py or a package; asgi.py or app.py with \
             `application` or `app`"
        }
        _ => {
            "manage.py (Django); app.py, main.py, wsgi.py, asgi.py or a package with \
             `app = Flask(`, `app = FastAPI(` or `def create_app(`; wsgi.py, asgi.py or app.py \
             with `application` or `app`"
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
        None => kind_of(&Source::new(&shown)),
    };
    let reason = format!("davy.toml says app = \"{name}\"");
    let kind = Kind::Python(kind);
    Ok(Found { kind, callable: Some(name.to_owned()), file: file.unwrap_or(module.into()), reason })
}

/// What a named module seems to be.
fn kind_of(source: &Source<'_>) -> Python {
    if source.imports("flask") {
        return Python::Flask;
    }
    let known = FRAMEWORKS.iter().find(|framework| source.imports(framework.package));
    known.map_or(Python::Wsgi, |framework| framework.kind.clone())
}

/// A Django project, by the callable in its wsgi.py or asgi.py.
fn django(folder: &dyn Folder, entry: &str) -> Result<Option<Found>, Error> {
    let Some(settings) = django_settings(folder) else { return Ok(None) };
    // `a.b.settings` has its wsgi.py in a/b or, when settings is a package, in a.
    let beside = settings
        .char_indices()
        .rev()
        .filter(|(_, c)| *c == '.')
        .map(|(at, _)| format!("{}/{entry}", settings[..at].replace('.', "/")));
    let elsewhere = folder.folders().into_iter().map(|name| format!("{name}/{entry}"));
    let file = beside.chain(elsewhere).find(|file| {
        folder.text(file).is_some_and(|text| Source::new(&text).names().contains(&"application"))
    });
    let entry = entry.to_owned();
    let Some(file) = file else { return Err(Error::NoDjangoCallable { settings, entry }) };
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
    Some(match plain_in(folder, WSGI_FILE) {
        Some(entry) => Found {
            kind: Kind::Python(Python::Flask),
            reason: format!("{}, {}", in_package.reason, entry.reason),
            ..entry
        },
        None => in_package,
    })
}

fn flask_in(folder: &dyn Folder, file: &str) -> Option<Found> {
    made_by(&FLASK, file, &Source::new(&folder.text(file)?))
}

/// What a framework's module has for the server: an object of the framework's class, else a
/// factory.
fn made_by(framework: &Framework, file: &str, source: &Source<'_>) -> Option<Found> {
    let Framework { package, class, ref kind } = *framework;
    if !source.imports(package) {
        return None;
    }
    let made = source.called(class);
    let (callable, shown) = if let Some(name) = preferred(&made).or(made.first().copied()) {
        (name.to_owned(), format!("{name} = {class}("))
    } else if let Some(name) = preferred(&source.bound()) {
        (name.to_owned(), format!("{name} ="))
    } else {
        let factory = FACTORIES.into_iter().find(|name| source.defined().contains(name))?;
        (format!("{factory}()"), format!("def {factory}"))
    };
    let reason = format!("{file} imports {package} and has `{shown}`");
    Some(found(kind.clone(), file, &callable, reason))
}

/// An application of one of these frameworks; each file is looked at for all of them.
fn async_framework(folder: &dyn Folder, frameworks: &[Framework]) -> Option<Found> {
    let inside = packages(folder).flat_map(|init| {
        let package = init.trim_end_matches("__init__.py").to_owned();
        ASGI_FILES.iter().map(move |file| format!("{package}{file}")).chain([init])
    });
    ASGI_FILES.iter().map(|file| (*file).to_owned()).chain(inside).find_map(|file| {
        let text = folder.text(&file)?;
        let source = Source::new(&text);
        frameworks.iter().find_map(|framework| made_by(framework, &file, &source))
    })
}

/// What `app = "asgi"` asks for.
fn asgi(folder: &dyn Folder) -> Result<Option<Found>, Error> {
    if let Some(found) = django(folder, ASGI_FILE)? {
        return Ok(Some(found));
    }
    let files = [ASGI_FILE, PLAIN_FILE];
    let plain = || files.into_iter().find_map(|file| plain_in(folder, file));
    Ok(async_framework(folder, &FRAMEWORKS).or_else(plain).map(|mut found| {
        if found.kind == Kind::Python(Python::Wsgi) {
            found.kind = Kind::Python(Python::Asgi);
        }
        found
    }))
}

/// A callable of the usual name in a file of the usual name, of no framework that is known here.
fn plain(folder: &dyn Folder) -> Option<Found> {
    [WSGI_FILE, ASGI_FILE, PLAIN_FILE].into_iter().find_map(|file| plain_in(folder, file))
}

fn plain_in(folder: &dyn Folder, file: &str) -> Option<Found> {
    let text = folder.text(file)?;
    let source = Source::new(&text);
    let name = preferred(&source.names())?;
    let speaks_asgi = file == ASGI_FILE || source.is_coroutine(name);
    let kind = if speaks_asgi { Python::Asgi } else { Python::Wsgi };
    Some(found(kind, file, name, format!("{file} has `{name}`")))
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

/// A framework, and how its applications are made.
struct Framework {
    package: &'static str,
    class: &'static str,
    kind: Python,
}

const FLASK: Framework = Framework { package: "flask", class: "Flask", kind: Python::Flask };
/// FastAPI is first, as it is made of Starlette and often imports from it.
const FRAMEWORKS: [Framework; 6] = [
    Framework { package: "fastapi", class: "FastAPI", kind: Python::FastApi },
    Framework { package: "starlette", class: "Starlette", kind: Python::Starlette },
    Framework { package: "quart", class: "Quart", kind: Python::Asgi },
    Framework { package: "litestar", class: "Litestar", kind: Python::Asgi },
    Framework { package: "sanic", class: "Sanic", kind: Python::Asgi },
    Framework { package: "blacksheep", class: "Application", kind: Python::Asgi },
];
const FLASK_FILES: [&str; 4] = ["app.py", "wsgi.py", "main.py", "application.py"];
const ASGI_FILES: [&str; 5] = ["main.py", "app.py", "asgi.py", "api.py", "application.py"];
const WSGI_FILE: &str = "wsgi.py";
const ASGI_FILE: &str = "asgi.py";
const PLAIN_FILE: &str = "app.py";
const FACTORIES: [&str; 2] = ["create_app", "make_app"];
const NO_PACKAGES: [&str; 6] = ["venv", "env", "tests", "test", "docs", "examples"];

#[cfg(test)]
mod tests;
