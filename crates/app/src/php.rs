//! The PHP that runs a site: php-fpm or php-cgi, whichever is installed, asked once what it is.
//!
//! ```text
//!   Php::find     php-fpm8.2, 8.2.36, its modules, its limits of uploads
//!   composer      vendor/, when composer.lock has changed
//!   pool          the configuration: as many children as the queue opens connections
//!   server        the process, and when it is ready
//! ```
//! davy never touches the system's PHP services or their configuration: it starts a PHP of its own
//! for the site, with php.ini as the distribution has it.

pub mod composer;
mod extensions;
mod pool;
mod server;

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flow::control::Access;
use proc::Own;

use crate::Error;
use crate::program::Program;

pub use extensions::missing;
pub use server::{Event, Server, Settings, Status};

/// An installed PHP that speaks FastCGI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Php {
    /// The program.
    pub path: PathBuf,
    /// Which of the two it is.
    pub kind: Kind,
    /// `8.2.36`.
    pub version: String,
    /// The names of its extensions, in lower case.
    pub modules: Vec<String>,
    /// `upload_max_filesize` of php.ini, in bytes.
    pub upload_bytes_max: u64,
}

/// The two programs that speak FastCGI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The process manager, with a configuration of davy's.
    Fpm,
    /// The plain program, which forks its children itself.
    Cgi,
}

impl Php {
    /// Finds the newest php-fpm, or else php-cgi, on `path` and where distributions keep them.
    pub async fn find(own: &Own, path: &OsStr, project: &Path) -> Result<Php, Error> {
        let folders: Vec<PathBuf> =
            std::env::split_paths(path).chain(ELSEWHERE.map(PathBuf::from)).collect();
        let of = |kind: Kind| newest(&folders, kind.name()).map(|path| (path, kind));
        let (path, kind) = of(Kind::Fpm)
            .or_else(|| of(Kind::Cgi))
            .ok_or_else(|| Error::NoPhp { path: path.to_string_lossy().into_owned() })?;
        let lines = ask(own, &path, project, "-v").await?;
        let version = lines.first().and_then(|line| version(line)).ok_or_else(|| Error::Php {
            path: path.clone(),
            reason: "it does not answer as PHP does; check `php-fpm -v`".to_owned(),
        })?;
        let modules = ask(own, &path, project, "-m").await?;
        let modules = modules.iter().map(|line| line.trim().to_lowercase()).collect();
        let settings = ask(own, &path, project, "-i").await?;
        let upload_bytes_max = settings
            .iter()
            .find_map(|line| {
                line.split_once("upload_max_filesize").and_then(|(_, rest)| size(rest))
            })
            .unwrap_or(UPLOAD_BYTES_USUAL);
        Ok(Php { path, kind, version, modules, upload_bytes_max })
    }

    /// `8.2`.
    pub fn short_version(&self) -> &str {
        self.version.rsplit_once('.').map_or(&self.version, |(short, _)| short)
    }

    /// `upload_max_filesize` for a site: a `.user.ini` in its root has the last word.
    pub fn upload_bytes_max(&self, root: &Path) -> u64 {
        let text = std::fs::read_to_string(root.join(".user.ini")).unwrap_or_default();
        let lines = text.lines().map(str::trim).rev();
        let said = lines.filter_map(|line| size(line.strip_prefix("upload_max_filesize")?)).next();
        said.unwrap_or(self.upload_bytes_max)
    }
}

impl Kind {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Fpm => "php-fpm",
            Kind::Cgi => "php-cgi",
        }
    }
}

/// What PHP applications call their database, besides what all are told. The host is always
/// "localhost": PHP is started so that this is the site's socket.
pub fn variables(access: &Access, url: &str) -> [(&'static str, String); 10] {
    [
        ("DB_URL", url.to_owned()),
        ("DB_CONNECTION", "mysql".to_owned()),
        ("DB_HOST", "localhost".to_owned()),
        ("DB_PORT", "3306".to_owned()),
        ("DB_SOCKET", access.socket.to_string_lossy().into_owned()),
        ("DB_NAME", access.database.clone()),
        ("DB_DATABASE", access.database.clone()),
        ("DB_USER", access.user.clone()),
        ("DB_USERNAME", access.user.clone()),
        ("DB_PASSWORD", access.password.clone()),
    ]
}

/// The program of that name, or the one with the highest version behind its name.
fn newest(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let mut found: Vec<((u32, u32), PathBuf)> = Vec::new();
    for folder in folders {
        let plain = folder.join(name);
        if is_executable(&plain) {
            return Some(plain);
        }
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        found.extend(entries.take(ENTRIES_MAX).filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let (major, minor) = file.strip_prefix(name)?.split_once('.')?;
            let version = (major.parse().ok()?, minor.parse().ok()?);
            let path = entry.path();
            is_executable(&path).then_some((version, path))
        }));
    }
    found.into_iter().max().map(|(_, path)| path)
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// Runs PHP with one option, and gives its lines.
async fn ask(own: &Own, php: &Path, project: &Path, option: &str) -> Result<Vec<String>, Error> {
    let lines = Mutex::new(Vec::new());
    let keep = |line: &str| {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_MAX {
            lines.push(line.to_owned());
        }
    };
    let argv: Vec<OsString> = vec![php.into(), option.into()];
    let what = format!("{} {option}", php.display());
    Program { what: &what, argv, env: Vec::new(), dir: project, limit: LIMIT }
        .run(own, &keep)
        .await?;
    Ok(lines.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// `PHP 8.2.36 (fpm-fcgi) (built: …`.
fn version(line: &str) -> Option<String> {
    let version = line.strip_prefix("PHP ")?.split(['-', ' ', '+', '~']).next()?;
    let numbers = version.split('.').all(|part| part.parse::<u32>().is_ok());
    (numbers && version.contains('.')).then(|| version.to_owned())
}

/// The first size in a text, as PHP writes them: `=> 2M => 2M`, `= "64M"`.
fn size(text: &str) -> Option<u64> {
    let text = &text[text.find(|c: char| c.is_ascii_digit())?..];
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let shift = match text[end..].chars().next().map(|unit| unit.to_ascii_lowercase()) {
        Some('k') => 10,
        Some('m') => 20,
        Some('g') => 30,
        _ => 0,
    };
    number.checked_mul(1 << shift)
}

const ELSEWHERE: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];
const ENTRIES_MAX: usize = 20_000;
const LINES_MAX: usize = 10_000;
const LIMIT: Duration = Duration::from_secs(20);
const UPLOAD_BYTES_USUAL: u64 = 2 << 20;

#[cfg(test)]
mod tests;
