//! Why a folder can't become a running application. Each message says what to do next.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a folder can't become a running application.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No rule of detection matched.
    #[error(
        "no application found. Looked for {looked_for}.\n\
         Name it in davy.toml, with the module and what is to be called in it: \
         app = \"module:callable\""
    )]
    NotFound {
        /// What was looked for.
        looked_for: String,
    },
    /// The `app` setting can't be understood.
    #[error(
        "app = {0:?} is neither a kind (such as \"flask\", \"django\", \"static\") nor the name of a \
         callable, like \"module:callable\" or \"module:create_app()\""
    )]
    App(String),
    /// Django without the callable that was asked for.
    #[error(
        "manage.py speaks of the settings {settings}, but no {entry} with an `application` lies \
         beside them.\nName the callable in davy.toml: app = \"module:callable\""
    )]
    NoDjangoCallable {
        /// The settings module.
        settings: String,
        /// The file that was looked for.
        entry: String,
    },
    /// Dependencies that can't be understood.
    #[error("{file}: {reason}")]
    Dependencies {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A time zone that the machine does not know.
    #[error(
        "there is no time zone {zone:?} on this machine.\nWrite it like `Europe/Berlin`, or \
         install the zones (Debian, Ubuntu: apt install tzdata)"
    )]
    UnknownZone {
        /// Its name.
        zone: String,
    },
    /// There is no interpreter.
    #[error(
        "no python3 on the PATH ({path}).\nInstall Python 3.9 or newer (Debian, Ubuntu: apt \
         install python3 python3-venv)"
    )]
    NoPython {
        /// The PATH that was searched.
        path: String,
    },
    /// There is none of the version that the project asks for.
    #[error(
        ".python-version asks for Python {version}, and no such python is on the PATH{seen}.\n\
         Install Python {version}, or change or remove .python-version"
    )]
    NoSuchPython {
        /// The version, as `3.12`.
        version: String,
        /// What is there instead.
        seen: String,
    },
    /// The interpreter does not do.
    #[error("{}: {reason}", .path.display())]
    Python {
        /// The interpreter.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// There is no Ruby.
    #[error(
        "no ruby on the PATH ({path}).\nInstall Ruby 3.1 or newer (Debian, Ubuntu: apt install \
         ruby bundler)"
    )]
    NoRuby {
        /// The PATH that was searched.
        path: String,
    },
    /// The Ruby does not do.
    #[error("{}: {reason}", .path.display())]
    Ruby {
        /// The interpreter.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// pip can't be had.
    #[error(
        "this Python has no ensurepip, and pip could not be fetched: {0}\nInstall python3-venv \
         (Debian, Ubuntu: apt install python3-venv)"
    )]
    NoPip(String),
    /// There is no PHP.
    #[error(
        "no php-fpm and no php-cgi, neither on the PATH ({path}) nor in /usr/sbin.\nInstall PHP \
         (Debian, Ubuntu: apt install php-fpm)"
    )]
    NoPhp {
        /// The PATH that was searched.
        path: String,
    },
    /// PHP does not do.
    #[error("{}: {reason}", .path.display())]
    Php {
        /// The program.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Packages are needed, and there is no Composer.
    #[error(
        "composer.json asks for packages, vendor/ is {vendor}, and there is no composer on the \
         PATH.\nInstall it (Debian, Ubuntu: apt install composer), or put vendor/ there: composer \
         install --no-dev"
    )]
    NoComposer {
        /// How vendor/ is.
        vendor: &'static str,
    },
    /// A program failed.
    #[error("{what} failed ({how}){}{told}{}{advice}", gap(.told), gap(.advice))]
    Failed {
        /// What was run, and what for.
        what: String,
        /// How it ended.
        how: String,
        /// The last lines it said.
        told: String,
        /// What to do, where that can be told.
        advice: String,
    },
    /// A program was stopped because it took too long.
    #[error("{what} was stopped after {} s{}{told}", .limit.as_secs(), gap(.told))]
    TimedOut {
        /// What was run, and what for.
        what: String,
        /// The time it was given.
        limit: Duration,
        /// The last lines it said.
        told: String,
    },
    /// A file or folder can't be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { path: path.to_owned(), source }
    }
}

fn gap(text: &str) -> &'static str {
    if text.is_empty() { "" } else { "\n" }
}
