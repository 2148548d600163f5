//! Programs of the distribution: found on the system, or fetched from it without root.
//!
//! A machine that has apt but not MariaDB can still run it: the distribution's own packages are
//! downloaded, checked by apt against the distribution's keys as always, and unpacked into a folder
//! of the cache. Nothing is installed, nothing outside the cache is written, no root is needed.
//!
//! ```text
//!   cache/lock                    one process at a time
//!   cache/apt/{lists,apt.conf}    apt's own state, apart from the system's
//!   cache/mariadb-5c1d….part/     under way: archives/*.deb -> root/
//!   cache/mariadb-5c1d…/          complete: renamed here in one step, then only read
//! ```
//! Only packages that the system lacks are fetched, so a fetched program runs with the system's
//! libraries and, for the rest, with `LD_LIBRARY_PATH` set to [`libraries`].
//!
//! What it never does: skip a signature check, run a package's scripts, or remove a complete
//! folder.

mod apt;
mod command;
mod lock;

use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apt::Apt;

/// Packages wanted from the distribution.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What they are for; the folder's name begins with it.
    pub name: &'a str,
    /// The distribution's names of the packages. What they depend on comes along.
    pub packages: &'a [&'a str],
    /// The folder below which everything is kept; made if it is not there.
    pub cache: &'a Path,
    /// The PATH on which `apt-get` and `dpkg-deb` are looked for.
    pub path: &'a OsStr,
}

/// Why packages could not be fetched. Each says what to do, or what the program in question said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine has no apt.
    #[error("{0} is not on this system, and only with it can davy fetch packages by itself")]
    NoApt(&'static str),
    /// A program said no.
    #[error("{command} failed ({how}):\n{told}")]
    Failed {
        /// Which program, and what for.
        command: String,
        /// How it ended.
        how: String,
        /// The last lines it said.
        told: String,
    },
    /// A program was stopped because it took too long.
    #[error("{command} was stopped after {} s:\n{told}", .limit.as_secs())]
    TimedOut {
        /// Which program, and what for.
        command: String,
        /// The time it was given.
        limit: Duration,
        /// The last lines it said.
        told: String,
    },
    /// Another process has been fetching for too long.
    #[error("another davy has been holding {} for {} s", .path.display(), .limit.as_secs())]
    Held {
        /// The lock.
        path: PathBuf,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The cache can't be written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Makes sure the packages lie unpacked in the cache and returns the folder that stands for `/`.
///
/// The first time it takes some seconds and the network; after that it only looks whether the
/// folder is there. `progress` is told in a few words what is being done. Safe against other
/// processes doing the same, and against being dropped or killed at any point.
pub async fn fetch(request: Request<'_>, mut progress: impl FnMut(&str)) -> Result<PathBuf, Error> {
    let root = root(request);
    if root.is_dir() {
        return Ok(root);
    }
    let apt = Apt::find(request.path, request.cache)?;
    fs::create_dir_all(request.cache).map_err(at(request.cache))?;
    let _lock = lock::acquire(&request.cache.join("lock"), LOCK_LIMIT, &mut progress).await?;
    if !root.is_dir() {
        make(&apt, request.packages, &root, &mut progress).await?;
    }
    Ok(root)
}

/// Fetches and unpacks below a name that nobody looks at, then renames.
async fn make(
    apt: &Apt,
    packages: &[&str],
    root: &Path,
    progress: &mut impl FnMut(&str),
) -> Result<(), Error> {
    let part = root.with_extension("part");
    remove(&part)?;
    let (archives, unpacked) = (part.join("archives"), part.join("root"));
    for folder in [archives.join("partial"), unpacked.clone()] {
        fs::create_dir_all(&folder).map_err(at(&folder))?;
    }
    apt.download(packages, &archives, progress).await?;
    apt.unpack(&archives, &unpacked, progress).await?;
    fs::rename(&unpacked, root).map_err(at(root))?;
    remove(&part)
}

/// A program on `path`, else in one of the folders `extra` (such as `/usr/sbin`, which is not on
/// everybody's PATH).
pub fn find(program: &str, path: &OsStr, extra: &[&str]) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders
        .chain(extra.iter().map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| is_program(file))
}

/// The folders below a fetched `root` that hold shared libraries, for `LD_LIBRARY_PATH`.
pub fn libraries(root: &Path) -> Vec<PathBuf> {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    ["usr/lib", "lib"]
        .iter()
        .flat_map(|lib| [root.join(lib).join(&triplet), root.join(lib)])
        .filter(|folder| folder.is_dir())
        .collect()
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The folder's name changes with the request and with the distribution's release: what was fetched
/// for one release is not run on another.
fn root(request: Request<'_>) -> PathBuf {
    let mut hash = Fnv(FNV_OFFSET);
    (request.packages, std::env::consts::ARCH, release("/etc/os-release")).hash(&mut hash);
    request.cache.join(format!("{}-{:016x}", request.name, hash.finish()))
}

/// The lines that name the distribution's release, but not its point releases.
fn release(file: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let named = |line: &&str| {
        ["ID=", "VERSION_ID=", "VERSION_CODENAME="].iter().any(|key| line.starts_with(key))
    };
    text.lines().filter(named).map(str::to_owned).collect()
}

/// The 64-bit FNV-1a hash: the same in every build, which the standard hasher does not promise.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(folder)(error)),
        _ => Ok(()),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Io { path, source }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Longer than a fetch may take: whoever waits gets the other's result rather than an error.
const LOCK_LIMIT: Duration = Duration::from_mins(15);

#[cfg(test)]
mod tests;
