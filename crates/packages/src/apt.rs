//! apt and dpkg-deb, used without root: apt with folders of its own, dpkg-deb only to unpack.
//!
//! From the system come the sources, keys, preferences and proxies (all of `/etc/apt`) and the
//! record of what is installed, so that only missing packages are fetched. A source of a third
//! party that is out of order does not matter as long as the packages are found: `apt-get update`
//! may therefore fail, and what it said is told only if the download fails too.
//! Options: apt.conf(5) and `/usr/share/doc/apt/examples/configure-index`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::process::Command;

use crate::command::run;
use crate::{Error, at, find};

/// The two programs, and the folder apt keeps its state in.
pub(crate) struct Apt {
    apt_get: PathBuf,
    dpkg_deb: PathBuf,
    state: PathBuf,
}

impl Apt {
    /// Looks for the programs on `path`.
    pub(crate) fn find(path: &OsStr, cache: &Path) -> Result<Apt, Error> {
        let program = |name| find(name, path, &[]).ok_or(Error::NoApt(name));
        let (apt_get, dpkg_deb) = (program("apt-get")?, program("dpkg-deb")?);
        Ok(Apt { apt_get, dpkg_deb, state: cache.join("apt") })
    }

    /// Downloads the packages and what they need into `archives`. Lists younger than a day are good
    /// enough, unless the download fails with them: then they are read anew, once.
    pub(crate) async fn download(
        &self,
        packages: &[&str],
        archives: &Path,
        progress: &mut impl FnMut(&str),
    ) -> Result<(), Error> {
        self.prepare()?;
        if self.lists_are_fresh() && self.install(packages, archives, progress).await.is_ok() {
            return Ok(());
        }
        progress("reading the distribution's package lists");
        let warnings = match self.update(archives).await {
            Ok(said) => said,
            Err(error) => error.to_string(),
        };
        fs::write(self.stamp(), "").map_err(at(&self.stamp()))?;
        let installed = self.install(packages, archives, progress).await;
        installed.map_err(|error| {
            // The next attempt shall not trust these lists.
            let _ = fs::remove_file(self.stamp());
            with_warnings(error, &warnings)
        })
    }

    /// Unpacks every archive over `root`, without running any script of a package.
    pub(crate) async fn unpack(
        &self,
        archives: &Path,
        root: &Path,
        progress: &mut impl FnMut(&str),
    ) -> Result<(), Error> {
        let mut debs: Vec<PathBuf> = fs::read_dir(archives)
            .map_err(at(archives))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension() == Some(OsStr::new("deb")))
            .collect();
        debs.sort();
        progress("unpacking");
        for deb in debs {
            let mut command = Command::new(&self.dpkg_deb);
            command.arg("--extract").arg(&deb).arg(root);
            run(&format!("unpacking {}", deb.display()), command, UNPACK_LIMIT, |_| {}).await?;
        }
        Ok(())
    }

    fn prepare(&self) -> Result<(), Error> {
        let partial = self.state.join("lists/partial");
        fs::create_dir_all(&partial).map_err(at(&partial))?;
        fs::write(self.conf(), CONF).map_err(at(&self.conf()))
    }

    fn lists_are_fresh(&self) -> bool {
        let age = |at: SystemTime| at.elapsed().unwrap_or(Duration::MAX);
        fs::metadata(self.stamp())
            .and_then(|meta| meta.modified())
            .is_ok_and(|at| age(at) < LISTS_FRESH)
    }

    async fn update(&self, archives: &Path) -> Result<String, Error> {
        let mut command = self.apt_get(archives);
        command.arg("update");
        run("apt-get update", command, UPDATE_LIMIT, |_| {}).await
    }

    /// `--reinstall` brings packages that are named and installed already; without it the folder
    /// would lack them.
    async fn install(
        &self,
        packages: &[&str],
        archives: &Path,
        progress: &mut impl FnMut(&str),
    ) -> Result<(), Error> {
        let mut command = self.apt_get(archives);
        command.args(["install", "--yes", "--download-only", "--reinstall"]);
        command.args(["--no-install-recommends", "--"]).args(packages);
        let what = format!("apt-get install --download-only {}", packages.join(" "));
        let said = run(&what, command, INSTALL_LIMIT, |line| {
            if let Some(text) = progress_of(line) {
                progress(&text);
            }
        });
        let told = said.await?;
        let fetched = fs::read_dir(archives).map_err(at(archives))?.flatten();
        match fetched.into_iter().any(|entry| entry.path().extension() == Some("deb".as_ref())) {
            true => Ok(()),
            false => Err(Error::Failed { command: what, how: "nothing was fetched".into(), told }),
        }
    }

    /// apt-get with every folder it writes to below ours. Paths are given as arguments, where,
    /// unlike in a configuration file, any character stands for itself.
    fn apt_get(&self, archives: &Path) -> Command {
        let mut command = Command::new(&self.apt_get);
        command.arg("--quiet").arg("--config-file").arg(self.conf());
        let folders: [(&str, &Path); 5] = [
            ("Dir::State", &self.state),
            ("Dir::State::lists", &self.state.join("lists")),
            ("Dir::Cache", &self.state),
            ("Dir::Cache::archives", archives),
            ("Dir::Log", &self.state),
        ];
        for (key, folder) in folders {
            let mut option = OsString::from(key);
            option.push("=");
            option.push(folder);
            command.arg("--option").arg(option);
        }
        command
    }

    fn conf(&self) -> PathBuf {
        self.state.join("apt.conf")
    }

    fn stamp(&self) -> PathBuf {
        self.state.join("lists-read")
    }
}

/// What a line of apt-get means to somebody who waits; None if nothing.
fn progress_of(line: &str) -> Option<String> {
    if let Some(size) = line.strip_prefix("Need to get ") {
        return Some(format!("fetching {}", size.trim_end_matches('.')));
    }
    // Get:3 http://mirror.example/debian bookworm/main amd64 libnuma1 amd64 2.0.16-1 [21.0 kB]
    let mut words = line.strip_prefix("Get:")?.split(' ');
    words.nth(4).map(|package| format!("fetching {package}"))
}

/// A failed download is often explained by what the update before it complained of.
fn with_warnings(error: Error, warnings: &str) -> Error {
    match error {
        Error::Failed { command, how, told } if !warnings.is_empty() => {
            Error::Failed { command, how, told: format!("{warnings}\n{told}") }
        }
        other => other,
    }
}

/// Read after the system's own configuration. No lock is taken, because the system's can't be; ours
/// stands in for it. Hooks of the system are for the system's folders. The sandbox would be another
/// user, who can't write here.
const CONF: &str = r#"
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "2";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
"#;

const LISTS_FRESH: Duration = Duration::from_hours(24);
const UPDATE_LIMIT: Duration = Duration::from_mins(3);
const INSTALL_LIMIT: Duration = Duration::from_mins(8);
const UNPACK_LIMIT: Duration = Duration::from_mins(2);
